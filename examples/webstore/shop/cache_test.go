package shop

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/otelkit/kit/internal/testlimit"
	goredis "github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"

	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit/otelkittest"
)

func (f *fixture) lookups(cache, outcome string) float64 {
	f.t.Helper()
	return f.kit.Total(telemetry.CacheLookups, attribute.String("webstore.cache.name", cache), attribute.String("webstore.cache.outcome", outcome)).Value()
}

func TestWhatIsInTheCacheIsNotAskedOfTheDatabase(t *testing.T) {
	redis := miniredis.RunT(t)
	f := start(t, withRedis(redis))
	_, first := f.do("GET", "/DE/products", alice, "")
	f.shop.store.pool.Close()
	status, again := f.do("GET", "/DE/products", alice, "")
	want(t, status, again, http.StatusOK, "")
	if len(again["products"].([]any)) != len(first["products"].([]any)) {
		t.Errorf("the second answer is %v, the first was %v", again, first)
	}
	for _, cache := range []string{"catalogue", "session"} {
		if misses, hits := f.lookups(cache, "miss"), f.lookups(cache, "hit"); misses != 1 || hits != 1 {
			t.Errorf("%s: %v misses and %v hits, want 1 and 1", cache, misses, hits)
		}
	}
	redis.FastForward(time.Minute)
	if keys := redis.Keys(); !slices.Equal(keys, []string{"customer:1"}) {
		t.Errorf("after a minute there is %v in Redis, want what is known of the customer alone", keys)
	}
}

func TestWithoutRedisTheDatabaseAnswersAndOneLineIsLogged(t *testing.T) {
	redis := miniredis.RunT(t)
	f := start(t, withRedis(redis))
	redis.Close()
	for range 20 {
		status, answer := f.do("GET", "/DE/products", alice, "")
		want(t, status, answer, http.StatusOK, "")
	}
	if n := strings.Count(f.kit.Lines(), "redis is away"); n != 1 {
		t.Errorf("%d lines say that Redis is away, want 1:\n%s", n, f.kit.Lines())
	}
	if n := f.lookups("catalogue", "unavailable"); n != 20 {
		t.Errorf("%v lookups without answer counted, want 20", n)
	}
}

func TestARedisThatHangsHoldsUpOneRequestOnly(t *testing.T) {
	redis := miniredis.RunT(t)
	f := start(t, func(cfg *Config) {
		withRedis(redis)(cfg)
		cfg.cachePatience.wait, cfg.cachePatience.rest = usualCachePatience.wait, time.Hour
	})
	// A client whose server takes connections and never answers.
	hanging, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hanging.Close()
	options := *f.shop.cache.client.Load().Options()
	var asked atomic.Int32
	dial := options.Dialer
	options.Dialer = func(ctx context.Context, network, _ string) (net.Conn, error) {
		asked.Add(1)
		return dial(ctx, network, hanging.Addr().String())
	}
	client := goredis.NewClient(&options)
	client.AddHook(hook{f.shop.cache})
	before := f.shop.cache.client.Swap(client)
	defer before.Close()

	for range 5 {
		status, answer := f.do("GET", "/DE/products", "", "")
		want(t, status, answer, http.StatusOK, "")
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("Redis was asked %d times, want once: then it rests", n)
	}
	if n := f.lookups("catalogue", "unavailable"); n != 5 {
		t.Errorf("%v lookups without answer counted, want 5", n)
	}
}

func TestARequestWaitsForAllThatItAsksOfRedisTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &cache{cachePatience: usualCachePatience}
		begin := time.Now()
		request := c.budgeted(t.Context())
		var outcomes []error
		for range 5 {
			outcomes = append(outcomes, c.await(request, func(ctx context.Context) error {
				select {
				case <-time.After(15 * time.Millisecond):
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}))
		}
		want := []error{nil, nil, context.DeadlineExceeded, errSlow, errSlow}
		if !slices.Equal(outcomes, want) {
			t.Errorf("five calls of 15 ms ended with %v, want %v", outcomes, want)
		}
		if took := time.Since(begin); took != 40*time.Millisecond {
			t.Errorf("the request waited for %v, want 40 ms", took)
		}
	})
}

func TestASlowRedisRestsLongerEachTimeUntilItIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var lines strings.Builder
		c := &cache{log: slog.New(slog.NewTextHandler(&lines, nil)), cachePatience: usualCachePatience}
		c.note(t.Context(), errSlow)
		c.note(t.Context(), nil) // so that the next is the first in a row again
		for _, rest := range []time.Duration{125 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, time.Second} {
			if lines.String() != "" && rest < time.Second {
				t.Errorf("it is told too soon: %s", &lines)
			}
			c.note(t.Context(), context.DeadlineExceeded)
			time.Sleep(rest - 1)
			if !c.rests() {
				t.Errorf("it does not rest for %v", rest)
			}
			time.Sleep(time.Nanosecond)
			if c.rests() {
				t.Errorf("it rests for more than %v", rest)
			}
		}
		c.note(t.Context(), nil)
		if away, back := strings.Count(lines.String(), "redis is away"), strings.Count(lines.String(), "redis is back"); away != 1 || back != 1 {
			t.Errorf("want a line when it is away and one when it is back:\n%s", &lines)
		}
		c.note(t.Context(), errors.New("connection refused"))
		time.Sleep(time.Second - 1)
		if !c.rests() || strings.Count(lines.String(), "redis is away") != 2 {
			t.Errorf("one that cannot be reached does not rest for a second at once:\n%s", &lines)
		}
	})
}

func TestARequestThatIsGivenUpSaysNothingOfRedis(t *testing.T) {
	redis := miniredis.RunT(t)
	f := start(t, withRedis(redis))
	ctx, cancel := context.WithCancel(t.Context())
	err := f.shop.cache.ask(ctx, func(context.Context, *goredis.Client) error { cancel(); return ctx.Err() })
	if !errors.Is(err, context.Canceled) || f.shop.cache.rests() {
		t.Errorf("%v, and Redis rests: %v", err, f.shop.cache.rests())
	}
}

func TestARedisThatComesLaterIsUsed(t *testing.T) {
	redis := miniredis.NewMiniRedis()
	if err := redis.Start(); err != nil {
		t.Fatal(err)
	}
	address := redis.Addr()
	redis.Close()
	f := start(t, func(cfg *Config) { cfg.RedisURL = "redis://" + address })
	status, answer := f.do("GET", "/DE/products", "", "")
	want(t, status, answer, http.StatusOK, "")

	if err := redis.StartAddr(address); err != nil {
		t.Fatal(err)
	}
	defer redis.Close()
	ctx := testlimit.Context(t)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for f.lookups("catalogue", "hit") == 0 {
		select {
		case <-ctx.Done():
			t.Fatalf("Redis is not used again:\n%s", f.kit.Lines())
		case <-tick.C:
			f.do("GET", "/DE/products", "", "")
		}
	}
	if !strings.Contains(f.kit.Lines(), "redis is back") {
		t.Errorf("no line says that Redis is back:\n%s", f.kit.Lines())
	}
}

func TestAURLThatIsNoneIsRefusedWithoutItsPassword(t *testing.T) {
	_, err := openCache(t.Context(), Config{RedisURL: "redis://:secret%zz@host"}, otelkittest.New(t))
	if err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v, want an error without the password", err)
	}
}
