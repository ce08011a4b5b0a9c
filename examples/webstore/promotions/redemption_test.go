package promotions

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/attribute"

	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/internal/pgserver/pgtest"
	"github.com/otelkit/kit/internal/testlimit"
)

// eventually waits until try succeeds: a machine under load is slow.
func eventually(t testing.TB, try func() error) {
	t.Helper()
	ctx := testlimit.Context(t)
	for tick := time.NewTicker(time.Millisecond); ; {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(err)
		}
	}
}

// pair starts two instances on one database.
func pair(t *testing.T) []*fixture {
	t.Helper()
	database := pgtest.URL(t)
	return []*fixture{startOn(t, database), startOn(t, database)}
}

// locked is a coupon that nobody gets past, until it is unlocked.
type locked struct {
	f  *fixture
	tx pgx.Tx
}

func (f *fixture) lock(code string) locked {
	f.t.Helper()
	// A connection of its own: those of the pool are for those who wait.
	conn, err := pgx.ConnectConfig(f.t.Context(), f.pool.Config().ConnConfig)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	tx, err := conn.Begin(f.t.Context())
	if err == nil {
		_, err = tx.Exec(f.t.Context(), `SELECT FROM coupons WHERE code = $1 FOR UPDATE`, code)
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return locked{f, tx}
}

func (l locked) unlock() {
	l.f.t.Helper()
	if err := l.tx.Rollback(l.f.t.Context()); err != nil {
		l.f.t.Fatal(err)
	}
}

// waiting waits until so many backends of the database wait for a lock, and returns
// their processes.
func (l locked) waiting(n int) []int32 {
	l.f.t.Helper()
	var pids []int32
	eventually(l.f.t, func() error {
		// A transaction would see the activity as it was at its first look.
		if _, err := l.tx.Exec(l.f.t.Context(), `SELECT pg_stat_clear_snapshot()`); err != nil {
			return err
		}
		rows, err := l.tx.Query(l.f.t.Context(), `
			SELECT pid FROM pg_stat_activity
			WHERE datname = current_database() AND wait_event_type = 'Lock' ORDER BY query_start`)
		if err != nil {
			return err
		}
		if pids, err = pgx.CollectRows(rows, pgx.RowTo[int32]); err != nil {
			return err
		}
		if len(pids) != n {
			return fmt.Errorf("%d backends wait for a lock, want %d", len(pids), n)
		}
		return nil
	})
	return pids
}

// all runs n calls at the same time and waits for them.
func all(n int, call func(i int)) {
	var calls sync.WaitGroup
	begin := make(chan struct{})
	for i := range n {
		calls.Go(func() {
			<-begin
			call(i)
		})
	}
	close(begin)
	calls.Wait()
}

func TestOfFiftyAtOnceThoseGetACouponForWhomThereIsOne(t *testing.T) {
	instances := pair(t)
	instances[0].allow("FLAT50", 10)
	var got, refused atomic.Int32
	all(50, func(i int) {
		switch a := instances[i%2].redeem(fmt.Sprint("order-", i), with("FLAT50", order(20000))); a.status {
		case http.StatusOK:
			got.Add(1)
			a.is(t, http.StatusOK, "discount", 5000.0)
		default:
			refused.Add(1)
			a.isProblem(t, http.StatusConflict, "coupon_used_up")
		}
	})
	if got.Load() != 10 || refused.Load() != 40 {
		t.Errorf("%d got it and %d were refused, want 10 and 40", got.Load(), refused.Load())
	}
	if left := instances[0].left("FLAT50"); left != 0 {
		t.Errorf("%d uses are left, want none", left)
	}
	for outcome, want := range map[string]float64{"valid": 10, "used_up": 40} {
		sum := 0.0
		for _, f := range instances {
			sum += f.kit.Total(telemetry.Redemptions, attribute.String("webstore.coupon.outcome", outcome), attribute.String("webstore.coupon.code", "FLAT50")).Value()
		}
		if sum != want {
			t.Errorf("%v redemptions were counted as %s, want %v", sum, outcome, want)
		}
	}
}

func TestAKeyTakesAUseOnceHoweverOftenItIsSent(t *testing.T) {
	instances := pair(t)
	f := instances[0]
	f.allow("SAVE20", 1)
	body := with("save20", order(10000))
	all(20, func(i int) {
		instances[i%2].redeem("order-1", body).is(t, http.StatusOK, "discount", 2000.0, "promotion_code", "SAVE20")
	})
	// The last use is taken, and by this very key.
	f.redeem("order-1", body).is(t, http.StatusOK, "discount", 2000.0)
	f.redeem("order-2", body).isProblem(t, http.StatusConflict, "coupon_used_up")
	if left := f.left("SAVE20"); left != 0 {
		t.Errorf("%d uses are left, want none", left)
	}
	counted := f.kit.Total(telemetry.PromotionDiscount).Value() + instances[1].kit.Total(telemetry.PromotionDiscount).Value()
	if counted != 1 {
		t.Errorf("%v discounts were counted, want 1", counted)
	}
}

func TestAKeyIsRefusedForAnotherOrder(t *testing.T) {
	f := start(t)
	f.redeem("order-1", with("SAVE20", order(10000)))
	for name, body := range map[string]string{
		"another amount":   with("SAVE20", order(10001)),
		"another coupon":   with("WELCOME10", order(10000)),
		"no coupon":        order(10000),
		"another market":   with("SAVE20", orderIn("DE", 10000, "EUR")),
		"another customer": with("SAVE20", strings.Replace(order(10000), "user-1", "user-2", 1)),
	} {
		if a := f.redeem("order-1", body); a.status != http.StatusUnprocessableEntity || a.body["type"] != "urn:webstore:problem:idempotency_key_reused" {
			t.Errorf("%s: got %v, want 422 idempotency_key_reused", name, a)
		}
	}
	if left := f.left("SAVE20"); left != 499 {
		t.Errorf("%d uses are left, want 499", left)
	}
}

func TestAReleaseGivesTheUseBackOnce(t *testing.T) {
	instances := pair(t)
	f := instances[0]
	f.redeem("order-1", with("BIGORDER", order(50000))).is(t, http.StatusOK)
	var released atomic.Int32
	all(20, func(i int) {
		a := instances[i%2].release("order-1")
		a.is(t, http.StatusOK)
		if a.body["released"] == true {
			released.Add(1)
		}
	})
	if released.Load() != 1 {
		t.Errorf("%d releases say that they gave something back, want 1", released.Load())
	}
	if left := f.left("BIGORDER"); left != 100 {
		t.Errorf("%d uses are left, want all 100", left)
	}
	counted := 0.0
	for _, f := range instances {
		counted += f.kit.Total(telemetry.CouponReleases, attribute.String("webstore.coupon.code", "BIGORDER")).Value()
	}
	if counted != 1 {
		t.Errorf("%v releases were counted, want 1", counted)
	}
}

func TestWhatWasReleasedIsNeverRedeemed(t *testing.T) {
	f := start(t)
	coupon := with("BIGORDER", order(50000))
	f.redeem("redeemed before", coupon).isProblem(t, http.StatusBadRequest, "idempotency_key_missing") // spaces
	f.redeem("order-1", coupon).is(t, http.StatusOK)
	f.release("order-1").is(t, http.StatusOK, "released", true)
	f.release("order-2").is(t, http.StatusOK, "released", false) // came before what it releases
	f.redeem("order-3", order(50000)).is(t, http.StatusOK)
	f.release("order-3").is(t, http.StatusOK, "released", true) // of no coupon
	for _, key := range []string{"order-1", "order-2", "order-3"} {
		for _, body := range []string{coupon, order(50000)} {
			f.redeem(key, body).isProblem(t, http.StatusConflict, "redemption_released")
		}
		f.release(key).is(t, http.StatusOK, "released", false)
	}
	if left := f.left("BIGORDER"); left != 100 {
		t.Errorf("%d uses are left, want all 100", left)
	}
	f.kit.Total(telemetry.CouponReleases).Is(1)
}

func TestAReleaseWaitsForTheRedemptionThatItOvertakes(t *testing.T) {
	f := start(t)
	lock := f.lock("BIGORDER")
	var calls sync.WaitGroup
	calls.Go(func() { f.redeem("order-1", with("BIGORDER", order(50000))).is(t, http.StatusOK) })
	lock.waiting(1)
	calls.Go(func() { f.release("order-1").is(t, http.StatusOK, "released", true) })
	lock.waiting(2)
	lock.unlock()
	calls.Wait()
	if left := f.left("BIGORDER"); left != 100 {
		t.Errorf("%d uses are left, want all 100", left)
	}
	f.redeem("order-1", with("BIGORDER", order(50000))).isProblem(t, http.StatusConflict, "redemption_released")
}

func TestWhoeverIsFasterAReleasedOrderKeepsNoUse(t *testing.T) {
	instances := pair(t)
	const orders = 40
	all(3*orders, func(i int) {
		key := fmt.Sprint("order-", i/3)
		switch f := instances[i%2]; i % 3 {
		case 0:
			f.release(key).is(t, http.StatusOK)
		default:
			if a := f.redeem(key, with("BIGORDER", order(50000))); a.status != http.StatusOK {
				a.isProblem(t, http.StatusConflict, "redemption_released")
			}
		}
	})
	if left := instances[0].left("BIGORDER"); left != 100 {
		t.Errorf("%d uses are left, want all 100", left)
	}
}

func TestUsesAgreeWithTheRedemptionsThatStandAtAnyTime(t *testing.T) {
	instances := pair(t)
	f := instances[0]
	f.allow("BIGORDER", 20)
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	for _, f := range instances {
		watching.Go(func() { f.promotions.renew(ctx, time.Millisecond) })
	}
	watching.Go(func() {
		for ctx.Err() == nil {
			f.audit()
		}
	})
	var stand atomic.Int64
	all(10, func(worker int) {
		for i := range 30 {
			f := instances[(worker+i)%2]
			key := fmt.Sprint("order-", worker, "-", i)
			if a := f.redeem(key, with("BIGORDER", order(50000))); a.status == http.StatusOK {
				stand.Add(1)
			} else {
				a.isProblem(t, http.StatusConflict, "coupon_used_up")
				continue
			}
			if i%2 == 0 {
				f.release(key).is(t, http.StatusOK, "released", true)
				stand.Add(-1)
			}
		}
	})
	stop()
	watching.Wait()
	var used, added int64
	if err := f.pool.QueryRow(t.Context(), `SELECT used, max_uses - 20 FROM coupons WHERE code = 'BIGORDER'`).Scan(&used, &added); err != nil {
		t.Fatal(err)
	}
	if used != stand.Load() {
		t.Errorf("%d uses are counted, and %d orders have one", used, stand.Load())
	}
	if added%100 != 0 {
		t.Errorf("%d uses were added, want a number of renewals of 100", added)
	}
	f.audit()
}

func TestACouponThatRunsLowIsRenewedOnceByTwoInstances(t *testing.T) {
	instances := pair(t)
	f := instances[0]
	f.allow("BIGORDER", 49)
	f.allow("FLAT50", 150)
	all(10, func(i int) {
		if err := instances[i%2].promotions.store.renew(t.Context()); err != nil {
			t.Error(err)
		}
	})
	for code, want := range map[string]int64{"BIGORDER": 149, "FLAT50": 150, "NEWUSER": 2000} {
		if left := f.left(code); left != want {
			t.Errorf("%d uses of %s are left, want %d", left, code, want)
		}
	}
}

func TestARenewalThatFailsIsToldAndTriedAgain(t *testing.T) {
	f := start(t)
	f.pool.Close()
	ctx, stop := context.WithCancel(t.Context())
	var renewing sync.WaitGroup
	renewing.Go(func() { f.promotions.renew(ctx, time.Millisecond) })
	eventually(t, func() error {
		if n := len(f.kit.Logs("coupons were not renewed")); n < 2 {
			return fmt.Errorf("%d records of it, want 2", n)
		}
		return nil
	})
	stop()
	renewing.Wait()
}

// The process, or its connection, dies between the two writes.
func TestWhatIsBrokenOffTakesNothingAndMayBeAskedForAgain(t *testing.T) {
	f := start(t)
	lock := f.lock("BIGORDER")
	var call sync.WaitGroup
	call.Go(func() {
		f.redeem("order-1", with("BIGORDER", order(50000))).isProblem(t, http.StatusInternalServerError, "internal")
	})
	for _, pid := range lock.waiting(1) {
		if _, err := lock.tx.Exec(t.Context(), `SELECT pg_terminate_backend($1)`, pid); err != nil {
			t.Fatal(err)
		}
	}
	call.Wait()
	lock.unlock()
	if left := f.left("BIGORDER"); left != 100 {
		t.Errorf("%d uses are left, want all 100", left)
	}
	f.redeem("order-1", with("BIGORDER", order(50000))).is(t, http.StatusOK, "discount", 7500.0)
	if left := f.left("BIGORDER"); left != 99 {
		t.Errorf("%d uses are left, want 99", left)
	}
}

// The caller dies, or does not wait.
func TestAnAnswerThatNobodyHeardIsGivenAgain(t *testing.T) {
	f := start(t)
	lock := f.lock("BIGORDER")
	ctx, leave := context.WithCancel(t.Context())
	request := httptest.NewRequestWithContext(ctx, "POST", "/api/promotions/redemptions", strings.NewReader(with("BIGORDER", order(50000))))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", "order-1")
	var call sync.WaitGroup
	call.Go(func() { f.ServeHTTP(httptest.NewRecorder(), request) })
	lock.waiting(1)
	leave()
	call.Wait()
	lock.unlock()
	if left := f.left("BIGORDER"); left < 99 {
		t.Errorf("%d uses are left, want 99 or all 100", left)
	}
	f.redeem("order-1", with("BIGORDER", order(50000))).is(t, http.StatusOK, "discount", 7500.0)
	if left := f.left("BIGORDER"); left != 99 {
		t.Errorf("%d uses are left, want 99", left)
	}
}
