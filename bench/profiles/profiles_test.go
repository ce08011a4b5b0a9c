// Package profiles_test measures what it costs to have profiles labelled with the
// request that is served: by otelkit/profiles, through the middleware, and by
// otel-profiling-go v0.7.0, through a TracerProvider around the SDK's.
//
//	go test -run '^$' -bench . -benchmem ./profiles
//
// Both sit in otelkit's own middleware, which without labels is "bare", and the
// process is profiled all the while.
package profiles_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gorilla/mux"
	otelpyroscope "github.com/grafana/otel-profiling-go"
	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/profiles"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// kit is where telemetry goes.
type kit struct{ tracers trace.TracerProvider }

var nowhere = metrics.NewRecorder(metricnoop.NewMeterProvider())

func (k kit) TracerProvider() trace.TracerProvider    { return k.tracers }
func (kit) Propagator() propagation.TextMapPropagator { return propagation.TraceContext{} }
func (kit) Recorder() *metrics.Recorder               { return nowhere }
func (kit) Logger() *slog.Logger                      { return slog.New(slog.DiscardHandler) }

// profiled profiles the process into nothing.
func profiled(b *testing.B) *profiles.Profiler {
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	b.Cleanup(server.Close)
	profiler, err := profiles.Start(profiles.Config{Service: "bench", URL: server.URL, Interval: time.Hour, Kit: kit{}})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = profiler.Stop(context.Background()) })
	return profiler
}

// routers are the same routes by each router.
func routers() map[string]http.Handler {
	answer := func(http.ResponseWriter, *http.Request) {}
	std := http.NewServeMux()
	std.HandleFunc("GET /orders/{id}", answer)
	gorilla := mux.NewRouter()
	gorilla.HandleFunc("/orders/{id}", answer).Methods(http.MethodGet)
	return map[string]http.Handler{"ServeMux": std, "gorilla mux": gorilla}
}

// BenchmarkRequest is a request in a sampled trace.
func BenchmarkRequest(b *testing.B) {
	profiler := profiled(b)
	sdk := sdktrace.NewTracerProvider(sdktrace.WithBatcher(tracetest.NewNoopExporter()))
	b.Cleanup(func() { _ = sdk.Shutdown(context.Background()) })
	for _, router := range []string{"ServeMux", "gorilla mux"} {
		for _, side := range []struct {
			who string
			cfg httpserver.Config
		}{
			{"bare", httpserver.Config{Kit: kit{sdk}}},
			{"otelkit", httpserver.Config{Kit: kit{sdk}, Profiles: profiler}},
			{"otel-profiling-go", httpserver.Config{Kit: kit{otelpyroscope.NewTracerProvider(sdk)}}},
		} {
			h := httpserver.Wrap(routers()[router], side.cfg)
			b.Run(router+"/"+side.who, func(b *testing.B) {
				r, w := httptest.NewRequest(http.MethodGet, "http://shop.example.com:8080/orders/17", nil), httptest.NewRecorder()
				r.Header.Set("User-Agent", "bench/1.0")
				b.ReportAllocs()
				for b.Loop() {
					h.ServeHTTP(w, r)
				}
			})
		}
	}
}
