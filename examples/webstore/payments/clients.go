package payments

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"
	"github.com/failsafe-go/failsafe-go/timeout"

	"github.com/otelkit/kit/examples/webstore/jsonhttp"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit/health"
	"github.com/otelkit/kit/otelkit/httpclient"
	"github.com/otelkit/kit/otelkit/resilience"
)

// patience is how much trouble with the provider is borne.
type patience struct {
	attempts       int           // at most, for one call
	attemptTimeout time.Duration // of each
	pause          time.Duration // before the second attempt; doubles, and varies by half
	failures       uint          // of the last outOf attempts that open the circuit
	outOf          uint
	rest           time.Duration // that the circuit stays open before it is tried again
}

// usualPatience fits into payTimeout: three attempts of 2 s and pauses of at
// most 0.15 s and 0.3 s.
var usualPatience = patience{
	attempts: 3, attemptTimeout: 2 * time.Second, pause: 100 * time.Millisecond,
	failures: 10, outOf: 20, rest: 5 * time.Second,
}

// provider is the payment provider as we call it: each call is tried a few times,
// and not at all while the provider keeps failing. It is safe for concurrent use.
type provider struct {
	base     *url.URL
	client   *http.Client
	ping     func(context.Context) error // whether the provider is there
	observer *resilience.Observer
	circuit  circuitbreaker.CircuitBreaker[verdict]
	calls    failsafe.Executor[verdict]
}

// verdict is an answer of the provider that says what became of money.
type verdict struct {
	state       State
	chargeID    string
	declineCode string
}

// attemptError is an attempt that settled nothing.
type attemptError struct {
	outcome telemetry.AttemptOutcome
	cause   error
}

func (e *attemptError) Error() string { return fmt.Sprintf("%s: %v", e.outcome, e.cause) }
func (e *attemptError) Unwrap() error { return e.cause }

// newProvider prepares to call the provider at a URL.
func newProvider(address string, patience patience, kit telemetryKit) (*provider, error) {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("payments: %q is no URL of a payment provider, such as http://127.0.0.1:8091", address)
	}
	observer, err := resilience.New(resilience.Config{Target: string(telemetry.DependsOnPaymentProvider), Kit: kit})
	if err != nil {
		return nil, err
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	client := &http.Client{Transport: httpclient.Transport(transport, httpclient.Config{Kit: kit}), CheckRedirect: jsonhttp.NoRedirects}
	retries := resilience.Retry(observer, retrypolicy.NewBuilder[verdict]().
		AbortOnErrors(circuitbreaker.ErrOpen).
		AbortIf(func(_ verdict, err error) bool { return outcomeOf(verdict{}, err) == telemetry.AttemptRejected }).
		WithMaxAttempts(patience.attempts).
		WithBackoff(patience.pause, 8*patience.pause).
		WithJitterFactor(0.5))
	circuit := resilience.CircuitBreaker(observer, circuitbreaker.NewBuilder[verdict]().
		HandleIf(func(_ verdict, err error) bool { return provesTrouble(err) }).
		WithFailureThresholdRatio(patience.failures, patience.outOf).
		WithDelay(patience.rest).
		WithSuccessThreshold(2))
	limit := resilience.Timeout(observer, timeout.NewBuilder[verdict](patience.attemptTimeout))
	return &provider{
		base:     base,
		client:   client,
		ping:     health.HTTP(client, base.JoinPath("/health").String()),
		observer: observer,
		circuit:  circuit,
		calls:    resilience.Executor(observer, failsafe.With(retries, circuit, limit)),
	}, nil
}

func (p *provider) close() {
	_ = p.observer.Close()
	p.client.CloseIdleConnections()
}

// charge asks the provider for a payment until it has a verdict. An error means
// that the payment may or may not have been made.
func (p *provider) charge(ctx context.Context, key string, order Order) (verdict, error) {
	body, err := json.Marshal(order)
	if err != nil {
		return verdict{}, err
	}
	count := func(outcome telemetry.AttemptOutcome) {
		telemetry.ProviderAttempts.Add(ctx, 1, telemetry.AttemptAttrs{Market: order.Market, Outcome: outcome})
	}
	result, err := p.ask(ctx, func(ctx context.Context) (verdict, error) {
		result, err := p.post(ctx, "/v1/charges", key, body, readCharge)
		count(outcomeOf(result, err))
		return result, err
	})
	if errors.Is(err, circuitbreaker.ErrOpen) {
		count(telemetry.AttemptCircuitOpen)
	}
	return result, err
}

// void asks the provider to keep no money for a key, until it has said what that
// led to: the state is cancelled or refunded. An error means that money may have
// been taken, and may be yet.
func (p *provider) void(ctx context.Context, key string) (verdict, error) {
	return p.ask(ctx, func(ctx context.Context) (verdict, error) {
		return p.post(ctx, "/v1/voids", key, nil, readVoid)
	})
}

// ask makes a call, with as many attempts as it takes.
func (p *provider) ask(ctx context.Context, attempt func(context.Context) (verdict, error)) (verdict, error) {
	start := time.Now()
	result, err := p.calls.WithContext(ctx).GetWithExecution(func(e failsafe.Execution[verdict]) (verdict, error) {
		return attempt(e.Context())
	})
	if exceeded := retrypolicy.AsExceededError(err); exceeded != nil {
		err = exceeded.LastError
	}
	telemetry.PaymentsCalls.Record(ctx, time.Since(start).Seconds(), telemetry.CallAttrs{
		Dependency: telemetry.DependsOnPaymentProvider, Outcome: callOutcomes[outcomeOf(result, err)],
	})
	return result, err
}

// post calls the provider once.
func (p *provider) post(ctx context.Context, path, key string, body []byte, read reader) (verdict, error) {
	request, err := http.NewRequestWithContext(httpclient.WithTemplate(ctx, path), http.MethodPost,
		p.base.JoinPath(path).String(), bytes.NewReader(body))
	if err != nil {
		return verdict{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	jsonhttp.SetIdempotencyKey(request, key)
	response, err := p.client.Do(request)
	if err != nil {
		return verdict{}, unanswered(ctx, err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return verdict{}, unanswered(ctx, err)
	}
	return read(response.StatusCode, text)
}

// unanswered is a call that ended without an answer. Its context is done only when
// its time is over: no caller stops it.
func unanswered(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return &attemptError{telemetry.AttemptTimeout, err}
	}
	return &attemptError{telemetry.AttemptUnreachable, err}
}

// reader understands an answer of the provider.
type reader func(status int, text []byte) (verdict, error)

// refusals are the provider's codes for a payment that it will not make. One that
// was cancelled is one.
var refusals = map[string]bool{"invalid_payment_details": true, "payment_method_not_found": true, "voided": true}

// mistakes are its codes for what we should not have sent.
var mistakes = map[string]bool{"bad_request": true, "idempotency_key_reused": true}

func readCharge(status int, text []byte) (verdict, error) {
	var answer struct {
		ID   string `json:"id"`
		Code string `json:"code"`
	}
	err := json.Unmarshal(text, &answer)
	switch {
	case status == http.StatusCreated && err == nil && jsonhttp.ValidKey(answer.ID): // it goes into the database and to main
		return verdict{state: StateAuthorised, chargeID: answer.ID}, nil
	case status >= 400 && status < 500 && refusals[answer.Code]:
		return verdict{state: StateDeclined, declineCode: answer.Code}, nil
	case status >= 400 && status < 500 && mistakes[answer.Code]:
		return verdict{state: StateFailed}, nil
	}
	return verdict{}, unsettled(status, answer.Code)
}

func readVoid(status int, text []byte) (verdict, error) {
	var answer struct {
		ChargeID *string `json:"charge_id"`
		Refunded bool    `json:"refunded"`
		Code     string  `json:"code"`
	}
	err := json.Unmarshal(text, &answer)
	switch {
	case status != http.StatusOK || err != nil || answer.ChargeID == nil:
		return verdict{}, unsettled(status, answer.Code)
	case *answer.ChargeID == "":
		return verdict{state: StateCancelled}, nil
	case !jsonhttp.ValidKey(*answer.ChargeID):
		return verdict{}, unsettled(status, answer.Code)
	case answer.Refunded:
		return verdict{state: StateRefunded, chargeID: *answer.ChargeID}, nil
	}
	return verdict{}, &attemptError{telemetry.AttemptError, fmt.Errorf("charge %s is voided and not refunded", *answer.ChargeID)}
}

// unsettled is an answer that settles nothing. One that does not speak as the
// provider does is a proxy's, or comes from somewhere else on the way: it says
// nothing about money, whatever its status.
func unsettled(status int, code string) error {
	outcome := telemetry.AttemptError
	switch {
	case status == http.StatusTooManyRequests:
		outcome = telemetry.AttemptThrottled
	case status >= 400 && status < 500:
		outcome = telemetry.AttemptRejected
	}
	return &attemptError{outcome, fmt.Errorf("status %d with code %q", status, code)}
}

// outcomeOf is how an attempt ended.
func outcomeOf(result verdict, err error) telemetry.AttemptOutcome {
	var attempt *attemptError
	switch {
	case errors.As(err, &attempt):
		return attempt.outcome
	case errors.Is(err, circuitbreaker.ErrOpen):
		return telemetry.AttemptCircuitOpen
	case errors.Is(err, timeout.ErrExceeded), errors.Is(err, context.DeadlineExceeded):
		return telemetry.AttemptTimeout
	case err != nil, result.state == StateFailed:
		return telemetry.AttemptRejected
	case result.state == StateDeclined:
		return telemetry.AttemptDeclined
	}
	return telemetry.AttemptAuthorised
}

// provesTrouble reports whether an error says that the provider is not well. One
// that asks us to slow down is, and so is one that does not take what we send.
func provesTrouble(err error) bool {
	switch outcomeOf(verdict{}, err) {
	case telemetry.AttemptError, telemetry.AttemptTimeout, telemetry.AttemptUnreachable:
		return true
	}
	return false
}

// callOutcomes is how a call ended whose last attempt ended so.
var callOutcomes = map[telemetry.AttemptOutcome]telemetry.CallOutcome{
	telemetry.AttemptAuthorised:  telemetry.CallSucceeded,
	telemetry.AttemptDeclined:    telemetry.CallRefused,
	telemetry.AttemptRejected:    telemetry.CallFailed,
	telemetry.AttemptThrottled:   telemetry.CallFailed,
	telemetry.AttemptError:       telemetry.CallFailed,
	telemetry.AttemptTimeout:     telemetry.CallTimedOut,
	telemetry.AttemptUnreachable: telemetry.CallUnreachable,
	telemetry.AttemptCircuitOpen: telemetry.CallCircuitOpen,
}
