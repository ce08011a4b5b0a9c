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

// Whatever a body, a key or a path is, it is the caller's fault, and never ours.
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
	service := startOn(f, pgtest.URL(f), serve(f, newScripted()), impatient)
	f.Fuzz(func(t *testing.T, body, key string) {
		for _, path := range []string{"/payments", "/payments/" + url.PathEscape(key) + "/cancel"} {
			request := httptest.NewRequestWithContext(testlimit.Context(t), http.MethodPost, path, strings.NewReader(body))
			request.Header.Set("Content-Type", "application/json")
			request.Header["Idempotency-Key"] = []string{key}
			recorder := httptest.NewRecorder()
			service.ServeHTTP(recorder, request)
			if recorder.Code >= 500 || recorder.Code < 200 {
				t.Errorf("POST %s with key %q and body %q: %d %s", path, key, body, recorder.Code, recorder.Body)
			}
		}
	})
}
