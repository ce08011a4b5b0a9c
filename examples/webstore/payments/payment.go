package payments

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/examples/webstore/latency"
	"github.com/otelkit/kit/examples/webstore/money"
	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// State is how far a payment has come.
type State string

// The states, as the package comment draws them.
const (
	StatePending    State = "pending"
	StateAuthorised State = "authorised"
	StateDeclined   State = "declined"
	StateFailed     State = "failed"
	StateCancelling State = "cancelling"
	StateCancelled  State = "cancelled"
	StateRefunded   State = "refunded"
)

// cancelled reports whether no money is to be kept for a payment that was cancelled.
func (s State) cancelled() bool {
	return s == StateCancelling || s == StateCancelled || s == StateRefunded
}

// work is the time that the service's own checks take: of fraud, of limits, of
// sanctions lists.
var work = latency.Delay{
	Min: 100 * time.Millisecond, Max: 400 * time.Millisecond,
	SlowChance: 0.03, SlowMin: time.Second, SlowMax: 2 * time.Second,
}

// payTimeout is the longest that a payment may take, all attempts included. It
// is shorter than what callers wait, so that they are told.
const payTimeout = 10 * time.Second

// settleTimeout is how long the database may take to write an outcome down.
const settleTimeout = 5 * time.Second

// errKeyReused says that a key came with another order before.
var errKeyReused = errors.New("the key belongs to another order")

// pay takes a payment and returns what became of it. Of a payment that is settled
// or cancelled it returns what is known; one that is pending it tries to settle.
//
// It does not stop when the caller goes away: what the provider answers has to
// be written down.
func (p *payments) pay(ctx context.Context, key string, order Order) (Payment, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), payTimeout)
	defer cancel()
	start := time.Now()
	payment, err := p.store.begin(ctx, key, order)
	if err != nil {
		p.report(ctx, order, payment, err, time.Since(start))
		return Payment{}, err
	}
	if payment.Order != order && !payment.State.cancelled() {
		return Payment{}, errKeyReused
	}
	if payment.State != StatePending {
		telemetry.PaymentReplays.Add(ctx, 1, telemetry.MarketAttrs{Market: order.Market})
		return payment, nil
	}
	payment, ours, err := p.settle(ctx, payment)
	if !ours && err == nil {
		// The same key came twice at the same time, to be paid or to be cancelled,
		// and the other was faster.
		telemetry.PaymentReplays.Add(ctx, 1, telemetry.MarketAttrs{Market: order.Market})
		return payment, nil
	}
	p.report(ctx, order, payment, err, time.Since(start))
	return payment, err
}

// settle asks the provider and writes down what it said. ours is false if
// somebody else has written before: then it is theirs that counts.
func (p *payments) settle(ctx context.Context, payment Payment) (settled Payment, ours bool, err error) {
	ctx, span := p.tracer.Start(ctx, "settle payment", describe(payment))
	defer func() { end(span, settled, err) }()
	p.log.DebugContext(ctx, "Processing payment", "webstore.order.id", payment.Key)
	if slow, err := work.Wait(ctx, p.latencyScale); err != nil {
		return payment, true, err
	} else if slow {
		p.log.LogAttrs(ctx, slog.LevelWarn, "Slow payment processing", about(payment)...)
		span.AddEvent("slow checks")
	}
	verdict, err := p.provider.charge(ctx, payment.Key, payment.Order)
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
		p.log.LogAttrs(ctx, slog.LevelWarn, "Payment pending: the provider gave no answer that settles it",
			append(about(payment), slog.String("exception.message", err.Error()))...)
		return payment, true, nil
	}
	// What the provider said is written down even if the time is over.
	writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	return p.store.settle(writing, payment, verdict)
}

// end ends a span with what became of a payment.
func end(span trace.Span, payment Payment, err error) {
	span.SetAttributes(attribute.String("webstore.payment.state", string(payment.State)))
	if err != nil {
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}

// report measures and logs how a request for a payment ended.
func (p *payments) report(ctx context.Context, order Order, payment Payment, err error, took time.Duration) {
	outcome := telemetry.PaymentFailed
	level, message := slog.LevelError, "Payment failed"
	switch {
	case err != nil:
	case payment.State == StateAuthorised:
		outcome, level, message = telemetry.PaymentAuthorised, slog.LevelInfo, "Payment authorised"
	case payment.State == StateDeclined:
		outcome, level, message = telemetry.PaymentDeclined, slog.LevelInfo, "Payment declined"
	case payment.State == StatePending:
		outcome = telemetry.PaymentUnavailable
	}
	telemetry.PaymentRequests.Add(ctx, 1, telemetry.PaymentAttrs{Market: order.Market, Method: order.Method, Outcome: outcome})
	telemetry.PaymentDuration.Record(ctx, took.Seconds(), telemetry.PaymentDurationAttrs{Market: order.Market, Outcome: outcome})
	if outcome == telemetry.PaymentAuthorised {
		telemetry.PaymentAmount.Record(ctx, money.Dollars(order.Market, order.Amount), telemetry.SaleAttrs{Market: order.Market, Method: order.Method})
	}
	if outcome == telemetry.PaymentUnavailable || err != nil {
		return // logged where the cause is known
	}
	p.log.LogAttrs(ctx, level, message, about(payment)...)
}

// describe is what a span tells of a payment.
func describe(payment Payment) trace.SpanStartEventOption {
	return trace.WithAttributes(
		attribute.String("webstore.order.id", payment.Key),
		attribute.String("webstore.market", string(payment.Market)),
		attribute.String("webstore.payment.method", string(payment.Method)),
		attribute.Int64("webstore.payment.amount", payment.Amount),
		attribute.String("webstore.payment.currency", payment.Currency),
	)
}

// about is what a log record tells of a payment.
func about(payment Payment) []slog.Attr {
	attrs := append(make([]slog.Attr, 0, 9), slog.String("webstore.order.id", payment.Key))
	if payment.Order != (Order{}) {
		attrs = append(attrs,
			slog.String("webstore.market", string(payment.Market)),
			slog.String("webstore.payment.method", string(payment.Method)),
			slog.Int64("webstore.payment.amount", payment.Amount),
			slog.String("webstore.payment.currency", payment.Currency),
		)
	}
	attrs = append(attrs, slog.String("webstore.payment.state", string(payment.State)))
	if payment.ChargeID != "" {
		attrs = append(attrs, slog.String("webstore.payment.charge_id", payment.ChargeID))
	}
	if payment.DeclineCode != "" {
		attrs = append(attrs, slog.String("webstore.payment.decline_code", payment.DeclineCode))
	}
	return attrs
}
