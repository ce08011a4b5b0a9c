package httpclient_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/otelkit/kit/otelkit/httpclient"
	"github.com/otelkit/kit/otelkit/resilience"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// recovering answers 503 until it was asked so many times.
func recovering(t *testing.T, failures int64) *httptest.Server {
	var asked atomic.Int64
	return newServer(t, func(w http.ResponseWriter, _ *http.Request) {
		if asked.Add(1) <= failures {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
}

// tree writes the spans as "name key=value ...", in the order in which they started,
// with those below another indented; of their attributes those that tell about retries.
func (k *kit) tree(t *testing.T) string {
	t.Helper()
	var lines []string
	for _, started := range k.Spans.Started() {
		line := started.Name()
		if started.Parent().IsValid() {
			line = "  " + line
		}
		for _, s := range k.Spans.Ended() {
			if s.SpanContext().SpanID() != started.SpanContext().SpanID() {
				continue
			}
			for _, kv := range strings.Fields(text(s.Attributes())) {
				for _, about := range []string{"resend_count", "attempts", "status_code", "error.type", "url.template"} {
					if strings.Contains(kv, about) {
						line += " " + kv
					}
				}
			}
			if s.Status().Code == codes.Error {
				line += " failed"
			}
		}
		lines = append(lines, line)
	}
	return strings.Join(lines[1:], "\n") // without that of the test
}

// retrying returns what sends requests through a retry policy of failsafe-go.
func retrying(t *testing.T, attempts int) failsafe.Executor[*http.Response] {
	observer, err := resilience.New(resilience.Config{Target: "payments"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = observer.Close() })
	retries := resilience.Retry(observer, retrypolicy.NewBuilder[*http.Response]().
		HandleIf(func(r *http.Response, err error) bool { return err != nil || r.StatusCode >= 500 }).
		WithMaxAttempts(attempts).ReturnLastFailure())
	return resilience.Executor(observer, failsafe.With(retries))
}

// send returns what sends a GET in the context that it is given.
func send(t *testing.T, k *kit, url string) func(context.Context) (*http.Response, error) {
	base := &http.Transport{}
	t.Cleanup(base.CloseIdleConnections)
	client := &http.Client{Transport: httpclient.Transport(base, httpclient.Config{Kit: k})}
	return func(ctx context.Context) (*http.Response, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, err
		}
		response, err := client.Do(r)
		if err == nil {
			response.Body.Close()
		}
		return response, err
	}
}

func TestTheRequestsOfACallAreBelowOneSpanThatSaysHowItEnded(t *testing.T) {
	for name, tt := range map[string]struct {
		failures int64
		want     string
	}{
		"at once": {0, `
  pay http.response.status_code=200 otelkit.http.client.attempts=1 url.template=/payments
  GET /payments http.response.status_code=200 url.template=/payments`},
		"after retries": {2, `
  pay http.response.status_code=200 otelkit.http.client.attempts=3 url.template=/payments
  GET /payments error.type=503 http.response.status_code=503 url.template=/payments failed
  GET /payments error.type=503 http.request.resend_count=1 http.response.status_code=503 url.template=/payments failed
  GET /payments http.request.resend_count=2 http.response.status_code=200 url.template=/payments`},
		"in vain": {9, `
  pay error.type=503 http.response.status_code=503 otelkit.http.client.attempts=3 url.template=/payments failed
  GET /payments error.type=503 http.response.status_code=503 url.template=/payments failed
  GET /payments error.type=503 http.request.resend_count=1 http.response.status_code=503 url.template=/payments failed
  GET /payments error.type=503 http.request.resend_count=2 http.response.status_code=503 url.template=/payments failed`},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit()
			ask, retries := send(t, k, recovering(t, tt.failures).URL), retrying(t, 3)
			ctx := httpclient.WithTemplate(k.inSpan(t), "/payments")
			_, err := httpclient.Call(ctx, "pay", func(ctx context.Context) (*http.Response, error) {
				return retries.WithContext(ctx).Get(func() (*http.Response, error) { return ask(ctx) })
			})
			if err != nil {
				t.Fatal(err)
			}
			if got := k.tree(t); got != tt.want[1:] {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want[1:])
			}
			call := k.Spans.Started()[1]
			for _, s := range k.Spans.Ended() {
				if s.Name() == "pay" {
					retried := 0
					for _, event := range s.Events() {
						if event.Name == "retry" {
							retried++
						}
					}
					if want := strings.Count(tt.want, "resend_count"); s.SpanKind() != trace.SpanKindInternal || retried != want {
						t.Errorf("the call is of kind %v and tells of %d retries, want %d", s.SpanKind(), retried, want)
					}
				} else if s.Parent().SpanID() != call.SpanContext().SpanID() || s.SpanKind() != trace.SpanKindClient {
					t.Errorf("%s is of kind %v, or not below the call", s.Name(), s.SpanKind())
				}
			}
		})
	}
}

func TestRedirectsAreCountedAsResends(t *testing.T) {
	server := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if len(r.URL.Path) < 3 {
			http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
		}
	})
	const requests = `GET http.response.status_code=302
  GET http.request.resend_count=1 http.response.status_code=302
  GET http.request.resend_count=2 http.response.status_code=200`
	for name, tt := range map[string]struct {
		call func(context.Context, func(context.Context) (*http.Response, error)) (*http.Response, error)
		want string
	}{
		"by http.Client": {
			func(ctx context.Context, do func(context.Context) (*http.Response, error)) (*http.Response, error) {
				return do(ctx)
			},
			"  " + requests,
		},
		"by http.Client in a call": {
			func(ctx context.Context, do func(context.Context) (*http.Response, error)) (*http.Response, error) {
				return httpclient.Call(ctx, "look", do)
			},
			"  look http.response.status_code=200 otelkit.http.client.attempts=3\n  " + requests,
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit()
			if _, err := tt.call(k.inSpan(t), send(t, k, server.URL+"/")); err != nil {
				t.Fatal(err)
			}
			if got := k.tree(t); got != tt.want {
				t.Errorf("got\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestACallThatSendsNothingSaysSo(t *testing.T) {
	k := newKit()
	circuit := circuitbreaker.NewBuilder[*http.Response]().Build()
	circuit.Open()
	_, err := httpclient.Call(k.inSpan(t), "pay", func(ctx context.Context) (*http.Response, error) {
		return failsafe.With(circuit).WithContext(ctx).Get(func() (*http.Response, error) { return nil, errors.New("unreachable") })
	})
	if !errors.Is(err, circuitbreaker.ErrOpen) {
		t.Errorf("got %v, want that the circuit is open", err)
	}
	if got, want := k.tree(t), "  pay error.type=_OTHER otelkit.http.client.attempts=0 failed"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestACallThatPanicsEndsItsSpan(t *testing.T) {
	k := newKit()
	func() {
		defer func() {
			if p := recover(); p != "no" {
				t.Errorf("panic %v, want that of what was called", p)
			}
		}()
		_, _ = httpclient.Call(k.inSpan(t), "pay", func(context.Context) (*http.Response, error) { panic("no") })
	}()
	if got, want := k.tree(t), "  pay error.type=panic otelkit.http.client.attempts=0 failed"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestACallWithoutASpanStartsNoTrace(t *testing.T) {
	k := newKit()
	ask := send(t, k, recovering(t, 0).URL)
	response, err := httpclient.Call(t.Context(), "pay", ask)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Errorf("got %v, %v", response, err)
	}
	if n := len(k.Spans.Started()); n > 0 {
		t.Errorf("%d spans", n)
	}
}

func TestRequestsOfACallMayBeSentAtOnce(t *testing.T) { // as a hedge does
	k := newKit()
	server := recovering(t, 0)
	ask := send(t, k, server.URL)
	_, err := httpclient.Call(k.inSpan(t), "pay", func(ctx context.Context) (*http.Response, error) {
		var together sync.WaitGroup
		for range 8 {
			together.Go(func() {
				if _, err := ask(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		together.Wait()
		return nil, nil
	})
	if err != nil {
		t.Error(err)
	}
	got := k.tree(t)
	for n := 1; n < 8; n++ {
		if !strings.Contains(got, fmt.Sprintf("http.request.resend_count=%d ", n)) {
			t.Errorf("no request is the resend %d of\n%s", n, got)
		}
	}
	if !strings.Contains(got, "attempts=8") || strings.Count(got, "resend_count") != 7 {
		t.Errorf("got\n%s\nwant 8 attempts, 7 of them resends", got)
	}
}
