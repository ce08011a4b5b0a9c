//go:build !race

// The race detector makes sync.Pool forget, at random.

package httpserver_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

type benchKit struct {
	*kit
	tracers  trace.TracerProvider
	recorder *metrics.Recorder
}

func (k benchKit) TracerProvider() trace.TracerProvider { return k.tracers }
func (k benchKit) Recorder() *metrics.Recorder          { return k.recorder }
func (benchKit) SamplesByAttributes() bool              { return false } // as *otelkit.Kit

// destination is where telemetry goes.
type destination struct {
	name        string
	tracers     trace.TracerProvider
	meters      metric.MeterProvider
	flags       string  // of the trace that a request comes with
	allocations float64 // the most that a request may cost
}

// destinations are those that make a difference. bench/http sets the cost of each beside
// otelhttp's.
func destinations(t testing.TB) []destination {
	tracers := sdktrace.NewTracerProvider(sdktrace.WithBatcher(tracetest.NewNoopExporter()))
	t.Cleanup(func() { _ = tracers.Shutdown(context.Background()) })
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	return []destination{
		{"no-op", tracenoop.NewTracerProvider(), metricnoop.NewMeterProvider(), "01", 3},
		{"unsampled", tracers, meters, "00", 6},
		{"sampled", tracers, meters, "01", 12},
	}
}

// prepare returns a wrapped handler that answers, and a request to it.
func (d destination) prepare() (http.Handler, http.ResponseWriter, *http.Request) {
	recorder := metrics.NewRecorder(d.meters)
	metrics.SetDefault(recorder) // as otelkit.Start does
	body := []byte("ok")
	h := httpserver.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		httpserver.SetRoute(r, "/orders/{id}")
		_, _ = w.Write(body)
	}), httpserver.Config{Kit: benchKit{newKit(), d.tracers, recorder}})
	r := httptest.NewRequest(http.MethodGet, "/orders/17", nil)
	r.Header.Set("Traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"+d.flags)
	return h, discard{http.Header{}}, r
}

// discard is a ResponseWriter that keeps nothing.
type discard struct{ header http.Header }

func (d discard) Header() http.Header       { return d.header }
func (discard) WriteHeader(int)             {}
func (discard) Write(p []byte) (int, error) { return len(p), nil }

func TestARequestAllocatesNoMoreThanIsPromised(t *testing.T) { // otelhttp v0.72: 31, 34 and 40
	for _, tt := range destinations(t) {
		t.Run(tt.name, func(t *testing.T) {
			h, w, r := tt.prepare()
			if got := testing.AllocsPerRun(1000, func() { h.ServeHTTP(w, r) }); got > tt.allocations {
				t.Errorf("%v allocations, want at most %v", got, tt.allocations)
			}
		})
	}
}

func BenchmarkWrap(b *testing.B) {
	for _, tt := range destinations(b) {
		b.Run(tt.name, func(b *testing.B) {
			h, w, r := tt.prepare()
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}
