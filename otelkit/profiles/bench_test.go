package profiles_test

import (
	"net/http"
	"net/http/httptest"
	"runtime/pprof"
	"testing"
	"time"

	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/profiles"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// idle is profiled into nothing.
func idle(b *testing.B) *profiles.Profiler {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	b.Cleanup(server.Close)
	return start(b, profiles.Config{URL: server.URL, Interval: time.Hour})
}

var samplers = map[string]sdktrace.Sampler{"sampled": sdktrace.AlwaysSample(), "unsampled": sdktrace.NeverSample()}

// What labels alone cost.
func BenchmarkLabel(b *testing.B) {
	p := idle(b)
	for name, sampler := range samplers {
		b.Run(name, func(b *testing.B) {
			defer pprof.SetGoroutineLabels(b.Context())
			ctx, span := sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler)).Tracer("bench").Start(b.Context(), "request")
			b.ReportAllocs()
			for b.Loop() {
				p.Label(ctx, span, "/orders/{id}")
			}
		})
	}
}

// What a request costs with and without profiles.
func BenchmarkRequest(b *testing.B) {
	off, err := profiles.Start(profiles.Config{})
	if err != nil {
		b.Fatal(err)
	}
	for name, p := range map[string]*profiles.Profiler{"off": off, "on": idle(b)} {
		for how, sampler := range samplers {
			for which, router := range routers(func(http.ResponseWriter, *http.Request) {}) {
				k := newTraced(sampler)
				k.tracers = sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler)) // keeps no spans
				h := httpserver.Wrap(router, httpserver.Config{Kit: k, Profiles: p})
				b.Run(which+"/"+how+"/"+name, func(b *testing.B) {
					r := httptest.NewRequest(http.MethodGet, "/orders/17", nil)
					w := httptest.NewRecorder()
					b.ReportAllocs()
					for b.Loop() {
						h.ServeHTTP(w, r)
					}
				})
			}
		}
	}
}
