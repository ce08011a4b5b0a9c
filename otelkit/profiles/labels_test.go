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

// routers route a handler at /orders/{id} inside the middleware.
func routers(p *profiles.Profiler, h http.HandlerFunc) map[string]http.Handler {
	std := http.NewServeMux()
	std.Handle("GET /orders/{id}", p.Middleware(h))
	gorilla := mux.NewRouter()
	gorilla.Use(p.Middleware)
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
	for name, router := range routers(p, burn) {
		t.Run(name, func(t *testing.T) {
			k := newTraced(sdktrace.AlwaysSample())
			observed := httptest.NewServer(httpserver.Wrap(router, httpserver.Config{Kit: k}))
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

// labelled serves one request and returns the labels that the handler's context
// and goroutine had, as "route span" each; "" is none.
func labelled(t *testing.T, p *profiles.Profiler, sampler sdktrace.Sampler, target string) (inContext, ofGoroutine string) {
	t.Helper()
	h := p.Middleware(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		route, _ := pprof.Label(r.Context(), "http_route")
		span, _ := pprof.Label(r.Context(), "span_id")
		inContext = route + " " + span
		ofGoroutine = goroutines(t)
	}))
	std := http.NewServeMux()
	std.Handle("GET /orders/{id}", h)
	std.Handle("POST /", h)
	httpserver.Wrap(std, httpserver.Config{Kit: newTraced(sampler)}).
		ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, target, nil))
	return inContext, ofGoroutine
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
	inContext, ofGoroutine := labelled(t, p, sdktrace.NeverSample(), "/orders/17")
	if inContext != "/orders/{id} " {
		t.Errorf("the context has %q", inContext)
	}
	if !strings.Contains(ofGoroutine, `"http_route":"/orders/{id}"`) || strings.Contains(ofGoroutine, "span_id") {
		t.Errorf("the goroutine's labels are in\n%s", ofGoroutine)
	}
}

func TestARequestLeavesNoLabelsOnItsGoroutine(t *testing.T) {
	p := start(t, profiles.Config{URL: newPyroscope(t).URL, Interval: time.Hour})
	if _, during := labelled(t, p, sdktrace.AlwaysSample(), "/orders/17"); !strings.Contains(during, "span_id") {
		t.Fatalf("there were none:\n%s", during)
	}
	func() {
		defer func() { _ = recover() }()
		p.Middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("handler") })).
			ServeHTTP(httptest.NewRecorder(), routed("/orders/{id}"))
	}()
	if after := goroutines(t); strings.Contains(after, "span_id") || strings.Contains(after, "http_route") {
		t.Errorf("labels are left:\n%s", after)
	}
}

// routed returns a request as http.ServeMux hands it on.
func routed(route string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/orders/17", nil)
	r.Pattern = "GET " + route
	return r
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
