package segments_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"go.uber.org/goleak"

	"github.com/otelkit/kit/examples/webstore/segments"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/internal/redistest"
)

func TestMain(m *testing.M) {
	logging.Disable() // go-redis writes a line for each connection that is refused
	goleak.VerifyTestMain(m)
}

const day = 24 * time.Hour

var start = time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)

// customer is one customer of a Redis, at the time of a fake clock.
type customer struct {
	*testing.T
	client *redis.Client
	user   int64
	now    time.Time
}

// each runs a test on each kind of Redis.
func each(t *testing.T, test func(c *customer)) {
	redistest.Each(t, func(t *testing.T, url string, _ func()) {
		options, err := redis.ParseURL(url)
		if err != nil {
			t.Fatal(err)
		}
		client := redis.NewClient(options)
		defer client.Close()
		test(&customer{t, client, 42, start})
	})
}

// act does something, and returns what the customer was before.
func (c *customer) act(action telemetry.CustomerAction) telemetry.Segment {
	c.Helper()
	before, err := segments.Act(c.Context(), c.client, c.user, action, c.now)
	if err != nil {
		c.Fatal(err)
	}
	return before.Segment(c.now)
}

func (c *customer) buy(order string, cents int64) {
	c.Helper()
	if err := segments.Buy(c.Context(), c.client, c.user, order, cents, c.now); err != nil {
		c.Fatal(err)
	}
}

func (c *customer) refund(order string, cents int64) {
	c.Helper()
	if err := segments.Refund(c.Context(), c.client, c.user, order, cents); err != nil {
		c.Fatal(err)
	}
}

func (c *customer) read() segments.Customer {
	c.Helper()
	known, err := segments.Read(c.Context(), c.client, c.user)
	if err != nil {
		c.Fatal(err)
	}
	return known
}

// bought fails the test unless that is what the customer has paid for.
func (c *customer) bought(orders, cents int64) {
	c.Helper()
	if known := c.read(); known.Orders != orders || known.Spend != cents {
		c.Errorf("%d orders of %d cents, want %d of %d", known.Orders, known.Spend, orders, cents)
	}
}

func TestTheFirstRuleThatHoldsDecides(t *testing.T) {
	for _, tt := range []struct {
		name          string
		away          time.Duration
		spend, orders int64
		want          telemetry.Segment
	}{
		{"a moment ago", 0, 0, 0, telemetry.SegmentReturning},
		{"a clock that is ahead", -time.Minute, 0, 0, telemetry.SegmentReturning},
		{"30 days", 30 * day, 0, 0, telemetry.SegmentReturning},
		{"more than 30 days", 30*day + 1, 0, 0, telemetry.SegmentAtRisk},
		{"90 days", 90 * day, 0, 0, telemetry.SegmentAtRisk},
		{"more than 90 days", 90*day + 1, 0, 0, telemetry.SegmentChurned},
		{"$500", 0, 500_00, 1, telemetry.SegmentReturning},
		{"more than $500", 0, 500_01, 1, telemetry.SegmentVIP},
		{"5 orders", 0, 5_00, 5, telemetry.SegmentReturning},
		{"more than 5 orders", 0, 6_00, 6, telemetry.SegmentVIP},
		{"a VIP who has not come for long", 100 * day, 1000_00, 1, telemetry.SegmentVIP},
	} {
		c := segments.Customer{LastActivity: start.Add(-tt.away), Spend: tt.spend, Orders: tt.orders}
		if got := c.Segment(start); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if got := (segments.Customer{}).Segment(start); got != telemetry.SegmentNew {
		t.Errorf("nothing is known: %s, want new", got)
	}
}

// The original wrote before it read: its customers were returning from their first
// request on, and never at risk nor churned.
func TestACustomerGoesThroughAllSegments(t *testing.T) {
	each(t, func(c *customer) {
		for _, step := range []struct {
			after time.Duration
			buys  int64 // cents, before the action
			want  telemetry.Segment
		}{
			{0, 0, telemetry.SegmentNew},
			{time.Second, 0, telemetry.SegmentReturning},
			{30 * day, 0, telemetry.SegmentReturning},
			{31 * day, 0, telemetry.SegmentAtRisk},
			{time.Hour, 0, telemetry.SegmentReturning},
			{91 * day, 0, telemetry.SegmentChurned},
			{399 * day, 0, telemetry.SegmentChurned},
			{time.Hour, 300_00, telemetry.SegmentReturning},
			{time.Hour, 300_00, telemetry.SegmentVIP},
			{91 * day, 0, telemetry.SegmentVIP},
		} {
			c.now = c.now.Add(step.after)
			if step.buys > 0 {
				c.buy(c.now.String(), step.buys)
			}
			if got := c.act(telemetry.ActionBrowse); got != step.want {
				c.Errorf("on day %v: %s, want %s", c.now.Sub(start)/day, got, step.want)
			}
		}
	})
}

func TestWhatACustomerDoesIsCountedByAction(t *testing.T) {
	each(t, func(c *customer) {
		c.act(telemetry.ActionBrowse)
		c.act(telemetry.ActionBrowse)
		c.now = c.now.Add(1500 * time.Millisecond)
		c.act(telemetry.ActionAdd)
		known := c.read()
		want := map[telemetry.CustomerAction]int64{
			telemetry.ActionBrowse: 2, telemetry.ActionView: 0, telemetry.ActionAdd: 1, telemetry.ActionCheckout: 0,
		}
		if fmt.Sprint(known.Activity) != fmt.Sprint(want) {
			c.Errorf("activity %v, want %v", known.Activity, want)
		}
		if !known.LastActivity.Equal(c.now) {
			c.Errorf("last activity %v, want %v", known.LastActivity, c.now)
		}
		c.user++
		if known := c.read(); !known.LastActivity.IsZero() || known.Activity != nil {
			c.Errorf("of another customer %v is known, want nothing", known)
		}
	})
}

func TestOfManyFirstActionsAtOnceOneIsNew(t *testing.T) {
	each(t, func(c *customer) {
		var mu sync.Mutex
		seen := map[telemetry.Segment]int{}
		var acting sync.WaitGroup
		for range 50 {
			acting.Go(func() {
				before, err := segments.Act(c.Context(), c.client, c.user, telemetry.ActionView, c.now)
				if err != nil {
					c.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				seen[before.Segment(c.now)]++
			})
		}
		acting.Wait()
		if seen[telemetry.SegmentNew] != 1 || seen[telemetry.SegmentReturning] != 49 {
			c.Errorf("saw %v, want 1 new and 49 returning", seen)
		}
	})
}

func TestAnOrderIsCountedOnce(t *testing.T) {
	each(t, func(c *customer) {
		var buying sync.WaitGroup
		for range 20 {
			buying.Go(func() {
				if err := segments.Buy(c.Context(), c.client, c.user, "order-1", 99_00, c.now); err != nil {
					c.Error(err)
				}
			})
		}
		buying.Wait()
		c.bought(1, 99_00)
		c.buy("order-11", 1_00)
		c.buy("order-1", 99_00)
		c.bought(2, 100_00)
	})
}

// What remembers the orders is no longer for who has many.
func TestAHundredOrdersAreRememberedInBoundedSpace(t *testing.T) {
	each(t, func(c *customer) {
		for i := range 100 {
			c.buy(fmt.Sprintf("00000000-0000-0000-0000-%012d", i), 1_00)
		}
		c.buy("00000000-0000-0000-0000-000000000092", 1_00)
		c.bought(100, 100_00)
		if text := c.client.HGet(c.Context(), "customer:42", "recent_orders").Val(); len(text) != 8*38 {
			c.Errorf("remembered in %d bytes: %q", len(text), text)
		}
	})
}

func TestARefundTakesBackWhatWasCounted(t *testing.T) {
	each(t, func(c *customer) {
		c.refund("never-bought", 5_00)
		if known := c.read(); !known.LastActivity.IsZero() {
			c.Errorf("a refund of what was not bought left %v", known)
		}
		c.buy("kept", 30_00)
		c.buy("refunded", 600_00)
		for range 2 {
			c.refund("refunded", 600_00)
			c.buy("refunded", 600_00) // a repetition that was late
			c.bought(1, 30_00)
		}
	})
}

func TestACustomerIsKeptFor400DaysAfterEachActivity(t *testing.T) {
	each(t, func(c *customer) {
		for name, do := range map[string]func(){
			"an action":  func() { c.act(telemetry.ActionBrowse) },
			"a purchase": func() { c.buy("order-1", 1_00) },
		} {
			c.client.FlushAll(c.Context())
			do()
			if ttl := c.client.TTL(c.Context(), "customer:42").Val(); ttl <= 399*day || ttl > 400*day {
				c.Errorf("after %s it is kept for %v, want 400 days", name, ttl)
			}
		}
	})
}

// hook counts round trips.
type hook struct{ calls int }

func (h *hook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h *hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		h.calls++
		return next(ctx, cmd)
	}
}

func (h *hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.calls++
		return next(ctx, cmds)
	}
}

func TestEverythingIsOneRoundTrip(t *testing.T) {
	each(t, func(c *customer) {
		c.buy("first", 1_00) // tells Redis the scripts
		c.refund("first", 1_00)
		c.act(telemetry.ActionBrowse) // connects: transactions have a pool of their own
		trips := &hook{}
		c.client.AddHook(trips)
		c.act(telemetry.ActionCheckout)
		c.buy("second", 1_00)
		c.refund("second", 1_00)
		c.read()
		if trips.calls != 4 {
			c.Errorf("%d round trips for 4 calls", trips.calls)
		}
	})
}

func TestWhatCannotBeReadIsAnErrorAndNobodyNew(t *testing.T) {
	each(t, func(c *customer) {
		for field, text := range map[string]string{"last_activity": "yesterday", "total_spend": "much"} {
			c.act(telemetry.ActionBrowse)
			c.client.HSet(c.Context(), "customer:42", field, text)
			if _, err := segments.Read(c.Context(), c.client, c.user); err == nil || !strings.Contains(err.Error(), text) {
				c.Errorf("%s %q: %v, want an error that tells it", field, text, err)
			}
			c.client.FlushAll(c.Context())
		}
	})
}

func TestWithoutRedisThereIsAnError(t *testing.T) {
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1, DialerRetries: 1})
	defer client.Close()
	server.Close()
	_, acted := segments.Act(t.Context(), client, 42, telemetry.ActionBrowse, start)
	_, read := segments.Read(t.Context(), client, 42)
	for name, err := range map[string]error{
		"Act": acted, "Read": read,
		"Buy":    segments.Buy(t.Context(), client, 42, "order-1", 1_00, start),
		"Refund": segments.Refund(t.Context(), client, 42, "order-1", 1_00),
	} {
		if err == nil || !strings.Contains(err.Error(), "user 42") {
			t.Errorf("%s: %v, want an error that tells whose it is", name, err)
		}
	}
}
