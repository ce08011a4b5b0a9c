package resilience

import (
	"context"
	"errors"

	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/ratelimiter"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/failsafe-go/failsafe-go/timeout"
	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel/attribute"
)

// Catalog holds the metrics of resilience policies. OpenTelemetry's semantic
// conventions (v1.43.0) have none, hence the namespace of otelkit's own.
var Catalog = metrics.NewCatalog("github.com/otelkit/kit/otelkit/resilience")

// Attributes of span events.
const (
	targetKey  = attribute.Key("otelkit.resilience.target")
	attemptKey = attribute.Key("otelkit.resilience.attempt") // 1 is the first
	causeKey   = attribute.Key("otelkit.resilience.cause")   // the error of the attempt before
)

// Event is what a policy did. It is also the name of the span event.
type Event string

const (
	retried           Event = "retry"
	retriesExceeded   Event = "retries_exceeded"
	retryAborted      Event = "retry_aborted"
	circuitOpened     Event = "circuit_opened"
	circuitHalfOpened Event = "circuit_half_opened"
	circuitClosed     Event = "circuit_closed"
	circuitRefused    Event = "circuit_refused"
	timedOut          Event = "timeout"
	bulkheadFull      Event = "bulkhead_full"
	rateLimited       Event = "rate_limited"
	hedged            Event = "hedge"
)

// Values returns the closed set of events.
func (Event) Values() []Event {
	return []Event{
		retried, retriesExceeded, retryAborted,
		circuitOpened, circuitHalfOpened, circuitClosed, circuitRefused,
		timedOut, bulkheadFull, rateLimited, hedged,
	}
}

// CircuitState is a state of a circuit breaker.
type CircuitState string

const (
	closed   CircuitState = "closed"
	halfOpen CircuitState = "half_open"
	open     CircuitState = "open"
)

// Values returns the three states.
func (CircuitState) Values() []CircuitState { return []CircuitState{closed, halfOpen, open} }

var (
	states = map[circuitbreaker.State]CircuitState{
		circuitbreaker.ClosedState:   closed,
		circuitbreaker.HalfOpenState: halfOpen,
		circuitbreaker.OpenState:     open,
	}
	changes = map[circuitbreaker.State]Event{
		circuitbreaker.ClosedState:   circuitClosed,
		circuitbreaker.HalfOpenState: circuitHalfOpened,
		circuitbreaker.OpenState:     circuitOpened,
	}
)

// Outcome is how a whole call ended, by the error that it returned.
type Outcome string

const (
	success              Outcome = "success"   // no error, whatever a policy thinks of the result
	failure              Outcome = "error"     // an error of what was called
	cancelled            Outcome = "cancelled" // the caller's context was done
	outOfRetries         Outcome = "retries_exceeded"
	outOfBudget          Outcome = "budget_exceeded"
	refusedByCircuit     Outcome = "circuit_open"
	refusedByTimeout     Outcome = "timeout"
	refusedByBulkhead    Outcome = "bulkhead_full"
	refusedByRateLimiter Outcome = "rate_limited"
)

// Values returns the closed set of outcomes.
func (Outcome) Values() []Outcome {
	return []Outcome{
		success, failure, cancelled, outOfRetries, outOfBudget,
		refusedByCircuit, refusedByTimeout, refusedByBulkhead, refusedByRateLimiter,
	}
}

// outcomeOf tells how a call in ctx ended that returned err. That retries were exceeded
// comes first: the error of the last attempt is in it.
func outcomeOf(ctx context.Context, err error) Outcome {
	if err == nil {
		return success
	}
	for _, known := range []struct {
		err     error
		outcome Outcome
	}{
		{retrypolicy.ErrExceeded, outOfRetries},
		{budget.ErrExceeded, outOfBudget},
		{circuitbreaker.ErrOpen, refusedByCircuit},
		{timeout.ErrExceeded, refusedByTimeout},
		{bulkhead.ErrFull, refusedByBulkhead},
		{ratelimiter.ErrExceeded, refusedByRateLimiter},
	} {
		if errors.Is(err, known.err) {
			return known.outcome
		}
	}
	if ctx.Err() != nil {
		return cancelled
	}
	return failure
}

// EventAttrs tell apart what policies did.
type EventAttrs struct {
	Target string `attr:"otelkit.resilience.target,limit=50"`
	Event  Event  `attr:"otelkit.resilience.event"`
}

// ExecutionAttrs tell calls apart by how they ended.
type ExecutionAttrs struct {
	Target  string  `attr:"otelkit.resilience.target,limit=50"`
	Outcome Outcome `attr:"otelkit.resilience.outcome"`
}

// CircuitAttrs tell states of circuits apart.
type CircuitAttrs struct {
	Target string       `attr:"otelkit.resilience.target,limit=50"`
	State  CircuitState `attr:"otelkit.resilience.circuit.state"`
}

// The definitions.
var (
	Events = metrics.NewCounter[EventAttrs](Catalog, metrics.Definition{
		Name: "otelkit.resilience.events",
		Unit: "{event}",
		Help: "Interventions of resilience policies in calls, such as retries.",
	})
	Executions = metrics.NewCounter[ExecutionAttrs](Catalog, metrics.Definition{
		Name: "otelkit.resilience.executions",
		Unit: "{execution}",
		Help: "Calls through resilience policies, retries included, by how they ended.",
	})
	Circuits = metrics.NewObservableUpDownCounter[CircuitAttrs](Catalog, metrics.Definition{
		Name: "otelkit.resilience.circuits",
		Unit: "{circuit}",
		Help: "Circuit breakers, by the state they are in.",
	})
)
