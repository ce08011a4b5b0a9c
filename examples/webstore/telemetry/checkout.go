package telemetry

import "github.com/otelkit/kit/otelkit/metrics"

// CheckoutOutcome is how an attempt to check out ended.
type CheckoutOutcome string

// The ends of a checkout. A request that is wrong, such as one with an empty
// cart, is none: it never became a checkout.
const (
	CheckoutCompleted     CheckoutOutcome = "completed"      // paid, and all of it in stock
	CheckoutDelayed       CheckoutOutcome = "delayed"        // paid, but something sold out meanwhile
	CheckoutDeclined      CheckoutOutcome = "declined"       // the payment was refused: the shopper's affair
	CheckoutOutOfStock    CheckoutOutcome = "out_of_stock"   // sold out before money moved
	CheckoutUnavailable   CheckoutOutcome = "unavailable"    // nobody could say whether the payment went through: the order is pending
	CheckoutCancelled     CheckoutOutcome = "cancelled"      // paid, sold out, and the money given back
	CheckoutCouponRefused CheckoutOutcome = "coupon_refused" // the coupon does not hold: the shopper's affair
	CheckoutFailed        CheckoutOutcome = "failed"         // our fault
)

// Values is every outcome.
func (CheckoutOutcome) Values() []CheckoutOutcome {
	return []CheckoutOutcome{
		CheckoutCompleted, CheckoutDelayed, CheckoutDeclined,
		CheckoutOutOfStock, CheckoutUnavailable, CheckoutCancelled,
		CheckoutCouponRefused, CheckoutFailed,
	}
}

// CheckoutAttrs tells one series of checkouts from another.
type CheckoutAttrs struct {
	Market  Market          `attr:"webstore.market"`
	Method  PaymentMethod   `attr:"webstore.payment.method"`
	Outcome CheckoutOutcome `attr:"webstore.checkout.outcome"`
}

// SaleAttrs tells one series of what was sold from another.
type SaleAttrs struct {
	Market Market        `attr:"webstore.market"`
	Method PaymentMethod `attr:"webstore.payment.method"`
}

var (
	// Checkouts counts attempts to check out. A replay, which changes nothing,
	// is not one.
	Checkouts = metrics.NewCounter[CheckoutAttrs](Shop, metrics.Definition{
		Name: "webstore.checkouts",
		Unit: "{checkout}",
		Help: "Attempts to check out, by how they ended.",
	})

	// CheckoutAmount is what paid orders were worth.
	CheckoutAmount = metrics.NewHistogram[SaleAttrs](Shop, metrics.Definition{
		Name:    "webstore.checkout.amount",
		Unit:    "{USD}",
		Help:    "Value of each paid order in US dollars, converted by a fixed table.",
		Buckets: []float64{10, 25, 50, 100, 200, 350, 500, 750, 1000, 1500, 2500, 5000, 10000},
	})

	// CheckoutReplays counts the repetitions that idempotency made harmless.
	CheckoutReplays = metrics.NewCounter[MarketAttrs](Shop, metrics.Definition{
		Name: "webstore.checkout.replays",
		Unit: "{request}",
		Help: "Checkouts that were repeated with the same Idempotency-Key and answered from the order that exists.",
	})
)
