package ratelimit_test

import (
	"bytes"
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/otelkit/kit/otelkit/ratelimit"
	"github.com/redis/go-redis/v9"
)

// remote is a Redis whose network a test rules, for use in a synctest bubble: there a
// millisecond is exactly one, and a decision that takes a microsecond more than it may is
// found out on the slowest machine.
type remote struct {
	redis   *miniredis.Miniredis
	latency time.Duration // of each round trip
	tap     tap
	state   atomic.Int32
}

// What the network does.
const (
	reachable int32 = iota
	silent          // it drops what is sent
	refusing        // connections break, and new ones are refused
)

func newRemote(t *testing.T, latency time.Duration) *remote {
	time.Sleep(time.Until(newClock().now)) // a bubble begins in 2000, when microseconds had 15 digits
	r := &remote{redis: miniredis.NewMiniRedis(), latency: latency}
	t.Cleanup(r.redis.Close)
	return r
}

// client returns a client. Each has connections of its own.
func (r *remote) client(t *testing.T, options redis.Options) *redis.Client {
	options.Dialer = r.dial
	options.PoolSize = 1000 // go-redis' queue for a full pool has timers that are not the bubble's
	client := redis.NewClient(&options)
	client.AddHook(&r.tap)
	t.Cleanup(func() { client.Close() })
	return client
}

// limiter returns a limiter with a wait of 20 ms, its client's connections made and the
// script known.
func (r *remote) limiter(t *testing.T, options redis.Options, cfg ratelimit.Config) *ratelimit.Limiter {
	t.Helper()
	cfg.Redis, cfg.Instances = r.client(t, options), 1
	l := newLimiter(t, cfg)
	allow(t, l, cfg.Limits[0].Name, "warm")
	allow(t, l, cfg.Limits[0].Name, "warm")
	r.tap.trips.Store(0)
	return l
}

func (r *remote) dial(context.Context, string, string) (net.Conn, error) {
	if r.state.Load() == refusing {
		return nil, errors.New("connection refused")
	}
	conn, err := r.redis.Dial()
	return remoteConn{conn, r}, err
}

type remoteConn struct {
	net.Conn
	*remote
}

func (c remoteConn) Write(p []byte) (int, error) {
	switch c.state.Load() {
	case silent:
		return len(p), nil
	case refusing:
		return 0, net.ErrClosed
	}
	sent := bytes.Clone(p)
	time.AfterFunc(c.latency, func() { c.Conn.Write(sent) }) // to which a deadline means nothing
	return len(p), nil
}

// all has n decisions made at once about one key, and returns them with the longest time
// that one took.
func all(t *testing.T, n int, decide func(i int) ratelimit.Result) (results []ratelimit.Result, longest time.Duration) {
	t.Helper()
	results = make([]ratelimit.Result, n)
	took := make([]time.Duration, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			start := time.Now()
			results[i] = decide(i)
			took[i] = time.Since(start)
		})
	}
	wg.Wait()
	for _, d := range took {
		longest = max(longest, d)
	}
	return results, longest
}

// sources counts results by who decided and what.
func sources(results []ratelimit.Result) map[ratelimit.Source]int {
	counts := map[ratelimit.Source]int{}
	for _, r := range results {
		counts[r.Source]++
	}
	return counts
}

func passed(results []ratelimit.Result) (n int) {
	for _, r := range results {
		if r.Allowed {
			n++
		}
	}
	return n
}
