package promotions

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/internal/pgserver/pgtest"
	"github.com/otelkit/kit/otelkit/otelkittest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Runner{M: m}) }

// fixture is one instance of the service over a real database.
type fixture struct {
	t          testing.TB
	kit        *otelkittest.Kit
	pool       *pgxpool.Pool
	promotions *promotions
	http.Handler
}

func start(t testing.TB) *fixture {
	t.Helper()
	return startOn(t, pgtest.URL(t))
}

// startOn starts an instance on a database that others may have, too.
func startOn(t testing.TB, databaseURL string) *fixture {
	t.Helper()
	kit := otelkittest.New(t)
	cfg := Config{DatabaseURL: databaseURL}
	pool, err := openStore(t.Context(), cfg, kit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	p, err := newPromotions(cfg, pool, kit)
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{t, kit, pool, p, p.handler(kit, nil)}
}

// answer is a status and a JSON object. It can be compared with another by ==, but for
// the trace id that a problem has.
type answer struct {
	status int
	body   map[string]any
}

func (a answer) String() string { return fmt.Sprint(a.status, " ", a.body) }

// is compares an answer with a status and members of its body, in turn a name and a
// value.
func (a answer) is(t testing.TB, status int, members ...any) {
	t.Helper()
	if a.status != status {
		t.Errorf("got %v, want %d", a, status)
	}
	for i := 0; i+1 < len(members); i += 2 {
		if got, want := a.body[members[i].(string)], members[i+1]; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s is %v, want %v, in %v", members[i], got, want, a)
		}
	}
}

// isProblem compares an answer with a status and the name of a problem.
func (a answer) isProblem(t testing.TB, status int, name string) {
	t.Helper()
	a.is(t, status, "type", "urn:webstore:problem:"+name)
}

// do makes a request.
func (f *fixture) do(method, path, body string, header ...string) answer {
	f.t.Helper()
	request := httptest.NewRequestWithContext(f.t.Context(), method, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	recorder := httptest.NewRecorder()
	f.ServeHTTP(recorder, request)
	a := answer{status: recorder.Code}
	if err := json.Unmarshal(recorder.Body.Bytes(), &a.body); err != nil {
		f.t.Errorf("%s %s: %d with a body that is not a JSON object: %q", method, path, recorder.Code, recorder.Body)
	}
	return a
}

// order is a body of one in the United States; amounts are in cents.
func order(amount int64) string { return orderIn("US", amount, "USD") }

func orderIn(country string, amount int64, currency string) string {
	return fmt.Sprintf(`{"user_id": "user-1", "country": %q, "amount": %d, "currency": %q}`, country, amount, currency)
}

// with is an order with a coupon.
func with(coupon, order string) string {
	return fmt.Sprintf(`{"coupon_code": %q, %s`, coupon, strings.TrimPrefix(order, "{"))
}

func (f *fixture) redeem(key, body string) answer {
	f.t.Helper()
	return f.do("POST", "/api/promotions/redemptions", body, "Idempotency-Key", key)
}

func (f *fixture) release(key string) answer {
	f.t.Helper()
	return f.do("POST", "/api/promotions/redemptions/"+key+"/release", "{}")
}

// left is how often a coupon may be used yet. It also compares what is counted with the
// redemptions that stand, of all coupons.
func (f *fixture) left(code string) int64 {
	f.t.Helper()
	f.audit()
	var left int64
	if err := f.pool.QueryRow(f.t.Context(), `SELECT max_uses - used FROM coupons WHERE code = $1`, code).Scan(&left); err != nil {
		f.t.Fatal(err)
	}
	return left
}

// audit asserts what has to hold at any time: that the uses that are counted are the
// redemptions that stand.
func (f *fixture) audit() {
	f.t.Helper()
	var wrong string
	err := f.pool.QueryRow(f.t.Context(), `
		SELECT coalesce(string_agg(format('%s: %s uses counted, %s redemptions stand', code, used, stand), '; '), '')
		FROM (
			SELECT code, used, (SELECT count(*) FROM redemptions r WHERE r.coupon = c.code AND r.state = 'redeemed') AS stand
			FROM coupons c
		) counts
		WHERE used <> stand`).Scan(&wrong)
	if err != nil {
		f.t.Fatal(err)
	}
	if wrong != "" {
		f.t.Error(wrong)
	}
}

// allow leaves a coupon so many uses.
func (f *fixture) allow(code string, uses int) {
	f.t.Helper()
	if _, err := f.pool.Exec(f.t.Context(), `UPDATE coupons SET max_uses = used + $2 WHERE code = $1`, code, uses); err != nil {
		f.t.Fatal(err)
	}
}

func TestLargeOrdersGetADiscountByThemselves(t *testing.T) {
	f := start(t)
	for i, c := range []struct {
		order    string
		discount int64
		code     string
	}{
		{order(1), 0, ""},
		{order(10000), 0, ""}, // not over 100 dollars
		{order(10001), 300, "SMALL_ORDER_3"},
		{order(20000), 600, "SMALL_ORDER_3"},
		{order(20001), 1000, "MEDIUM_ORDER_5"},
		{order(50000), 2500, "MEDIUM_ORDER_5"},
		{order(50001), 5000, "BIG_ORDER_10"},
		{order(maxAmount), maxAmount / 10, "BIG_ORDER_10"},
		{orderIn("DE", 46296, "EUR"), 2314, "MEDIUM_ORDER_5"}, // 499.9968 dollars
		{orderIn("DE", 46297, "EUR"), 4629, "BIG_ORDER_10"},   // 500.0076 dollars
		{orderIn("JP", 14925, "JPY"), 0, ""},                  // 99.9975 dollars
		{orderIn("JP", 14926, "JPY"), 447, "SMALL_ORDER_3"},
		{orderIn("IN", 4166700, "INR"), 416670, "BIG_ORDER_10"}, // 500.004 dollars
	} {
		checked := f.do("POST", "/api/promotions/check", c.order)
		checked.is(t, http.StatusOK, "discount", float64(c.discount), "promotion_code", c.code)
		redeemed := f.redeem(fmt.Sprint("order-", i), c.order)
		if redeemed.String() != checked.String() {
			t.Errorf("%s: redeemed %v, checked %v", c.order, redeemed, checked)
		}
	}
	f.do("POST", "/api/promotions/check", order(60000)).
		is(t, http.StatusOK, "description", "10% discount for orders over $500", "currency", "USD")
	f.do("POST", "/api/promotions/check", order(1)).is(t, http.StatusOK, "description", "")
}

func TestACouponTakesItsPlace(t *testing.T) {
	f := start(t)
	for i, c := range []struct {
		coupon, order string
		discount      int64
	}{
		{"WELCOME10", order(5000), 500}, // exactly its minimum
		{"WELCOME10", order(5009), 500}, // rounded down
		{"SAVE20", order(60000), 12000}, // in place of 10% for large orders
		{"FLAT50", order(20000), 5000},
		{"BIGORDER", order(50000), 7500},
		{"NEWUSER", order(7500), 2500},
		{"save20", order(10000), 2000},
		{"SaVe20", order(10000), 2000},
		{"FLAT50", orderIn("DE", 18519, "EUR"), 4629},  // 50 dollars are 46.296 euros
		{"NEWUSER", orderIn("JP", 11195, "JPY"), 3731}, // 25 dollars are 3731.3 yen
		{"SAVE20", orderIn("UK", 100000, "GBP"), 20000},
	} {
		f.do("POST", "/api/promotions/validate-coupon", with(c.coupon, c.order)).is(t, http.StatusOK,
			"valid", true, "reason", "", "discount", float64(c.discount))
		f.redeem(fmt.Sprint("order-", i), with(c.coupon, c.order)).is(t, http.StatusOK,
			"discount", float64(c.discount), "promotion_code", strings.ToUpper(c.coupon))
	}
	f.audit()
}

func TestACouponTakesNoMoreThanTheOrderCosts(t *testing.T) {
	fifty := Coupon{Code: "FIFTY", Type: Fixed, Value: 5000}
	for amount, want := range map[int64]int64{1: 1, 4999: 4999, 5000: 5000, 5001: 5000} {
		if d := fifty.discount(Order{Market: telemetry.UnitedStates, Amount: amount, Currency: "USD"}); d.Amount != want {
			t.Errorf("50 dollars off %d cents are %d, want %d", amount, d.Amount, want)
		}
	}
}

func TestTheCouponsAreThoseOfTheOriginal(t *testing.T) {
	f := start(t)
	list := f.do("GET", "/api/promotions/coupons", "")
	list.is(t, http.StatusOK, "currency", "USD")
	want := []any{
		map[string]any{"code": "BIGORDER", "discount_type": "percent", "discount_value": 15.0, "min_amount": 50000.0, "remaining_uses": 100.0},
		map[string]any{"code": "FLAT50", "discount_type": "fixed", "discount_value": 5000.0, "min_amount": 20000.0, "remaining_uses": 300.0},
		map[string]any{"code": "NEWUSER", "discount_type": "fixed", "discount_value": 2500.0, "min_amount": 7500.0, "remaining_uses": 2000.0},
		map[string]any{"code": "SAVE20", "discount_type": "percent", "discount_value": 20.0, "min_amount": 10000.0, "remaining_uses": 500.0},
		map[string]any{"code": "WELCOME10", "discount_type": "percent", "discount_value": 10.0, "min_amount": 5000.0, "remaining_uses": 1000.0},
	}
	if !reflect.DeepEqual(list.body["coupons"], want) {
		t.Errorf("got %v, want %v", list.body["coupons"], want)
	}
	for _, coupon := range want {
		code := telemetry.Coupon(coupon.(map[string]any)["code"].(string))
		if !slices.Contains(code.Values(), code) {
			t.Errorf("telemetry does not know %s and would record it as _OTHER", code)
		}
	}
	f.redeem("order-1", with("BIGORDER", order(50000)))
	if left := f.left("BIGORDER"); left != 99 {
		t.Errorf("%d uses are left after one, want 99", left)
	}
}
