// Package resilience tells what failsafe-go's policies do: that a call was
// retried, that a circuit opened, that a bulkhead was full. The policies stay
// failsafe-go's own, and so does how they are configured:
//
//	provider, err := resilience.New(resilience.Config{Target: "payment-provider", Kit: kit})
//	retries := resilience.Retry(provider, retrypolicy.NewBuilder[Receipt]().WithMaxAttempts(3))
//	circuit := resilience.CircuitBreaker(provider, circuitbreaker.NewBuilder[Receipt]())
//	calls := resilience.Executor(provider, failsafe.With(retries, circuit))
//
//	receipt, err := calls.WithContext(ctx).Get(charge)
//
// What happens to a call is an event of the span in its context, so a trace shows
// why it took long, and is counted:
//
//	retry, circuit opens, ...  ──> span event, otelkit.resilience.events
//	end of the whole call      ──> otelkit.resilience.executions, by outcome
//	state of circuits          ──> otelkit.resilience.circuits
//
// A call without a context has no span: pass it with WithContext. Calls that no
// policy interferes with cost the count of their end, and nothing else.
//
// A failsafe-go builder has room for one listener of each kind. Those that each
// function of this package takes are named there; one that was set before is
// replaced. The others (OnSuccess, OnFailure, OnRetryScheduled, OnOpen, ...) are
// free.
package resilience

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// Kit is what New needs of a *otelkit.Kit.
type Kit interface {
	Recorder() *metrics.Recorder
}

// Config configures New.
type Config struct {
	Target string // required: what is called, such as "payment-provider". At most 50 in a process are told apart
	Kit    Kit    // where telemetry goes; nil means the default recorder. Span events go to the span of the call
}

// Observer tells what the policies of calls to one target do. Make one with [New].
// It is safe for concurrent use.
type Observer struct {
	target   string
	recorder *metrics.Recorder
	observed *metrics.Registration

	mu       sync.Mutex
	circuits []func() circuitbreaker.State
}

// New returns an Observer. [Observer.Close] ends it.
func New(cfg Config) (*Observer, error) {
	if cfg.Target == "" {
		return nil, errors.New(`resilience: set Target to what is called, such as "payment-provider"`)
	}
	o := &Observer{target: cfg.Target}
	if cfg.Kit != nil {
		o.recorder = cfg.Kit.Recorder()
	}
	var err error
	o.observed, err = Circuits.Register(o.recording(context.Background()), o.observeCircuits)
	if err != nil {
		return nil, fmt.Errorf("resilience: observing the circuits of %s: %w", cfg.Target, err)
	}
	return o, nil
}

// Close ends the reports of the state of circuits. Policies may still be used.
func (o *Observer) Close() error { return o.observed.Unregister() }

// recording returns a context in which measurements go to the kit.
func (o *Observer) recording(ctx context.Context) context.Context {
	if o.recorder == nil || o.recorder == metrics.FromContext(ctx) {
		return ctx
	}
	return metrics.NewContext(ctx, o.recorder)
}

// happened tells that a policy interfered with a call.
func (o *Observer) happened(ctx context.Context, event Event, attrs ...attribute.KeyValue) {
	Events.Add(o.recording(ctx), 1, EventAttrs{o.target, event})
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		attrs = append(attrs, targetKey.String(o.target))
		span.AddEvent(string(event), trace.WithAttributes(attrs...))
	}
}

// observeCircuits counts the circuits in each state. Circuits with one target are
// one series, so they are summed here: a callback may observe a series once.
func (o *Observer) observeCircuits(_ context.Context, observe func(float64, CircuitAttrs)) error {
	o.mu.Lock()
	circuits := o.circuits
	o.mu.Unlock()
	if len(circuits) == 0 {
		return nil
	}
	count := map[CircuitState]float64{}
	for _, state := range circuits {
		count[states[state()]]++
	}
	for _, state := range CircuitState("").Values() {
		observe(count[state], CircuitAttrs{o.target, state})
	}
	return nil
}
