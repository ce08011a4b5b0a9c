package promotions

import (
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

func TestAValidationSaysWhetherACouponHoldsAndTakesNoUse(t *testing.T) {
	f := start(t)
	f.allow("FLAT50", 0)
	validate := func(coupon, order string) answer {
		t.Helper()
		return f.do("POST", "/api/promotions/validate-coupon", with(coupon, order))
	}
	for range 2 {
		validate("bigorder", order(50000)).is(t, http.StatusOK, "valid", true, "reason", "", "discount", 7500.0,
			"currency", "USD", "discount_type", "percent", "message", "15% off with coupon BIGORDER")
	}
	validate("NEWUSER", order(7500)).is(t, http.StatusOK, "valid", true, "discount_type", "fixed",
		"message", "$25 off with coupon NEWUSER")
	validate("FLAT50", order(20000)).is(t, http.StatusOK, "valid", false, "reason", "used_up", "discount", 0.0,
		"discount_type", "fixed", "message", "Coupon FLAT50 is used up.")
	validate("FLAT50", order(19999)).is(t, http.StatusOK, "valid", false, "reason", "below_minimum")
	validate("SAVE20", order(9999)).is(t, http.StatusOK, "valid", false, "reason", "below_minimum", "discount", 0.0,
		"message", "Coupon SAVE20 is for orders worth $100 or more.")
	for _, code := range []string{"", "SAVE", "SAVE200", "SAVE20 ", "'; DROP TABLE coupons; --", "\\u0000", "ß", strings.Repeat("A", 5000)} {
		a := f.do("POST", "/api/promotions/validate-coupon", strings.Replace(with("CODE", order(50000)), "CODE", code, 1))
		a.is(t, http.StatusOK, "valid", false, "reason", "unknown", "discount_type", "", "message", "There is no such coupon.")
	}
	if left := f.left("BIGORDER"); left != 100 {
		t.Errorf("%d uses are left, want all 100", left)
	}
	for outcome, want := range map[string]float64{"valid": 3, "used_up": 1, "below_minimum": 2, "unknown": 8} {
		f.kit.Total(telemetry.CouponValidations, attribute.String("webstore.coupon.outcome", outcome)).Is(want)
	}
	f.kit.Total(telemetry.CouponValidations, attribute.String("webstore.coupon.code", "_OTHER")).Is(8)
}

func TestTheMinimumOfACouponIsToldInTheOrdersCurrency(t *testing.T) {
	f := start(t)
	for _, c := range []struct {
		country, currency string
		least             int64 // for SAVE20, of which the minimum is 100 dollars
	}{
		{"US", "USD", 10000},
		{"UK", "GBP", 7875},
		{"DE", "EUR", 9260},
		{"FR", "EUR", 9260},
		{"JP", "JPY", 14926},
		{"BR", "BRL", 55556},
		{"IN", "INR", 833334},
	} {
		f.redeem(c.country+"-below", with("SAVE20", orderIn(c.country, c.least-1, c.currency))).
			is(t, http.StatusUnprocessableEntity, "min_amount", float64(c.least), "currency", c.currency,
				"detail", "Coupon SAVE20 is for orders worth $100 or more.")
		f.redeem(c.country, with("SAVE20", orderIn(c.country, c.least, c.currency))).
			is(t, http.StatusOK, "discount", float64(c.least/5))
	}
	f.audit()
}

func TestEveryProblemOfARedemption(t *testing.T) {
	f := start(t)
	f.allow("FLAT50", 0)
	f.release("released")
	f.redeem("k1", with("NONE", order(50000))).isProblem(t, http.StatusNotFound, "unknown_coupon")
	f.redeem("k1", with("FLAT50", order(20000))).isProblem(t, http.StatusConflict, "coupon_used_up")
	f.redeem("k1", with("FLAT50", order(19999))).isProblem(t, http.StatusUnprocessableEntity, "below_minimum")
	f.redeem("released", order(50000)).isProblem(t, http.StatusConflict, "redemption_released")
	// Nothing of this is kept: with another coupon, or none, the key is as good as new.
	f.redeem("k1", with("SAVE20", order(20000))).is(t, http.StatusOK, "discount", 4000.0)
	f.audit()
	for outcome, code := range map[string]string{"unknown": "_OTHER", "used_up": "FLAT50", "below_minimum": "FLAT50", "valid": "SAVE20"} {
		f.kit.Total(telemetry.Redemptions, attribute.String("webstore.coupon.outcome", outcome), attribute.String("webstore.coupon.code", code)).Is(1)
	}
}

func TestBadRequests(t *testing.T) {
	f := start(t)
	good := order(50000)
	edit := func(old, new string) string { return strings.Replace(good, old, new, 1) }
	for name, c := range map[string]struct {
		body    string
		status  int
		problem string
	}{
		"unknown market":         {edit("US", "XX"), 404, "unknown_market"},
		"small market":           {edit("US", "us"), 404, "unknown_market"},
		"no customer":            {edit("user-1", ""), 422, "invalid_order"},
		"a customer with a NUL":  {edit("user-1", `\u0000`), 422, "invalid_order"},
		"a customer of 129":      {edit("user-1", strings.Repeat("u", 129)), 422, "invalid_order"},
		"no amount":              {edit("50000", "0"), 422, "invalid_order"},
		"negative amount":        {edit("50000", "-5"), 422, "invalid_order"},
		"huge amount":            {edit("50000", "1000000000001"), 422, "invalid_order"},
		"more than an int64":     {edit("50000", "9223372036854775808"), 400, "malformed_body"},
		"fraction":               {edit("50000", "1.5"), 400, "malformed_body"},
		"another's currency":     {edit("USD", "EUR"), 422, "invalid_order"},
		"no currency":            {edit("USD", ""), 422, "invalid_order"},
		"a number as a customer": {edit(`"user-1"`, "1"), 400, "malformed_body"},
		// The original read UserId where user_id was sent, and knew nobody.
		"other names":   {edit("user_id", "UserId"), 400, "malformed_body"},
		"unknown field": {edit("{", `{"discount": 1,`), 400, "malformed_body"},
		"an array":      {"[]", 400, "malformed_body"},
		"two values":    {good + good, 400, "malformed_body"},
		"empty":         {"", 400, "malformed_body"},
		"too large":     {`{"currency": "` + strings.Repeat("x", 1<<20) + `"}`, 413, "body_too_large"},
	} {
		for _, path := range []string{"check", "validate-coupon", "redemptions"} {
			a := f.do("POST", "/api/promotions/"+path, c.body, "Idempotency-Key", "k")
			if a.status != c.status || a.body["type"] != "urn:webstore:problem:"+c.problem {
				t.Errorf("%s, %s: got %v, want %d %s", path, name, a, c.status, c.problem)
			}
		}
	}
	for _, key := range []string{"", "a b", "ä", strings.Repeat("k", 129)} {
		f.redeem(key, good).isProblem(t, http.StatusBadRequest, "idempotency_key_missing")
	}
	f.do("POST", "/api/promotions/check", with("SAVE20", good)).isProblem(t, http.StatusBadRequest, "malformed_body")
	f.do("POST", "/api/promotions/check", good, "Content-Type", "text/plain").isProblem(t, http.StatusUnsupportedMediaType, "not_json")
	f.do("GET", "/api/promotions/check", "").isProblem(t, http.StatusMethodNotAllowed, "method_not_allowed")
	f.do("POST", "/api/promotions/coupons", "{}").isProblem(t, http.StatusMethodNotAllowed, "method_not_allowed")
	f.do("GET", "/api/promotions/redemptions/k/release", "").isProblem(t, http.StatusMethodNotAllowed, "method_not_allowed")
	f.do("GET", "/api/promotions", "").isProblem(t, http.StatusNotFound, "not_found")
	f.do("GET", "/elsewhere", "").isProblem(t, http.StatusNotFound, "not_found")
	f.audit()
	if n := f.redemptions(); n != 0 {
		t.Errorf("%d redemptions were written, want none", n)
	}
}

// redemptions is how many there are, released ones too.
func (f *fixture) redemptions() (n int) {
	f.t.Helper()
	if err := f.pool.QueryRow(f.t.Context(), `SELECT count(*) FROM redemptions`).Scan(&n); err != nil {
		f.t.Fatal(err)
	}
	return n
}

func TestAnyKeyThatCanBeRedeemedCanBeReleased(t *testing.T) {
	f := start(t)
	for key, path := range map[string]string{
		"5f3a":                   "5f3a",
		"a/b":                    "a%2Fb",
		"a//b":                   "a%2F%2Fb",
		"..":                     "%2E%2E",
		"100%":                   "100%25",
		"?#":                     "%3F%23",
		strings.Repeat("k", 128): strings.Repeat("k", 128),
	} {
		f.redeem(key, order(50000)).is(t, http.StatusOK)
		f.release(path).is(t, http.StatusOK, "released", true)
	}
	for _, path := range []string{"%00", "a%20b", "%FF", strings.Repeat("k", 129)} {
		f.release(path).isProblem(t, http.StatusNotFound, "not_found")
	}
	if n := f.redemptions(); n != 7 {
		t.Errorf("%d keys were written, want 7", n)
	}
	for body, status := range map[string]int{"": 400, "[]": 400, `{"key": "k"}`: 400, "{}": 200} {
		f.do("POST", "/api/promotions/redemptions/k/release", body).is(t, status)
	}
}
