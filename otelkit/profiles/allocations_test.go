//go:build !race

// The race detector makes sync.Pool forget, at random.

package profiles_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/profiles"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// otel-profiling-go v0.7.0: 11 more. A middleware, which has to copy the request: 6.
func TestProfilesCostARequestAtMostThreeAllocations(t *testing.T) {
	on := start(t, profiles.Config{URL: newPyroscope(t).URL, Interval: time.Hour})
	off, err := profiles.Start(profiles.Config{})
	if err != nil {
		t.Fatal(err)
	}
	nothing := func(http.ResponseWriter, *http.Request) {}
	std := func() http.Handler {
		router := http.NewServeMux()
		router.HandleFunc("GET /orders", nothing)
		router.HandleFunc("GET /orders/{id}", nothing)
		return router
	}
	gorilla := func() http.Handler { return routers(nothing)["gorilla/mux"] }
	allocations := func(router http.Handler, path string, sampler sdktrace.Sampler, p httpserver.Profiles) float64 {
		k := newTraced(sampler)
		k.tracers = sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler)) // keeps no spans
		h := httpserver.Wrap(router, httpserver.Config{Kit: k, Profiles: p})
		r, w := httptest.NewRequest(http.MethodGet, path, nil), httptest.NewRecorder()
		return testing.AllocsPerRun(1000, func() { h.ServeHTTP(w, r) })
	}
	for name, c := range map[string]struct {
		router  func() http.Handler
		path    string
		sampler sdktrace.Sampler
		most    float64
	}{
		"http.ServeMux, sampled":   {std, "/orders", sdktrace.AlwaysSample(), 3},
		"http.ServeMux, unsampled": {std, "/orders", sdktrace.NeverSample(), 2},
		// It routes twice, and keeps a slice for what stands for a wildcard.
		"http.ServeMux with a wildcard, sampled":   {std, "/orders/17", sdktrace.AlwaysSample(), 4},
		"http.ServeMux with a wildcard, unsampled": {std, "/orders/17", sdktrace.NeverSample(), 3},
		"gorilla/mux, sampled":                     {gorilla, "/orders/17", sdktrace.AlwaysSample(), 3},
		"gorilla/mux, unsampled":                   {gorilla, "/orders/17", sdktrace.NeverSample(), 2},
	} {
		without := allocations(c.router(), c.path, c.sampler, nil)
		if got := allocations(c.router(), c.path, c.sampler, off) - without; got != 0 {
			t.Errorf("%s: %v allocations more though nothing is profiled", name, got)
		}
		if got := allocations(c.router(), c.path, c.sampler, on) - without; got > c.most {
			t.Errorf("%s: %v allocations more, want at most %v", name, got, c.most)
		}
	}
}
