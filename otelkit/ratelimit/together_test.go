package ratelimit_test

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelkit/kit/otelkit/ratelimit"
	"github.com/redis/go-redis/v9"
)

// What those owe each other who ask about one key at once, when it has a lease.

func leased(burst, lease int) []ratelimit.Limit {
	return []ratelimit.Limit{{Name: "api", Rate: burst, Per: time.Hour, Lease: lease}}
}

// clients are the options of clients that keep to a deadline, and that do not: then a
// decision has a goroutine for its call.
func clients(t *testing.T, test func(*testing.T, redis.Options)) {
	for _, prompt := range []bool{true, false} {
		t.Run(fmt.Sprint("ContextTimeoutEnabled ", prompt), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { test(t, redis.Options{ContextTimeoutEnabled: prompt}) })
		})
	}
}

func TestHoweverManyAskAtOnceARoundTripServesThemAll(t *testing.T) {
	clients(t, func(t *testing.T, options redis.Options) {
		r := newRemote(t, time.Millisecond)
		l := r.limiter(t, options, ratelimit.Config{Limits: leased(1000, 10)})
		results, longest := all(t, 64, func(int) ratelimit.Result { return allow(t, l, "api", "k") })
		if passed(results) != 64 || longest > 2*r.latency {
			t.Errorf("%d of 64 passed, the last after %v, want all within two round trips of %v", passed(results), longest, r.latency)
		}
		// The first alone, whose lease is of one unit; the next with all that wait.
		if got := r.tap.trips.Load(); got != 2 {
			t.Errorf("%d round trips, want 2", got)
		}
		if got, want := sources(results), (map[ratelimit.Source]int{ratelimit.FromRedis: 2, ratelimit.FromLease: 62}); !maps.Equal(got, want) {
			t.Errorf("decided by %v, want %v", got, want)
		}
		other := r.limiter(t, options, ratelimit.Config{Limits: leased(1000, 10)})
		if got := allow(t, other, "api", "k").Remaining; got != 1000-64-1-1 {
			t.Errorf("%d remain to another instance, want 934: 64 passed, a lease has one more unit, and it took one", got)
		}
	})
}

func TestADenialAnswersAllWhoWaitForALease(t *testing.T) {
	clients(t, func(t *testing.T, options redis.Options) {
		r := newRemote(t, time.Millisecond)
		take(t, r.limiter(t, options, ratelimit.Config{Limits: leased(1000, 10)}), ratelimit.Ask{Limit: "api", Key: "k", Cost: 1000})
		l := r.limiter(t, options, ratelimit.Config{Limits: leased(1000, 10)})
		results, longest := all(t, 64, func(int) ratelimit.Result { return allow(t, l, "api", "k") })
		if passed(results) != 0 || longest > r.latency {
			t.Errorf("%d of 64 passed, the last answer came after %v, want none and all within the round trip of %v", passed(results), longest, r.latency)
		}
		if got, want := sources(results), (map[ratelimit.Source]int{ratelimit.FromRedis: 1, ratelimit.FromCache: 63}); !maps.Equal(got, want) {
			t.Errorf("decided by %v, want %v", got, want)
		}
	})
}

// A limit in shadow mode denies nobody, so there is nothing to know of it beforehand.
func TestALimitInShadowModeMakesNobodyQueue(t *testing.T) {
	clients(t, func(t *testing.T, options redis.Options) {
		r := newRemote(t, time.Millisecond)
		limits := leased(1000, 10)
		limits[0].Shadow = true
		l := r.limiter(t, options, ratelimit.Config{Limits: limits})
		take(t, l, ratelimit.Ask{Limit: "api", Key: "k", Cost: 1000})
		results, longest := all(t, 16, func(int) ratelimit.Result { return allow(t, l, "api", "k") })
		for _, r := range results {
			if !r.Allowed || !r.WouldDeny || r.Source != ratelimit.FromRedis {
				t.Fatalf("%+v, want Redis to let it pass and say that it would be denied", r)
			}
		}
		if longest > 4*r.latency { // a round trip for who goes first, one for the others, and their connections
			t.Errorf("the last answer came after %v, want it not to queue behind 15 round trips of %v", longest, r.latency)
		}
	})
}

func TestAllWhoWaitForALeaseFallBackTogetherWhenRedisIsSilent(t *testing.T) {
	clients(t, func(t *testing.T, options redis.Options) {
		r, kit := newRemote(t, time.Millisecond), newKit()
		l := r.limiter(t, options, ratelimit.Config{Limits: leased(20, 10), Kit: kit})
		r.state.Store(silent)
		for second := range 3 {
			results, longest := all(t, 64, func(int) ratelimit.Result { return allow(t, l, "api", fmt.Sprint("k", second)) })
			if got := sources(results)[ratelimit.FromLocal]; got != 64 || passed(results) != 20 {
				t.Errorf("%d of 64 decided in memory and %d passed, want all and the burst of 20", got, passed(results))
			}
			if longest > 20*time.Millisecond {
				t.Errorf("the last answer came after %v, want at most the wait of 20 ms", longest)
			}
			if got := r.tap.trips.Swap(0); got != 1 {
				t.Errorf("%d round trips were tried, want 1", got)
			}
		}
		if got := kit.series(t, "otelkit.ratelimit.redis.duration"); got["error.type=timeout"] != 3 {
			t.Errorf("durations %v, want three timeouts", got)
		}
	})
}

// redis_rate v10.0.1 on a black hole: 5 s a call unless ContextTimeoutEnabled is set. Here
// Redis dies while a dozen ask, in either way, and comes back.
func TestWhenRedisDiesMidRunNoDecisionTakesLongerThanTheWait(t *testing.T) {
	for way, state := range map[string]int32{"silent": silent, "refusing": refusing} {
		for _, lease := range []int{0, 10} {
			t.Run(fmt.Sprint(way, ", lease of ", lease), func(t *testing.T) {
				clients(t, func(t *testing.T, options redis.Options) {
					r := newRemote(t, time.Millisecond)
					l := r.limiter(t, options, ratelimit.Config{
						Kit:    newKit(),
						Limits: []ratelimit.Limit{{Name: "api", Rate: 1_000_000, Per: time.Second, Lease: lease}},
					})
					go func() {
						time.Sleep(200 * time.Millisecond)
						r.state.Store(state)
						time.Sleep(6 * time.Second) // longer than go-redis' timeouts
						r.state.Store(reachable)
					}()
					var seen [3]sync.Map // sources before the death, while it lasts, and after
					start := time.Now()
					all(t, 12, func(i int) (last ratelimit.Result) {
						for time.Since(start) < 9*time.Second {
							asked := time.Now()
							last = allow(t, l, "api", fmt.Sprint("k", i%4))
							if took := time.Since(asked); took > 20*time.Millisecond {
								t.Errorf("%v after the start a decision by %s took %v, want at most 20ms", asked.Sub(start), last.Source, took)
							}
							switch at := asked.Sub(start); {
							case at < 200*time.Millisecond:
								seen[0].Store(last.Source, true)
							case at < 6*time.Second:
								seen[1].Store(last.Source, true)
							case at > 8*time.Second:
								seen[2].Store(last.Source, true)
							}
							time.Sleep(30 * time.Millisecond)
						}
						return last
					})
					for i, want := range []ratelimit.Source{ratelimit.FromRedis, ratelimit.FromLocal, ratelimit.FromRedis} {
						if _, ok := seen[i].Load(want); !ok {
							t.Errorf("phase %d: no decision by %s", i, want)
						}
					}
					if _, ok := seen[2].Load(ratelimit.FromLocal); ok {
						t.Error("decisions in memory two seconds after Redis came back")
					}
				})
			})
		}
	}
}

// Two round trips do not fit into the wait then, so nobody waits for another's.
func TestARedisThatNeedsMostOfTheWaitIsAskedByEachItself(t *testing.T) {
	clients(t, func(t *testing.T, options redis.Options) {
		r, kit := newRemote(t, time.Millisecond), newKit()
		l := r.limiter(t, options, ratelimit.Config{Limits: leased(1_000_000, 10), Kit: kit})
		all(t, 64, func(i int) ratelimit.Result { return allow(t, l, "api", fmt.Sprint(i)) }) // which makes connections
		r.latency = 15 * time.Millisecond
		allow(t, l, "api", "k") // which finds out
		var elsewhere atomic.Int64
		_, longest := all(t, 32, func(i int) (last ratelimit.Result) {
			for range 20 {
				if last = allow(t, l, "api", "k"); last.Source != ratelimit.FromRedis && last.Source != ratelimit.FromLease {
					elsewhere.Add(1)
				}
			}
			return last
		})
		if n := elsewhere.Load(); n > 0 || longest > 20*15*time.Millisecond {
			t.Errorf("%d of 640 decisions were not by Redis or a lease, and 20 took up to %v, want a round trip of 15 ms at most for each", n, longest)
		}
	})
}

// Who waited has less than the whole wait left when its turn comes. That this is too
// little says nothing about Redis.
func TestWhoWaitedTooLongToAskDoesNotOpenTheCircuit(t *testing.T) {
	clients(t, func(t *testing.T, options redis.Options) {
		r, kit := newRemote(t, time.Millisecond), newKit()
		l := r.limiter(t, options, ratelimit.Config{Limits: leased(1_000_000, 10), Kit: kit})
		all(t, 64, func(i int) ratelimit.Result { return allow(t, l, "api", fmt.Sprint(i)) })
		r.latency = 15 * time.Millisecond
		const keys = 6 // one more than the failures that open the circuit
		results, longest := all(t, 4*keys, func(i int) ratelimit.Result {
			if i >= keys { // waits for the one that asks about the same key
				time.Sleep(time.Microsecond)
			}
			return allow(t, l, "api", fmt.Sprint("k", i%keys))
		})
		if got := sources(results); got[ratelimit.FromRedis] != keys || got[ratelimit.FromLocal] != 3*keys || longest > 20*time.Millisecond {
			t.Errorf("decided by %v, the last after %v, want Redis to be in time for the first of each key alone", got, longest)
		}
		if got := kit.series(t, "otelkit.ratelimit.circuit.transitions"); len(got) > 0 {
			t.Errorf("circuit %v, want it closed: Redis answers in 15 of 20 ms", got)
		}
	})
}

func TestWhoLeavesHandsTheWayToRedisOn(t *testing.T) {
	clients(t, func(t *testing.T, options redis.Options) {
		r := newRemote(t, 2*time.Millisecond)
		options.MaxRetries = -1 // else a pause before the next hides who was first, the connection or the context
		l := r.limiter(t, options, ratelimit.Config{Limits: leased(1000, 10), Kit: newKit()})
		all(t, 4, func(i int) ratelimit.Result { return allow(t, l, "api", fmt.Sprint(i)) }) // which makes connections
		results, longest := all(t, 16, func(i int) ratelimit.Result {
			ctx, cancel := t.Context(), context.CancelFunc(func() {})
			if i == 0 { // goes, and leaves before Redis answers
				ctx, cancel = context.WithTimeout(ctx, time.Millisecond)
			} else {
				time.Sleep(time.Microsecond)
			}
			defer cancel()
			result, err := l.Allow(ctx, "api", "k")
			if err != nil {
				t.Error(err)
			}
			return result
		})
		if results[0].Source != ratelimit.FromLocal {
			t.Errorf("who left: %+v, want this instance's memory to decide", results[0])
		}
		if got := sources(results[1:]); got[ratelimit.FromLocal] > 0 || passed(results) != 16 {
			t.Errorf("decided by %v, want Redis and its lease", got)
		}
		if longest > 20*time.Millisecond {
			t.Errorf("the last answer came after %v", longest)
		}
	})
}

// The units of who left are nobody's: a lease does not grow beyond Limit.Lease by them.
func TestUnitsOfWhoLeftDoNotRaiseTheOvershoot(t *testing.T) {
	clients(t, func(t *testing.T, options redis.Options) {
		const lease = 10
		r := newRemote(t, 2*time.Millisecond)
		l := r.limiter(t, options, ratelimit.Config{Limits: leased(1000, lease), Kit: newKit()})
		start := time.Now()
		gone, leave := context.WithCancel(t.Context())
		time.AfterFunc(3*time.Millisecond, leave) // while the second is on its way for all
		results, _ := all(t, 64, func(i int) ratelimit.Result {
			ctx := gone
			if i == 0 || i == 63 { // who comes first goes first, and then who came last
				ctx = t.Context()
			}
			time.Sleep(time.Duration(i) * time.Microsecond)
			result, err := l.Allow(ctx, "api", "k")
			if err != nil {
				t.Error(err)
			}
			if ctx == gone && time.Since(start) != 3*time.Millisecond {
				t.Errorf("who left had its answer after %v, want 3ms", time.Since(start))
			}
			return result
		})
		if got := sources(results); got[ratelimit.FromLocal] != 62 || got[ratelimit.FromRedis] != 2 {
			t.Fatalf("decided by %v, want Redis to decide for two and memory for who left", got)
		}
		r.state.Store(silent)
		held := 0
		for range 64 {
			if allow(t, l, "api", "k").Source == ratelimit.FromLease {
				held++
			}
		}
		if held > lease {
			t.Errorf("the lease held %d units, want at most %d", held, lease)
		}
	})
}

func TestOfManyAtOnceWithALeaseExactlyTheBurstPasses(t *testing.T) {
	redisBackends(t, func(t *testing.T, b backend) {
		clock := newClock()
		l := b.limiter(t, ratelimit.Config{Now: clock.Now, Limits: leased(200, 20)})
		var n atomic.Int64
		var wg sync.WaitGroup
		for range 32 {
			wg.Go(func() {
				for range 10 {
					if r, err := l.Allow(context.Background(), "api", "k"); err == nil && r.Allowed {
						n.Add(1)
					}
				}
			})
		}
		wg.Wait()
		if got := n.Load(); got != 200 {
			t.Errorf("%d of 320 passed, want the burst of 200", got)
		}
	})
}

// A waiter whose cost is more than what came goes itself, and is not passed over for ever.
func TestLargeAndSmallCostsAllPassWhileThereAreUnits(t *testing.T) {
	clients(t, func(t *testing.T, options redis.Options) {
		r := newRemote(t, time.Millisecond)
		l := r.limiter(t, options, ratelimit.Config{Limits: leased(1000, 4)})
		results, longest := all(t, 48, func(i int) ratelimit.Result {
			return take(t, l, ratelimit.Ask{Limit: "api", Key: "k", Cost: 1 + i%12}).Results[0]
		})
		if passed(results) != 48 || sources(results)[ratelimit.FromLocal] > 0 {
			t.Errorf("%d of 48 passed, decided by %v, want all by Redis and leases", passed(results), sources(results))
		}
		if longest > 3*r.latency {
			t.Errorf("the last answer came after %v, want few round trips of %v", longest, r.latency)
		}
	})
}
