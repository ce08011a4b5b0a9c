package payments

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

func TestTheProviderSendsNobodyElsewhere(t *testing.T) {
	var astray atomic.Int64
	elsewhere := serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		astray.Add(1)
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"id": "MINE"}`)
	}))
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		f := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, elsewhere+r.URL.Path, status) }), impatient)
		got, answer := f.pay("k")
		want(t, got, answer, http.StatusServiceUnavailable, "provider_unavailable")
		got, answer = f.cancel("k")
		want(t, got, answer, http.StatusServiceUnavailable, "provider_unavailable")
	}
	if n := astray.Load(); n > 0 {
		t.Errorf("%d requests went astray", n)
	}
}

func TestWhatTheProviderMakesUpIsNotWrittenDown(t *testing.T) {
	honest := newScripted()
	for i, id := range []string{"a\x00b", "a\nlevel=ERROR", "a b", strings.Repeat("A", 129), strings.Repeat("A", 1<<20), "\u00e4"} {
		var lies atomic.Bool
		f := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if !lies.Load() {
				honest.ServeHTTP(w, r)
				return
			}
			text, _ := json.Marshal(map[string]any{"id": id, "charge_id": id, "refunded": true})
			status := http.StatusOK
			if r.URL.Path == "/v1/charges" {
				status = http.StatusCreated
			}
			w.WriteHeader(status)
			_, _ = w.Write(text)
		}), impatient)
		lies.Store(true)
		key := fmt.Sprint("k", i)
		status, answer := f.pay(key)
		want(t, status, answer, http.StatusServiceUnavailable, "provider_unavailable")
		lies.Store(false)
		status, answer = f.pay(key)
		want(t, status, answer, http.StatusOK, "")
		lies.Store(true)
		status, answer = f.cancel(key)
		want(t, status, answer, http.StatusServiceUnavailable, "provider_unavailable")
		lies.Store(false)
		status, answer = f.cancel(key)
		wantState(t, status, answer, StateRefunded)
	}
}

func TestWhatOneMayNotSayIsRefusedInEveryBody(t *testing.T) {
	provider := newScripted()
	f := start(t, provider, impatient)
	for _, field := range []string{"key", "state", "charge_id", "decline_code", "created_at", "status", "refunded", "user_id", "callback_url"} {
		for path, body := range map[string]string{"/payments": order, "/payments/k/cancel": `{}`} {
			with := strings.TrimSuffix(body, "}") + `, "` + field + `": "authorised"}`
			with = strings.Replace(with, "{,", "{", 1)
			status, answer := f.do("POST", path, with, "Idempotency-Key", "k")
			want(t, status, answer, http.StatusBadRequest, "malformed_body")
		}
	}
	if n := len(provider.calls()); n != 0 {
		t.Errorf("the provider was asked %d times, want never", n)
	}
	status, answer := f.do("GET", "/payments/k", "")
	want(t, status, answer, http.StatusNotFound, "not_found")
}

func TestNoOtherSiteMayAskForPayments(t *testing.T) {
	f := start(t, newScripted(), impatient)
	for _, r := range []string{"OPTIONS /payments", "POST /payments", "GET /payments/k", "POST /payments/k/cancel", "GET /nothing"} {
		method, path, _ := strings.Cut(r, " ")
		request := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader("{}"))
		request.Header = http.Header{"Origin": {"https://evil.example"}, "Access-Control-Request-Method": {"POST"}}
		answer := httptest.NewRecorder()
		f.ServeHTTP(answer, request)
		for name := range answer.Header() {
			if strings.HasPrefix(name, "Access-Control-") || name == "Server" {
				t.Errorf("%s: the answer has %s: %v", r, name, answer.Header()[name])
			}
		}
		if answer.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: the answer has headers %v", r, answer.Header())
		}
	}
}
