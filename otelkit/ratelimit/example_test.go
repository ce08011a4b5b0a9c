package ratelimit_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"time"

	"github.com/otelkit/kit/otelkit/ratelimit"
)

func Example() {
	limiter, err := ratelimit.New(ratelimit.Config{
		Limits: []ratelimit.Limit{{Name: "login", Rate: 2, Per: time.Minute}},
		// Redis: client, Instances: 3: else each instance counts for itself
	})
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		result, err := limiter.Allow(context.Background(), "login", "ada")
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(result.Allowed, result.Remaining, result.RetryAfter.Round(time.Second))
	}
	// Output:
	// true 1 0s
	// true 0 0s
	// false 0 30s
}

func ExampleMiddleware() {
	limiter, err := ratelimit.New(ratelimit.Config{Limits: []ratelimit.Limit{
		{Name: "user", Rate: 100, Per: time.Minute},
		{Name: "client", Rate: 20, Per: time.Second, Burst: 40},
	}})
	if err != nil {
		log.Fatal(err)
	}
	limited, err := ratelimit.Middleware(ratelimit.HTTPConfig{
		Limiter:        limiter,
		Rules:          []ratelimit.Rule{{Limit: "user", By: ratelimit.ByUser}, {Limit: "client"}},
		User:           func(r *http.Request) string { return "ada" }, // of a token that was verified
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
		Exempt:         func(r *http.Request) bool { return r.URL.Path == "/healthz/live" },
	})
	if err != nil {
		log.Fatal(err)
	}
	handler := limited(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))

	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/orders", nil))
	for _, item := range w.Header().Values("RateLimit") {
		fmt.Println(item)
	}
	// Output:
	// "client";r=39;t=2
	// "user";r=99;t=60
}
