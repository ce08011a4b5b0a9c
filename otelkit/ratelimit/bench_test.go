package ratelimit_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/ratelimit"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/metric/noop"
)

// What a decision costs that needs no round trip; those that do are in
// bench/ratelimit, beside redis_rate.
func BenchmarkAllow(b *testing.B) {
	metrics.SetDefault(metrics.NewRecorder(noop.NewMeterProvider()))
	client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(b).Addr()})
	defer client.Close()
	never := ratelimit.Limit{Name: "api", Rate: 1, Per: 24 * time.Hour}
	always := ratelimit.Limit{Name: "api", Rate: 1_000_000_000, Per: time.Second}
	for name, cfg := range map[string]ratelimit.Config{
		"memory":         {Limits: []ratelimit.Limit{always}},
		"memory, denied": {Limits: []ratelimit.Limit{never}},
		"cache":          {Limits: []ratelimit.Limit{never}, Redis: client, Prefix: "cache:"},
	} {
		cfg.Instances = 1
		l := newLimiter(b, cfg)
		keys := make([]string, 1000)
		for i := range keys {
			keys[i] = "client:192.0.2." + strconv.Itoa(i)
			allow(b, l, "api", keys[i])
			allow(b, l, "api", keys[i])
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if _, err := l.Allow(context.Background(), "api", keys[i%len(keys)]); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+", all cores", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					if _, err := l.Allow(context.Background(), "api", keys[i%len(keys)]); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}

func BenchmarkMiddleware(b *testing.B) {
	metrics.SetDefault(metrics.NewRecorder(noop.NewMeterProvider()))
	limiter := newLimiter(b, ratelimit.Config{Limits: []ratelimit.Limit{
		{Name: "user", Rate: 1_000_000_000, Per: time.Second},
		{Name: "client", Rate: 1_000_000_000, Per: time.Second},
	}})
	limited, err := ratelimit.Middleware(ratelimit.HTTPConfig{
		Limiter:        limiter,
		Rules:          []ratelimit.Rule{{Limit: "user", By: ratelimit.ByUser}, {Limit: "client"}},
		User:           verified,
		TrustedProxies: proxies,
	})
	if err != nil {
		b.Fatal(err)
	}
	h := limited(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	r := request("10.1.2.3:4711", "198.51.100.1, 192.0.2.7, 10.4.5.6")
	r.Header.Set("Authenticated", "ada")
	w := httptest.NewRecorder()
	b.ReportAllocs()
	for b.Loop() {
		clear(w.Header())
		h.ServeHTTP(w, r)
	}
}
