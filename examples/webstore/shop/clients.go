package shop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/failsafe-go/failsafe-go"
	"github.com/failsafe-go/failsafe-go/circuitbreaker"
	"github.com/failsafe-go/failsafe-go/retrypolicy"

	"github.com/otelkit/kit/examples/webstore/jsonhttp"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit/health"
	"github.com/otelkit/kit/otelkit/httpclient"
	"github.com/otelkit/kit/otelkit/resilience"
)

// client calls one other service: each call is tried a few times, and not at all
// while the service keeps failing. It is safe for concurrent use.
type client struct {
	target   telemetry.Dependency
	base     *url.URL
	http     *http.Client
	observer *resilience.Observer
	circuit  circuitbreaker.CircuitBreaker[reply]
	pause    time.Duration
	ping     func(context.Context) error // whether the service is there
}

// The circuit to a service opens when that many of its last calls failed.
const (
	circuitFailures = 10
	circuitOutOf    = 20
)

// rests are the times in which a service in trouble is left alone.
type rests struct {
	pause   time.Duration // before the second attempt of a call; doubles, and varies by half
	circuit time.Duration // that a circuit stays open before it is tried again
}

var usualRests = rests{pause: 100 * time.Millisecond, circuit: 5 * time.Second}

// newClient prepares to call the service at a URL, which answers a GET of
// healthPath when it is there.
func newClient(target telemetry.Dependency, address, healthPath string, rests rests, kit telemetryKit) (*client, error) {
	base, err := url.Parse(address)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("shop: %q is no URL of %s, such as http://127.0.0.1:8081", address, target)
	}
	observer, err := resilience.New(resilience.Config{Target: string(target), Kit: kit})
	if err != nil {
		return nil, fmt.Errorf("shop: %w", err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	c := &client{
		target:   target,
		base:     base,
		http:     &http.Client{Transport: httpclient.Transport(transport, httpclient.Config{Kit: kit}), CheckRedirect: jsonhttp.NoRedirects},
		observer: observer,
		circuit: resilience.CircuitBreaker(observer, circuitbreaker.NewBuilder[reply]().
			HandleIf(func(_ reply, err error) bool { return provesTrouble(err) }).
			WithFailureThresholdRatio(circuitFailures, circuitOutOf).
			WithDelay(rests.circuit).
			WithSuccessThreshold(2)),
		pause: rests.pause,
	}
	c.ping = health.HTTP(c.http, base.JoinPath(healthPath).String())
	return c, nil
}

func (c *client) close() {
	_ = c.observer.Close()
	c.http.CloseIdleConnections()
}

// operation is one thing that a service does. It is safe for concurrent use.
type operation struct {
	client   *client
	method   string
	template string // of the URL; its "{key}" stands for the key of a call
	patience patience
	calls    failsafe.Executor[reply]
}

// patience is how much trouble with an operation is borne.
type patience struct {
	attempts int           // at most
	attempt  time.Duration // longest time for each
	total    time.Duration // longest time for all, pauses included

	// unansweredOnly is for a service that tries again itself before it answers that it
	// cannot: of its answers none is asked for a second time.
	unansweredOnly bool
}

// operation prepares to call for something.
func (c *client) operation(method, template string, p patience) *operation {
	retries := resilience.Retry(c.observer, retrypolicy.NewBuilder[reply]().
		HandleIf(func(_ reply, err error) bool { return err != nil && (!p.unansweredOnly || unreachable(err)) }).
		AbortOnErrors(circuitbreaker.ErrOpen, context.Canceled).
		WithMaxAttempts(p.attempts).
		WithBackoff(c.pause, 8*c.pause).
		WithJitterFactor(0.5).
		ReturnLastFailure())
	return &operation{c, method, template, p, resilience.Executor(c.observer, failsafe.With(retries, c.circuit))}
}

func unreachable(err error) bool {
	var failed *failure
	return errors.As(err, &failed) && failed.outcome == telemetry.CallUnreachable
}

// reply is an answer that is not the service's failure. It may be a refusal.
type reply struct {
	status int
	body   []byte
}

// into reads a reply that is a success. One that says no is a *refusal.
func (r reply) into(v any) error {
	if err := r.refusal(); err != nil {
		return err
	}
	if err := json.Unmarshal(r.body, v); err != nil {
		return fmt.Errorf("the answer is not the JSON that was agreed: %w", err)
	}
	return nil
}

// refusal is an answer that says no.
type refusal struct {
	status    int
	name      string // of the problem that a service of ours answers with, or the code of a third party
	minAmount int64  // that an order has to have for a coupon, if that is why
}

// refusal returns the answer as a *refusal if it is one, else nil.
func (r reply) refusal() error {
	if r.status < http.StatusBadRequest {
		return nil
	}
	var body struct {
		Type      string `json:"type"`
		Code      string `json:"code"`
		MinAmount int64  `json:"min_amount"`
	}
	_ = json.Unmarshal(r.body, &body) // one that is not JSON has no name
	if body.Type != "" {
		body.Code = body.Type[strings.LastIndexByte(body.Type, ':')+1:]
	}
	return &refusal{r.status, body.Code, body.MinAmount}
}

func (e *refusal) Error() string { return fmt.Sprintf("it answered %d %s", e.status, e.name) }

// refused reports whether err is the refusal of that name.
func refused(err error, name string) bool {
	var no *refusal
	return errors.As(err, &no) && no.name == name
}

// failure is an attempt without an answer, or with one that is the service's
// failure.
type failure struct {
	outcome telemetry.CallOutcome
	cause   error
}

func (e *failure) Error() string { return fmt.Sprintf("%s: %v", e.outcome, e.cause) }
func (e *failure) Unwrap() error { return e.cause }

// provesTrouble reports whether an error says that the service is not well. That
// our caller went away does not, nor does being asked to slow down.
func provesTrouble(err error) bool {
	var failed *failure
	return errors.As(err, &failed) && !errors.Is(err, context.Canceled) && !errors.Is(err, errThrottled)
}

var errThrottled = errors.New("it asks for fewer calls")

// call sends a body of JSON until it has a reply. The key goes where the template
// has it, or else is the Idempotency-Key; "" is none. An error means that the call
// may have been heeded or not.
func (o *operation) call(ctx context.Context, key string, body []byte) (reply, error) {
	start := time.Now()
	ctx, cancel := context.WithTimeout(ctx, o.patience.total)
	defer cancel()
	answer, err := o.calls.WithContext(ctx).Get(func() (reply, error) { return o.try(ctx, key, body) })
	telemetry.ShopCalls.Record(ctx, time.Since(start).Seconds(),
		telemetry.CallAttrs{Dependency: o.client.target, Outcome: outcomeOf(answer, err)})
	if err != nil {
		return reply{}, fmt.Errorf("%s %s of %s: %w", o.method, o.template, o.client.target, err)
	}
	return answer, nil
}

func outcomeOf(answer reply, err error) telemetry.CallOutcome {
	var failed *failure
	switch {
	case errors.Is(err, circuitbreaker.ErrOpen):
		return telemetry.CallCircuitOpen
	case errors.As(err, &failed):
		return failed.outcome
	case errors.Is(err, context.DeadlineExceeded):
		return telemetry.CallTimedOut
	case err != nil:
		return telemetry.CallFailed
	case answer.status >= http.StatusBadRequest:
		return telemetry.CallRefused
	}
	return telemetry.CallSucceeded
}

// maxReply is the most that is read of an answer.
const maxReply = 64 << 10

// try calls once.
func (o *operation) try(ctx context.Context, key string, body []byte) (reply, error) {
	ctx, cancel := context.WithTimeout(httpclient.WithTemplate(ctx, o.template), o.patience.attempt)
	defer cancel()
	path := strings.Replace(o.template, "{key}", url.PathEscape(key), 1)
	request, err := http.NewRequestWithContext(ctx, o.method, o.client.base.JoinPath(path).String(), bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	if key != "" && path == o.template {
		jsonhttp.SetIdempotencyKey(request, key)
	}
	response, err := o.client.http.Do(request)
	if err != nil {
		return reply{}, unanswered(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxReply))
	if err != nil {
		return reply{}, unanswered(err)
	}
	answer := reply{response.StatusCode, text}
	switch {
	case answer.status == http.StatusTooManyRequests:
		return reply{}, &failure{telemetry.CallFailed, errThrottled}
	case answer.status >= http.StatusInternalServerError:
		return reply{}, &failure{telemetry.CallFailed, answer.refusal()}
	case answer.status >= http.StatusMultipleChoices && answer.status < http.StatusBadRequest:
		return reply{}, &failure{telemetry.CallFailed, fmt.Errorf("it answered %d, and nobody is followed elsewhere", answer.status)}
	}
	return answer, nil
}

func unanswered(err error) *failure {
	if errors.Is(err, context.DeadlineExceeded) {
		return &failure{telemetry.CallTimedOut, err}
	}
	return &failure{telemetry.CallUnreachable, err}
}

// succeed calls where there is nothing to read but whether it was done.
func (o *operation) succeed(ctx context.Context, key string, body []byte) error {
	answer, err := o.call(ctx, key, body)
	if err != nil {
		return err
	}
	if err := answer.refusal(); err != nil {
		return fmt.Errorf("%s %s of %s: %w", o.method, o.template, o.client.target, err)
	}
	return nil
}
