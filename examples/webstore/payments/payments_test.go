package payments

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/otelkit/kit/examples/webstore/jsonhttp"
	"github.com/otelkit/kit/examples/webstore/paymentprovider"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/internal/pgserver/pgtest"
	"github.com/otelkit/kit/internal/reserved"
	"github.com/otelkit/kit/internal/testlimit"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/otelkittest"
	"github.com/otelkit/kit/otelkit/resilience"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Runner{M: m}) }

// impatient is usualPatience for tests, which have no time, on machines that may be slow.
var impatient = patience{
	attempts: 3, attemptTimeout: time.Minute, pause: time.Millisecond,
	failures: 10, outOf: 20, rest: time.Hour,
}

// fixture is the service over a real database and a provider of the test's.
type fixture struct {
	t           testing.TB
	databaseURL string
	kit         *otelkittest.Kit
	pool        *pgxpool.Pool
	payments    *payments
	http.Handler
}

func start(t *testing.T, provider http.Handler, patience patience) *fixture {
	t.Helper()
	return startOn(t, pgtest.URL(t), serve(t, provider), patience)
}

// another is a further instance of the service on the same database.
func (f *fixture) another(provider http.Handler, patience patience) *fixture {
	f.t.Helper()
	return startOn(f.t, f.databaseURL, serve(f.t, provider), patience)
}

// serve has a provider answer at the URL that it returns.
func serve(t testing.TB, provider http.Handler) string {
	t.Helper()
	server := httptest.NewServer(provider)
	t.Cleanup(server.Close)
	return server.URL
}

func startOn(t testing.TB, databaseURL, providerURL string, patience patience) *fixture {
	t.Helper()
	kit := otelkittest.New(t)
	pool, p := run(t, databaseURL, providerURL, patience, kit)
	return &fixture{t, databaseURL, kit, pool, p, p.handler(kit, nil)}
}

// run makes the service, and ends it with the test.
func run(t testing.TB, databaseURL, providerURL string, patience patience, kit telemetryKit) (*pgxpool.Pool, *payments) {
	t.Helper()
	cfg := Config{DatabaseURL: databaseURL}
	pool, err := openStore(t.Context(), cfg, kit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	client, err := newProvider(providerURL, patience, kit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.close)
	p, err := newPayments(cfg, pool, client, kit)
	if err != nil {
		t.Fatal(err)
	}
	return pool, p
}

// do makes a request and returns the answer's status and JSON object.
func (f *fixture) do(method, path, body string, header ...string) (int, map[string]any) {
	f.t.Helper()
	request := httptest.NewRequestWithContext(f.t.Context(), method, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	recorder := httptest.NewRecorder()
	f.ServeHTTP(recorder, request)
	var answer map[string]any
	if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil {
		f.t.Fatalf("%s %s: %d with a body that is not a JSON object: %q", method, path, recorder.Code, recorder.Body)
	}
	return recorder.Code, answer
}

// check runs the checks of health until the test ends.
func (f *fixture) check() {
	ctx, stop := context.WithCancel(f.t.Context())
	var checking sync.WaitGroup
	checking.Go(func() { f.payments.check(ctx) })
	f.t.Cleanup(func() {
		stop()
		checking.Wait()
	})
}

// untilReadyIs waits for an answer to the probe of readiness.
func (f *fixture) untilReadyIs(want int) {
	f.t.Helper()
	for range time.Tick(10 * time.Millisecond) {
		if status, _ := f.do("GET", "/healthz/ready", ""); status == want {
			return
		}
		if f.t.Context().Err() != nil {
			f.t.Fatalf("ready: never %d", want)
		}
	}
}

const order = `{"amount": 99900, "currency": "EUR", "country": "DE", "payment_method": "credit_card"}`

func (f *fixture) pay(key string) (int, map[string]any) {
	f.t.Helper()
	return f.do("POST", "/payments", order, "Idempotency-Key", key)
}

func (f *fixture) cancel(key string) (int, map[string]any) {
	f.t.Helper()
	return f.do("POST", "/payments/"+url.PathEscape(key)+"/cancel", "{}")
}

func (f *fixture) state(key string) any {
	f.t.Helper()
	_, payment := f.do("GET", "/payments/"+url.PathEscape(key), "")
	return payment["state"]
}

// want compares an answer with a status and, for a problem, its name.
func want(t *testing.T, status int, answer map[string]any, wantStatus int, problem string) {
	t.Helper()
	if status != wantStatus || problem != "" && answer["type"] != "urn:webstore:problem:"+problem {
		t.Errorf("got %d %v, want %d %s", status, answer, wantStatus, problem)
	}
}

// scripted answers charges with the given statuses in turn, then as a provider
// that never fails; it keeps the keys that it was sent.
type scripted struct {
	http.Handler
	mu     sync.Mutex
	script []int
	keys   []string
}

func newScripted(script ...int) *scripted {
	return &scripted{Handler: paymentprovider.Handler(paymentprovider.Config{}), script: script}
}

func (s *scripted) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.keys = append(s.keys, r.Header.Get("Idempotency-Key"))
	status := http.StatusCreated
	if len(s.script) > 0 {
		status, s.script = s.script[0], s.script[1:]
	}
	s.mu.Unlock()
	if status == http.StatusCreated {
		s.Handler.ServeHTTP(w, r)
		return
	}
	for _, failure := range paymentprovider.Failures {
		if failure.Status == status {
			w.WriteHeader(status)
			fmt.Fprintf(w, `{"status": "failed", "code": %q}`, failure.Code)
			return
		}
	}
	w.WriteHeader(status)
}

func (s *scripted) calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys
}

// charges is what a provider has taken.
func charges(t *testing.T, provider http.Handler) []paymentprovider.Charge {
	t.Helper()
	recorder := httptest.NewRecorder()
	provider.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), "GET", "/v1/charges", nil))
	var answer struct{ Charges []paymentprovider.Charge }
	if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Charges
}

func TestAPaymentIsAuthorisedOnceHoweverOftenItIsAskedFor(t *testing.T) {
	provider := newScripted()
	f := start(t, provider, impatient)
	status, first := f.pay("order-1")
	want(t, status, first, http.StatusOK, "")
	if first["state"] != "authorised" || first["charge_id"] == "" {
		t.Errorf("payment %v, want it authorised", first)
	}
	status, again := f.pay("order-1")
	want(t, status, again, http.StatusOK, "")
	if again["charge_id"] != first["charge_id"] {
		t.Errorf("the second answer has charge %v, the first %v", again["charge_id"], first["charge_id"])
	}
	if n := len(provider.calls()); n != 1 {
		t.Errorf("the provider was called %d times, want once", n)
	}
	f.kit.Total(telemetry.PaymentRequests, attribute.String("webstore.payment.outcome", "authorised"), attribute.String("webstore.market", "DE")).Is(1)
	f.kit.Total(telemetry.PaymentReplays).Is(1)
}

func TestTheSameKeyAtTwoInstancesAtTheSameTimeIsChargedOnce(t *testing.T) {
	provider := newScripted()
	one := start(t, provider, impatient)
	other := one.another(provider, impatient)
	var calls sync.WaitGroup
	for range 5 {
		for _, instance := range []*fixture{one, other} {
			calls.Go(func() {
				status, answer := instance.pay("order-1")
				want(t, status, answer, http.StatusOK, "")
			})
		}
	}
	calls.Wait()
	if n := len(charges(t, provider)); n != 1 {
		t.Errorf("%d charges, want 1", n)
	}
	for metric, want := range map[metrics.Defined]float64{telemetry.PaymentRequests: 1, telemetry.PaymentReplays: 9} {
		if got := one.kit.Total(metric).Value() + other.kit.Total(metric).Value(); got != want {
			t.Errorf("%s counted %v, want %v", metric.Metric().Name, got, want)
		}
	}
}

func TestADeclineIs402AndStands(t *testing.T) {
	provider := newScripted(http.StatusBadRequest)
	f := start(t, provider, impatient)
	for range 2 {
		status, answer := f.pay("order-1")
		want(t, status, answer, http.StatusPaymentRequired, "payment_declined")
		if answer["decline_code"] != "invalid_payment_details" {
			t.Errorf("answer %v, want the decline's code", answer)
		}
	}
	if n := len(provider.calls()); n != 1 {
		t.Errorf("the provider was called %d times, want once", n)
	}
	if state := f.state("order-1"); state != "declined" {
		t.Errorf("the payment is %v, want declined", state)
	}
}

func TestAnOutageIsTriedAgainWithTheSameKey(t *testing.T) {
	provider := newScripted(http.StatusInternalServerError, http.StatusTooManyRequests)
	f := start(t, provider, impatient)
	status, answer := f.pay("order-1")
	want(t, status, answer, http.StatusOK, "")
	if keys := fmt.Sprint(provider.calls()); keys != "[order-1 order-1 order-1]" {
		t.Errorf("the provider was sent the keys %s, want order-1 three times", keys)
	}
	f.kit.Total(resilience.Events, attribute.String("otelkit.resilience.event", "retry")).Is(2)
	for _, outcome := range []string{"error", "throttled", "authorised"} {
		f.kit.Total(telemetry.ProviderAttempts, attribute.String("webstore.payment_provider.outcome", outcome)).Is(1)
	}
}

func TestEveryAttemptIsAClientSpanUnderOneSpan(t *testing.T) {
	f := start(t, newScripted(http.StatusServiceUnavailable), impatient)
	f.pay("order-1")
	var settle trace.SpanID
	for _, span := range f.kit.Spans() {
		if span.Name() == "settle payment" {
			settle = span.SpanContext().SpanID()
			if len(span.Events()) != 1 || span.Events()[0].Name != "retry" {
				t.Errorf("events %v, want one retry", span.Events())
			}
		}
	}
	attempts := 0
	for _, span := range f.kit.Spans() {
		if span.Name() == "POST /v1/charges" && span.SpanKind() == trace.SpanKindClient && span.Parent().SpanID() == settle {
			attempts++
		}
	}
	if attempts != 2 {
		t.Errorf("%d client spans under %q, want 2", attempts, "settle payment")
	}
}

func TestAnOutageThatLastsIs503AndTheSameKeySettlesItLater(t *testing.T) {
	provider := newScripted(503, 500, 503)
	f := start(t, provider, impatient)
	status, answer := f.pay("order-1")
	want(t, status, answer, http.StatusServiceUnavailable, "provider_unavailable")
	if state := f.state("order-1"); state != "pending" {
		t.Errorf("the payment is %v, want pending", state)
	}
	if n := len(charges(t, provider)); n != 0 {
		t.Errorf("%d charges, want none", n)
	}
	status, answer = f.pay("order-1")
	want(t, status, answer, http.StatusOK, "")
	if state := f.state("order-1"); state != "authorised" {
		t.Errorf("the payment is %v, want authorised", state)
	}
}

func TestAProviderThatIsAwayIs503(t *testing.T) {
	address, _ := reserved.Port(t)
	f := startOn(t, pgtest.URL(t), "http://"+address, impatient)
	status, answer := f.pay("order-1")
	want(t, status, answer, http.StatusServiceUnavailable, "provider_unavailable")
	f.kit.Total(telemetry.ProviderAttempts, attribute.String("webstore.payment_provider.outcome", "unreachable")).Is(3)
}

// The money is taken, and the answer is lost: the dearest case of all.
func TestAnAnswerThatIsLostIsAskedForAgainAndChargedOnce(t *testing.T) {
	real := paymentprovider.Handler(paymentprovider.Config{})
	var calls atomic.Int32
	lossy := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && calls.Add(1) <= 3 {
			real.ServeHTTP(httptest.NewRecorder(), r)
			<-r.Context().Done() // the answer never comes; the caller gives up
			return
		}
		real.ServeHTTP(w, r)
	})
	patience := impatient
	patience.attemptTimeout = 300 * time.Millisecond
	patience.failures, patience.outOf = 1000, 1000 // a slow machine does not open the circuit
	f := start(t, lossy, patience)

	status, answer := f.pay("order-1")
	want(t, status, answer, http.StatusServiceUnavailable, "provider_unavailable")
	f.kit.Total(telemetry.ProviderAttempts, attribute.String("webstore.payment_provider.outcome", "timeout")).Is(3)
	eventually(t, func() error {
		if status, answer = f.pay("order-1"); status != http.StatusOK {
			return fmt.Errorf("got %d %v, want 200", status, answer)
		}
		return nil
	})
	if n := len(charges(t, real)); n != 1 {
		t.Errorf("%d charges, want 1", n)
	}
}

// eventually waits until try succeeds: a machine under load is slow.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	ctx := testlimit.Context(t)
	for {
		err := try()
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
	}
}

func TestACircuitThatIsOpenSparesTheProvider(t *testing.T) {
	provider := newScripted(500, 500, 500, 500, 500, 500)
	patience := impatient
	patience.failures, patience.outOf = 3, 3
	f := start(t, provider, patience)
	for i := range 5 {
		status, answer := f.pay(fmt.Sprint("order-", i))
		want(t, status, answer, http.StatusServiceUnavailable, "provider_unavailable")
	}
	if n := len(provider.calls()); n != 3 {
		t.Errorf("the provider was called %d times, want 3", n)
	}
	f.kit.Total(telemetry.ProviderAttempts, attribute.String("webstore.payment_provider.outcome", "circuit_open")).Is(4)
	f.kit.Total(resilience.Circuits, attribute.String("otelkit.resilience.circuit.state", "open")).Is(1)
}

func TestACircuitThatIsOpenIsNotWaitedFor(t *testing.T) {
	patience := impatient
	patience.pause = time.Hour
	p, err := newProvider("http://127.0.0.1:1", patience, otelkittest.New(t))
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	p.circuit.Open()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := p.charge(ctx, "order-1", Order{}); !errors.Is(err, circuitbreaker.ErrOpen) {
		t.Errorf("got %v, want %v", err, circuitbreaker.ErrOpen)
	}
}

func TestWhatTheProviderDoesNotTakeIsOurFault(t *testing.T) {
	provider := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"code": "bad_request"}`)
	})
	f := start(t, provider, impatient)
	status, answer := f.pay("order-1")
	want(t, status, answer, http.StatusInternalServerError, "internal")
	if state := f.state("order-1"); state != "failed" {
		t.Errorf("the payment is %v, want failed", state)
	}
	f.kit.Total(telemetry.PaymentRequests, attribute.String("webstore.payment.outcome", "failed")).Is(1)
}

func TestNoConnectionIsHeldWhileTheProviderThinks(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	real := paymentprovider.Handler(paymentprovider.Config{})
	f := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(asked)
		<-answer
		real.ServeHTTP(w, r)
	}), impatient)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.pay("order-1")
	}()
	select {
	case <-asked:
	case <-done:
		t.Fatal("the provider was not asked")
	}
	if n := f.pool.Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections are held", n)
	}
	if state := f.state("order-1"); state != "pending" {
		t.Errorf("while the provider thinks the payment is %v, want pending", state)
	}
	close(answer)
	<-done
}

func TestACallerThatGoesAwayDoesNotStopThePayment(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	real := paymentprovider.Handler(paymentprovider.Config{})
	f := start(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leave()
		real.ServeHTTP(w, r)
	}), impatient)
	request := httptest.NewRequestWithContext(ctx, "POST", "/payments", strings.NewReader(order))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", "order-1")
	f.ServeHTTP(httptest.NewRecorder(), request)
	if state := f.state("order-1"); state != "authorised" {
		t.Errorf("the payment is %v, want authorised", state)
	}
}

func TestAKeyIsRefusedForAnotherOrder(t *testing.T) {
	f := start(t, newScripted(), impatient)
	f.pay("order-1")
	status, answer := f.do("POST", "/payments", strings.Replace(order, "99900", "1", 1), "Idempotency-Key", "order-1")
	want(t, status, answer, http.StatusUnprocessableEntity, jsonhttp.KeyReused.Name)
}

func TestBadRequests(t *testing.T) {
	f := start(t, newScripted(), impatient)
	edit := func(old, new string) string { return strings.Replace(order, old, new, 1) }
	for name, c := range map[string]struct {
		body, key string
		status    int
		problem   string
	}{
		"no key":          {order, "", 400, "idempotency_key_missing"},
		"key with spaces": {order, "a b", 400, "idempotency_key_missing"},
		"key too long":    {order, strings.Repeat("k", 129), 400, "idempotency_key_missing"},
		"unknown market":  {edit("DE", "XX"), "k", 404, "unknown_market"},
		"unknown method":  {edit("credit_card", "cash"), "k", 422, "invalid_payment"},
		"no amount":       {edit("99900", "0"), "k", 422, "invalid_payment"},
		"negative amount": {edit("99900", "-5"), "k", 422, "invalid_payment"},
		"huge amount":     {edit("99900", "9000000000000"), "k", 422, "invalid_payment"},
		"fraction":        {edit("99900", "1.5"), "k", 400, "malformed_body"},
		"no currency":     {edit("EUR", ""), "k", 422, "invalid_payment"},
		"small currency":  {edit("EUR", "eur"), "k", 422, "invalid_payment"},
		"other currency":  {edit("EUR", "USD"), "k", 422, "invalid_payment"},
		"unknown field":   {edit("{", `{"discount": 1,`), "k", 400, "malformed_body"},
		"two values":      {order + order, "k", 400, "malformed_body"},
		"empty":           {"", "k", 400, "malformed_body"},
		"too large":       {`{"currency": "` + strings.Repeat("x", 1<<20) + `"}`, "k", 413, "body_too_large"},
	} {
		header := []string{}
		if c.key != "" {
			header = []string{"Idempotency-Key", c.key}
		}
		status, answer := f.do("POST", "/payments", c.body, header...)
		if status != c.status || answer["type"] != "urn:webstore:problem:"+c.problem {
			t.Errorf("%s: got %d %v, want %d %s", name, status, answer, c.status, c.problem)
		}
	}
	status, answer := f.do("GET", "/payments/none", "")
	want(t, status, answer, http.StatusNotFound, "not_found")
	status, answer = f.do("PUT", "/payments", order)
	want(t, status, answer, http.StatusMethodNotAllowed, "method_not_allowed")
	status, answer = f.do("GET", "/elsewhere", "")
	want(t, status, answer, http.StatusNotFound, "not_found")
}

func TestItIsReadyWhileTheDatabaseAnswers(t *testing.T) {
	f := start(t, newScripted(), impatient)
	if status, _ := f.do("GET", "/healthz/live", ""); status != http.StatusOK {
		t.Errorf("live: %d, want 200", status)
	}
	f.check()
	f.untilReadyIs(http.StatusOK)
	f.pool.Close()
	f.untilReadyIs(http.StatusServiceUnavailable)
	if len(f.kit.Spans()) != 0 {
		t.Error("probes made spans")
	}
}

func TestAURLThatIsNoneIsRefused(t *testing.T) {
	for _, address := range []string{"", "payments", "http://", "://"} {
		if _, err := newProvider(address, impatient, otelkittest.New(t)); err == nil {
			t.Errorf("%q was taken for a URL", address)
		}
	}
}
