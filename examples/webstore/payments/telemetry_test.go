package payments

import (
	"io"
	"net/http"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit/otelkittest"
	"github.com/otelkit/kit/otelkit/resilience"
)

// registry is what the service defines of its telemetry, besides what OpenTelemetry
// does.
var registry = otelkittest.Registry{
	Catalogs: catalogs(),
	Attributes: []attribute.Key{
		"webstore.order.id", "webstore.payment.amount", "webstore.payment.currency", "webstore.payment.state",
		"webstore.payment.charge_id", "webstore.payment.decline_code",
		"otelkit.resilience.attempt", "otelkit.resilience.cause",
		"otelkit.db.connection_wait", // where a connection was waited for
	},
}

func TestTheTraceOfAPaymentWithOneRetryTellsItWhole(t *testing.T) {
	f := start(t, newScripted(http.StatusServiceUnavailable), impatient)
	status, payment := f.pay("order-1")
	want(t, status, payment, http.StatusOK, "")

	request := f.kit.Span("POST /payments").IsRoot().HasKind(trace.SpanKindServer).HasStatus(codes.Unset).
		Has(attribute.Int("http.response.status_code", http.StatusOK), attribute.String("http.route", "/payments"))
	request.Tree(`
		POST /payments
			INSERT payments
			settle payment
				POST /v1/charges
				POST /v1/charges
				UPDATE payments
	`)
	settle := f.kit.Span("settle payment").HasKind(trace.SpanKindInternal).HasStatus(codes.Unset)
	settle.HasOnly(
		attribute.String("webstore.order.id", "order-1"),
		attribute.String("webstore.market", "DE"),
		attribute.String("webstore.payment.method", "credit_card"),
		attribute.Int64("webstore.payment.amount", 99900),
		attribute.String("webstore.payment.currency", "EUR"),
		attribute.String("webstore.payment.state", "authorised"),
	)
	settle.HasEvent("retry",
		attribute.String("otelkit.resilience.target", "payment-provider"),
		attribute.Int("otelkit.resilience.attempt", 2),
		attribute.String("otelkit.resilience.cause", `error: status 503 with code "unavailable"`),
	)
	if n := len(settle.Events()); n != 1 {
		t.Errorf("%d events, want the retry alone", n)
	}
	f.kit.Span("POST /v1/charges", attribute.Int("http.response.status_code", 503)).HasStatus(codes.Error).
		Has(attribute.String("url.template", "/v1/charges"))
	f.kit.Span("POST /v1/charges", attribute.Int("http.response.status_code", 201)).HasStatus(codes.Unset)
	f.kit.Log("Processing payment", attribute.String("webstore.order.id", "order-1")).In(settle)
	f.kit.Log("Payment authorised").In(request).HasOnly(
		attribute.String("webstore.order.id", "order-1"),
		attribute.String("webstore.market", "DE"),
		attribute.String("webstore.payment.method", "credit_card"),
		attribute.Int64("webstore.payment.amount", 99900),
		attribute.String("webstore.payment.currency", "EUR"),
		attribute.String("webstore.payment.state", "authorised"),
		attribute.String("webstore.payment.charge_id", payment["charge_id"].(string)),
	)
	f.kit.NoOpenSpans()
}

func TestAttemptsThatHangEndInTimeAndSayIt(t *testing.T) {
	patience := impatient
	patience.attemptTimeout = 50 * time.Millisecond
	f := start(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // until then nobody notices that the caller has gone
		<-r.Context().Done()
	}), patience)
	status, answer := f.pay("order-1")
	want(t, status, answer, http.StatusServiceUnavailable, "provider_unavailable")
	settle := f.kit.Span("settle payment").HasStatus(codes.Error).HasEvent("timeout").HasEvent("retry").HasEvent("retries_exceeded")
	if n := len(settle.Events()); n != 6 {
		t.Errorf("%d events, want 3 timeouts, 2 retries and the end of them", n)
	}
	f.kit.Total(telemetry.ProviderAttempts, attribute.String("webstore.payment_provider.outcome", "timeout")).Is(3)
	f.call(telemetry.CallTimedOut).Is(1)
}

func (f *fixture) call(outcome telemetry.CallOutcome) *otelkittest.Series {
	f.t.Helper()
	return f.kit.Series(telemetry.PaymentsCalls, attribute.String("webstore.dependency.name", "payment-provider"),
		attribute.String("webstore.dependency.outcome", string(outcome)))
}

func TestCallsAreMeasuredWholeByHowTheyEnd(t *testing.T) {
	provider := newScripted(
		http.StatusServiceUnavailable, http.StatusCreated, // authorised at the second attempt
		http.StatusNotFound,                      // declined
		http.StatusInternalServerError, 500, 500, // an outage
		http.StatusForbidden,                 // not the provider's
		http.StatusTooManyRequests, 429, 429, // throttled
	)
	f := start(t, provider, impatient)
	for _, key := range []string{"authorised", "declined", "outage", "forbidden", "throttled"} {
		f.pay(key)
	}
	f.cancel("authorised")
	f.call(telemetry.CallSucceeded).Is(2)
	f.call(telemetry.CallRefused).Is(1)
	f.call(telemetry.CallFailed).Is(3)
	if n := len(provider.calls()); n != 11 {
		t.Errorf("the provider was called %d times, want 11: what it does not take is not tried again", n)
	}
	f.kit.Total(resilience.Executions, attribute.String("otelkit.resilience.target", "payment-provider")).Is(6)
	if state := f.state("forbidden"); state != "pending" {
		t.Errorf("a payment that a proxy refused is %v, want pending: the provider may have taken it", state)
	}
}

func TestADeclineIsAnErrorOfNothing(t *testing.T) {
	provider := newScripted(http.StatusBadRequest, 404, 400)
	patience := impatient
	patience.failures, patience.outOf = 1, 1
	f := start(t, provider, patience)
	for _, key := range []string{"one", "two", "three"} {
		status, answer := f.pay(key)
		want(t, status, answer, http.StatusPaymentRequired, "payment_declined")
	}
	for _, span := range f.kit.Spans("POST /payments", "settle payment") {
		span.HasStatus(codes.Unset)
	}
	f.kit.Total(resilience.Events).Is(0)
	f.kit.Total(resilience.Circuits, attribute.String("otelkit.resilience.circuit.state", "closed")).Is(1)
	for _, record := range f.kit.Logs() {
		if record.Severity() > 9 { // INFO
			t.Errorf("a decline logged %q at %v", record.Message(), record.Severity())
		}
	}
}

func TestWhatIsPaidIsMeasuredInDollars(t *testing.T) {
	f := start(t, newScripted(), impatient)
	f.pay("order-1")
	f.do("POST", "/payments", `{"amount": 10000, "currency": "JPY", "country": "JP", "payment_method": "paypal"}`, "Idempotency-Key", "order-2")
	f.pay("order-1") // a replay is paid once
	amounts := f.kit.Series(telemetry.PaymentAmount, attribute.String("webstore.market", "JP"), attribute.String("webstore.payment.method", "paypal"))
	if got := amounts.Is(1).Sum(); got < 66.99 || got > 67.01 {
		t.Errorf("10,000 yen are measured as $%v, want $67", got)
	}
	f.kit.Series(telemetry.PaymentAmount, attribute.String("webstore.market", "DE"), attribute.String("webstore.payment.method", "credit_card")).Is(1)
}

// A whole day of the service: all that it can be asked, and all that can go wrong.
func TestWhatItRecordsFollowsTheConventions(t *testing.T) {
	f := start(t, newScripted(http.StatusCreated, 503, 201, 404, 500, 500, 500, 201, 429), impatient)
	f.pay("authorised")
	f.pay("authorised") // a replay
	f.pay("retried")
	f.pay("declined")
	f.pay("pending")
	f.cancel("authorised")
	f.cancel("retried")
	f.cancel("pending")
	f.cancel("unseen")
	f.pay("unseen")
	f.do("GET", "/payments/authorised", "")
	f.do("GET", "/payments/none", "")
	f.do("POST", "/payments", "{", "Idempotency-Key", "k")
	f.do("DELETE", "/elsewhere", "")
	for _, finding := range f.kit.Lint(registry) {
		// OpenTelemetry has no stable name for pools of connections and templates yet,
		// and no list of the status codes that may be an error's type.
		if finding.ID != "not_stable" && finding.Level != otelkittest.Information {
			t.Error(finding)
		}
	}
	f.kit.ScoresAtLeast(100)
	f.kit.ExemplarsResolve()
	f.kit.NoOpenSpans()
}
