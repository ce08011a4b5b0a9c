package ratelimit_test

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/otelkit/kit/otelkit/ratelimit"
)

// What every place that keeps limits owes: memory, miniredis, Redis and its cluster.

func TestABurstPassesAtOnceAndThenOneUnitAtATime(t *testing.T) {
	backends(t, func(t *testing.T, b backend) {
		clock := newClock()
		l := b.limiter(t, ratelimit.Config{Now: clock.Now, Limits: []ratelimit.Limit{{Name: "api", Rate: 60, Per: time.Minute, Burst: 3}}})
		for i := range 3 {
			if r := allow(t, l, "api", "k"); !r.Allowed || r.Remaining != 2-i || r.ResetAfter != time.Duration(i+1)*time.Second {
				t.Fatalf("unit %d: %+v, want it to pass, %d to remain and rest in %d s", i, r, 2-i, i+1)
			}
		}
		if r := allow(t, l, "api", "k"); r.Allowed || r.Remaining != 0 || r.RetryAfter != time.Second || r.ResetAfter != 3*time.Second {
			t.Fatalf("beyond the burst: %+v, want a denial for 1 s", r)
		}
		for range 5 {
			clock.advance(time.Second)
			if r := allow(t, l, "api", "k"); !r.Allowed {
				t.Fatalf("a second later: %+v, want one to pass", r)
			}
			if r := allow(t, l, "api", "k"); r.Allowed {
				t.Fatalf("a second later: %+v, want only one to pass", r)
			}
		}
		clock.advance(time.Hour)
		if r := allow(t, l, "api", "k"); r.Remaining != 2 {
			t.Fatalf("after a rest: %+v, want 2 to remain, not more than the burst", r)
		}
	})
}

func TestRetryAfterIsExact(t *testing.T) {
	backends(t, func(t *testing.T, b backend) {
		clock := newClock()
		l := b.limiter(t, ratelimit.Config{Now: clock.Now, Limits: []ratelimit.Limit{{Name: "api", Rate: 7, Per: time.Hour}}})
		take(t, l, ratelimit.Ask{Limit: "api", Key: "k", Cost: 6})
		r := take(t, l, ratelimit.Ask{Limit: "api", Key: "k", Cost: 4})
		if r.Allowed || r.RetryAfter != 1542857143*time.Microsecond { // 3 of 7 units come back in 3/7 h
			t.Fatalf("%+v, want a denial for 25m42.857143s", r)
		}
		clock.advance(r.RetryAfter - time.Microsecond)
		if r := take(t, l, ratelimit.Ask{Limit: "api", Key: "k", Cost: 4}); r.Allowed {
			t.Fatalf("a microsecond too early: %+v", r)
		}
		clock.advance(time.Microsecond)
		if r := take(t, l, ratelimit.Ask{Limit: "api", Key: "k", Cost: 4}); !r.Allowed {
			t.Fatalf("in time: %+v", r)
		}
	})
}

func TestADenialTakesNothing(t *testing.T) {
	backends(t, func(t *testing.T, b backend) {
		clock := newClock()
		l := b.limiter(t, ratelimit.Config{Now: clock.Now, Limits: []ratelimit.Limit{{Name: "api", Rate: 10, Per: time.Minute}}})
		take(t, l, ratelimit.Ask{Limit: "api", Key: "k", Cost: 8})
		for range 100 {
			take(t, l, ratelimit.Ask{Limit: "api", Key: "k", Cost: 5})
		}
		if r := take(t, l, ratelimit.Ask{Limit: "api", Key: "k", Cost: 2}); !r.Allowed {
			t.Errorf("%+v, want the 2 that are left to pass", r)
		}
	})
}

func TestOfSeveralLimitsAllLetPassOrNothingIsTaken(t *testing.T) {
	backends(t, func(t *testing.T, b backend) {
		clock := newClock()
		l := b.limiter(t, ratelimit.Config{Now: clock.Now, Limits: []ratelimit.Limit{
			{Name: "user", Rate: 10, Per: time.Minute},
			{Name: "client", Rate: 2, Per: time.Minute},
			{Name: "daily", Rate: 100, Per: 24 * time.Hour},
		}})
		asks := []ratelimit.Ask{{Limit: "user", Key: "ada"}, {Limit: "client", Key: "192.0.2.1"}, {Limit: "daily", Key: "ada"}}
		for range 2 {
			if d := take(t, l, asks...); !d.Allowed {
				t.Fatalf("%+v, want it to pass", d)
			}
		}
		for range 20 {
			d := take(t, l, asks...)
			if d.Allowed || d.RetryAfter != 30*time.Second || d.Results[1].Allowed {
				t.Fatalf("%+v, want the client's limit to deny for 30 s", d)
			}
		}
		if r := allow(t, l, "user", "ada"); r.Remaining != 7 {
			t.Errorf("of the user's 10 remain %d after 3 that passed and 20 that did not, want 7", r.Remaining)
		}
		if r := allow(t, l, "daily", "ada"); r.Remaining != 97 {
			t.Errorf("of the day's 100 remain %d, want 97", r.Remaining)
		}
	})
}

func TestALimitInShadowModeReportsAndNeverDenies(t *testing.T) {
	backends(t, func(t *testing.T, b backend) {
		clock := newClock()
		l := b.limiter(t, ratelimit.Config{Now: clock.Now, Limits: []ratelimit.Limit{
			{Name: "new", Rate: 2, Per: time.Minute, Shadow: true},
			{Name: "old", Rate: 5, Per: time.Minute},
		}})
		for i := range 7 {
			d := take(t, l, ratelimit.Ask{Limit: "new", Key: "k"}, ratelimit.Ask{Limit: "old", Key: "k"})
			if d.Allowed != (i < 5) {
				t.Fatalf("%d: allowed %v, want the old limit alone to decide", i, d.Allowed)
			}
			if d.Results[0].Source == "" { // the old one is known to deny
				continue
			}
			if r := d.Results[0]; !r.Allowed || r.WouldDeny != (i >= 2) {
				t.Fatalf("%d: %+v, want it to pass, and to be denied but for the mode from 2 on", i, r)
			}
		}
		clock.advance(time.Minute)
		if d := take(t, l, ratelimit.Ask{Limit: "new", Key: "k"}); d.Results[0].WouldDeny {
			t.Errorf("%+v: what passed in shadow mode only was counted", d)
		}
	})
}

func TestKeysAndLimitsDoNotTouchEachOther(t *testing.T) {
	keys := []string{"a", "b", "a}", "}a", "{a}", "{", "}", "a b", "a\nb", "ä", "#", "a:b", "a:", strings.Repeat("x", 64), strings.Repeat("x", 65), strings.Repeat("x", 66), "\x00", "\xff"}
	backends(t, func(t *testing.T, b backend) {
		clock := newClock()
		l := b.limiter(t, ratelimit.Config{Now: clock.Now, Limits: []ratelimit.Limit{
			{Name: "one", Rate: 1, Per: time.Minute},
			{Name: "two", Rate: 1, Per: time.Minute},
		}})
		for _, key := range keys {
			if d := take(t, l, ratelimit.Ask{Limit: "one", Key: key}, ratelimit.Ask{Limit: "two", Key: key}); !d.Allowed {
				t.Errorf("the first of key %q: %+v", key, d)
			}
		}
		for _, key := range keys {
			if r := allow(t, l, "one", key); r.Allowed {
				t.Errorf("the second of key %q: %+v", key, r)
			}
		}
	})
}

// A rate that does not divide the period has fractions of microseconds between units.
// They must not add up.
func TestOverALongTimeExactlyTheRatePasses(t *testing.T) {
	backends(t, func(t *testing.T, b backend) {
		clock := newClock()
		l := b.limiter(t, ratelimit.Config{Now: clock.Now, Limits: []ratelimit.Limit{{Name: "api", Rate: 7, Per: time.Minute}}})
		start, passed := clock.now, 0
		for range 60 * 14 {
			clock.advance(time.Minute / 14)
			if allow(t, l, "api", "k").Allowed {
				passed++
			}
		}
		if want := 7 + 7*int(clock.now.Sub(start).Microseconds())/60_000_000; passed != want {
			t.Errorf("%d passed in %v, want the burst of 7 and 7 a minute: %d", passed, clock.now.Sub(start), want)
		}
	})
}

func TestOfManyAtOnceExactlyTheBurstPasses(t *testing.T) {
	backends(t, func(t *testing.T, b backend) {
		clock := newClock()
		l := b.limiter(t, ratelimit.Config{Now: clock.Now, Limits: []ratelimit.Limit{
			{Name: "api", Rate: 50, Per: time.Hour},
			{Name: "each", Rate: 8, Per: time.Hour},
		}})
		var passed atomic.Int64
		var wg sync.WaitGroup
		for i := range 10 {
			wg.Go(func() {
				for range 10 {
					d, err := l.Take(context.Background(), ratelimit.Ask{Limit: "api", Key: "k"}, ratelimit.Ask{Limit: "each", Key: strconv.Itoa(i)})
					if err != nil {
						t.Error(err)
					}
					if d.Allowed {
						passed.Add(1)
					}
				}
			})
		}
		wg.Wait()
		// Units that wait to be given back, since a cluster cannot take from several
		// servers at once, may deny another; none passes beyond the burst.
		if n := passed.Load(); n > 50 || !strings.Contains(b.name, "cluster") && n < 50 {
			t.Errorf("%d of 100 passed, want 50", n)
		}
	})
}
