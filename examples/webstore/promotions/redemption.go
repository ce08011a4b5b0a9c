package promotions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/examples/webstore/jsonhttp"
	"github.com/otelkit/kit/examples/webstore/latency"
	"github.com/otelkit/kit/examples/webstore/money"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit/metrics"
)

// work is the time that it takes to go through the rules.
var work = latency.Delay{
	Min: 50 * time.Millisecond, Max: 250 * time.Millisecond,
	SlowChance: 0.05, SlowMin: 800 * time.Millisecond, SlowMax: 1500 * time.Millisecond,
}

// redemption is a discount that an order has got.
type redemption struct {
	key      string // the caller's
	order    Order
	coupon   string // "" for what the order got by itself
	discount Discount
}

// Validation says whether a coupon holds for an order.
type Validation struct {
	Valid    bool                    `json:"valid"`
	Reason   telemetry.CouponOutcome `json:"reason"` // "" if it is valid
	Discount int64                   `json:"discount"`
	Currency string                  `json:"currency"`
	Type     DiscountType            `json:"discount_type"` // "" if there is no such coupon
	Message  string                  `json:"message"`       // for the shopper
}

// look returns what an order gets by itself.
func (p *promotions) look(ctx context.Context, o Order) (d Discount, err error) {
	ctx, span := p.tracer.Start(ctx, "check promotion", trace.WithAttributes(describe(o)...))
	defer func() { end(span, err) }()
	if err := p.work(ctx); err != nil {
		return Discount{}, err
	}
	d, promotion := automatic(o)
	span.SetAttributes(outcome(d)...)
	telemetry.PromotionChecks.Add(ctx, 1, telemetry.PromotionCheckAttrs{Market: o.Market, Promotion: promotion})
	return d, nil
}

// validate returns whether a coupon holds for an order. It takes no use.
func (p *promotions) validate(ctx context.Context, code string, o Order) (v Validation, err error) {
	ctx, span := p.tracer.Start(ctx, "validate coupon", trace.WithAttributes(describe(o)...))
	defer func() { end(span, err) }()
	coupon, verdict, err := p.examine(ctx, code, o)
	if err != nil {
		return Validation{}, err
	}
	telemetry.CouponValidations.Add(ctx, 1, telemetry.CouponAttrs{Coupon: measured(coupon.Code), Outcome: verdict})
	v = Validation{Reason: verdict, Currency: o.Currency, Type: coupon.Type}
	switch verdict {
	case telemetry.CouponValid:
		d := coupon.discount(o)
		span.SetAttributes(outcome(d)...)
		v.Valid, v.Reason, v.Discount, v.Message = true, "", d.Amount, d.Description
	case telemetry.CouponUnknown:
		v.Message = "There is no such coupon."
	case telemetry.CouponUsedUp:
		v.Message = fmt.Sprintf("Coupon %s is used up.", coupon.Code)
	case telemetry.CouponBelowMinimum:
		v.Message = tooSmall(coupon)
	}
	return v, nil
}

func tooSmall(c Coupon) string {
	return fmt.Sprintf("Coupon %s is for orders worth $%.0f or more.", c.Code, dollars(c.MinAmount))
}

// redeem returns what an order gets: by the coupon, or by itself if code is "". For a
// key that has been redeemed that is what it got, and nothing is taken again.
func (p *promotions) redeem(ctx context.Context, key, code string, o Order) (d Discount, err error) {
	ctx, span := p.tracer.Start(ctx, "redeem promotion", trace.WithAttributes(describe(o)...))
	span.SetAttributes(attribute.String("webstore.order.id", key))
	defer func() { end(span, err) }()

	r := redemption{key: key, order: o}
	var promotion telemetry.Promotion
	if code == "" {
		if err := p.work(ctx); err != nil {
			return Discount{}, err
		}
		r.discount, promotion = automatic(o)
	} else {
		coupon, verdict, err := p.examine(ctx, code, o)
		if err != nil {
			return Discount{}, err
		}
		// One that is used up may have been used by this very key.
		if verdict != telemetry.CouponValid && verdict != telemetry.CouponUsedUp {
			return Discount{}, p.refuse(ctx, coupon, verdict, o)
		}
		r.coupon, r.discount = coupon.Code, coupon.discount(o)
	}

	stands, ours, err := p.store.redeem(ctx, r)
	switch {
	case errors.Is(err, errUsedUp):
		return Discount{}, p.refuse(ctx, Coupon{Code: r.coupon}, telemetry.CouponUsedUp, o)
	case errors.Is(err, errReleased):
		return Discount{}, Released
	case err != nil:
		return Discount{}, err
	case stands.order != r.order || stands.coupon != r.coupon:
		return Discount{}, jsonhttp.KeyReused
	}
	span.SetAttributes(outcome(stands.discount)...)
	span.SetAttributes(attribute.Bool("webstore.redemption.replayed", !ours))
	if ours {
		p.report(ctx, r, promotion)
	}
	return stands.discount, nil
}

// refuse counts a coupon that does not hold and returns the answer to it.
func (p *promotions) refuse(ctx context.Context, c Coupon, verdict telemetry.CouponOutcome, o Order) error {
	telemetry.Redemptions.Add(ctx, 1, telemetry.CouponAttrs{Coupon: measured(c.Code), Outcome: verdict})
	switch verdict {
	case telemetry.CouponUsedUp:
		return UsedUp
	case telemetry.CouponBelowMinimum:
		problem := BelowMinimum.With("%s", tooSmall(c))
		problem.More = map[string]any{"min_amount": c.least(o.Market), "currency": o.Currency}
		return problem
	}
	return UnknownCoupon
}

// report measures and logs a discount that was taken.
func (p *promotions) report(ctx context.Context, r redemption, promotion telemetry.Promotion) {
	kind := telemetry.DiscountCoupon
	if r.coupon == "" {
		kind = telemetry.DiscountPromotion
		telemetry.PromotionChecks.Add(ctx, 1, telemetry.PromotionCheckAttrs{Market: r.order.Market, Promotion: promotion})
	} else {
		telemetry.Redemptions.Add(ctx, 1, telemetry.CouponAttrs{Coupon: measured(r.coupon), Outcome: telemetry.CouponValid})
	}
	if r.discount.Amount == 0 {
		return
	}
	telemetry.PromotionDiscount.Record(ctx, money.Dollars(r.order.Market, r.discount.Amount),
		telemetry.DiscountAttrs{Market: r.order.Market, Kind: kind})
	p.log.InfoContext(ctx, "Applied promotion discount",
		"webstore.order.id", r.key,
		"user.id", r.order.UserID,
		"webstore.market", string(r.order.Market),
		"webstore.promotion.code", r.discount.Code,
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

// examine returns the coupon with a code and whether it holds for an order. If there is
// none it returns the zero Coupon.
func (p *promotions) examine(ctx context.Context, code string, o Order) (Coupon, telemetry.CouponOutcome, error) {
	if err := p.work(ctx); err != nil {
		return Coupon{}, "", err
	}
	span := trace.SpanFromContext(ctx)
	coupon, err := Coupon{}, errNoCoupon
	if code = normal(code); shape.MatchString(code) {
		span.SetAttributes(attribute.String("webstore.coupon.code", code))
		coupon, err = p.store.coupon(ctx, code)
	}
	verdict := telemetry.CouponValid
	switch {
	case errors.Is(err, errNoCoupon):
		verdict = telemetry.CouponUnknown
	case err != nil:
		return Coupon{}, "", err
	case o.Amount < coupon.least(o.Market):
		verdict = telemetry.CouponBelowMinimum
	case coupon.Remaining == 0:
		verdict = telemetry.CouponUsedUp
	}
	span.SetAttributes(attribute.String("webstore.coupon.outcome", string(verdict)))
	return coupon, verdict, nil
}

// measured is a coupon's code as metrics have it. What shoppers make up is not in there.
func measured(code string) telemetry.Coupon {
	return telemetry.Coupon(cmp.Or(code, metrics.Other))
}

// work goes through the rules, for as long as that takes.
func (p *promotions) work(ctx context.Context) error {
	slow, err := work.Wait(ctx, p.latencyScale)
	if slow && err == nil {
		trace.SpanFromContext(ctx).AddEvent("slow rules")
		p.log.WarnContext(ctx, "Slow promotion rules")
	}
	return err
}

// describe says of an order what may be said on spans.
func describe(o Order) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("user.id", o.UserID),
		attribute.String("webstore.market", string(o.Market)),
		attribute.Int64("webstore.order.amount", o.Amount),
		attribute.String("webstore.currency", o.Currency),
	}
}

func outcome(d Discount) []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("webstore.promotion.code", d.Code),
		attribute.Int64("webstore.discount", d.Amount),
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
