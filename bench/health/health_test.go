// Package health_test measures the probes of otelkit/health beside
// github.com/alexliesenfeld/health v0.8.0, which answers from a cache, too.
//
//	go test -run '^$' -bench . -benchmem ./health
//
// Both have four checks that pass and that run in the background.
package health_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"sync"
	"testing"
	"time"

	peer "github.com/alexliesenfeld/health"
	"github.com/otelkit/kit/otelkit/health"
	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel/metric/noop"
)

var components = []string{"postgres", "redis", "payments", "promotions"}

// nowhere is a ResponseWriter that costs nothing itself.
type nowhere struct{ header http.Header }

func (w nowhere) Header() http.Header         { return w.header }
func (w nowhere) Write(b []byte) (int, error) { return len(b), nil }
func (w nowhere) WriteHeader(int)             {}

// quiet is a Kit that logs and measures nothing.
type quiet struct{}

func (quiet) Recorder() *metrics.Recorder { return metrics.NewRecorder(noop.NewMeterProvider()) }
func (quiet) Logger() *slog.Logger        { return slog.New(slog.DiscardHandler) }

// ours returns the handler of readiness.
func ours(b *testing.B) http.Handler {
	var checks []health.Check
	for _, name := range components {
		checks = append(checks, health.Check{Name: name, Criticality: health.Critical, Run: func(context.Context) error { return nil }})
	}
	checker, err := health.New(health.Config{Kit: quiet{}, Checks: checks})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = checker.Run(ctx) })
	b.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return whenUp(b, checker.Ready())
}

func theirs(b *testing.B) http.Handler {
	var options []peer.CheckerOption
	for _, name := range components {
		check := peer.Check{Name: name, Check: func(context.Context) error { return nil }}
		options = append(options, peer.WithPeriodicCheck(10*time.Second, 0, check))
	}
	checker := peer.NewChecker(options...)
	b.Cleanup(checker.Stop)
	return whenUp(b, peer.NewHandler(checker))
}

// whenUp returns a handler once it answers that all is well.
func whenUp(b *testing.B, h http.Handler) http.Handler {
	for {
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
		if answer.Code == http.StatusOK {
			return h
		}
		if b.Context().Err() != nil {
			b.Fatalf("still %d: %s", answer.Code, answer.Body)
		}
		runtime.Gosched()
	}
}

// BenchmarkProbe is one probe of readiness, one at a time and many at once.
func BenchmarkProbe(b *testing.B) {
	for _, side := range []struct {
		who     string
		handler func(*testing.B) http.Handler
	}{{"otelkit", ours}, {"alexliesenfeld", theirs}} {
		b.Run("one at a time/"+side.who, func(b *testing.B) {
			h, r, w := side.handler(b), httptest.NewRequest(http.MethodGet, "/", nil), nowhere{http.Header{}}
			b.ReportAllocs()
			for b.Loop() {
				h.ServeHTTP(w, r)
			}
		})
		b.Run("in parallel/"+side.who, func(b *testing.B) {
			h := side.handler(b)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for r, w := httptest.NewRequest(http.MethodGet, "/", nil), (nowhere{http.Header{}}); pb.Next(); {
					h.ServeHTTP(w, r)
				}
			})
		})
	}
}
