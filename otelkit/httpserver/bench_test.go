package httpserver_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/metrics"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

type benchKit struct {
	*kit
	tracers trace.TracerProvider
}

func (k benchKit) TracerProvider() trace.TracerProvider { return k.tracers }

func benchmarkKit(tracers trace.TracerProvider, recorder *metrics.Recorder) benchKit {
	metrics.SetDefault(recorder)
	return benchKit{&kit{recorder: recorder}, tracers}
}

func BenchmarkWrap(b *testing.B) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(http.ResponseWriter, *http.Request) {})
	sdkRecorder := metrics.NewRecorder(sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader())))
	for name, h := range map[string]http.Handler{
		"bare": mux,
		"no-op": httpserver.Wrap(mux, httpserver.Config{
			Kit: benchmarkKit(tracenoop.NewTracerProvider(), metrics.NewRecorder(metricnoop.NewMeterProvider())),
		}),
		"unsampled": httpserver.Wrap(mux, httpserver.Config{
			Kit: benchmarkKit(sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())), sdkRecorder),
		}),
		"sampled": httpserver.Wrap(mux, httpserver.Config{Kit: benchmarkKit(sdktrace.NewTracerProvider(), sdkRecorder)}),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			r := httptest.NewRequest(http.MethodGet, "/orders/17", nil)
			w := httptest.NewRecorder()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
	}
}
