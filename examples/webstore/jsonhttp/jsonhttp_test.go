package jsonhttp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/examples/webstore/jsonhttp"
)

func decode(body string) error {
	var v struct {
		Name  string `json:"name"`
		Count int    `json:"count"`
	}
	r := httptest.NewRequest("POST", "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	return jsonhttp.Decode(httptest.NewRecorder(), r, &v)
}

func TestWhatIsWrongWithABodyIsSaid(t *testing.T) {
	for body, want := range map[string]string{
		``:                      "empty",
		`{`:                     "ends too soon",
		`{"name": "x"`:          "ends too soon",
		`{"name": x}`:           "not JSON from byte 10 on",
		`{"name": 1}`:           `"name" cannot be a JSON number`,
		`{"count": 1.5}`:        `"count" cannot be a JSON number 1.5`,
		`[]`:                    "cannot be a JSON array",
		`{"nme": "x"}`:          `no field "nme"`,
		`{"name": "x"} {}`:      "Something follows",
		`{"name": "x"} rubbish`: "Something follows",
		`{"name": "` + strings.Repeat("x", 1<<20) + `"}`: "1 MiB",
		`{"name": "x"}` + strings.Repeat(" ", 1<<20):     "1 MiB",
	} {
		var problem *jsonhttp.Problem
		if err := decode(body); !errors.As(err, &problem) || !strings.Contains(problem.Detail, want) {
			t.Errorf("%.40q: got %v, want a problem with %q", body, err, want)
		}
	}
	if err := decode(`{"name": "x", "count": 1}`); err != nil {
		t.Errorf("a body that is right: %v", err)
	}
}

// tricklingBody is one whose sender has used up the time that a server gives.
type tricklingBody struct{ begun io.Reader }

func (b tricklingBody) Read(p []byte) (int, error) {
	if n, err := b.begun.Read(p); err == nil {
		return n, nil
	}
	return 0, &net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded}
}

func TestABodyThatTricklesInIsTheCallersFault(t *testing.T) {
	for _, begun := range []string{``, `{"name"`, `{"name": "x"}`} {
		r := httptest.NewRequest("POST", "/", tricklingBody{strings.NewReader(begun)})
		r.Header.Set("Content-Type", "application/json")
		var v struct{ Name string }
		if err := jsonhttp.Decode(httptest.NewRecorder(), r, &v); !errors.Is(err, jsonhttp.TooSlow) {
			t.Errorf("after %q: got %v, want %v", begun, err, jsonhttp.TooSlow)
		}
	}
}

func TestJSONThatIsNestedTooDeeplyIsRefused(t *testing.T) {
	for _, body := range []string{
		strings.Repeat("[", 1<<19), strings.Repeat(`{"name":`, 1<<16),
		`{"name": ` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`,
	} {
		var problem *jsonhttp.Problem
		if err := decode(body); !errors.As(err, &problem) || problem.Name != "malformed_body" {
			t.Errorf("%.20q and so on: got %v, want malformed_body", body, err)
		}
	}
}

func TestAnAnswerRepeatsLittleOfWhatWasSent(t *testing.T) {
	for _, body := range []string{
		`{"` + strings.Repeat("\u0001", 100_000) + `": 1}`, // a field
		`{"count": ` + strings.Repeat("1", 1<<19) + `}`,    // a number
		`{"count": "` + strings.Repeat("\u00e4", 1<<17) + `"}`,
	} {
		var problem *jsonhttp.Problem
		if err := decode(body); !errors.As(err, &problem) || len(problem.Detail) > 510 || !utf8.ValidString(problem.Detail) {
			t.Errorf("%.20q and so on: got a detail of %d bytes, want some 500 at most: %.600q", body, len(problem.Detail), problem.Detail)
		}
	}
}

func TestNoAnswerIsKeptOrTakenForAnythingElse(t *testing.T) {
	problem := &jsonhttp.Problem{Status: http.StatusConflict, Name: "x"}
	for what, err := range map[string]error{"an answer": nil, "a problem": problem, "an error": errors.New("x")} {
		answer, _ := serve(t.Context(), err)
		for key, want := range map[string]string{"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
			if got := answer.Header().Get(key); got != want {
				t.Errorf("%s: %s is %q, want %q", what, key, got, want)
			}
		}
	}
	// Others write problems, too.
	answer := httptest.NewRecorder()
	problem.Write(answer, httptest.NewRequest("GET", "/", nil))
	if answer.Header().Get("X-Content-Type-Options") != "nosniff" || answer.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("a problem that stands alone has %v", answer.Header())
	}
}

func TestABodyThatIsNotJSONIsNotRead(t *testing.T) {
	for _, media := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/jsonx", "%%"} {
		r := httptest.NewRequest("POST", "/", strings.NewReader(`{}`))
		r.Header.Set("Content-Type", media)
		if err := jsonhttp.Decode(httptest.NewRecorder(), r, &struct{}{}); !errors.Is(err, jsonhttp.NotJSON) {
			t.Errorf("%q: got %v, want %v", media, err, jsonhttp.NotJSON)
		}
	}
}

// serve has a handler that returns err answer a request of ctx.
func serve(ctx context.Context, err error) (*httptest.ResponseRecorder, string) {
	var log strings.Builder
	handler := jsonhttp.Handler(slog.New(slog.NewTextHandler(&log, nil)), func(http.ResponseWriter, *http.Request) error { return err })
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequestWithContext(ctx, "GET", "/", nil))
	return recorder, log.String()
}

func TestAProblemIsAnsweredWithItsTypeAndTheTrace(t *testing.T) {
	id := trace.TraceID{1, 2, 3}
	ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: trace.SpanID{1}}))
	problem := &jsonhttp.Problem{
		Status: http.StatusConflict, Name: "order_pending", Title: "Wait", More: map[string]any{"order_id": "7"},
		Header: http.Header{"Retry-After": {"5"}},
	}
	answer, log := serve(ctx, fmt.Errorf("while ordering: %w", problem.With("It is %s.", "pending")))
	var body map[string]any
	if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]any{
		"type": "urn:webstore:problem:order_pending", "title": "Wait", "status": 409.0,
		"detail": "It is pending.", "order_id": "7", "trace_id": id.String(),
	} {
		if body[key] != want {
			t.Errorf("%s is %v, want %v", key, body[key], want)
		}
	}
	if answer.Code != 409 || answer.Header().Get("Content-Type") != "application/problem+json" || answer.Header().Get("Retry-After") != "5" {
		t.Errorf("got %d with %v", answer.Code, answer.Header())
	}
	if log != "" {
		t.Errorf("a problem of the caller's was logged: %s", log)
	}
	if problem.Detail != "" || len(problem.More) != 1 {
		t.Errorf("answering changed the problem to %v", problem)
	}
}

func TestAnotherErrorIsLoggedAndNotTold(t *testing.T) {
	answer, log := serve(t.Context(), errors.New("password of the database is wrong"))
	if answer.Code != http.StatusInternalServerError || strings.Contains(answer.Body.String(), "password") {
		t.Errorf("got %d %s, want 500 without the cause", answer.Code, answer.Body)
	}
	if !strings.Contains(log, "password of the database is wrong") {
		t.Errorf("the log does not tell the cause: %q", log)
	}
}

func TestACallerWhoHasGoneIsNoErrorOfOurs(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	answer, log := serve(ctx, ctx.Err())
	if answer.Code != 499 || log != "" {
		t.Errorf("got %d, log %q; want 499 and no log", answer.Code, log)
	}
}

func TestAKeyIsOnePrintableWord(t *testing.T) {
	for key, ok := range map[string]bool{
		"":                       false,
		"k":                      true,
		strings.Repeat("k", 128): true,
		strings.Repeat("k", 129): false,
		"a b":                    false,
		"a\tb":                   false,
		"schlüssel":              false,
	} {
		r := httptest.NewRequest("POST", "/", nil)
		r.Header["Idempotency-Key"] = []string{key}
		got, err := jsonhttp.IdempotencyKey(r)
		if (err == nil) != ok || ok && got != key {
			t.Errorf("%q: got %q, %v", key, got, err)
		}
	}
	r := httptest.NewRequest("POST", "/", nil)
	r.Header["Idempotency-Key"] = []string{"a", "b"}
	if _, err := jsonhttp.IdempotencyKey(r); !errors.Is(err, jsonhttp.MissingKey) {
		t.Errorf("two keys: got %v, want %v", err, jsonhttp.MissingKey)
	}
}
