package ratelimit_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/otelkit/kit/otelkit/ratelimit"
)

func TestALeaseSavesRoundTripsAndLosesNothing(t *testing.T) {
	redisBackends(t, func(t *testing.T, b backend) {
		tap := &tap{}
		b.client.AddHook(tap)
		clock := newClock()
		l := b.limiter(t, ratelimit.Config{Now: clock.Now, Limits: []ratelimit.Limit{{Name: "api", Rate: 1000, Per: time.Hour, Lease: 50}}})
		for i := range 800 {
			if r := allow(t, l, "api", "k"); !r.Allowed || r.Remaining != 999-i {
				t.Fatalf("unit %d: %+v, want it to pass and %d to remain", i, r, 999-i)
			}
		}
		// Leases of 1, 2, 4, 8, 16, 32, then 50; one script to load.
		if trips := tap.trips.Load(); trips > 25 {
			t.Errorf("%d round trips for 800 decisions, want at most 25", trips)
		}
		passed := 800
		for range 400 {
			if allow(t, l, "api", "k").Allowed {
				passed++
			}
		}
		if passed != 1000 {
			t.Errorf("%d of 1,200 passed, want the burst of 1,000", passed)
		}
	})
}

// instances is several limiters on one Redis.
func instances(t *testing.T, b backend, n int, cfg ratelimit.Config) []*ratelimit.Limiter {
	all := make([]*ratelimit.Limiter, n)
	for i := range all {
		all[i] = b.limiter(t, cfg)
	}
	return all
}

func TestWithLeasesNoMoreThanTheStatedOvershootPasses(t *testing.T) {
	redisBackends(t, func(t *testing.T, b backend) {
		for _, tt := range []struct{ lease, atOnce, steps int }{{0, 1, 1500}, {8, 1, 3000}, {8, 12, 200}} {
			limit := ratelimit.Limit{Name: "api", Rate: 20, Per: 10 * time.Minute, Burst: 40, Lease: tt.lease}
			clock := newClock()
			start := clock.now
			all := instances(t, b, 4, ratelimit.Config{Now: clock.Now, Limits: []ratelimit.Limit{limit}, Prefix: fmt.Sprint(t.Name(), tt)})

			stated := limit
			stated.Burst += tt.lease * len(all)
			m, limits := model{arrival: map[string]int64{}}, map[string]ratelimit.Limit{"api": stated}
			random := rand.New(rand.NewPCG(1, 2))
			passed := 0
			for range tt.steps {
				clock.advance(time.Duration(random.IntN(20_000*tt.atOnce)) * time.Millisecond)
				for range atOnce(tt.atOnce, all, random) {
					passed++
					if ok, _ := m.take(limits, []ratelimit.Ask{{Limit: "api", Key: "k", Cost: 1}}, clock.now.Sub(start)); !ok {
						t.Fatalf("%+v: after %v and %d that passed, more passed than the burst of %d and %d of leases allow", tt, clock.now.Sub(start), passed, limit.Burst, tt.lease*len(all))
					}
				}
			}
			if due := int(clock.now.Sub(start) * 20 / (10 * time.Minute)); passed < due*8/10 {
				t.Errorf("%+v: %d passed, of %d that came back", tt, passed, due)
			}
		}
	})
}

// atOnce makes n decisions at once, each by one of the limiters, and returns how many
// passed.
func atOnce(n int, limiters []*ratelimit.Limiter, random *rand.Rand) int {
	var passed atomic.Int64
	var wg sync.WaitGroup
	for range n {
		l := limiters[random.IntN(len(limiters))]
		wg.Go(func() {
			if r, err := l.Allow(context.Background(), "api", "k"); err == nil && r.Allowed {
				passed.Add(1)
			}
		})
	}
	wg.Wait()
	return int(passed.Load())
}

func TestAKeyThatIsSeldomUsedTakesNothingAhead(t *testing.T) {
	redisBackends(t, func(t *testing.T, b backend) {
		clock := newClock()
		all := instances(t, b, 2, ratelimit.Config{Now: clock.Now, Limits: []ratelimit.Limit{{Name: "api", Rate: 100, Per: time.Minute, Lease: 50}}})
		for range 20 {
			allow(t, all[0], "api", "k")
			if r := allow(t, all[1], "api", "k"); r.Remaining != 98 {
				t.Fatalf("%+v, want 98 to remain after one of each instance", r)
			}
			clock.advance(time.Minute)
		}
	})
}

func TestALeaseLeavesHalfOfWhatRemainsToOthers(t *testing.T) {
	redisBackends(t, func(t *testing.T, b backend) {
		clock := newClock()
		all := instances(t, b, 3, ratelimit.Config{Now: clock.Now, Limits: []ratelimit.Limit{{Name: "api", Rate: 100, Per: time.Hour, Lease: 50}}})
		for range 16 { // leases of 1, 2, 4, 8 and 16, of which one is used
			allow(t, all[0], "api", "k")
		}
		if r := allow(t, all[1], "api", "k"); r.Remaining != 68 {
			t.Fatalf("%+v, want 68 to remain after 31 of the first instance and 1", r)
		}
		take(t, all[1], ratelimit.Ask{Limit: "api", Key: "k", Cost: 60}) // and one ahead
		for range 16 {                                                   // the last takes one and half of the other 6, not 31
			allow(t, all[0], "api", "k")
		}
		if r := allow(t, all[2], "api", "k"); !r.Allowed || r.Remaining != 2 {
			t.Errorf("%+v, want it to pass and 2 to remain", r)
		}
	})
}

func TestOfManyAtOnceOneTakesAhead(t *testing.T) {
	redisBackends(t, func(t *testing.T, b backend) {
		clock := newClock()
		all := instances(t, b, 2, ratelimit.Config{Now: clock.Now, Limits: []ratelimit.Limit{{Name: "api", Rate: 10_000, Per: time.Hour, Lease: 100}}})
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				for range 50 {
					if r, err := all[0].Allow(context.Background(), "api", "k"); err != nil || !r.Allowed {
						t.Errorf("%+v, %v", r, err)
					}
				}
			})
		}
		wg.Wait()
		if r := allow(t, all[1], "api", "k"); r.Remaining < 10_000-1_000-100-1 {
			t.Errorf("%d remain after 1,000 that passed, want at most 100 to be taken ahead", r.Remaining)
		}
	})
}

func TestWhatALeaseLentGoesBackWhenAnotherLimitDenies(t *testing.T) {
	redisBackends(t, func(t *testing.T, b backend) {
		clock := newClock()
		l := b.limiter(t, ratelimit.Config{Now: clock.Now, Limits: []ratelimit.Limit{
			{Name: "busy", Rate: 1000, Per: time.Hour, Lease: 50},
			{Name: "tight", Rate: 2, Per: time.Hour},
		}})
		for range 20 {
			allow(t, l, "busy", "k")
		}
		before := allow(t, l, "busy", "k")
		if before.Source != ratelimit.FromLease {
			t.Fatalf("%+v, want a lease", before)
		}
		take(t, l, ratelimit.Ask{Limit: "tight", Key: "k", Cost: 2})
		d := take(t, l, ratelimit.Ask{Limit: "busy", Key: "k"}, ratelimit.Ask{Limit: "tight", Key: "k"})
		if d.Allowed || d.Results[0].Source != ratelimit.FromLease {
			t.Fatalf("%+v, want a denial, and the busy limit to be asked of the lease", d)
		}
		if after := allow(t, l, "busy", "k"); after.Remaining != before.Remaining-1 {
			t.Errorf("%d remained before, %d after, want one less", before.Remaining, after.Remaining)
		}
	})
}

func TestALeaseOutlivesRedis(t *testing.T) {
	o := newOutage(t, ratelimit.Config{Instances: 1, Limits: []ratelimit.Limit{{Name: "api", Rate: 1000, Per: time.Hour, Lease: 50}}})
	for range 64 { // of the last lease, one of 50, one is used
		allow(t, o.Limiter, "api", "k")
	}
	o.fail()
	for i := range 49 {
		if r := allow(t, o.Limiter, "api", "k"); r.Source != ratelimit.FromLease {
			t.Fatalf("unit %d: %+v, want the lease", i, r)
		}
	}
	if r := allow(t, o.Limiter, "api", "k"); r.Source != ratelimit.FromLocal {
		t.Errorf("%+v, want this instance's memory", r)
	}
}
