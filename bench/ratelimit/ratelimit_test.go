// Package ratelimit_test measures otelkit/ratelimit beside redis_rate v10.0.1, on the
// same redis-server.
//
//	go test -run '^$' -bench . -benchmem ./ratelimit
//
// redis-server has to be on PATH. The limits are so high, or so low, that what is
// measured is always the same answer. Metrics go nowhere, since redis_rate has none.
package ratelimit_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/go-redis/redis_rate/v10"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/ratelimit"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/metric/noop"
)

const (
	high  = 1_000_000
	usual = "client:192.0.2.1"
)

// server starts a Redis, and returns the options of a client of it. The context's deadline
// counts, as with otelkit/redisdb; with go-redis' default otelkit/ratelimit needs a
// goroutine to keep to it, and redis_rate does not keep to it.
func server(b *testing.B) *redis.Options {
	b.Helper()
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		b.Fatal(err)
	}
	socket := filepath.Join(dir, "redis.sock")
	server := exec.Command("redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--dir", dir)
	if err := server.Start(); err != nil {
		b.Fatalf("these benchmarks need redis-server (apt-get install redis-server): %v", err)
	}
	b.Cleanup(func() {
		server.Process.Kill()
		server.Wait()
		os.RemoveAll(dir)
	})
	options := &redis.Options{Network: "unix", Addr: socket, ContextTimeoutEnabled: true}
	c := client(b, options)
	for c.Ping(b.Context()).Err() != nil {
		if b.Context().Err() != nil {
			b.Fatal("redis-server does not answer")
		}
	}
	return options
}

func client(b *testing.B, options *redis.Options) *redis.Client {
	c := redis.NewClient(options)
	b.Cleanup(func() { c.Close() })
	return c
}

func limiter(b *testing.B, c redis.UniversalClient, limits ...ratelimit.Limit) *ratelimit.Limiter {
	b.Helper()
	metrics.SetDefault(metrics.NewRecorder(noop.NewMeterProvider()))
	l, err := ratelimit.New(ratelimit.Config{Redis: c, Instances: 1, Wait: time.Second, Limits: limits})
	if err != nil {
		b.Fatal(err)
	}
	return l
}

// measure runs one decision again and again, one after another and from many at once.
func measure(b *testing.B, name string, decide func() (allowed bool, err error), want bool) {
	check := func(b *testing.B) {
		if allowed, err := decide(); err != nil || allowed != want {
			b.Fatalf("allowed %v, error %v, want %v", allowed, err, want)
		}
	}
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			check(b)
		}
	})
	b.Run(name+", 16 at once", func(b *testing.B) {
		b.ReportAllocs()
		b.SetParallelism(8)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if allowed, err := decide(); err != nil || allowed != want {
					b.Errorf("allowed %v, error %v, want %v", allowed, err, want)
					return
				}
			}
		})
	})
}

// One decision that lets pass.
func BenchmarkDecision(b *testing.B) {
	options, ctx := server(b), context.Background()
	c := client(b, options)
	rate := redis_rate.NewLimiter(c)
	limit := redis_rate.PerSecond(high)
	measure(b, "redis_rate", func() (bool, error) {
		r, err := rate.Allow(ctx, usual, limit)
		return err == nil && r.Allowed == 1, err
	}, true)
	decide := func(name string, c *redis.Client, lease int) {
		l := limiter(b, c, ratelimit.Limit{Name: "api", Rate: high, Per: time.Second, Lease: lease})
		measure(b, name, func() (bool, error) {
			r, err := l.Allow(ctx, "api", usual)
			return r.Allowed, err
		}, true)
	}
	decide("otelkit", c, 0)
	decide("otelkit, lease of 10", c, 10)
	decide("otelkit, lease of 50", c, 50)
	defaults := *options
	defaults.ContextTimeoutEnabled = false
	decide("otelkit, go-redis' default options", client(b, &defaults), 0)
}

// The difference without leases is smaller than what a busy machine adds and takes away
// from one second to the next. So here both are asked by turns, a hundred times each, and
// the medians of the turns are compared. Run it with -benchtime 300x.
func BenchmarkSideBySide(b *testing.B) {
	c, ctx := client(b, server(b)), context.Background()
	rate := redis_rate.NewLimiter(c)
	limit := redis_rate.PerSecond(high)
	l := limiter(b, c, ratelimit.Limit{Name: "api", Rate: high, Per: time.Second})
	sides := [2]func() bool{
		func() bool { r, err := rate.Allow(ctx, usual, limit); return err == nil && r.Allowed == 1 },
		func() bool {
			r, err := l.Allow(ctx, "api", usual)
			return err == nil && r.Source == ratelimit.FromRedis
		},
	}
	var turns [2][]float64
	for first := 0; b.Loop(); first = 1 - first { // who goes first changes, too
		for _, side := range []int{first, 1 - first} {
			start := time.Now()
			for range 100 {
				if !sides[side]() {
					b.Fatal("not allowed, or not by Redis")
				}
			}
			turns[side] = append(turns[side], float64(time.Since(start).Nanoseconds())/100)
		}
	}
	var median [2]float64
	for side := range turns {
		slices.Sort(turns[side])
		median[side] = turns[side][len(turns[side])/2]
	}
	b.ReportMetric(0, "ns/op") // of a pair of turns, which says nothing
	b.ReportMetric(median[0], "redis_rate-ns")
	b.ReportMetric(median[1], "otelkit-ns")
	b.ReportMetric(median[1]/median[0], "ratio")
}

// A key that is over its limit.
func BenchmarkDenial(b *testing.B) {
	c, ctx := client(b, server(b)), context.Background()
	rate := redis_rate.NewLimiter(c)
	limit := redis_rate.Limit{Rate: 1, Period: 24 * time.Hour, Burst: 1}
	rate.Allow(ctx, usual, limit)
	measure(b, "redis_rate", func() (bool, error) {
		r, err := rate.Allow(ctx, usual, limit)
		return err == nil && r.Allowed == 1, err
	}, false)
	l := limiter(b, c, ratelimit.Limit{Name: "api", Rate: 1, Per: 24 * time.Hour})
	l.Allow(ctx, "api", usual)
	measure(b, "otelkit", func() (bool, error) {
		r, err := l.Allow(ctx, "api", usual)
		return r.Allowed, err
	}, false)
}

// Three limits on one request: redis_rate has to ask three times.
func BenchmarkThreeLimits(b *testing.B) {
	c, ctx := client(b, server(b)), context.Background()
	rate := redis_rate.NewLimiter(c)
	limit := redis_rate.PerSecond(high)
	measure(b, "redis_rate", func() (bool, error) {
		for i := range 3 {
			if r, err := rate.Allow(ctx, usual+strconv.Itoa(i), limit); err != nil || r.Allowed != 1 {
				return false, err
			}
		}
		return true, nil
	}, true)
	l := limiter(b, c,
		ratelimit.Limit{Name: "a", Rate: high, Per: time.Second},
		ratelimit.Limit{Name: "b", Rate: high, Per: time.Second},
		ratelimit.Limit{Name: "c", Rate: high, Per: time.Second})
	measure(b, "otelkit", func() (bool, error) {
		d, err := l.Take(ctx, ratelimit.Ask{Limit: "a", Key: usual}, ratelimit.Ask{Limit: "b", Key: usual}, ratelimit.Ask{Limit: "c", Key: usual})
		return d.Allowed, err
	}, true)
}

// A Redis that is not there, with go-redis' default options: what a request waits for.
// Run it with -benchtime 20x: redis_rate takes seconds for each.
func BenchmarkRedisAway(b *testing.B) {
	ctx := context.Background()
	for name, listening := range map[string]bool{"refused": false, "nobody answers": true} {
		socket, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		defer socket.Close()
		if !listening {
			socket.Close()
		}
		away := func(b *testing.B) *redis.Client {
			return client(b, &redis.Options{Addr: socket.Addr().String()})
		}
		b.Run(name+"/redis_rate", func(b *testing.B) {
			rate := redis_rate.NewLimiter(away(b))
			for b.Loop() {
				if _, err := rate.Allow(ctx, usual, redis_rate.PerSecond(high)); err == nil {
					b.Fatal("no error")
				}
			}
		})
		b.Run(name+"/otelkit", func(b *testing.B) {
			metrics.SetDefault(metrics.NewRecorder(noop.NewMeterProvider()))
			l, err := ratelimit.New(ratelimit.Config{Redis: away(b), Instances: 1, Limits: []ratelimit.Limit{{Name: "api", Rate: high, Per: time.Second}}})
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				if r, err := l.Allow(ctx, "api", usual); err != nil || !r.Allowed {
					b.Fatalf("%+v, %v", r, err)
				}
			}
		})
	}
}
