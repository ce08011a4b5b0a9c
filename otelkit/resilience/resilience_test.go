package resilience_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/budget"
	"github.com/failsafe-go/failsafe-go/bulkhead"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/hedgepolicy"
	"github.com/failsafe-go/failsafe-go/ratelimiter"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/failsafe-go/failsafe-go/timeout"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/resilience"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errAway = errors.New("connection refused")

// fixture is an observer, and a span to call with.
type fixture struct {
	*resilience.Observer
	reader   *sdkmetric.ManualReader
	recorder *metrics.Recorder
	spans    *tracetest.SpanRecorder
	span     trace.Span
	ctx      context.Context
}

func (f *fixture) Recorder() *metrics.Recorder { return f.recorder }

func observing(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{reader: sdkmetric.NewManualReader(), spans: tracetest.NewSpanRecorder()}
	f.recorder = metrics.NewRecorder(sdkmetric.NewMeterProvider(sdkmetric.WithReader(f.reader)))
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(f.spans))
	f.ctx, f.span = tracers.Tracer("test").Start(t.Context(), "call")
	var err error
	if f.Observer, err = resilience.New(resilience.Config{Target: "provider", Kit: f}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// told returns the span's events, in order: "retry attempt=2 cause=...".
func (f *fixture) told() []string {
	f.span.End()
	var events []string
	for _, span := range f.spans.Ended() {
		for _, e := range span.Events() {
			text := e.Name
			for _, kv := range e.Attributes {
				if key := strings.TrimPrefix(string(kv.Key), "otelkit.resilience."); key != "target" || kv.Value.AsString() != "provider" {
					text += fmt.Sprintf(" %s=%s", key, kv.Value.String())
				}
			}
			events = append(events, text)
		}
	}
	return events
}

// series returns a metric's series that are not 0, by their last attribute.
func (f *fixture) series(t testing.TB, m metrics.Defined, key attribute.Key) map[string]float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := f.reader.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	put := func(set attribute.Set, v float64) {
		if target, _ := set.Value("otelkit.resilience.target"); target.AsString() != "provider" {
			t.Errorf("%s has a series of target %q", m.Metric().Name, target.AsString())
		}
		if value, _ := set.Value(key); v != 0 {
			got[value.AsString()] = v
		}
	}
	for _, scope := range all.ScopeMetrics {
		for _, data := range scope.Metrics {
			if data.Name != m.Metric().Name {
				continue
			}
			switch data := data.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					put(p.Attributes, float64(p.Value))
				}
			case metricdata.Sum[float64]:
				for _, p := range data.DataPoints {
					put(p.Attributes, p.Value)
				}
			}
		}
	}
	return got
}

func (f *fixture) events(t testing.TB) map[string]float64 {
	return f.series(t, resilience.Events, "otelkit.resilience.event")
}

func (f *fixture) outcomes(t testing.TB) map[string]float64 {
	return f.series(t, resilience.Executions, "otelkit.resilience.outcome")
}

func (f *fixture) circuits(t testing.TB) map[string]float64 {
	return f.series(t, resilience.Circuits, "otelkit.resilience.circuit.state")
}

// answers returns a function that fails with each error in turn, nil being
// success, and at last succeeds.
func answers(errs ...error) func() (string, error) {
	return func() (string, error) {
		if len(errs) == 0 {
			return "ok", nil
		}
		err := errs[0]
		errs = errs[1:]
		return "", err
	}
}

// never answers until its call is given up.
func never(e failsafe.Execution[string]) (string, error) {
	<-e.Canceled()
	return "", e.Context().Err()
}

func TestWhatPoliciesDoIsToldBySpanEventsAndCounts(t *testing.T) {
	for name, c := range map[string]struct {
		call    func(*fixture) // what happens
		events  string         // of the span, in order
		outcome string         // of the call
	}{
		"a call that succeeds at once": {
			call: func(f *fixture) {
				_, _ = resilience.Executor(f.Observer, failsafe.With(resilience.Retry(f.Observer, retrypolicy.NewBuilder[string]()))).
					WithContext(f.ctx).Get(answers())
			},
			outcome: "success",
		},
		"a retry that helps": {
			call: func(f *fixture) {
				_, _ = resilience.Executor(f.Observer, failsafe.With(resilience.Retry(f.Observer, retrypolicy.NewBuilder[string]()))).
					WithContext(f.ctx).Get(answers(errAway))
			},
			events:  "retry attempt=2 cause=connection refused",
			outcome: "success",
		},
		"retries that do not help": {
			call: func(f *fixture) {
				retries := resilience.Retry(f.Observer, retrypolicy.NewBuilder[string]().WithMaxAttempts(2))
				_, _ = resilience.Executor(f.Observer, failsafe.With(retries)).WithContext(f.ctx).Get(answers(errAway, errAway))
			},
			events:  "retry attempt=2 cause=connection refused; retries_exceeded attempt=2 cause=connection refused",
			outcome: "retries_exceeded",
		},
		"an error that is not worth a retry": {
			call: func(f *fixture) {
				retries := resilience.Retry(f.Observer, retrypolicy.NewBuilder[string]().AbortOnErrors(errAway))
				_, _ = resilience.Executor(f.Observer, failsafe.With(retries)).WithContext(f.ctx).Get(answers(errAway))
			},
			events:  "retry_aborted attempt=1 cause=connection refused",
			outcome: "error",
		},
		"a budget for retries that is spent": {
			call: func(f *fixture) {
				retries := resilience.Retry(f.Observer, retrypolicy.NewBuilder[string]().
					WithBudget(budget.NewBuilder().WithMinConcurrency(0).WithMaxRate(-1).Build()))
				_, _ = resilience.Executor(f.Observer, failsafe.With(retries)).WithContext(f.ctx).Get(answers(errAway))
			},
			outcome: "budget_exceeded",
		},
		"an open circuit": {
			call: func(f *fixture) {
				circuit := resilience.CircuitBreaker(f.Observer, circuitbreaker.NewBuilder[string]())
				circuit.Open()
				_, _ = resilience.Executor(f.Observer, failsafe.With(circuit)).WithContext(f.ctx).Get(answers())
			},
			events:  "circuit_refused attempt=1",
			outcome: "circuit_open",
		},
		"a timeout": {
			call: func(f *fixture) {
				limit := resilience.Timeout(f.Observer, timeout.NewBuilder[string](time.Second))
				_, _ = resilience.Executor(f.Observer, failsafe.With(limit)).WithContext(f.ctx).GetWithExecution(never)
			},
			events:  "timeout attempt=1",
			outcome: "timeout",
		},
		"a full bulkhead": {
			call: func(f *fixture) {
				room := resilience.Bulkhead(f.Observer, bulkhead.NewBuilder[string](1))
				room.TryAcquirePermit()
				_, _ = resilience.Executor(f.Observer, failsafe.With(room)).WithContext(f.ctx).Get(answers())
			},
			events:  "bulkhead_full attempt=1",
			outcome: "bulkhead_full",
		},
		"a rate limit": {
			call: func(f *fixture) {
				rate := resilience.RateLimiter(f.Observer, ratelimiter.NewBurstyBuilder[string](1, time.Hour))
				rate.TryAcquirePermit()
				_, _ = resilience.Executor(f.Observer, failsafe.With(rate)).WithContext(f.ctx).Get(answers())
			},
			events:  "rate_limited attempt=1",
			outcome: "rate_limited",
		},
		"a hedge": {
			call: func(f *fixture) {
				hedge := resilience.Hedge(f.Observer, hedgepolicy.NewBuilderWithDelay[string](time.Second))
				_, _ = resilience.Executor(f.Observer, failsafe.With(hedge)).WithContext(f.ctx).
					GetWithExecution(func(e failsafe.Execution[string]) (string, error) {
						if !e.IsHedge() {
							return never(e)
						}
						return "ok", nil
					})
			},
			events:  "hedge attempt=2",
			outcome: "success",
		},
		"a caller that gives up": {
			call: func(f *fixture) {
				ctx, cancel := context.WithCancel(f.ctx)
				cancel()
				retries := resilience.Retry(f.Observer, retrypolicy.NewBuilder[string]())
				_, _ = resilience.Executor(f.Observer, failsafe.With(retries)).WithContext(ctx).GetWithExecution(never)
			},
			outcome: "cancelled",
		},
		"a caller whose time is over": {
			call: func(f *fixture) {
				ctx, cancel := context.WithTimeout(f.ctx, time.Second)
				defer cancel()
				retries := resilience.Retry(f.Observer, retrypolicy.NewBuilder[string]())
				_, _ = resilience.Executor(f.Observer, failsafe.With(retries)).WithContext(ctx).GetWithExecution(never)
			},
			outcome: "cancelled",
		},
		"a timeout of what is called": {
			call: func(f *fixture) {
				retries := resilience.Retry(f.Observer, retrypolicy.NewBuilder[string]().HandleErrors(errAway))
				_, _ = resilience.Executor(f.Observer, failsafe.With(retries)).WithContext(f.ctx).Get(answers(context.DeadlineExceeded))
			},
			outcome: "error",
		},
		"an error that no policy handles": {
			call: func(f *fixture) {
				retries := resilience.Retry(f.Observer, retrypolicy.NewBuilder[string]().HandleErrors(context.DeadlineExceeded))
				_, _ = resilience.Executor(f.Observer, failsafe.With(retries)).WithContext(f.ctx).Get(answers(errAway))
			},
			outcome: "error",
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := observing(t)
				c.call(f)
				synctest.Wait()
				told := f.told()
				if got := strings.Join(told, "; "); got != c.events {
					t.Errorf("the span has the events\n%q, want\n%q", got, c.events)
				}
				if got := f.outcomes(t); len(got) != 1 || got[c.outcome] != 1 {
					t.Errorf("counted the outcomes %v, want one %s", got, c.outcome)
				}
				counted := f.events(t)
				for _, event := range told {
					name, _, _ := strings.Cut(event, " ")
					counted[name]--
				}
				delete(counted, "circuit_opened") // by hand, in no call
				for event, n := range counted {
					if n != 0 {
						t.Errorf("%q is counted %v times too often", event, n)
					}
				}
			})
		})
	}
}

func TestACircuitTellsItsChangesAndItsState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := observing(t)
		if got := f.circuits(t); len(got) != 0 {
			t.Errorf("without a circuit, %v are observed", got)
		}
		circuit := resilience.CircuitBreaker(f.Observer, circuitbreaker.NewBuilder[string]().WithFailureThreshold(2).WithDelay(time.Minute))
		calls := resilience.Executor(f.Observer, failsafe.With(circuit)).WithContext(f.ctx)
		want := func(state map[string]float64) {
			t.Helper()
			if got := f.circuits(t); !maps.Equal(got, state) {
				t.Errorf("observed %v, want %v", got, state)
			}
		}
		want(map[string]float64{"closed": 1})
		_, _ = calls.Get(answers(errAway))
		_, _ = calls.Get(answers(errAway))
		want(map[string]float64{"open": 1})
		time.Sleep(time.Minute) // of the bubble
		_, _ = calls.Get(answers())
		want(map[string]float64{"closed": 1})
		wantEvents := map[string]float64{"circuit_opened": 1, "circuit_half_opened": 1, "circuit_closed": 1}
		if got := f.events(t); !maps.Equal(got, wantEvents) {
			t.Errorf("counted %v, want %v", got, wantEvents)
		}
		if got := f.told(); len(got) != 1 || got[0] != "circuit_opened" {
			t.Errorf("the span of the call that opened it has the events %q", got)
		}

		for range 2 {
			resilience.CircuitBreaker(f.Observer, circuitbreaker.NewBuilder[string]()).Open()
		}
		want(map[string]float64{"closed": 1, "open": 2})
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		want(map[string]float64{})
	})
}

// One string that is not UTF-8 loses a whole batch of spans.
func TestTheCauseIsTextOfBoundedLength(t *testing.T) {
	f := observing(t)
	retries := resilience.Retry(f.Observer, retrypolicy.NewBuilder[string]())
	_, _ = failsafe.With(retries).WithContext(f.ctx).Get(answers(errors.New("\xff" + strings.Repeat("x", 5000))))
	told := f.told()
	if len(told) != 1 || len(told[0]) > 1100 || !strings.Contains(told[0], "cause=\uFFFDxxx") {
		t.Errorf("got %q", told)
	}
}

func TestWithoutAContextItIsCountedAllTheSame(t *testing.T) {
	f := observing(t)
	retries := resilience.Retry(f.Observer, retrypolicy.NewBuilder[string]())
	_, _ = failsafe.With(retries).Get(answers(errAway))
	if got := f.events(t); got["retry"] != 1 {
		t.Errorf("counted %v, want a retry", got)
	}
}

func TestATargetIsRequired(t *testing.T) {
	if _, err := resilience.New(resilience.Config{}); err == nil || !strings.Contains(err.Error(), "set Target") {
		t.Errorf("got %v", err)
	}
}

func TestTheCatalogIsRight(t *testing.T) {
	if err := resilience.Catalog.Err(); err != nil {
		t.Error(err)
	}
}

func TestACallThatGoesWellIsCountedWithoutAllocating(t *testing.T) {
	f := observing(t)
	retries := resilience.Retry(f.Observer, retrypolicy.NewBuilder[string]())
	ctx := metrics.NewContext(t.Context(), f.recorder) // as otelkit's middleware makes it
	call := func() (string, error) { return "ok", nil }
	bare := failsafe.With(retrypolicy.NewBuilder[string]().Build()).OnDone(func(failsafe.ExecutionDoneEvent[string]) {}).WithContext(ctx)
	observed := resilience.Executor(f.Observer, failsafe.With(retries)).WithContext(ctx)
	want := testing.AllocsPerRun(1000, func() { _, _ = bare.Get(call) })
	if got := testing.AllocsPerRun(1000, func() { _, _ = observed.Get(call) }); got > want {
		t.Errorf("%v allocations, %v without an observer", got, want)
	}
}
