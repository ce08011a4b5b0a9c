package promotions

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/examples/webstore/jsonhttp"
	"github.com/otelkit/kit/examples/webstore/money"
	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// redemption is a discount that an order has got.
type redemption struct {
	key      string // the caller's
	order    Order
	coupon   string // "" for what the order got by itself
	discount Discount
}

// redeem returns what an order gets: by the coupon, or by itself if code is "". For a
// key that has been redeemed that is what it got, and nothing is taken again.
func (p *promotions) redeem(ctx context.Context, key, code string, o Order) (d Discount, err error) {
	ctx, span := p.tracer.Start(ctx, "redeem promotion", trace.WithAttributes(describe(o)...))
	span.SetAttributes(attribute.String("webstore.order.id", key))
	defer func() { end(span, err) }()

	r, err := p.assess(ctx, key, code, o)
	if err != nil {
		return Discount{}, err
	}
	stands, ours, err := p.store.redeem(ctx, r)
	switch {
	case errors.Is(err, errUsedUp):
		return Discount{}, refuse(ctx, Coupon{Code: r.coupon}, telemetry.CouponUsedUp, o)
	case errors.Is(err, errReleased):
		return Discount{}, Released
	case err != nil:
		return Discount{}, err
	case stands.order != r.order || stands.coupon != r.coupon:
		return Discount{}, jsonhttp.KeyReused
	}
	span.SetAttributes(
		attribute.Int64("webstore.discount", stands.discount.Amount),
		attribute.Bool("webstore.redemption.replayed", !ours),
	)
	if ours {
		p.report(ctx, r)
	}
	return stands.discount, nil
}

// assess returns what is to be redeemed, or why nothing is.
func (p *promotions) assess(ctx context.Context, key, code string, o Order) (redemption, error) {
	r := redemption{key: key, order: o}
	if code == "" {
		if err := p.work(ctx); err != nil {
			return redemption{}, err
		}
		r.discount = automatic(o)
		trace.SpanFromContext(ctx).SetAttributes(attribute.String("webstore.promotion.code", string(r.discount.promotion())))
		return r, nil
	}
	coupon, verdict, err := p.examine(ctx, code, o)
	if err != nil {
		return redemption{}, err
	}
	// One that is used up may have been used by this very key: the store knows.
	if verdict != telemetry.CouponValid && verdict != telemetry.CouponUsedUp {
		return redemption{}, refuse(ctx, coupon, verdict, o)
	}
	r.coupon, r.discount = coupon.Code, coupon.discount(o)
	return r, nil
}

// refuse counts a coupon that does not hold and returns the answer to it.
func refuse(ctx context.Context, c Coupon, verdict telemetry.CouponOutcome, o Order) error {
	telemetry.Redemptions.Add(ctx, 1, telemetry.CouponAttrs{Coupon: measured(c.Code), Outcome: verdict})
	// It may have been valid a moment ago.
	trace.SpanFromContext(ctx).SetAttributes(attribute.String("webstore.coupon.outcome", string(verdict)))
	switch verdict {
	case telemetry.CouponUsedUp:
		return UsedUp
	case telemetry.CouponBelowMinimum:
		problem := BelowMinimum.With("%s", c.minimum())
		problem.More = map[string]any{"min_amount": c.least(o.Market), "currency": o.Currency}
		return problem
	}
	return UnknownCoupon
}

// report measures and logs what was redeemed.
func (p *promotions) report(ctx context.Context, r redemption) {
	market, kind, code := r.order.Market, telemetry.DiscountPromotion, "webstore.promotion.code"
	if r.coupon == "" {
		telemetry.PromotionChecks.Add(ctx, 1, telemetry.PromotionCheckAttrs{Market: market, Promotion: r.discount.promotion()})
	} else {
		kind, code = telemetry.DiscountCoupon, "webstore.coupon.code"
		telemetry.Redemptions.Add(ctx, 1, telemetry.CouponAttrs{Coupon: measured(r.coupon), Outcome: telemetry.CouponValid})
	}
	if r.discount.Amount == 0 {
		return
	}
	telemetry.PromotionDiscount.Record(ctx, money.Dollars(market, r.discount.Amount), telemetry.DiscountAttrs{Market: market, Kind: kind})
	p.log.InfoContext(ctx, "Applied promotion discount",
		"webstore.order.id", r.key,
		"user.id", r.order.UserID,
		"webstore.market", string(market),
		code, r.discount.Code,
		"webstore.order.amount", r.order.Amount,
		"webstore.discount", r.discount.Amount,
		"webstore.currency", r.order.Currency)
}

// release gives back what was redeemed with a key. It returns false if nothing stood.
func (p *promotions) release(ctx context.Context, key string) (released bool, err error) {
	ctx, span := p.tracer.Start(ctx, "release promotion", trace.WithAttributes(attribute.String("webstore.order.id", key)))
	defer func() { end(span, err) }()
	coupon, released, err := p.store.release(ctx, key)
	if err != nil {
		return false, err
	}
	span.SetAttributes(attribute.Bool("webstore.redemption.released", released))
	if coupon != "" {
		span.SetAttributes(attribute.String("webstore.coupon.code", coupon))
		telemetry.CouponReleases.Add(ctx, 1, telemetry.CouponReleaseAttrs{Coupon: measured(coupon)})
		p.log.InfoContext(ctx, "Released coupon", "webstore.order.id", key, "webstore.coupon.code", coupon)
	}
	return released, nil
}

// describe is what spans say of an order.
func describe(o Order) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("user.id", o.UserID),
		attribute.String("webstore.market", string(o.Market)),
		attribute.Int64("webstore.order.amount", o.Amount),
		attribute.String("webstore.currency", o.Currency),
	}
}

// end ends a span. That something was refused is no error of ours.
func end(span trace.Span, err error) {
	var refusal *jsonhttp.Problem
	if err != nil && !errors.As(err, &refusal) {
		span.RecordError(err)
		span.SetStatus(codes.Error, err.Error())
	}
	span.End()
}
