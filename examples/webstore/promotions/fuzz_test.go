package promotions

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"

	"github.com/otelkit/kit/internal/pgserver/pgtest"
	"github.com/otelkit/kit/otelkit/metrics"
)

// silent is a kit that keeps nothing, however long it is used.
type silent struct{}

func (silent) Logger() *slog.Logger                      { return slog.New(slog.DiscardHandler) }
func (silent) TracerProvider() trace.TracerProvider      { return tracenoop.NewTracerProvider() }
func (silent) Propagator() propagation.TextMapPropagator { return propagation.TraceContext{} }

// Recorder records into the process's provider, which nobody has set.
func (silent) Recorder() *metrics.Recorder { return metrics.NewRecorder(otel.GetMeterProvider()) }

// hostile is a service that is sent anything.
type hostile struct {
	f          *testing.F
	promotions *promotions
	http.Handler
}

func startHostile(f *testing.F) *hostile {
	f.Helper()
	cfg := Config{DatabaseURL: pgtest.URL(f)}
	pool, err := openStore(f.Context(), cfg, silent{})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(pool.Close)
	p, err := newPromotions(cfg, pool, silent{})
	if err != nil {
		f.Fatal(err)
	}
	return &hostile{f, p, p.handler(silent{}, nil)}
}

// seed adds bodies that are right, that almost are, and that are not.
func (h *hostile) seed(add func(body string)) {
	for _, body := range []string{
		order(50001), with("SAVE20", order(10000)), with("save20", orderIn("JP", 14926, "JPY")), with("FLAT50", order(1)),
		with(strings.Repeat("A", 40), order(1000)), orderIn("XX", 1, "USD"), orderIn("DE", -1, "EUR"),
		`{"user_id": "\u0000\ud800", "country": "US", "amount": 1e3, "currency": "USD", "coupon_code": "\u0000"}`,
		`{"user_id": null, "country": null, "amount": null, "currency": null}`,
		`{"USER_ID": "a", "user_id": "b"}`, `{}`, `[]`, `null`, `0`, `"`, "", "\xff", strings.Repeat("[", 20000),
	} {
		add(body)
	}
}

// post sends a body to a path. Whatever it is, the answer is JSON and no failure of ours;
// it is decoded into answer if it is a success.
func (h *hostile) post(t *testing.T, path, key, body string, answer any) (status int) {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", key)
	recorder := httptest.NewRecorder()
	h.ServeHTTP(recorder, request)
	if recorder.Code >= 500 {
		t.Errorf("POST %s %q: %d %s", path, body, recorder.Code, recorder.Body)
	}
	if recorder.Code != http.StatusOK {
		answer = &struct{ Type string }{}
	}
	if err := json.Unmarshal(recorder.Body.Bytes(), answer); err != nil {
		t.Errorf("POST %s %q: %d with %q: %v", path, body, recorder.Code, recorder.Body, err)
	}
	return recorder.Code
}

// releasePath is where to release a key. A path is not the same without its dots, unless
// they are escaped.
func releasePath(key string) string {
	return "/api/promotions/redemptions/" + strings.ReplaceAll(url.PathEscape(key), ".", "%2E") + "/release"
}

func FuzzCheck(f *testing.F) {
	h := startHostile(f)
	h.seed(func(body string) { f.Add(body) })
	f.Fuzz(func(t *testing.T, body string) {
		var d Discount
		h.post(t, "/api/promotions/check", "k", body, &d)
		if d.Amount < 0 || (d.Amount == 0) != (d.Code == "") {
			t.Errorf("%q gets %+v", body, d)
		}
	})
}

func FuzzValidateCoupon(f *testing.F) {
	h := startHostile(f)
	h.seed(func(body string) { f.Add(body) })
	f.Fuzz(func(t *testing.T, body string) {
		var v Validation
		if status := h.post(t, "/api/promotions/validate-coupon", "k", body, &v); status == http.StatusOK &&
			(v.Valid != (v.Reason == "") || v.Discount < 0 || !v.Valid && v.Discount > 0) {
			t.Errorf("%q is %+v", body, v)
		}
	})
}

func FuzzRedeem(f *testing.F) {
	h := startHostile(f)
	h.seed(func(body string) { f.Add("k", body) })
	for _, key := range []string{"", ".", "..", "a//b", "%2F", "\x00"} {
		f.Add(key, order(50001))
	}
	f.Fuzz(func(t *testing.T, key, body string) {
		// Each by itself, whatever became of the last.
		if _, err := h.promotions.store.pool.Exec(t.Context(), `TRUNCATE redemptions; UPDATE coupons SET used = 0`); err != nil {
			t.Fatal(err)
		}
		var first, again Discount
		if status := h.post(t, "/api/promotions/redemptions", key, body, &first); status != http.StatusOK {
			h.unchanged(t)
			return
		}
		if status := h.post(t, "/api/promotions/redemptions", key, body, &again); status != http.StatusOK || again != first {
			t.Errorf("%q %q: got %+v and then %d %+v", key, body, first, status, again)
		}
		var given struct{ Released bool }
		h.post(t, releasePath(key), "", "{}", &given)
		if !given.Released {
			t.Errorf("%q %q: was redeemed and was not released", key, body)
		}
		var used int64
		if err := h.promotions.store.pool.QueryRow(t.Context(), `SELECT sum(used) FROM coupons`).Scan(&used); err != nil || used != 0 {
			t.Errorf("%q %q: %d uses are counted, want none; %v", key, body, used, err)
		}
	})
}

// unchanged asserts that nothing was ever redeemed or released.
func (h *hostile) unchanged(t *testing.T) {
	t.Helper()
	var written int64
	err := h.promotions.store.pool.QueryRow(t.Context(), `SELECT (SELECT count(*) FROM redemptions) + (SELECT sum(used) FROM coupons)`).Scan(&written)
	if err != nil || written != 0 {
		t.Errorf("what was refused has written %d redemptions or uses; %v", written, err)
	}
}

func FuzzRelease(f *testing.F) {
	h := startHostile(f)
	for i, key := range []string{"k", "a/b", "..", ".", "//", "%", "?", "#", "\x00", "\xff", " ", "ä", strings.Repeat("k", 129)} {
		f.Add(key, []string{"{}", "", "null", "[]", `{"released": true}`, "{}{}"}[i%6])
	}
	f.Fuzz(func(t *testing.T, key, body string) {
		if key == "" {
			return // another path
		}
		if _, err := h.promotions.store.pool.Exec(t.Context(), `TRUNCATE redemptions; UPDATE coupons SET used = 0`); err != nil {
			t.Fatal(err)
		}
		var given struct{ Released bool }
		status := h.post(t, releasePath(key), "", body, &given)
		if given.Released {
			t.Errorf("%q released what was never redeemed", key)
		}
		if status != http.StatusOK {
			h.unchanged(t)
			return
		}
		var d Discount
		if status := h.post(t, "/api/promotions/redemptions", key, order(50001), &d); status != http.StatusConflict {
			t.Errorf("%q was released, and redeeming it is answered with %d", key, status)
		}
	})
}
