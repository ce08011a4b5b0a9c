package payments

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/otelkit/kit/internal/pgserver/pgtest"
	"github.com/otelkit/kit/internal/testlimit"
)

// Whatever a body, a key or a path is, it is the caller's fault, and never ours; and what
// is refused is neither written down nor asked of the provider.
func FuzzBadInputIsNoErrorOfOurs(f *testing.F) {
	for _, body := range []string{
		order, "", "{}", "null", "[]", "{", `{"amount": 1e400}`, `{"amount": 9223372036854775808}`, `{"amount": -0}`,
		`{"country": "DE", "country": "US"}`, `{"currency": "\u0000\ud800"}`, "{\"currency\": \"\xff\"}", strings.Repeat("[", 20_000),
	} {
		f.Add(body, "order-1")
	}
	for _, key := range []string{"", "\x00", "\xff", "a b", "a/b", "..", "%2f", "%zz", "?", strings.Repeat("k", 129), "' OR 1=1 --", "cancel"} {
		f.Add(order, key)
		f.Add("{}", key)
	}
	provider := newScripted()
	service := startOn(f, pgtest.URL(f), serve(f, provider), impatient)
	payments := func(t *testing.T) (digest string) {
		err := service.pool.QueryRow(testlimit.Context(t), `SELECT count(*) || ' rows ' || md5(coalesce(string_agg(p::text, E'\n' ORDER BY key), '')) FROM payments p`).Scan(&digest)
		if err != nil {
			t.Fatal(err)
		}
		return digest
	}
	f.Fuzz(func(t *testing.T, body, key string) {
		if _, err := service.pool.Exec(testlimit.Context(t), `TRUNCATE payments`); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{"/payments", "/payments/" + url.PathEscape(key) + "/cancel"} {
			request := httptest.NewRequestWithContext(testlimit.Context(t), http.MethodPost, path, strings.NewReader(body))
			request.Header.Set("Content-Type", "application/json")
			request.Header["Idempotency-Key"] = []string{key}
			recorder := httptest.NewRecorder()
			before, asked := payments(t), len(provider.calls())
			service.ServeHTTP(recorder, request)
			if recorder.Code >= 500 || recorder.Code < 200 {
				t.Errorf("POST %s with key %q and body %q: %d %s", path, key, body, recorder.Code, recorder.Body)
			}
			if recorder.Code < 300 {
				continue
			}
			if after := payments(t); after != before || len(provider.calls()) != asked {
				t.Errorf("POST %s with key %q and body %q was refused with %d and changed %s to %s, or the provider was asked", path, key, body, recorder.Code, before, after)
			}
		}
	})
}
