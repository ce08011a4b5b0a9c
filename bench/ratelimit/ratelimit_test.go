// Package ratelimit_test measures otelkit/ratelimit beside redis_rate v10.0.1, on the
// same Redis.
//
//	go test -run '^$' -bench . -benchmem ./ratelimit
//
// redis-server has to be on PATH. The limits are so high, or so low, that what is
// measured is always the same answer. Metrics of otelkit are on, and go to the
// OpenTelemetry SDK; redis_rate has none.
package ratelimit_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/go-redis/redis_rate/v10"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/ratelimit"
	"github.com/redis/go-redis/v9"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

const (
	high  = 600_000_000 // a minute
	usual = "client:192.0.2.1"
)

// server starts a redis-server, and returns the options of a client of it. The context's
// deadline counts, as with otelkit/redisdb; with go-redis' default otelkit/ratelimit needs a
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

// inProcess is the options of a client of a miniredis, whose time is spent on its Lua.
func inProcess(b *testing.B) *redis.Options {
	return &redis.Options{Addr: miniredis.RunT(b).Addr(), ContextTimeoutEnabled: true}
}

func client(b *testing.B, options *redis.Options) *redis.Client {
	c := redis.NewClient(options)
	b.Cleanup(func() { c.Close() })
	return c
}

func limiter(b *testing.B, c redis.UniversalClient, limits ...ratelimit.Limit) *ratelimit.Limiter {
	b.Helper()
	metrics.SetDefault(metrics.NewRecorder(sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))))
	l, err := ratelimit.New(ratelimit.Config{Redis: c, Instances: 1, Wait: time.Second, Limits: limits})
	if err != nil {
		b.Fatal(err)
	}
	return l
}

// decide makes one decision about a key.
type decide func(key string) (allowed bool, err error)

// measure has callers make b.N decisions about keys, as fast as they can.
func measure(b *testing.B, name string, callers int, keys []string, decide decide, want bool) {
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		var left atomic.Int64
		left.Store(int64(b.N))
		var wg sync.WaitGroup
		for range callers {
			wg.Go(func() {
				for n := left.Add(-1); n >= 0; n = left.Add(-1) {
					if allowed, err := decide(keys[int(n)%len(keys)]); err != nil || allowed != want {
						b.Errorf("allowed %v, error %v, want %v", allowed, err, want)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

func redisRate(c *redis.Client, limit redis_rate.Limit) decide {
	rate, ctx := redis_rate.NewLimiter(c), context.Background()
	return func(key string) (bool, error) {
		r, err := rate.Allow(ctx, key, limit)
		return err == nil && r.Allowed == 1, err
	}
}

func otelkit(l *ratelimit.Limiter) decide {
	ctx := context.Background()
	return func(key string) (bool, error) {
		r, err := l.Allow(ctx, "api", key)
		return r.Allowed, err
	}
}

// roomy is a limit that lets everything pass.
func roomy(lease int) ratelimit.Limit {
	return ratelimit.Limit{Name: "api", Rate: high, Per: time.Minute, Lease: lease}
}

// warm makes decisions until the leases of the keys are as large as they become.
func warm(b *testing.B, decide decide, keys []string, lease int) {
	for _, key := range keys {
		for range 2 * lease {
			if allowed, err := decide(key); !allowed {
				b.Fatalf("not allowed, error %v", err)
			}
		}
	}
}

// One decision that lets pass: on a real server and in this process, by one caller and by
// many at once, about one key and about a thousand, without leases and with.
func BenchmarkDecision(b *testing.B) {
	thousand := make([]string, 1000)
	for i := range thousand {
		thousand[i] = usual + "." + strconv.Itoa(i)
	}
	for _, where := range []struct {
		name  string
		start func(*testing.B) *redis.Options
	}{{"redis-server", server}, {"miniredis", inProcess}} {
		c := client(b, where.start(b))
		for _, callers := range []int{1, 16, 64} {
			for _, keys := range [][]string{{usual}, thousand} {
				for _, lease := range []int{0, 10, 50} {
					b.Run(fmt.Sprintf("%s, %d callers, %d keys, lease of %d", where.name, callers, len(keys), lease), func(b *testing.B) {
						ours, theirs := otelkit(limiter(b, c, roomy(lease))), redisRate(c, redis_rate.PerMinute(high))
						warm(b, ours, keys, lease)
						measure(b, "otelkit", callers, keys, ours, true)
						measure(b, "redis_rate", callers, keys, theirs, true)
					})
				}
			}
		}
	}
}

// The same with go-redis' default options, which do not keep to a deadline.
func BenchmarkDecisionDefaultOptions(b *testing.B) {
	options := server(b)
	options.ContextTimeoutEnabled = false
	c := client(b, options)
	for _, callers := range []int{1, 16} {
		b.Run(fmt.Sprintf("%d callers", callers), func(b *testing.B) {
			measure(b, "otelkit", callers, []string{usual}, otelkit(limiter(b, c, roomy(0))), true)
			measure(b, "redis_rate", callers, []string{usual}, redisRate(c, redis_rate.PerMinute(high)), true)
		})
	}
}

// What a busy machine adds and takes away from one second to the next is more than the
// difference without leases. So here both are asked by turns of some milliseconds, and
// the medians of the turns are compared. Run it with -benchtime 100x.
func BenchmarkSideBySide(b *testing.B) {
	c := client(b, server(b))
	for _, callers := range []int{1, 16, 64} {
		for _, lease := range []int{0, 10, 50} {
			b.Run(fmt.Sprintf("%d callers, lease of %d", callers, lease), func(b *testing.B) {
				ours := otelkit(limiter(b, c, roomy(lease)))
				warm(b, ours, []string{usual}, lease)
				sideBySide(b, callers, ours, redisRate(c, redis_rate.PerMinute(high)))
			})
		}
	}
}

func sideBySide(b *testing.B, callers int, ours, theirs decide) {
	sides := [2]decide{theirs, ours}
	var turns [2][]float64
	for first := 0; b.Loop(); first = 1 - first { // who goes first changes, too
		for _, side := range []int{first, 1 - first} {
			turns[side] = append(turns[side], turn(b, callers, sides[side]))
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

// turn has callers make 1,600 decisions, and returns how many nanoseconds each took.
func turn(b *testing.B, callers int, decide decide) float64 {
	each := max(1, 1600/callers)
	start := time.Now()
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				if allowed, err := decide(usual); !allowed {
					b.Errorf("not allowed, error %v", err)
				}
			}
		})
	}
	wg.Wait()
	return float64(time.Since(start).Nanoseconds()) / float64(callers*each)
}

// A key that is over its limit.
func BenchmarkDenial(b *testing.B) {
	c := client(b, server(b))
	limit := redis_rate.Limit{Rate: 1, Period: 24 * time.Hour, Burst: 1}
	l := limiter(b, c, ratelimit.Limit{Name: "api", Rate: 1, Per: 24 * time.Hour})
	ours, theirs := otelkit(l), redisRate(c, limit)
	ours(usual)
	theirs(usual)
	for _, callers := range []int{1, 16} {
		b.Run(fmt.Sprintf("%d callers", callers), func(b *testing.B) {
			measure(b, "otelkit", callers, []string{usual}, ours, false)
			measure(b, "redis_rate", callers, []string{usual}, theirs, false)
		})
	}
}

// Three limits on one request: redis_rate has to ask three times.
func BenchmarkThreeLimits(b *testing.B) {
	c, ctx := client(b, server(b)), context.Background()
	l := limiter(b, c,
		ratelimit.Limit{Name: "a", Rate: high, Per: time.Minute},
		ratelimit.Limit{Name: "b", Rate: high, Per: time.Minute},
		ratelimit.Limit{Name: "c", Rate: high, Per: time.Minute})
	one := redisRate(c, redis_rate.PerMinute(high))
	for _, callers := range []int{1, 16} {
		b.Run(fmt.Sprintf("%d callers", callers), func(b *testing.B) {
			measure(b, "otelkit", callers, []string{usual}, func(key string) (bool, error) {
				d, err := l.Take(ctx, ratelimit.Ask{Limit: "a", Key: key}, ratelimit.Ask{Limit: "b", Key: key}, ratelimit.Ask{Limit: "c", Key: key})
				return d.Allowed, err
			}, true)
			measure(b, "redis_rate", callers, []string{usual}, func(key string) (bool, error) {
				for i := range 3 {
					if allowed, err := one(key + strconv.Itoa(i)); !allowed {
						return false, err
					}
				}
				return true, nil
			}, true)
		})
	}
}

// A Redis that is not there, with go-redis' default options: what a request waits for.
// Run it with -benchtime 20x: redis_rate takes seconds for each.
func BenchmarkRedisAway(b *testing.B) {
	ctx := context.Background()
	for _, name := range []string{"refused", "nobody answers"} {
		socket, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		defer socket.Close()
		if name == "refused" {
			socket.Close()
		}
		away := func(b *testing.B) *redis.Client {
			return client(b, &redis.Options{Addr: socket.Addr().String()})
		}
		b.Run(name+"/redis_rate", func(b *testing.B) {
			rate := redis_rate.NewLimiter(away(b))
			for b.Loop() {
				if _, err := rate.Allow(ctx, usual, redis_rate.PerMinute(high)); err == nil {
					b.Fatal("no error")
				}
			}
		})
		b.Run(name+"/otelkit", func(b *testing.B) {
			l, err := ratelimit.New(ratelimit.Config{Redis: away(b), Instances: 1, Limits: []ratelimit.Limit{{Name: "api", Rate: high, Per: time.Minute}}})
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
