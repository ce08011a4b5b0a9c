package payments

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelkit/kit/examples/webstore/paymentprovider"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit/otelkittest"
)

// kept is how many charges of a provider are not refunded.
func kept(t *testing.T, provider http.Handler) int {
	t.Helper()
	n := 0
	for _, charge := range charges(t, provider) {
		if !charge.Refunded {
			n++
		}
	}
	return n
}

func (f *fixture) cancellations(outcome telemetry.CancellationOutcome) *otelkittest.Series {
	f.t.Helper()
	return f.kit.Total(telemetry.PaymentCancellations, attribute.String("webstore.payment.cancellation", string(outcome)))
}

// wantState compares an answer with 200 and a state.
func wantState(t *testing.T, status int, answer map[string]any, state State) {
	t.Helper()
	if status != http.StatusOK || answer["state"] != string(state) {
		t.Errorf("got %d %v, want 200 and state %s", status, answer, state)
	}
}

func TestAPaymentThatIsCancelledIsRefundedOnce(t *testing.T) {
	provider := newScripted()
	f := start(t, provider, impatient)
	_, paid := f.pay("order-1")
	for range 2 {
		status, answer := f.cancel("order-1")
		wantState(t, status, answer, StateRefunded)
		if answer["charge_id"] != paid["charge_id"] || answer["amount"] != 99900.0 {
			t.Errorf("got %v, want the payment of charge %v", answer, paid["charge_id"])
		}
	}
	if n := len(provider.calls()); n != 2 {
		t.Errorf("the provider was called %d times, want twice: to pay and to void", n)
	}
	if n := kept(t, provider); n != 0 {
		t.Errorf("%d charges are kept, want none", n)
	}
	status, answer := f.pay("order-1")
	want(t, status, answer, http.StatusConflict, "payment_cancelled")
	f.cancellations(telemetry.CancellationRefunded).Is(2)
	f.kit.Total(telemetry.PaymentReplays).Is(1)
}

func TestAKeyThatIsCancelledBeforeItIsSeenTakesNothingLater(t *testing.T) {
	provider := newScripted()
	f := start(t, provider, impatient)
	for range 2 {
		status, answer := f.cancel("order-1")
		wantState(t, status, answer, StateCancelled)
	}
	status, answer := f.pay("order-1")
	want(t, status, answer, http.StatusConflict, "payment_cancelled")
	if n := len(provider.calls()); n != 0 {
		t.Errorf("the provider was called %d times, want never", n)
	}
	_, answer = f.do("GET", "/payments/order-1", "")
	for _, unknown := range []string{"amount", "currency", "country", "payment_method", "charge_id"} {
		if value, ok := answer[unknown]; ok {
			t.Errorf("%s of a payment that was never asked for is %v", unknown, value)
		}
	}
}

func TestWhatIsDeclinedOrFailedStaysSoWhenItIsCancelled(t *testing.T) {
	for state, answer := range map[State]string{
		StateDeclined: `{"code": "payment_method_not_found"}`,
		StateFailed:   `{"code": "bad_request"}`,
	} {
		var calls atomic.Int32
		f := start(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			calls.Add(1)
			w.WriteHeader(http.StatusBadRequest)
			_, _ = w.Write([]byte(answer))
		}), impatient)
		f.pay("order-1")
		status, payment := f.cancel("order-1")
		wantState(t, status, payment, state)
		if n := calls.Load(); n != 1 {
			t.Errorf("%s: the provider was called %d times, want once", state, n)
		}
		f.cancellations(telemetry.CancellationVoided).Is(1)
	}
}

func TestAPaymentThatIsPendingIsCancelledWhetherItsChargeWasMadeOrNot(t *testing.T) {
	for name, c := range map[string]struct {
		charged bool
		state   State
	}{
		"the answer was lost": {true, StateRefunded},
		"it never arrived":    {false, StateCancelled},
	} {
		t.Run(name, func(t *testing.T) {
			real := paymentprovider.Handler(paymentprovider.Config{})
			f := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/v1/charges" {
					real.ServeHTTP(w, r)
					return
				}
				if c.charged {
					real.ServeHTTP(httptest.NewRecorder(), r)
				}
				w.WriteHeader(http.StatusInternalServerError)
			}), impatient)
			status, answer := f.pay("order-1")
			want(t, status, answer, http.StatusServiceUnavailable, "provider_unavailable")
			status, answer = f.cancel("order-1")
			wantState(t, status, answer, c.state)
			if n := kept(t, real); n != 0 {
				t.Errorf("%d charges are kept, want none", n)
			}
		})
	}
}

func TestACancellationWithoutAnAnswerHoldsAndIsAskedForAgain(t *testing.T) {
	provider := newScripted(http.StatusCreated, 503, 429, 500)
	f := start(t, provider, impatient)
	f.pay("order-1")
	status, answer := f.cancel("order-1")
	want(t, status, answer, http.StatusServiceUnavailable, "provider_unavailable")
	if state := f.state("order-1"); state != "cancelling" {
		t.Errorf("the payment is %v, want cancelling", state)
	}
	status, answer = f.pay("order-1")
	want(t, status, answer, http.StatusConflict, "payment_cancelled")
	f.cancellations(telemetry.CancellationUnavailable).Is(1)
	f.kit.Span("void payment").HasEvent("retry").HasEvent("retries_exceeded")

	status, answer = f.cancel("order-1")
	wantState(t, status, answer, StateRefunded)
}

// The dearest race: money is being taken while it is decided that none is to be.
func TestAPaymentThatIsCancelledWhileItIsSettledKeepsNoMoney(t *testing.T) {
	for name, before := range map[string]bool{"before the money is taken": true, "after the money is taken": false} {
		t.Run(name, func(t *testing.T) {
			asked, answer := make(chan struct{}), make(chan struct{})
			real := paymentprovider.Handler(paymentprovider.Config{})
			settling := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				recorder := httptest.NewRecorder()
				if !before {
					real.ServeHTTP(recorder, r)
				}
				close(asked)
				<-answer
				if before {
					real.ServeHTTP(recorder, r)
				}
				w.WriteHeader(recorder.Code)
				_, _ = w.Write(recorder.Body.Bytes())
			}), impatient)
			cancelling := settling.another(real, impatient)

			var paying sync.WaitGroup
			paying.Go(func() {
				status, answer := settling.pay("order-1")
				want(t, status, answer, http.StatusConflict, "payment_cancelled")
			})
			<-asked
			status, cancelled := cancelling.cancel("order-1")
			state := StateRefunded
			if before {
				state = StateCancelled
			}
			wantState(t, status, cancelled, state)
			close(answer)
			paying.Wait()

			if n := kept(t, real); n != 0 {
				t.Errorf("%d charges are kept, want none", n)
			}
			if got := settling.state("order-1"); got != string(state) {
				t.Errorf("the payment is %v, want %s", got, state)
			}
		})
	}
}

func TestTwoThatCancelAtTheSameTimeAgree(t *testing.T) {
	provider := newScripted()
	one := start(t, provider, impatient)
	other := one.another(provider, impatient)
	one.pay("order-1")
	var calls sync.WaitGroup
	for range 5 {
		for _, instance := range []*fixture{one, other} {
			calls.Go(func() {
				status, answer := instance.cancel("order-1")
				wantState(t, status, answer, StateRefunded)
			})
		}
	}
	calls.Wait()
}

// A provider that lost its memory keeps no money, as far as anybody can tell.
func TestAChargeThatTheProviderForgotIsCancelledAndLogged(t *testing.T) {
	first := paymentprovider.Handler(paymentprovider.Config{})
	var now atomic.Pointer[http.Handler]
	now.Store(&first)
	f := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*now.Load()).ServeHTTP(w, r) }), impatient)
	_, paid := f.pay("order-1")
	forgetful := paymentprovider.Handler(paymentprovider.Config{})
	now.Store(&forgetful)
	status, answer := f.cancel("order-1")
	wantState(t, status, answer, StateCancelled)
	if answer["charge_id"] != paid["charge_id"] {
		t.Errorf("the charge that is known is %v, want %v", answer["charge_id"], paid["charge_id"])
	}
	f.kit.Log("The provider knows nothing of a charge that it had made")
}

// A void that says nothing of a charge, or that one is not refunded, is none.
func TestAnAnswerThatDoesNotSayWhatBecameOfTheMoneyCancelsNothing(t *testing.T) {
	for _, text := range []string{`{}`, `null`, `[]`, ``, `{"charge_id": "TXN-1", "refunded": false}`, `{"refunded": true}`} {
		f := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/voids") {
				_, _ = w.Write([]byte(text))
				return
			}
			w.WriteHeader(http.StatusCreated)
			_, _ = w.Write([]byte(`{"id": "TXN-1"}`))
		}), impatient)
		f.pay("order-1")
		status, answer := f.cancel("order-1")
		want(t, status, answer, http.StatusServiceUnavailable, "provider_unavailable")
		if state := f.state("order-1"); state != "cancelling" {
			t.Errorf("after %q the payment is %v, want cancelling", text, state)
		}
	}
}

func TestAKeyOfAnyCharactersCanBeCancelled(t *testing.T) {
	provider := newScripted()
	f := start(t, provider, impatient)
	for _, key := range []string{"a/b", "..", ".", "%2F", "a?b#c", "a;b", `"'\`, strings.Repeat("k", 128)} {
		status, answer := f.pay(key)
		want(t, status, answer, http.StatusOK, "")
		if state := f.state(key); state != "authorised" {
			t.Errorf("%q is %v, want authorised", key, state)
		}
		status, answer = f.cancel(key)
		wantState(t, status, answer, StateRefunded)
	}
	for _, path := range []string{"/payments/%00/cancel", "/payments/%FF/cancel", "/payments/a%20b/cancel", "/payments//cancel", "/payments/" + strings.Repeat("k", 129) + "/cancel"} {
		status, answer := f.do("POST", path, "{}")
		want(t, status, answer, http.StatusNotFound, "not_found")
	}
	for _, path := range []string{"/payments/%00", "/payments/%FF", "/payments/a%20b", "/payments/"} {
		status, answer := f.do("GET", path, "")
		want(t, status, answer, http.StatusNotFound, "not_found")
	}
}

func TestBadCancellations(t *testing.T) {
	f := start(t, newScripted(), impatient)
	for body, problem := range map[string]string{``: "malformed_body", `{"reason": 1}`: "malformed_body", `[]`: "malformed_body", `{} {}`: "malformed_body"} {
		status, answer := f.do("POST", "/payments/order-1/cancel", body)
		want(t, status, answer, http.StatusBadRequest, problem)
	}
	status, answer := f.do("POST", "/payments/order-1/cancel", "{}", "Content-Type", "text/plain")
	want(t, status, answer, http.StatusUnsupportedMediaType, "not_json")
	status, answer = f.do("GET", "/payments/order-1/cancel", "")
	want(t, status, answer, http.StatusMethodNotAllowed, "method_not_allowed")
	status, answer = f.do("GET", "/payments/order-1", "")
	want(t, status, answer, http.StatusNotFound, "not_found")
}
