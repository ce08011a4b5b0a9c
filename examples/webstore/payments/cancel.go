package payments

import (
	"context"
	"log/slog"

	"go.opentelemetry.io/otel/codes"

	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit/metrics"
)

// cancel sees to it that no money is kept for a key, and returns what became of
// the payment. If that is cancelling, the provider has not answered: the payment
// can be cancelled again, but not authorised any more.
//
// It does not stop when the caller goes away, as pay does not.
func (p *payments) cancel(ctx context.Context, key string) (Payment, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), payTimeout)
	defer cancel()
	payment, err := p.store.cancel(ctx, key)
	if err == nil && payment.State == StateCancelling {
		payment, err = p.void(ctx, payment)
	}
	p.reportCancelled(ctx, payment, err)
	return payment, err
}

// void asks the provider to keep no money for a payment that is cancelling, and
// writes down what it said.
func (p *payments) void(ctx context.Context, payment Payment) (voided Payment, err error) {
	ctx, span := p.tracer.Start(ctx, "void payment", describe(payment))
	defer func() { end(span, voided, err) }()
	verdict, err := p.provider.void(ctx, payment.Key)
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
		p.log.LogAttrs(ctx, slog.LevelWarn, "Payment cancelling: the provider did not say what became of the money",
			append(about(payment), slog.String("exception.message", err.Error()))...)
		return payment, nil
	}
	if verdict.state == StateCancelled && payment.ChargeID != "" {
		p.log.LogAttrs(ctx, slog.LevelError, "The provider knows nothing of a charge that it had made", about(payment)...)
	}
	writing, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	return p.store.void(writing, payment, verdict)
}

// reportCancelled measures and logs how a request to cancel a payment ended.
func (p *payments) reportCancelled(ctx context.Context, payment Payment, err error) {
	outcome := telemetry.CancellationVoided
	switch {
	case err != nil:
		outcome = telemetry.CancellationFailed
	case payment.State == StateCancelling:
		outcome = telemetry.CancellationUnavailable
	case payment.State == StateRefunded:
		outcome = telemetry.CancellationRefunded
	}
	market := payment.Market
	if !market.Known() { // of a key that was never seen, or that the database could not tell
		market = metrics.Other
	}
	telemetry.PaymentCancellations.Add(ctx, 1, telemetry.PaymentCancellationAttrs{Market: market, Outcome: outcome})
	if err != nil || outcome == telemetry.CancellationUnavailable {
		return // logged where the cause is known
	}
	p.log.LogAttrs(ctx, slog.LevelInfo, "Payment cancelled", about(payment)...)
}
