package suspicion

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	"go.uber.org/goleak"

	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/internal/redistest"
	"github.com/otelkit/kit/otelkit/otelkittest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var mallory, trent = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")

// activity is how often a rule was found to match.
func activity(kit *otelkittest.Kit, rule telemetry.SuspicionRule) float64 {
	return kit.Total(telemetry.SuspiciousActivity, attribute.String("webstore.security.rule", string(rule))).Value()
}

// clock is a clock that the test sets.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time { return c.now }

// backends runs a test over each place where answers are counted. watch returns
// an instance; those of one test count together, but for memory, where there is
// one.
func backends(t *testing.T, test func(t *testing.T, kit *otelkittest.Kit, c *clock, watch func() *Watch)) {
	over := func(t *testing.T, client *redis.Client) {
		kit, c := otelkittest.New(t), &clock{time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)}
		cfg := Config{Kit: kit, Now: c.Now}
		var only *Watch
		if client != nil {
			cfg.Ask = func(ctx context.Context, do func(context.Context, *redis.Client) error) error { return do(ctx, client) }
		}
		test(t, kit, c, func() *Watch {
			if client == nil && only != nil {
				return only
			}
			only = New(cfg)
			return only
		})
	}
	t.Run("memory", func(t *testing.T) { over(t, nil) })
	redistest.Each(t, func(t *testing.T, url string, _ func()) {
		options, err := redis.ParseURL(url)
		if err != nil {
			t.Fatal(err)
		}
		client := redis.NewClient(options)
		t.Cleanup(func() { client.Close() })
		over(t, client)
	})
}

// saw has a watch judge answers at once.
func (w *Watch) saw(t *testing.T, client netip.Addr, statuses ...int) {
	t.Helper()
	for _, status := range statuses {
		w.Saw(t.Context(), client, status)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	w.Run(over)
}

func TestARuleMatchesFromItsThresholdOn(t *testing.T) {
	for rule, c := range map[telemetry.SuspicionRule]struct {
		status, below int
		others        []int // statuses that it does not count
	}{
		telemetry.RuleCredentialStuffing: {401, 4, []int{200, 400, 403, 404, 500}},
		telemetry.RuleEndpointScanning:   {404, 9, []int{200, 400, 401, 403, 405, 500}},
		telemetry.RuleAbuse:              {429, 19, []int{200, 304, 399, 500, 503}},
	} {
		t.Run(string(rule), func(t *testing.T) {
			backends(t, func(t *testing.T, kit *otelkittest.Kit, _ *clock, watch func() *Watch) {
				w := watch()
				for range c.below {
					w.saw(t, mallory, c.status)
					w.saw(t, trent, c.status)
				}
				w.saw(t, mallory, c.others...)
				if n := activity(kit, rule); n != 0 {
					t.Fatalf("%v matches below the threshold", n)
				}
				for further := range 3 {
					w.saw(t, mallory, c.status)
					if n := activity(kit, rule); n != float64(further+1) {
						t.Errorf("%v matches with %d answers, want %d", n, c.below+further+1, further+1)
					}
				}
				if n := strings.Count(kit.Lines(), "Suspicious activity: "+string(rule)); n != 3 || !strings.Contains(kit.Lines(), `"client.address":"192.0.2.1"`) {
					t.Errorf("%d lines, want 3 with the address:\n%s", n, kit.Lines())
				}
				if strings.Contains(kit.Lines(), trent.String()) {
					t.Errorf("another address is suspicious:\n%s", kit.Lines())
				}
			})
		})
	}
}

func TestInstancesCountTogether(t *testing.T) {
	backends(t, func(t *testing.T, kit *otelkittest.Kit, _ *clock, watch func() *Watch) {
		one, other := watch(), watch()
		for range 2 {
			one.saw(t, mallory, 401)
			other.saw(t, mallory, 401)
		}
		one.saw(t, mallory, 401)
		other.saw(t, mallory, 401)
		if n := activity(kit, telemetry.RuleCredentialStuffing); n != 2 {
			t.Errorf("%v matches, want that of the fifth and the sixth", n)
		}
	})
}

func TestTheWindowSlides(t *testing.T) {
	backends(t, func(t *testing.T, kit *otelkittest.Kit, c *clock, watch func() *Watch) {
		w := watch()
		begin := c.now
		for i := range 4 {
			c.now = begin.Add(time.Duration(i) * time.Minute)
			w.saw(t, mallory, 401)
		}
		c.now = begin.Add(window) // the first is over
		w.saw(t, mallory, 401)
		if n := activity(kit, telemetry.RuleCredentialStuffing); n != 0 {
			t.Fatalf("%v matches with four within five minutes", n)
		}
		c.now = begin.Add(window + time.Minute - time.Microsecond) // the second is not, yet
		w.saw(t, mallory, 401)
		if n := activity(kit, telemetry.RuleCredentialStuffing); n != 1 {
			t.Errorf("%v matches with five within five minutes, want 1", n)
		}
		c.now = c.now.Add(window)
		w.saw(t, mallory, 401)
		if n := activity(kit, telemetry.RuleCredentialStuffing); n != 1 {
			t.Errorf("%v matches after five quiet minutes, want no further one", n)
		}
	})
}

func TestAFloodFillsNothing(t *testing.T) {
	backends(t, func(t *testing.T, kit *otelkittest.Kit, c *clock, watch func() *Watch) {
		w := watch()
		for range 200 {
			w.saw(t, mallory, 401)
			c.now = c.now.Add(time.Millisecond)
		}
		if n := activity(kit, telemetry.RuleCredentialStuffing); n != 196 {
			t.Errorf("%v matches, want all from the fifth on", n)
		}
		if w.ask == nil {
			answers := w.local.places["client:192.0.2.1"].Value.(*client).answers
			if len(answers[telemetry.RuleCredentialStuffing]) != 5 || len(answers[telemetry.RuleAbuse]) != 20 {
				t.Errorf("remembered are %v", answers)
			}
			return
		}
		_ = w.ask(t.Context(), func(ctx context.Context, client *redis.Client) error {
			for rule, most := range map[string]int64{"credential_stuffing": 5, "abuse": 20} {
				key := "suspicion:{client:192.0.2.1}" + rule
				if n := client.ZCard(ctx, key).Val(); n != most {
					t.Errorf("%s has %d members, want %d", key, n, most)
				}
				if ttl := client.PTTL(ctx, key).Val(); ttl <= 0 || ttl > window {
					t.Errorf("%s ends in %v, want within five minutes", key, ttl)
				}
			}
			if keys := client.Keys(ctx, "*").Val(); len(keys) != 2 {
				t.Errorf("keys %v, want two", keys)
			}
			return nil
		})
	})
}

// An address of IPv6 is one of 2^64 that its client has.
func TestANetworkOfIPv6IsOneClient(t *testing.T) {
	kit := otelkittest.New(t)
	w := New(Config{Kit: kit})
	for i := range 5 {
		w.saw(t, netip.MustParseAddr(fmt.Sprintf("2001:db8::%d", i)), 401)
	}
	if n := activity(kit, telemetry.RuleCredentialStuffing); n != 1 {
		t.Errorf("%v matches, want 1", n)
	}
}

func TestWithoutRedisItIsCountedHere(t *testing.T) {
	kit := otelkittest.New(t)
	redisServer := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: redisServer.Addr(), MaxRetries: -1, DialerRetries: 1})
	defer client.Close()
	w := New(Config{Kit: kit, Ask: func(ctx context.Context, do func(context.Context, *redis.Client) error) error { return do(ctx, client) }})
	w.saw(t, mallory, 401)
	redisServer.Close()
	w.saw(t, mallory, 401, 401, 401, 401)
	if n := activity(kit, telemetry.RuleCredentialStuffing); n != 0 {
		t.Errorf("%v matches, want none: this instance has seen four since it is alone", n)
	}
	w.saw(t, mallory, 401)
	if n := activity(kit, telemetry.RuleCredentialStuffing); n != 1 {
		t.Errorf("%v matches, want 1", n)
	}
}

func TestWhatIsForgottenForWantOfRoomIsCounted(t *testing.T) {
	kit, c := otelkittest.New(t), &clock{time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)}
	w := New(Config{Kit: kit, Addresses: 10, Now: c.Now})
	address := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}) }
	for i := range 10 {
		w.saw(t, address(i), 404, 404)
	}
	w.saw(t, address(0), 404)  // was seen last now
	w.saw(t, address(10), 404) // in place of 1
	if n := w.local.seen.Len(); n != 10 || len(w.local.places) != 10 {
		t.Errorf("%d addresses are remembered, want 10", n)
	}
	unjudged := kit.Total(telemetry.UnjudgedAnswers, attribute.String("webstore.security.unjudged_reason", "forgotten"))
	unjudged.Is(2)
	c.now = c.now.Add(window)
	w.saw(t, address(11), 404) // in place of 2, of which nothing counts any more
	kit.Total(telemetry.UnjudgedAnswers).Is(2)
	for range 7 {
		w.saw(t, address(0), 404)
	}
	if n := activity(kit, telemetry.RuleEndpointScanning); n != 0 {
		t.Errorf("%v matches, of which none is due", n)
	}
}

func TestAFullQueueHoldsNobodyUpAndIsCounted(t *testing.T) {
	kit := otelkittest.New(t)
	w := New(Config{Kit: kit, Queue: 3})
	for range 10 { // nobody judges
		w.Saw(t.Context(), mallory, 401)
	}
	kit.Total(telemetry.UnjudgedAnswers, attribute.String("webstore.security.unjudged_reason", "queue_full")).Is(7)
	for _, status := range []int{200, 302, 399, 500, 503} {
		w.Saw(t.Context(), trent, status)
	}
	w.Saw(t.Context(), netip.Addr{}, 401)
	kit.Total(telemetry.UnjudgedAnswers).Is(7)
}

func TestAnswersAreJudgedWhileTheServiceRunsAndInTheEnd(t *testing.T) {
	kit := otelkittest.New(t)
	synctest.Test(t, func(t *testing.T) {
		w := New(Config{Kit: kit})
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { w.Run(ctx) })
		for range 4 {
			w.Saw(t.Context(), mallory, 401)
			time.Sleep(time.Minute)
		}
		w.Saw(t.Context(), mallory, 401)
		synctest.Wait()
		if n := activity(kit, telemetry.RuleCredentialStuffing); n != 1 {
			t.Errorf("%v matches, want 1", n)
		}
		time.Sleep(2*time.Minute - time.Nanosecond) // only the first is over
		w.Saw(t.Context(), mallory, 401)
		w.Saw(t.Context(), mallory, 401)
		stop()
		running.Wait()
		if n := activity(kit, telemetry.RuleCredentialStuffing); n != 3 {
			t.Errorf("%v matches after the end, want 3", n)
		}
	})
}

func TestTheSpanOfASuspiciousClientSaysSo(t *testing.T) {
	kit, c := otelkittest.New(t), &clock{time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)}
	w := New(Config{Kit: kit, Now: c.Now})
	tracer := kit.TracerProvider().Tracer("test")
	events := func(client netip.Addr) int {
		ctx, span := tracer.Start(t.Context(), "request")
		w.Saw(ctx, client, 403)
		span.End()
		spans := kit.Spans()
		return len(spans[len(spans)-1].Events())
	}
	if n := events(mallory); n != 0 {
		t.Errorf("%d events before anything happened", n)
	}
	w.saw(t, mallory, 401, 401, 401, 401, 401)
	if n := events(mallory); n != 1 {
		t.Errorf("%d events, want that of one rule", n)
	}
	if n := events(trent); n != 0 {
		t.Errorf("%d events for another client", n)
	}
	c.now = c.now.Add(window)
	if n := events(mallory); n != 0 {
		t.Errorf("%d events after five minutes", n)
	}
}

func TestSuspectsHaveABound(t *testing.T) {
	var s suspects
	now := time.Now()
	for i := range 2 * maxSuspects {
		s.add(fmt.Sprint(i), telemetry.RuleAbuse, now)
	}
	if n := len(s.until); n != maxSuspects {
		t.Errorf("%d suspects are remembered, want %d", n, maxSuspects)
	}
	s.add("new", telemetry.RuleAbuse, now.Add(window))
	if names := s.of("new", now.Add(window)); len(names) != 1 || len(s.until) != 1 {
		t.Errorf("of %d suspects the new one is %v, want it in place of those whose time is over", len(s.until), names)
	}
}
