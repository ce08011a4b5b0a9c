package ratelimit

import (
	"context"

	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// Catalog holds the metrics of rate limits.
var Catalog = metrics.NewCatalog("github.com/otelkit/kit/otelkit/ratelimit")

// Outcome is what a limit says of an ask.
type Outcome string

// The outcomes.
const (
	Allowed   Outcome = "allowed"
	Denied    Outcome = "denied"
	WouldDeny Outcome = "would_deny" // it is in shadow mode
)

// Values returns all outcomes.
func (Outcome) Values() []Outcome { return []Outcome{Allowed, Denied, WouldDeny} }

// DecisionAttrs are the attributes of Decisions. A key is none of them: it may be a
// person, and there is no end of them.
type DecisionAttrs struct {
	Limit   string  `attr:"otelkit.ratelimit.limit,limit=50"`
	Outcome Outcome `attr:"otelkit.ratelimit.outcome"`
	Source  Source  `attr:"otelkit.ratelimit.source"`
}

// ErrorType is why Redis gave no answer.
type ErrorType string

// The types of errors.
const (
	ErrorTimeout  ErrorType = "timeout"  // it took longer than Config.Wait
	ErrorCanceled ErrorType = "canceled" // nobody waited for it any more
	ErrorServer   ErrorType = "server"   // Redis answered with an error
	ErrorClient   ErrorType = "client"   // it could not be reached
)

// Values returns all types.
func (ErrorType) Values() []ErrorType {
	return []ErrorType{ErrorTimeout, ErrorCanceled, ErrorServer, ErrorClient}
}

// RedisAttrs are the attributes of RedisDuration.
type RedisAttrs struct {
	Error ErrorType `attr:"error.type,omitempty"` // "" if Redis answered
}

// CircuitState is whether Redis is asked.
type CircuitState string

// The states.
const (
	CircuitOpen   CircuitState = "open"   // it is not: it did not answer
	CircuitClosed CircuitState = "closed" // it is
)

// Values returns both states.
func (CircuitState) Values() []CircuitState { return []CircuitState{CircuitOpen, CircuitClosed} }

// CircuitAttrs are the attributes of CircuitTransitions.
type CircuitAttrs struct {
	State CircuitState `attr:"otelkit.ratelimit.circuit.state"`
}

// The definitions of the metrics.
var (
	Decisions = metrics.NewCounter[DecisionAttrs](Catalog, metrics.Definition{
		Name: "otelkit.ratelimit.decisions",
		Unit: "{decision}",
		Help: "What rate limits said of what asked them, by who decided. Of several limits that are asked together, each says.",
	})
	RedisDuration = metrics.NewHistogram[RedisAttrs](Catalog, metrics.Definition{
		Name:    "otelkit.ratelimit.redis.duration",
		Unit:    "s",
		Help:    "How long rate limits waited for Redis.",
		Buckets: []float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1},
	})
	CircuitTransitions = metrics.NewCounter[CircuitAttrs](Catalog, metrics.Definition{
		Name: "otelkit.ratelimit.circuit.transitions",
		Unit: "{transition}",
		Help: "How often rate limits began to do without Redis (open), and to ask it again (closed).",
	})
	Evictions = metrics.NewCounter[metrics.None](Catalog, metrics.Definition{
		Name: "otelkit.ratelimit.evictions",
		Unit: "{key}",
		Help: "Keys that were forgotten, and so began anew, because more keys than Config.MaxKeys were limited in memory.",
	})
)

// outcome returns what to record of a result.
func (r *Result) outcome() Outcome {
	switch {
	case !r.WouldDeny && r.Allowed:
		return Allowed
	case r.Allowed:
		return WouldDeny
	default:
		return Denied
	}
}

// observe records a decision, and tells the span that it belongs to of what was
// denied.
func observe(ctx context.Context, results []Result) {
	for i := range results {
		r := &results[i]
		if r.Source == "" {
			continue
		}
		outcome := r.outcome()
		Decisions.Add(ctx, 1, DecisionAttrs{r.Limit.Name, outcome, r.Source})
		if outcome == Allowed {
			continue
		}
		if span := trace.SpanFromContext(ctx); span.IsRecording() {
			span.AddEvent("otelkit.ratelimit."+string(outcome), trace.WithAttributes(
				attribute.String("otelkit.ratelimit.limit", r.Limit.Name),
				attribute.String("otelkit.ratelimit.source", string(r.Source)),
			))
		}
	}
}
