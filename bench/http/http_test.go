// Package http_test measures otelkit/httpserver and otelkit/httpclient beside otelhttp
// v0.72.0 and otelmux v0.71.0.
//
//	go test -run '^$' -bench . -benchmem ./http
//
// Each request comes with the traceparent of a caller, as in a service that others call.
// The answer is thrown away and the RoundTripper answers by itself, so that what is
// measured is the instrumentation. "bare" is the same request without any.
package http_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gorilla/mux"
	"github.com/otelkit/kit/otelkit/httpclient"
	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/contrib/instrumentation/github.com/gorilla/mux/otelmux"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// providers is where telemetry goes, for both sides. It is the Kit of otelkit's packages.
type providers struct {
	tracers  trace.TracerProvider
	meters   metric.MeterProvider
	recorder *metrics.Recorder
	sampled  string // the trace flags of the caller
}

func (p *providers) TracerProvider() trace.TracerProvider    { return p.tracers }
func (*providers) Propagator() propagation.TextMapPropagator { return propagation.TraceContext{} }
func (p *providers) Recorder() *metrics.Recorder             { return p.recorder }
func (*providers) SamplesByAttributes() bool                 { return false } // as *otelkit.Kit
func (*providers) Logger() *slog.Logger                      { return slog.New(slog.DiscardHandler) }

// traceparent is the header of the caller.
func (p *providers) traceparent() string {
	return "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-" + p.sampled
}

// each runs a benchmark with no-op providers, and with the SDK's in a trace that is not
// sampled and in one that is. Sampled spans go through a batch processor; exemplars are on.
func each(b *testing.B, run func(*testing.B, *providers)) {
	b.Run("noop", func(b *testing.B) {
		run(b, use(&providers{tracers: tracenoop.NewTracerProvider(), meters: metricnoop.NewMeterProvider(), sampled: "01"}))
	})
	for name, sampled := range map[string]string{"unsampled": "00", "sampled": "01"} {
		b.Run(name, func(b *testing.B) {
			tracers := sdktrace.NewTracerProvider(sdktrace.WithBatcher(tracetest.NewNoopExporter()))
			meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
			b.Cleanup(func() {
				_ = tracers.Shutdown(context.Background())
				_ = meters.Shutdown(context.Background())
			})
			run(b, use(&providers{tracers: tracers, meters: meters, sampled: sampled}))
		})
	}
}

// use makes the providers those of the process, as otelkit.Start does.
func use(p *providers) *providers {
	p.recorder = metrics.NewRecorder(p.meters)
	metrics.SetDefault(p.recorder)
	return p
}

// BenchmarkServer is a GET that http.ServeMux routes and that is answered with two bytes.
// Both sides are as they come: otelkit also counts http.server.active_requests, which
// otelhttp does not; otelhttp also has network.peer.* on the span and, in metrics,
// server.address.
func BenchmarkServer(b *testing.B) {
	each(b, func(b *testing.B, p *providers) {
		router := http.NewServeMux()
		router.HandleFunc("GET /orders", answer)
		serve(b, "bare", p, router)
		serve(b, "otelkit", p, httpserver.Wrap(router, httpserver.Config{Kit: p}))
		serve(b, "otelhttp", p, otelhttp.NewHandler(router, "server",
			otelhttp.WithTracerProvider(p.tracers), otelhttp.WithMeterProvider(p.meters), otelhttp.WithPropagators(p.Propagator())))
	})
}

// BenchmarkMux is the same with gorilla/mux, which has some cost of its own.
func BenchmarkMux(b *testing.B) {
	each(b, func(b *testing.B, p *providers) {
		router := func() *mux.Router {
			router := mux.NewRouter()
			router.HandleFunc("/orders", answer).Methods(http.MethodGet)
			return router
		}
		serve(b, "bare", p, router())
		serve(b, "otelkit", p, httpserver.Wrap(router(), httpserver.Config{Kit: p}))
		observed := router()
		observed.Use(otelmux.Middleware("server",
			otelmux.WithTracerProvider(p.tracers), otelmux.WithMeterProvider(p.meters), otelmux.WithPropagators(p.Propagator())))
		serve(b, "otelmux", p, observed)
	})
}

var ok = []byte("ok")

func answer(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(ok) }

// serve measures a handler.
func serve(b *testing.B, name string, p *providers, h http.Handler) {
	b.Run(name, func(b *testing.B) {
		r := httptest.NewRequest(http.MethodGet, "http://shop.example.com:8080/orders", nil)
		r.Header.Set("Traceparent", p.traceparent())
		r.Header.Set("User-Agent", "bench/1.0")
		w := &discard{header: http.Header{}}
		b.ReportAllocs()
		for b.Loop() {
			h.ServeHTTP(w, r)
		}
	})
}

// discard is a ResponseWriter with the optional interfaces of net/http's for HTTP/1.1,
// of which wrappers have to offer as many.
type discard struct {
	http.Hijacker
	header http.Header
}

func (d *discard) Header() http.Header                       { return d.header }
func (*discard) WriteHeader(int)                             {}
func (*discard) Write(p []byte) (int, error)                 { return len(p), nil }
func (*discard) Flush()                                      {}
func (*discard) ReadFrom(src io.Reader) (n int64, err error) { return io.Copy(io.Discard, src) }

// BenchmarkClient is a GET within a span of the caller.
func BenchmarkClient(b *testing.B) {
	each(b, func(b *testing.B, p *providers) {
		send(b, "bare", p, &answering{})
		send(b, "otelkit", p, httpclient.Transport(&answering{}, httpclient.Config{Kit: p}))
		send(b, "otelhttp", p, otelhttp.NewTransport(&answering{},
			otelhttp.WithTracerProvider(p.tracers), otelhttp.WithMeterProvider(p.meters), otelhttp.WithPropagators(p.Propagator())))
	})
}

// answering is a RoundTripper that needs no server. It gives the same response again, so
// that what is counted is the instrumentation's, with its body as it was: otelhttp
// replaces that.
type answering struct{ response http.Response }

func (a *answering) RoundTrip(*http.Request) (*http.Response, error) {
	a.response = http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody}
	return &a.response, nil
}

// send measures a RoundTripper.
func send(b *testing.B, name string, p *providers, t http.RoundTripper) {
	b.Run(name, func(b *testing.B) {
		ctx := p.Propagator().Extract(b.Context(), propagation.MapCarrier{"traceparent": p.traceparent()})
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://payments.example.com:8081/payments/17", nil)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			response, err := t.RoundTrip(r)
			if err != nil {
				b.Fatal(err)
			}
			_ = response.Body.Close() // otelhttp ends its span then
		}
	})
}
