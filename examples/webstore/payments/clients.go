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
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/examples/webstore/jsonhttp"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit/health"
	"github.com/otelkit/kit/otelkit/httpclient"
	"github.com/otelkit/kit/otelkit/metrics"
)

// patience is how much trouble with the provider is borne.
type patience struct {
	attempts       int           // at most, for one payment
	attemptTimeout time.Duration // of each
	pause          time.Duration // before the second attempt; doubles, and varies by half
	failures       uint          // of the last outOf calls that open the circuit
	outOf          uint
	rest           time.Duration // that the circuit stays open before it is tried again
}

// usualPatience fits into payTimeout: three attempts of 2 s and pauses of at
// most 0.15 s and 0.3 s.
var usualPatience = patience{
	attempts: 3, attemptTimeout: 2 * time.Second, pause: 100 * time.Millisecond,
	failures: 10, outOf: 20, rest: 5 * time.Second,
}

// provider is the payment provider as we call it: each charge is tried a few
// times, and not at all while the provider keeps failing. It is safe for
// concurrent use.
type provider struct {
	url      string
	client   *http.Client
	ping     func(context.Context) error // whether the provider is there
	patience patience
	circuit  circuitbreaker.CircuitBreaker[verdict]
	retries  retrypolicy.RetryPolicy[verdict]
	observed *metrics.Registration
}

// verdict is an answer of the provider that settles a payment.
type verdict struct {
	state       State
	chargeID    string
	declineCode string
}

// attemptError is an attempt that settled nothing, or that was not even made.
type attemptError struct {
	outcome telemetry.AttemptOutcome
	cause   error
}

func (e *attemptError) Error() string { return fmt.Sprintf("%s: %v", e.outcome, e.cause) }
func (e *attemptError) Unwrap() error { return e.cause }

// newProvider prepares to call the provider at a URL.
func newProvider(ctx context.Context, address string, patience patience, kit telemetryKit) (*provider, error) {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("payments: %q is no URL of a payment provider, such as http://127.0.0.1:8091", address)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	client := &http.Client{Transport: httpclient.Transport(transport, httpclient.Config{Kit: kit})}
	p := &provider{
		url:      base.JoinPath("/v1/charges").String(),
		client:   client,
		ping:     health.HTTP(client, base.JoinPath("/health").String()),
		patience: patience,
		circuit: circuitbreaker.NewBuilder[verdict]().
			HandleIf(func(_ verdict, err error) bool { return provesTrouble(err) }).
			WithFailureThresholdRatio(patience.failures, patience.outOf).
			WithDelay(patience.rest).
			WithSuccessThreshold(2).
			Build(),
		retries: retrypolicy.NewBuilder[verdict]().
			AbortOnErrors(circuitbreaker.ErrOpen).
			WithMaxAttempts(patience.attempts).
			WithBackoff(patience.pause, 8*patience.pause).
			WithJitterFactor(0.5).
			ReturnLastFailure().
			Build(),
	}
	p.observed, err = telemetry.ProviderCircuit.Register(metrics.NewContext(ctx, kit.Recorder()), p.observeCircuit)
	return p, err
}

// provesTrouble reports whether an error says that the provider is not well. One
// that asks us to slow down is.
func provesTrouble(err error) bool {
	var attempt *attemptError
	return errors.As(err, &attempt) && attempt.outcome != telemetry.AttemptThrottled
}

func (p *provider) observeCircuit(_ context.Context, observe func(float64, telemetry.CircuitAttrs)) error {
	now := map[circuitbreaker.State]telemetry.CircuitState{
		circuitbreaker.ClosedState:   telemetry.CircuitClosed,
		circuitbreaker.HalfOpenState: telemetry.CircuitHalfOpen,
		circuitbreaker.OpenState:     telemetry.CircuitOpen,
	}[p.circuit.State()]
	for _, state := range now.Values() {
		value := 0.0
		if state == now {
			value = 1
		}
		observe(value, telemetry.CircuitAttrs{State: state})
	}
	return nil
}

func (p *provider) close() {
	_ = p.observed.Unregister()
	p.client.CloseIdleConnections()
}

// charge asks the provider for a payment until it has a verdict. An error means
// that the payment may or may not have been made.
func (p *provider) charge(ctx context.Context, key string, order Order) (verdict, error) {
	body, err := json.Marshal(order)
	if err != nil {
		return verdict{}, err
	}
	span := trace.SpanFromContext(ctx)
	result, err := failsafe.With(p.retries).Compose(p.circuit).WithContext(ctx).
		GetWithExecution(func(e failsafe.Execution[verdict]) (verdict, error) {
			if e.IsRetry() {
				telemetry.ProviderRetries.Add(ctx, 1, telemetry.MarketAttrs{Market: order.Market})
				span.AddEvent("retry", trace.WithAttributes(
					attribute.Int("webstore.attempt", e.Attempts()),
					attribute.String("webstore.retry.cause", fmt.Sprint(e.LastError())),
				))
			}
			v, outcome, err := p.attempt(ctx, key, body)
			telemetry.ProviderAttempts.Add(ctx, 1, telemetry.AttemptAttrs{Market: order.Market, Outcome: outcome})
			if err != nil {
				return verdict{}, &attemptError{outcome, err}
			}
			return v, nil
		})
	if errors.Is(err, circuitbreaker.ErrOpen) {
		telemetry.ProviderAttempts.Add(ctx, 1, telemetry.AttemptAttrs{Market: order.Market, Outcome: telemetry.AttemptCircuitOpen})
		span.AddEvent("circuit open")
	}
	return result, err
}

// attempt calls the provider once. It returns a verdict or why there is none.
func (p *provider) attempt(ctx context.Context, key string, body []byte) (verdict, telemetry.AttemptOutcome, error) {
	ctx, cancel := context.WithTimeout(httpclient.WithTemplate(ctx, "/v1/charges"), p.patience.attemptTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return verdict{}, telemetry.AttemptRejected, err
	}
	request.Header.Set("Content-Type", "application/json")
	jsonhttp.SetIdempotencyKey(request, key)
	response, err := p.client.Do(request)
	if err != nil {
		return verdict{}, unanswered(err), err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 64<<10))
	if err != nil {
		return verdict{}, unanswered(err), err
	}
	return read(response.StatusCode, text)
}

func unanswered(err error) telemetry.AttemptOutcome {
	if errors.Is(err, context.DeadlineExceeded) {
		return telemetry.AttemptTimeout
	}
	return telemetry.AttemptUnreachable
}

// refusals are the provider's codes for a payment that it will not make.
var refusals = map[string]bool{"invalid_payment_details": true, "payment_method_not_found": true}

// read understands an answer of the provider.
func read(status int, text []byte) (verdict, telemetry.AttemptOutcome, error) {
	var answer struct {
		ID   string `json:"id"`
		Code string `json:"code"`
	}
	err := json.Unmarshal(text, &answer)
	switch {
	case status == http.StatusCreated && err == nil && answer.ID != "":
		return verdict{state: StateAuthorised, chargeID: answer.ID}, telemetry.AttemptAuthorised, nil
	case status == http.StatusTooManyRequests:
		return verdict{}, telemetry.AttemptThrottled, errors.New("the provider asks for fewer calls")
	case status >= 500 || err != nil || status < 400:
		return verdict{}, telemetry.AttemptError, fmt.Errorf("status %d with code %q", status, answer.Code)
	case refusals[answer.Code]:
		return verdict{state: StateDeclined, declineCode: answer.Code}, telemetry.AttemptDeclined, nil
	}
	return verdict{state: StateFailed}, telemetry.AttemptRejected, nil
}
