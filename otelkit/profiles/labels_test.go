package profiles_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime/pprof"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/mux"
	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/profiles"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// traced is a kit whose spans are kept.
type traced struct {
	*kit
	spans   *tracetest.SpanRecorder
	tracers *sdktrace.TracerProvider
}

func newTraced(sampler sdktrace.Sampler) traced {
	spans := tracetest.NewSpanRecorder()
	return traced{newKit(), spans, sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans), sdktrace.WithSampler(sampler))}
}

func (k traced) TracerProvider() trace.TracerProvider      { return k.tracers }
func (k traced) Propagator() propagation.TextMapPropagator { return propagation.TraceContext{} }
func (k traced) Recorder() *metrics.Recorder               { return k.recorder }
func (k traced) Logger() *slog.Logger                      { return slog.New(slog.DiscardHandler) }

// routers route a handler at /orders/{id}.
func routers(h http.HandlerFunc) map[string]http.Handler {
	std := http.NewServeMux()
	std.Handle("GET /orders/{id}", h)
	gorilla := mux.NewRouter()
	gorilla.Handle("/orders/{id}", h).Methods(http.MethodGet)
	return map[string]http.Handler{"http.ServeMux": std, "gorilla/mux": gorilla}
}

// burn uses the CPU for a while.
func burn(w http.ResponseWriter, _ *http.Request) {
	sum := 0
	for i := range 20_000_000 {
		sum += i * i
	}
	fmt.Fprint(w, sum)
}

func TestASpanOpensItsProfile(t *testing.T) {
	server := newPyroscope(t)
	p := start(t, profiles.Config{URL: server.URL, Interval: 300 * time.Millisecond})
	for name, router := range routers(burn) {
		t.Run(name, func(t *testing.T) {
			k := newTraced(sdktrace.AlwaysSample())
			observed := httptest.NewServer(httpserver.Wrap(router, httpserver.Config{Kit: k, Profiles: p}))
			defer observed.Close()
			until(t, "a span's profile came", func() bool {
				response, err := observed.Client().Get(observed.URL + "/orders/17")
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, response.Body)
				response.Body.Close()
				for _, span := range k.spans.Ended() {
					if opens(t, span, server.got()) {
						return true
					}
				}
				return false
			})
		})
	}
}

// opens reports whether a span has its profile among what was sent.
func opens(t *testing.T, span sdktrace.ReadOnlySpan, pushes []push) bool {
	t.Helper()
	id := ""
	for _, kv := range span.Attributes() {
		if kv.Key == profiles.ProfileID {
			id = kv.Value.AsString()
		}
	}
	if id != span.SpanContext().SpanID().String() {
		t.Fatalf("span %v has the profile id %q", span.SpanContext().SpanID(), id)
	}
	for _, push := range pushes {
		for _, sample := range push.profile.Sample {
			if push.types() == "samples cpu" && sample.HasLabel("span_id", id) && sample.HasLabel("http_route", "/orders/{id}") {
				return true
			}
		}
	}
	return false
}

// seen is what a handler sees of its labels.
type seen struct{ inContext, ofGoroutine, afterDo string }

// labelled serves a request by each router, and returns what its handler saw.
func labelled(t *testing.T, p *profiles.Profiler, sampler sdktrace.Sampler) map[string]seen {
	t.Helper()
	all := map[string]seen{}
	var s seen
	for name, router := range routers(func(_ http.ResponseWriter, r *http.Request) {
		route, _ := pprof.Label(r.Context(), "http_route")
		span, _ := pprof.Label(r.Context(), "span_id")
		s.inContext = route + " " + span
		pprof.Do(r.Context(), pprof.Labels("step", "pay"), func(context.Context) { s.ofGoroutine = goroutines(t) })
		s.afterDo = goroutines(t)
	}) {
		httpserver.Wrap(router, httpserver.Config{Kit: newTraced(sampler), Profiles: p}).
			ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/orders/17", nil))
		all[name] = s
	}
	return all
}

// goroutines returns the goroutines with their labels, as text.
func goroutines(t testing.TB) string {
	var text bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&text, 1); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

func TestUnsampledRequestsAreLabelledWithTheirRouteAlone(t *testing.T) {
	p := start(t, profiles.Config{URL: newPyroscope(t).URL, Interval: time.Hour})
	for router, s := range labelled(t, p, sdktrace.NeverSample()) {
		if s.inContext != "/orders/{id} " {
			t.Errorf("%s: the context has %q", router, s.inContext)
		}
		if !strings.Contains(s.ofGoroutine, `"http_route":"/orders/{id}"`) || strings.Contains(s.ofGoroutine, "span_id") {
			t.Errorf("%s: the goroutine's labels are in\n%s", router, s.ofGoroutine)
		}
	}
}

// pprof.Do puts back the labels of the context that it is given.
func TestLabelsOfTheHandlerStandBesideThoseOfTheRequest(t *testing.T) {
	p := start(t, profiles.Config{URL: newPyroscope(t).URL, Interval: time.Hour})
	for router, s := range labelled(t, p, sdktrace.AlwaysSample()) {
		if !strings.Contains(s.ofGoroutine, `"http_route":"/orders/{id}", "span_id":"`) || !strings.Contains(s.ofGoroutine, `"step":"pay"`) {
			t.Errorf("%s: within pprof.Do the labels are in\n%s", router, s.ofGoroutine)
		}
		if !strings.Contains(s.afterDo, `"http_route":"/orders/{id}", "span_id":"`) || strings.Contains(s.afterDo, `"step"`) {
			t.Errorf("%s: after pprof.Do the labels are in\n%s", router, s.afterDo)
		}
	}
}

func TestARequestLeavesNoLabelsOnItsGoroutine(t *testing.T) {
	p := start(t, profiles.Config{URL: newPyroscope(t).URL, Interval: time.Hour})
	for router, s := range labelled(t, p, sdktrace.AlwaysSample()) {
		if !strings.Contains(s.ofGoroutine, "span_id") {
			t.Fatalf("%s: there were none:\n%s", router, s.ofGoroutine)
		}
	}
	for _, router := range routers(func(http.ResponseWriter, *http.Request) { panic("handler") }) {
		func() {
			defer func() { _ = recover() }()
			httpserver.Wrap(router, httpserver.Config{Kit: newTraced(sdktrace.AlwaysSample()), Profiles: p, Repanic: true}).
				ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/orders/17", nil))
		}()
	}
	if after := goroutines(t); strings.Contains(after, "span_id") || strings.Contains(after, "http_route") {
		t.Errorf("labels are left:\n%s", after)
	}
}

// The labels that a server's goroutine had come back.
func TestLabelsOfTheServerAreKept(t *testing.T) {
	p := start(t, profiles.Config{URL: newPyroscope(t).URL, Interval: time.Hour})
	for name, router := range routers(func(_ http.ResponseWriter, r *http.Request) {
		listener, _ := pprof.Label(r.Context(), "listener")
		if route, _ := pprof.Label(r.Context(), "http_route"); listener != "admin" || route != "/orders/{id}" {
			t.Errorf("within: listener %q, route %q", listener, route)
		}
	}) {
		pprof.Do(t.Context(), pprof.Labels("listener", "admin"), func(ctx context.Context) {
			httpserver.Wrap(router, httpserver.Config{Kit: newTraced(sdktrace.AlwaysSample()), Profiles: p}).
				ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/orders/17", nil))
			if after := goroutines(t); !strings.Contains(after, `{"listener":"admin"}`) {
				t.Errorf("%s: after the request the labels are in\n%s", name, after)
			}
		})
	}
}

// http.TimeoutHandler goes on without its handler, which may learn its route only then.
func TestAHandlerMayGoOnInAGoroutineOfItsOwn(t *testing.T) {
	p := start(t, profiles.Config{URL: newPyroscope(t).URL, Interval: time.Hour})
	arrived, ended := make(chan struct{}), make(chan struct{})
	k := newTraced(sdktrace.AlwaysSample())
	h := httpserver.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		go func() {
			defer close(ended)
			close(arrived)
			httpserver.SetRoute(r, "/late")
			_ = r.Context().Value(k)
		}()
		<-arrived
	}), httpserver.Config{Kit: k, Profiles: p})
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil))
	<-ended // the race detector is the judge
}

func TestLabelsOfTheCallerAreKept(t *testing.T) {
	p := start(t, profiles.Config{URL: newPyroscope(t).URL, Interval: time.Hour})
	pprof.Do(t.Context(), pprof.Labels("worker", "mail"), func(ctx context.Context) {
		defer pprof.SetGoroutineLabels(ctx)
		ctx = p.Label(ctx, trace.SpanFromContext(ctx), "send")
		worker, _ := pprof.Label(ctx, "worker")
		route, _ := pprof.Label(ctx, "http_route")
		span, _ := pprof.Label(ctx, "span_id")
		if worker != "mail" || route != "send" || span != "" {
			t.Errorf("got worker %q, route %q and span %q", worker, route, span)
		}
	})
}

// Each route is a series in Pyroscope, and a caller may mistake paths for routes.
func TestRoutesAreBounded(t *testing.T) {
	p := start(t, profiles.Config{URL: newPyroscope(t).URL, Interval: time.Hour})
	defer pprof.SetGoroutineLabels(t.Context())
	values := map[string]bool{}
	for i := range 10_000 {
		ctx := p.Label(t.Context(), trace.SpanFromContext(t.Context()), fmt.Sprintf("/orders/%d", i))
		route, _ := pprof.Label(ctx, "http_route")
		values[route] = true
	}
	if len(values) != 201 || !values["_OTHER"] {
		t.Errorf("10,000 routes make %d values, want 200 and _OTHER", len(values))
	}
}

func TestIDsAreThoseOfTheSpansThoughManyAreMadeAtOnce(t *testing.T) {
	p := start(t, profiles.Config{URL: newPyroscope(t).URL, Interval: time.Hour})
	tracer := sdktrace.NewTracerProvider().Tracer("test")
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			ids := map[string]string{}
			for range 1000 {
				ctx, span := tracer.Start(t.Context(), "work")
				id, _ := pprof.Label(p.Label(ctx, span, ""), "span_id")
				ids[span.SpanContext().SpanID().String()] = id
				span.End()
			}
			for want, got := range ids { // read late: ids share memory
				if got != want {
					t.Errorf("got id %q, want %q", got, want)
				}
			}
		})
	}
	workers.Wait()
}

// otel-profiling-go v0.7.0: 11 more allocations for a request's span, 8 for each
// span below it.
func TestLabelsCostAtMostThreeAllocations(t *testing.T) {
	p := start(t, profiles.Config{URL: newPyroscope(t).URL, Interval: time.Hour})
	defer pprof.SetGoroutineLabels(t.Context())
	for name, c := range map[string]struct {
		sampler sdktrace.Sampler
		route   string
		most    float64
	}{
		"sampled":                    {sdktrace.AlwaysSample(), "/orders/{id}", 3},
		"unsampled":                  {sdktrace.NeverSample(), "/orders/{id}", 2},
		"unsampled, without a route": {sdktrace.NeverSample(), "", 0},
	} {
		ctx, span := newTraced(c.sampler).tracers.Tracer("test").Start(t.Context(), "request")
		if n := testing.AllocsPerRun(1000, func() { p.Label(ctx, span, c.route) }); n > c.most {
			t.Errorf("%s: %v allocations, want at most %v", name, n, c.most)
		}
		span.End()
	}
}
