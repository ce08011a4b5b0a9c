package telemetry

import "github.com/otelkit/kit/otelkit/metrics"

// Payments holds what payments records.
var Payments = metrics.NewCatalog("github.com/otelkit/kit/examples/webstore/payments")

// PaymentOutcome is how a request for a payment ended.
type PaymentOutcome string

// The outcomes.
const (
	PaymentAuthorised  PaymentOutcome = "authorised"
	PaymentDeclined    PaymentOutcome = "declined"    // the provider said no: the payer's affair
	PaymentUnavailable PaymentOutcome = "unavailable" // the provider gave no answer that settles it; the payment is pending
	PaymentFailed      PaymentOutcome = "failed"      // our fault
)

// Values is every outcome.
func (PaymentOutcome) Values() []PaymentOutcome {
	return []PaymentOutcome{PaymentAuthorised, PaymentDeclined, PaymentUnavailable, PaymentFailed}
}

// PaymentAttrs tells one series of payments from another.
type PaymentAttrs struct {
	Market  Market         `attr:"webstore.market"`
	Method  PaymentMethod  `attr:"webstore.payment.method"`
	Outcome PaymentOutcome `attr:"webstore.payment.outcome"`
}

// PaymentDurationAttrs tells one series of durations from another.
type PaymentDurationAttrs struct {
	Market  Market         `attr:"webstore.market"`
	Outcome PaymentOutcome `attr:"webstore.payment.outcome"`
}

// CancellationOutcome is what a request to cancel a payment led to.
type CancellationOutcome string

// The outcomes.
const (
	CancellationVoided      CancellationOutcome = "voided"      // no money was taken, and none will be
	CancellationRefunded    CancellationOutcome = "refunded"    // it was given back
	CancellationUnavailable CancellationOutcome = "unavailable" // the provider did not answer: it is asked again
	CancellationFailed      CancellationOutcome = "failed"      // our fault
)

// Values is every outcome.
func (CancellationOutcome) Values() []CancellationOutcome {
	return []CancellationOutcome{CancellationVoided, CancellationRefunded, CancellationUnavailable, CancellationFailed}
}

// PaymentCancellationAttrs tells one series of cancellations from another.
type PaymentCancellationAttrs struct {
	Market  Market              `attr:"webstore.market"`
	Outcome CancellationOutcome `attr:"webstore.payment.cancellation"`
}

var (
	// PaymentRequests counts requests for a payment. A replay, which changes
	// nothing, is not one.
	PaymentRequests = metrics.NewCounter[PaymentAttrs](Payments, metrics.Definition{
		Name: "webstore.payments",
		Unit: "{payment}",
		Help: "Requests for a payment, by how they ended.",
	})

	// PaymentDuration is the time from a request to its outcome, with all
	// attempts at the provider and the pauses between them.
	PaymentDuration = metrics.NewHistogram[PaymentDurationAttrs](Payments, metrics.Definition{
		Name:    "webstore.payment.duration",
		Unit:    "s",
		Help:    "Time that a payment took, all attempts at the provider included.",
		Buckets: []float64{0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 3, 5, 7.5, 10},
	})

	// PaymentAmount is what was paid.
	PaymentAmount = metrics.NewHistogram[SaleAttrs](Payments, metrics.Definition{
		Name:    "webstore.payment.amount",
		Unit:    "{USD}",
		Help:    "Value of each authorised payment in US dollars, converted by a fixed table.",
		Buckets: []float64{10, 25, 50, 100, 200, 350, 500, 750, 1000, 1500, 2500, 5000, 10000},
	})

	// PaymentCancellations counts payments that were cancelled.
	PaymentCancellations = metrics.NewCounter[PaymentCancellationAttrs](Payments, metrics.Definition{
		Name: "webstore.payment.cancellations",
		Unit: "{cancellation}",
		Help: "Requests to cancel a payment, by what became of the money.",
	})

	// PaymentReplays counts the repetitions that idempotency made harmless.
	PaymentReplays = metrics.NewCounter[MarketAttrs](Payments, metrics.Definition{
		Name: "webstore.payment.replays",
		Unit: "{request}",
		Help: "Requests for a payment that was settled before, answered from what is known.",
	})
)

// AttemptOutcome is how one call of the payment provider for a charge ended.
type AttemptOutcome string

// The outcomes. Those from throttled to unreachable are tried again.
const (
	AttemptAuthorised  AttemptOutcome = "authorised"
	AttemptDeclined    AttemptOutcome = "declined"     // it said no: the payer's affair, or the payment is cancelled
	AttemptRejected    AttemptOutcome = "rejected"     // the provider does not take what we send: our fault
	AttemptThrottled   AttemptOutcome = "throttled"    // too many requests
	AttemptError       AttemptOutcome = "error"        // the provider's fault
	AttemptTimeout     AttemptOutcome = "timeout"      // no answer in time
	AttemptUnreachable AttemptOutcome = "unreachable"  // no connection, or a broken one
	AttemptCircuitOpen AttemptOutcome = "circuit_open" // not sent: the provider has failed too often
)

// Values is every outcome.
func (AttemptOutcome) Values() []AttemptOutcome {
	return []AttemptOutcome{
		AttemptAuthorised, AttemptDeclined, AttemptRejected, AttemptThrottled,
		AttemptError, AttemptTimeout, AttemptUnreachable, AttemptCircuitOpen,
	}
}

// AttemptAttrs tells one series of attempts from another.
type AttemptAttrs struct {
	Market  Market         `attr:"webstore.market"`
	Outcome AttemptOutcome `attr:"webstore.payment_provider.outcome"`
}

// ProviderAttempts counts calls of the payment provider for a charge.
var ProviderAttempts = metrics.NewCounter[AttemptAttrs](Payments, metrics.Definition{
	Name: "webstore.payment_provider.attempts",
	Unit: "{attempt}",
	Help: "Calls of the payment provider for a charge, each attempt counted, by how they ended.",
})
