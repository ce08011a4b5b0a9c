// Package telemetry is what the store measures of its business: every metric of
// its own, once, as a value.
//
// A service records through the value; a dashboard, an alert or an SLO is made
// from the value. Nothing else knows a metric's name:
//
//	telemetry.Checkouts.Add(ctx, 1, telemetry.CheckoutAttrs{
//		Market: telemetry.Germany, Method: telemetry.PayPal, Outcome: telemetry.CheckoutCompleted,
//	})
//
// Each service has a catalog, to be given to otelkit.Start: [Shop] to main,
// [Payments] to payments, [Promotions] to promotions, and [Faults] to all of them. What every service has alike (requests, calls,
// queries) is defined by the packages of otelkit that measure it.
//
// Attributes are closed sets. Who shopped, from where and for what is on spans
// and in logs, never here.
package telemetry

import (
	"slices"

	"github.com/otelkit/kit/otelkit/metrics"
)

// Namespace is the service.namespace of the store's services.
const Namespace = "webstore"

// The service.name of each service that has telemetry.
const (
	MainService       = "main"
	PaymentsService   = "payments"
	PromotionsService = "promotions"
)

// Catalogs is every catalog of the store.
func Catalogs() []*metrics.Catalog { return []*metrics.Catalog{Shop, Payments, Promotions, Faults} }

// Market is where a shopper shops.
type Market string

// The markets that the store sells in.
const (
	UnitedStates  Market = "US"
	UnitedKingdom Market = "UK"
	Germany       Market = "DE"
	France        Market = "FR"
	Japan         Market = "JP"
	Brazil        Market = "BR"
	India         Market = "IN"
)

// Values is every market.
func (Market) Values() []Market {
	return []Market{UnitedStates, UnitedKingdom, Germany, France, Japan, Brazil, India}
}

// PaymentMethod is how a shopper pays.
type PaymentMethod string

// The ways to pay.
const (
	CreditCard PaymentMethod = "credit_card"
	DebitCard  PaymentMethod = "debit_card"
	PayPal     PaymentMethod = "paypal"
)

// Values is every way to pay.
func (PaymentMethod) Values() []PaymentMethod {
	return []PaymentMethod{CreditCard, DebitCard, PayPal}
}

// Known reports whether the store sells in m.
func (m Market) Known() bool { return slices.Contains(m.Values(), m) }

// Known reports whether m is a way to pay.
func (m PaymentMethod) Known() bool { return slices.Contains(m.Values(), m) }
