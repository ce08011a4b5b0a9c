package ratelimit_test

import (
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/otelkit/kit/otelkit/ratelimit"
	"github.com/redis/go-redis/v9"
)

func TestSeveralLimitsAreOneRoundTrip(t *testing.T) {
	redisBackends(t, func(t *testing.T, b backend) {
		tap := &tap{}
		l := b.limiter(t, ratelimit.Config{Limits: []ratelimit.Limit{
			{Name: "user", Rate: 1000, Per: time.Hour},
			{Name: "client", Rate: 1000, Per: time.Hour},
			{Name: "daily", Rate: 1000, Per: time.Hour},
		}})
		asks := []ratelimit.Ask{{Limit: "user", Key: "ada"}, {Limit: "client", Key: "192.0.2.1"}, {Limit: "daily", Key: "ada"}}
		take(t, l, asks...) // which loads the script, and finds out how keys are spread
		b.client.AddHook(tap)
		for range 10 {
			take(t, l, asks...)
		}
		if got := tap.trips.Load(); got != 10 {
			t.Errorf("%d round trips for 10 decisions on 3 limits, want 10", got)
		}
	})
}

func TestAKeyThatIsKnownToBeOverItsLimitNeedsNoRoundTrip(t *testing.T) {
	redisBackends(t, func(t *testing.T, b backend) {
		tap, clock := &tap{}, newClock()
		l := b.limiter(t, ratelimit.Config{Now: clock.Now, Limits: []ratelimit.Limit{{Name: "api", Rate: 1, Per: time.Minute}}})
		allow(t, l, "api", "k")
		b.client.AddHook(tap)
		for i := range 59 {
			r := allow(t, l, "api", "k")
			if r.Allowed || r.RetryAfter != time.Duration(60-i)*time.Second || r.Source != ratelimit.FromCache && i > 0 {
				t.Fatalf("%+v, want a denial by the cache for %d s", r, 60-i)
			}
			clock.advance(time.Second)
		}
		clock.advance(time.Second)
		if r := allow(t, l, "api", "k"); !r.Allowed || r.Source != ratelimit.FromRedis {
			t.Errorf("%+v, want Redis to let it pass", r)
		}
		if got := tap.trips.Load(); got != 2 {
			t.Errorf("%d round trips, want 2: the first denial, and what passed", got)
		}
	})
}

func TestAServerThatForgotTheScriptGetsItAgain(t *testing.T) {
	redisBackends(t, func(t *testing.T, b backend) {
		l := b.limiter(t, ratelimit.Config{Limits: []ratelimit.Limit{{Name: "one", Rate: 100, Per: time.Hour}, {Name: "two", Rate: 100, Per: time.Hour}}})
		for i := range 5 {
			if err := b.client.ScriptFlush(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			d := take(t, l, ratelimit.Ask{Limit: "one", Key: "a"}, ratelimit.Ask{Limit: "two", Key: "b"})
			for _, r := range d.Results {
				if r.Source != ratelimit.FromRedis || r.Remaining != 99-i {
					t.Fatalf("%+v, want Redis to say that %d remain", r, 99-i)
				}
			}
		}
	})
}

// The time is Redis' own, so instances whose clocks differ agree.
func TestRedisClockCounts(t *testing.T) {
	mini := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: mini.Addr()})
	defer client.Close()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	mini.SetTime(now)
	b := backend{"miniredis", client}
	one, two := b.limiter(t, ratelimit.Config{Limits: oneAMinute()}), b.limiter(t, ratelimit.Config{Limits: oneAMinute()})
	if r := allow(t, one, "api", "k"); !r.Allowed {
		t.Fatalf("%+v", r)
	}
	mini.SetTime(now.Add(time.Minute - time.Microsecond))
	if r := allow(t, one, "api", "k"); r.Allowed || r.RetryAfter != time.Microsecond {
		t.Errorf("%+v, want a denial for 1 µs", r)
	}
	mini.SetTime(now.Add(time.Minute))
	if r := allow(t, two, "api", "k"); !r.Allowed {
		t.Errorf("%+v, want it to pass", r)
	}
}

func oneAMinute() []ratelimit.Limit {
	return []ratelimit.Limit{{Name: "api", Rate: 1, Per: time.Minute}}
}

// A server's clock that is set back by an hour must not keep what came from the future
// for an hour.
func TestAClockThatIsSetBackDeniesNobodyForLong(t *testing.T) {
	redisBackends(t, func(t *testing.T, b backend) {
		clock := newClock()
		allow(t, b.limiter(t, ratelimit.Config{Now: clock.Now, Limits: oneAMinute()}), "api", "k")
		clock.advance(-time.Hour)
		if r := allow(t, b.limiter(t, ratelimit.Config{Now: clock.Now, Limits: oneAMinute()}), "api", "k"); r.Allowed || r.RetryAfter != time.Minute {
			t.Fatalf("%+v, want a denial for the minute that it had still to wait", r)
		}
		clock.advance(time.Minute)
		if r := allow(t, b.limiter(t, ratelimit.Config{Now: clock.Now, Limits: oneAMinute()}), "api", "k"); !r.Allowed {
			t.Errorf("%+v, want it to pass", r)
		}
	})
}

func TestWhatIsInRedisEndsByItself(t *testing.T) {
	redisBackends(t, func(t *testing.T, b backend) {
		l := b.limiter(t, ratelimit.Config{Prefix: t.Name() + "/", Limits: []ratelimit.Limit{{Name: "api", Rate: 10, Per: time.Minute}}})
		take(t, l, ratelimit.Ask{Limit: "api", Key: "ada", Cost: 5})
		ttl, err := b.client.PTTL(t.Context(), t.Name()+"/{ada}api").Result()
		if err != nil || ttl <= 0 || ttl > 30*time.Second {
			t.Errorf("the key ends in %v (%v), want the 30 s in which its units come back", ttl, err)
		}
	})
}

// A stranger who may choose a key may neither store megabytes nor choose a server.
func TestAKeyInRedisIsShortAndPlain(t *testing.T) {
	mini := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: mini.Addr()})
	defer client.Close()
	l := backend{"miniredis", client}.limiter(t, ratelimit.Config{Prefix: "p:", Limits: oneAMinute()})
	for _, key := range []string{strings.Repeat("x", 1<<20), "}{user}", "{}", "new\nline", "ä", "#"} {
		allow(t, l, "api", key)
	}
	for _, key := range mini.Keys() {
		tag, ok := strings.CutPrefix(key, "p:{#")
		tag, ok2 := strings.CutSuffix(tag, "}api")
		if !ok || !ok2 || len(tag) != 24 || strings.ContainsAny(tag, "{}\n") {
			t.Errorf("key %q, want p:{#<24 characters>}api", key)
		}
	}
	if n := len(mini.Keys()); n != 6 {
		t.Errorf("%d keys, want 6", n)
	}
}

// redis_rate v10.0.1 calls redis.replicate_commands, which Upstash does not know.
func TestTheScriptCallsNothingThatOnlySomeServersKnow(t *testing.T) {
	for _, name := range []string{"one.lua", "several.lua"} {
		script, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"replicate_commands", "cjson", "struct.", "bit.", "os."} {
			if strings.Contains(string(script), word) {
				t.Errorf("%s has %q", name, word)
			}
		}
	}
}

// throttled v2.13 compares and swaps, and gives up after ten attempts. A script needs
// none, nor does one that finds a stranger's value in its place need to fail for ever.
func TestManyInstancesContendWithoutErrors(t *testing.T) {
	redisBackends(t, func(t *testing.T, b backend) {
		kit := newKit()
		limits := []ratelimit.Limit{{Name: "api", Rate: 100, Per: time.Hour}}
		passed := make(chan int)
		for range 8 {
			l := b.limiter(t, ratelimit.Config{Kit: kit, Limits: limits})
			go func() {
				n := 0
				for range 50 {
					if r, err := l.Allow(context.Background(), "api", "k"); err == nil && r.Allowed {
						n++
					}
				}
				passed <- n
			}()
		}
		sum := 0
		for range 8 {
			sum += <-passed
		}
		if sum != 100 {
			t.Errorf("%d of 400 passed, want 100", sum)
		}
		for attributes := range kit.series(t, "otelkit.ratelimit.redis.duration") {
			if attributes != "" {
				t.Errorf("a decision failed: %s", attributes)
			}
		}
	})
}

// In a cluster several keys are several scripts, and one may deny what another let pass.
func TestAClusterGivesBackWhatWasTakenForNothing(t *testing.T) {
	redisBackends(t, func(t *testing.T, b backend) {
		clock := newClock()
		l := b.limiter(t, ratelimit.Config{Now: clock.Now, Limits: []ratelimit.Limit{
			{Name: "user", Rate: 1000, Per: time.Hour, Lease: 50},
			{Name: "client", Rate: 1, Per: time.Hour},
		}})
		for i := range 30 {
			key := strconv.Itoa(i) // in some slot or other
			allow(t, l, "client", key)
			d := take(t, l, ratelimit.Ask{Limit: "user", Key: "ada", Cost: 20}, ratelimit.Ask{Limit: "client", Key: key})
			if d.Allowed || d.Results[0].Remaining != 1000 {
				t.Fatalf("%+v, want a denial, and the user's 1,000 to remain", d)
			}
		}
	})
}
