package metrics_test

import (
	"context"
	"fmt"

	"github.com/otelkit/kit/otelkit/metrics"
)

// Catalog holds what the example's shop records.
var Catalog = metrics.NewCatalog("example.com/shop")

// Method is how a shopper pays.
type Method string

// The ways to pay.
const (
	Card   Method = "card"
	PayPal Method = "paypal"
)

// Values makes Method a closed set.
func (Method) Values() []Method { return []Method{Card, PayPal} }

// PaymentAttrs distinguishes one series of Payments from another.
type PaymentAttrs struct {
	Method   Method `attr:"shop.payment.method"`
	Declined bool   `attr:"shop.payment.declined"`
}

// Payments counts payments.
var Payments = metrics.NewCounter[PaymentAttrs](Catalog, metrics.Definition{
	Name: "shop.payments",
	Unit: "{payment}",
	Help: "Payments that ended, by method and whether they were declined.",
})

func Example() {
	ctx := context.Background()
	if err := Catalog.Err(); err != nil { // otelkit.Start does this
		fmt.Println(err)
		return
	}
	Payments.Add(ctx, 1, PaymentAttrs{Method: Card})
	Payments.Add(ctx, 1, PaymentAttrs{Method: PayPal, Declined: true})

	for _, m := range Catalog.Metrics() {
		fmt.Printf("%s %s: at most %d series\n", m.Kind, m.Name, m.Series())
	}
	// Output: counter shop.payments: at most 6 series
}
