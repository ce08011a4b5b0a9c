package telemetry

import "github.com/otelkit/kit/otelkit/metrics"

// Dependency is who a service of ours depends on.
type Dependency string

// The dependencies.
const (
	DependsOnPayments        Dependency = "payments"
	DependsOnPromotions      Dependency = "promotions"
	DependsOnInventory       Dependency = "inventory"
	DependsOnCRM             Dependency = "crm"
	DependsOnPaymentProvider Dependency = "payment-provider"
)

// Values is every dependency.
func (Dependency) Values() []Dependency {
	return []Dependency{DependsOnPayments, DependsOnPromotions, DependsOnInventory, DependsOnCRM, DependsOnPaymentProvider}
}

// CallOutcome is how a call of a dependency ended, its retries included.
type CallOutcome string

// The outcomes.
const (
	CallSucceeded   CallOutcome = "success"
	CallRefused     CallOutcome = "refused"      // it said no, as it may: a decline, nothing in stock
	CallFailed      CallOutcome = "error"        // it failed
	CallTimedOut    CallOutcome = "timeout"      // it did not answer in time
	CallUnreachable CallOutcome = "unreachable"  // no connection, or a broken one
	CallCircuitOpen CallOutcome = "circuit_open" // not sent: it has failed too often
)

// Values is every outcome.
func (CallOutcome) Values() []CallOutcome {
	return []CallOutcome{CallSucceeded, CallRefused, CallFailed, CallTimedOut, CallUnreachable, CallCircuitOpen}
}

// CallAttrs tells one series of calls from another. What was asked is the url.template
// of http.client.request.duration, which counts each attempt.
type CallAttrs struct {
	Dependency Dependency  `attr:"webstore.dependency.name"`
	Outcome    CallOutcome `attr:"webstore.dependency.outcome"`
}

// callBuckets are for calls that are retried, up to what a caller waits at most.
var callBuckets = []float64{0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10}

var (
	// ShopCalls is how long main's calls of others take.
	ShopCalls = metrics.NewHistogram[CallAttrs](Shop, metrics.Definition{
		Name:    "webstore.shop.call.duration",
		Unit:    "s",
		Help:    "Time that a call of another service took for main, its retries included.",
		Buckets: callBuckets,
	})

	// PaymentsCalls is how long payments' calls of the payment provider take.
	PaymentsCalls = metrics.NewHistogram[CallAttrs](Payments, metrics.Definition{
		Name:    "webstore.payments.call.duration",
		Unit:    "s",
		Help:    "Time that a call of the payment provider took for payments, its retries included.",
		Buckets: callBuckets,
	})
)
