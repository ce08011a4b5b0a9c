package shop

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"go.opentelemetry.io/otel/attribute"

	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/internal/redistest"
	"github.com/otelkit/kit/internal/testlimit"
)

// stage counts who came to a stage of the funnel in a market.
func (f *fixture) stage(stage telemetry.FunnelStage, m telemetry.Market) float64 {
	f.t.Helper()
	return f.kit.Total(telemetry.FunnelEvents,
		attribute.String("webstore.funnel.stage", string(stage)), attribute.String("webstore.market", string(m))).Value()
}

// funnel fails the test unless that many came to each stage of Germany's funnel.
func (f *fixture) funnel(want ...float64) {
	f.t.Helper()
	for i, stage := range telemetry.FunnelStage("").Values() {
		if got := f.stage(stage, telemetry.Germany); got != want[i] {
			f.t.Errorf("%v came to %s, want %v", got, stage, want[i])
		}
	}
}

// actions counts what customers of a segment did.
func (f *fixture) actions(segment telemetry.Segment, action telemetry.CustomerAction) float64 {
	f.t.Helper()
	return f.kit.Total(telemetry.CustomerActions,
		attribute.String("webstore.customer.segment", string(segment)), attribute.String("webstore.customer.action", string(action))).Value()
}

func (f *fixture) stats(token string) map[string]any {
	f.t.Helper()
	status, answer := f.do("GET", "/me/stats", token, "")
	want(f.t, status, answer, http.StatusOK, "")
	return answer
}

// eachRedis runs a test over each kind of Redis.
func eachRedis(t *testing.T, test func(f *fixture)) {
	redistest.Each(t, func(t *testing.T, url string, _ func()) {
		test(start(t, func(cfg *Config) {
			cfg.RedisURL, cfg.cachePatience = url, cachePatience{connection: time.Minute, wait: time.Minute, rest: usualCachePatience.rest}
		}))
	})
}

func TestTheFunnelCountsEachStepOfASessionOnce(t *testing.T) {
	eachRedis(t, func(f *fixture) {
		guest := f.guest()
		for _, token := range []string{"", guest, alice} {
			f.do("GET", "/DE/products", token, "")
			f.do("GET", "/DE/products/1", token, "")
			f.do("GET", "/DE/products/7", token, "")
			f.do("GET", "/DE/products/4711", token, "") // there is none
		}
		f.funnel(3, 6, 0, 0, 0)
		f.add(guest, 7, 1)
		f.add(alice, 1, 1)
		f.do("POST", "/cart/add", alice, `{"product_id": 1, "quantity": 100, "country": "DE"}`) // too many
		f.funnel(3, 6, 2, 0, 0)

		f.payments.always(failing(http.StatusServiceUnavailable))
		f.pay(alice, "k1")
		f.payments.next()
		f.funnel(3, 6, 2, 1, 0)
		for range 3 { // takes the order up, and is answered from it then
			status, answer := f.pay(alice, "k1")
			want(f.t, status, answer, http.StatusOK, "")
		}
		f.funnel(3, 6, 2, 1, 1)
		f.pay(alice, "k2") // of an empty cart
		f.payments.declines(true)
		f.pay(guest, "k1")
		f.funnel(3, 6, 2, 2, 1)
		if n := f.stage(telemetry.FunnelBrowse, telemetry.France); n != 0 {
			f.t.Errorf("%v browsed France's market, want nobody", n)
		}
		for action, n := range map[telemetry.CustomerAction]float64{telemetry.ActionBrowse: 1, telemetry.ActionView: 2, telemetry.ActionAdd: 0} {
			if got := f.actions(telemetry.SegmentAnonymous, action); got != n {
				f.t.Errorf("anonymous customers did %s %v times, want %v", action, got, n)
			}
		}
	})
}

func TestCustomersActAsWhatTheyWereBefore(t *testing.T) {
	eachRedis(t, func(f *fixture) {
		f.do("GET", "/DE/products", alice, "")
		f.do("GET", "/DE/products/1", alice, "")
		f.add(alice, 1, 1) // more than $500
		f.pay(alice, "k1")
		f.add(alice, 7, 1)
		for _, did := range []struct {
			segment telemetry.Segment
			action  telemetry.CustomerAction
		}{
			{telemetry.SegmentNew, telemetry.ActionBrowse},
			{telemetry.SegmentReturning, telemetry.ActionView},
			{telemetry.SegmentReturning, telemetry.ActionAdd},
			{telemetry.SegmentReturning, telemetry.ActionCheckout},
			{telemetry.SegmentVIP, telemetry.ActionAdd},
		} {
			if n := f.actions(did.segment, did.action); n != 1 {
				f.t.Errorf("%s customers did %s %v times, want once", did.segment, did.action, n)
			}
		}
		f.kit.Span("GET /{country}/products", attribute.String("webstore.customer.segment", "new"))
		f.kit.Span("POST /cart/add", attribute.String("webstore.customer.segment", "vip"))
		f.kit.Span("checkout", attribute.String("webstore.customer.segment", "returning"))
	})
}

func TestStatsTellWhatTheSegmentIsMadeOf(t *testing.T) {
	eachRedis(t, func(f *fixture) {
		got := f.stats(alice)
		if want := "map[activity:map[add_to_cart:0 browse_catalogue:0 checkout:0 view_product:0] orders:0 segment:new spend:map[amount:0 currency:USD]]"; fmt.Sprint(got) != want {
			f.t.Errorf("somebody new: %v, want %s", got, want)
		}
		f.do("GET", "/DE/products", alice, "")
		f.add(alice, 7, 2)
		f.pay(alice, "k1")
		f.pay(alice, "k1")
		got = f.stats(alice)
		last, err := time.Parse(time.RFC3339, fmt.Sprint(got["last_activity"]))
		if err != nil || time.Since(last) < 0 {
			f.t.Errorf("last activity %v, want a time that is over", got["last_activity"])
		}
		delete(got, "last_activity")
		// 2 x EUR 29.90, less 10%, at 1.08
		if want := "map[activity:map[add_to_cart:1 browse_catalogue:1 checkout:1 view_product:0] orders:1 segment:returning spend:map[amount:5813 currency:USD]]"; fmt.Sprint(got) != want {
			f.t.Errorf("after an order: %v, want %s", got, want)
		}
		if got := f.stats(bob); got["segment"] != "new" {
			f.t.Errorf("somebody else: %v, want new", got)
		}
	})
}

func TestTheReconcilerSellsAsACheckoutDoes(t *testing.T) {
	eachRedis(t, func(f *fixture) {
		f.add(alice, 1, 1)
		f.payments.always(failing(http.StatusServiceUnavailable))
		f.pay(alice, "k1")
		f.payments.next()
		if _, err := f.shop.store.pool.Exec(f.t.Context(), `UPDATE orders SET attend_at = now()`); err != nil {
			f.t.Fatal(err)
		}
		if n, err := f.shop.reconcileSome(f.kit.Context(f.t.Context())); n != 1 || err != nil {
			f.t.Fatalf("%d orders were taken up, %v; want one", n, err)
		}
		f.pay(alice, "k1")
		f.funnel(0, 0, 1, 1, 1)
		if got := f.stats(alice); got["segment"] != "vip" || got["orders"] != 1.0 {
			f.t.Errorf("stats %v, want a VIP with an order", got)
		}
	})
}

func TestAnOrderThatIsGivenBackMakesNoVIP(t *testing.T) {
	eachRedis(t, func(f *fixture) {
		f.shop.hopeless = func(string) bool { return true }
		f.inventory.lacks(1, true)
		f.add(alice, 1, 1)
		_, order := f.pay(alice, "k1")
		if order["status"] != "cancelled" {
			f.t.Fatalf("order %v, want it cancelled", order)
		}
		f.funnel(0, 0, 1, 1, 1)
		if got := f.stats(alice); got["segment"] != "returning" || got["orders"] != 0.0 {
			f.t.Errorf("stats %v, want somebody without orders", got)
		}
	})
}

func TestWithoutRedisCustomersAreUnknownAndTheFunnelCounts(t *testing.T) {
	redis := miniredis.RunT(t)
	f := start(t, withRedis(redis))
	redis.Close()
	f.do("GET", "/DE/products", alice, "")
	f.do("GET", "/DE/products/1", "", "")
	f.add(alice, 1, 1)
	f.pay(alice, "k1")
	f.funnel(1, 1, 1, 1, 1)
	if unknown, anonymous := f.actions(telemetry.SegmentUnknown, telemetry.ActionBrowse), f.actions(telemetry.SegmentAnonymous, telemetry.ActionView); unknown != 1 || anonymous != 1 {
		t.Errorf("%v unknown browsed and %v anonymous viewed, want 1 and 1", unknown, anonymous)
	}
	if got := fmt.Sprint(f.stats(alice)); got != "map[segment:unknown]" {
		t.Errorf("stats %s, want that the segment is unknown, and no more", got)
	}
}

func TestGaugesTellWhoIsActiveAndWhichCarts(t *testing.T) {
	redis := miniredis.RunT(t)
	f := start(t, withRedis(redis))
	f.add(alice, 1, 1)
	f.add(alice, 7, 1)
	f.add(bob, 7, 1)
	f.do("GET", "/FR/products", bob, "")
	f.do("GET", "/FR/products", "", "")
	germany := attribute.String("webstore.market", "DE")
	f.kit.Total(telemetry.ActiveUsers, germany).Is(2)
	f.kit.Total(telemetry.ActiveUsers, attribute.String("webstore.market", "FR")).Is(1)
	f.kit.Total(telemetry.ActiveUsers, attribute.String("webstore.market", "JP")).Is(0)
	carts := func() map[telemetry.Market]int {
		t.Helper()
		n, err := f.shop.store.activeCarts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := carts(); len(n) != 1 || n[telemetry.Germany] != 2 {
		t.Errorf("carts %v, want 2 of Germany", n)
	}
	limit := testlimit.Context(t)
	for f.kit.Total(telemetry.ActiveCarts, germany).Value() != 2 { // a slow database is not waited for
		if limit.Err() != nil {
			t.Fatal("the gauge never told of 2 carts")
		}
	}
	// Alice's cart becomes an order, and Bob leaves his alone for an hour.
	f.pay(alice, "k1")
	if _, err := f.shop.store.pool.Exec(t.Context(), `UPDATE cart_lines SET changed_at = changed_at - interval '1 hour'`); err != nil {
		t.Fatal(err)
	}
	if n := carts(); len(n) != 0 {
		t.Errorf("carts %v, want none", n)
	}
	f.add(bob, 7, 1)
	if n := carts(); n[telemetry.Germany] != 1 {
		t.Errorf("carts %v, want the one that was added to", n)
	}
}

func TestWhoDidNothingForFiveMinutesIsActiveNoLonger(t *testing.T) {
	var users activeUsers
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	users.saw(1, telemetry.Germany, now)
	users.saw(2, telemetry.Germany, now)
	users.saw(2, telemetry.Germany, now.Add(4*time.Minute))
	users.saw(2, telemetry.France, now.Add(4*time.Minute))
	for _, tt := range []struct {
		after  time.Duration
		de, fr int
	}{{5 * time.Minute, 2, 1}, {5*time.Minute + 1, 1, 1}, {9*time.Minute + 1, 0, 0}} {
		if n := users.count(now.Add(tt.after)); n[telemetry.Germany] != tt.de || n[telemetry.France] != tt.fr {
			t.Errorf("after %v: %v, want %d and %d", tt.after, n, tt.de, tt.fr)
		}
	}
}

func TestActiveUsersAreKeptInBoundedMemory(t *testing.T) {
	var users activeUsers
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for id := range int64(maxActive + 1000) {
		users.saw(id, telemetry.Germany, now)
	}
	if n := users.count(now)[telemetry.Germany]; n != maxActive || len(users.last) != maxActive {
		t.Errorf("%d are active of %d in mind, want %d", n, len(users.last), maxActive)
	}
	// Nobody collects, and the old make room for the new all the same.
	now = now.Add(activeFor + time.Second)
	users.saw(-1, telemetry.Germany, now)
	if len(users.last) != 1 {
		t.Errorf("%d are in mind, want the one that is active", len(users.last))
	}
}

func TestCartsThatCannotBeCountedAreAsManyAsBeforeForAWhile(t *testing.T) {
	var carts activeCarts
	slow := false
	query := func() (map[telemetry.Market]int, error) {
		if slow {
			return nil, errors.New("canceling statement due to user request")
		}
		return map[telemetry.Market]int{telemetry.Germany: 3}, nil
	}
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		after time.Duration
		slow  bool
		want  int
		fails bool
	}{
		{0, true, 0, true}, // nothing was ever counted
		{0, false, 3, false},
		{countsLast, true, 3, false},
		{countsLast + time.Second, true, 0, true},
		{countsLast + time.Minute, false, 3, false},
	} {
		slow = tt.slow
		n, err := carts.count(query, now.Add(tt.after))
		if n[telemetry.Germany] != tt.want || (err != nil) != tt.fails {
			t.Errorf("after %v: %v, %v; want %d", tt.after, n, err, tt.want)
		}
	}
}
