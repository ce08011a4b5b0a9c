package resilience

import (
	"strings"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/hedgepolicy"
	"github.com/failsafe-go/failsafe-go/ratelimiter"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/failsafe-go/failsafe-go/timeout"
	"go.opentelemetry.io/otel/attribute"
)

// Retry builds a retry policy that tells when it retries and when it gives up. It
// takes the listeners OnRetry, OnRetriesExceeded and OnAbort.
func Retry[R any](o *Observer, b retrypolicy.Builder[R]) retrypolicy.RetryPolicy[R] {
	return b.
		OnRetry(attempt[R](o, retried)).
		OnRetriesExceeded(attempt[R](o, retriesExceeded)).
		OnAbort(attempt[R](o, retryAborted)).
		Build()
}

// CircuitBreaker builds a circuit breaker that tells when it changes its state,
// and which that is. It takes the listener OnStateChanged. That it refused a call
// is told by [Executor]: failsafe-go has no listener for it.
func CircuitBreaker[R any](o *Observer, b circuitbreaker.Builder[R]) circuitbreaker.CircuitBreaker[R] {
	circuit := b.
		OnStateChanged(func(e circuitbreaker.StateChangedEvent) { o.happened(e.Context(), changes[e.NewState]) }).
		Build()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.circuits = append(o.circuits, circuit.State)
	return circuit
}

// Timeout builds a timeout that tells when it is exceeded. It takes the listener
// OnTimeoutExceeded.
func Timeout[R any](o *Observer, b timeout.Builder[R]) timeout.Timeout[R] {
	return b.
		OnTimeoutExceeded(func(e failsafe.ExecutionDoneEvent[R]) {
			o.happened(e.Context(), timedOut, attemptKey.Int(e.Attempts()))
		}).
		Build()
}

// Bulkhead builds a bulkhead that tells when it is full. It takes the listener
// OnFull.
func Bulkhead[R any](o *Observer, b bulkhead.Builder[R]) bulkhead.Bulkhead[R] {
	return b.OnFull(attempt[R](o, bulkheadFull)).Build()
}

// RateLimiter builds a rate limiter that tells when it refuses. It takes the
// listener OnRateLimitExceeded.
func RateLimiter[R any](o *Observer, b ratelimiter.Builder[R]) ratelimiter.RateLimiter[R] {
	return b.OnRateLimitExceeded(attempt[R](o, rateLimited)).Build()
}

// Hedge builds a hedge policy that tells when it hedges. It takes the listener
// OnHedge.
func Hedge[R any](o *Observer, b hedgepolicy.Builder[R]) hedgepolicy.HedgePolicy[R] {
	return b.OnHedge(attempt[R](o, hedged)).Build()
}

// Executor has an executor tell how calls end. It takes the listener OnDone, and
// returns the executor that it is given.
func Executor[R any](o *Observer, e failsafe.Executor[R]) failsafe.Executor[R] {
	return e.OnDone(func(e failsafe.ExecutionDoneEvent[R]) {
		outcome := outcomeOf(e.Context(), e.Error)
		if outcome == refusedByCircuit {
			o.happened(e.Context(), circuitRefused, attemptKey.Int(e.Attempts()))
		}
		Executions.Add(o.recording(e.Context()), 1, ExecutionAttrs{o.target, outcome})
	})
}

// attempt returns a listener that tells an event with the attempt that it is
// about, and why the one before failed.
func attempt[R any](o *Observer, event Event) func(failsafe.ExecutionEvent[R]) {
	return func(e failsafe.ExecutionEvent[R]) {
		attrs := []attribute.KeyValue{attemptKey.Int(e.Attempts())}
		if err := e.LastError(); err != nil {
			attrs = append(attrs, causeKey.String(clip(err.Error())))
		}
		o.happened(e.Context(), event, attrs...)
	}
}

// longest is the most bytes of an error's text that are kept.
const longest = 1024

// clip bounds a text, and makes it text: OTLP exporters lose a whole batch for one
// string that is not UTF-8.
func clip(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), longest)], "\uFFFD")
}
