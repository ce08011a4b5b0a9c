package promotions

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/examples/webstore/money"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit/metrics"
)

// DiscountType is how a coupon's discount is reckoned.
type DiscountType string

// The types.
const (
	Percent DiscountType = "percent" // of the order
	Fixed   DiscountType = "fixed"   // an amount
)

// Coupon is a code that makes an order cheaper. Amounts are in US cents.
type Coupon struct {
	Code      string       `json:"code"`
	Type      DiscountType `json:"discount_type"`
	Value     int64        `json:"discount_value"` // percent, or an amount
	MinAmount int64        `json:"min_amount"`     // that an order has to be worth
	Remaining int64        `json:"remaining_uses"`
}

// discount is what an order gets by the coupon, at most all of it.
func (c Coupon) discount(o Order) Discount {
	d := Discount{Currency: o.Currency, Code: c.Code}
	switch c.Type {
	case Percent:
		d.Amount = percentOf(o.Amount, c.Value)
		d.Description = fmt.Sprintf("%d%% off with coupon %s", c.Value, c.Code)
	case Fixed:
		d.Amount = min(o.Amount, money.FromDollars(o.Market, dollars(c.Value)).Amount)
		d.Description = fmt.Sprintf("$%.0f off with coupon %s", dollars(c.Value), c.Code)
	}
	return d
}

// least is the smallest amount of a market's currency that the coupon holds for.
func (c Coupon) least(m telemetry.Market) int64 {
	amount := money.FromDollars(m, dollars(c.MinAmount)).Amount
	for money.Dollars(m, amount) < dollars(c.MinAmount) {
		amount++ // what was rounded down is not enough
	}
	return amount
}

// minimum tells a shopper what the coupon is for.
func (c Coupon) minimum() string {
	return fmt.Sprintf("Coupon %s is for orders worth $%.0f or more.", c.Code, dollars(c.MinAmount))
}

func dollars(cents int64) float64 { return float64(cents) / 100 }

// shape is what a coupon's code looks like. What looks otherwise is none, and the
// database need not be asked.
var shape = regexp.MustCompile(`^[A-Z0-9]{1,32}$`)

// examine returns the coupon with a code, which shoppers write as they like, and
// whether it holds for an order. If there is none it returns the zero Coupon.
func (p *promotions) examine(ctx context.Context, code string, o Order) (Coupon, telemetry.CouponOutcome, error) {
	if err := p.work(ctx); err != nil {
		return Coupon{}, "", err
	}
	span := trace.SpanFromContext(ctx)
	coupon, err := Coupon{}, errNoCoupon
	if code = strings.ToUpper(code); shape.MatchString(code) {
		span.SetAttributes(attribute.String("webstore.coupon.entered", code))
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
	span.SetAttributes(
		attribute.String("webstore.coupon.code", string(measured(coupon.Code))),
		attribute.String("webstore.coupon.outcome", string(verdict)),
	)
	return coupon, verdict, nil
}

// measured is a coupon's code as metrics have it. What shoppers make up is not in there.
func measured(code string) telemetry.Coupon {
	return telemetry.Coupon(cmp.Or(code, metrics.Other))
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
		span.SetAttributes(attribute.Int64("webstore.discount", d.Amount))
		v.Valid, v.Reason, v.Discount, v.Message = true, "", d.Amount, d.Description
	case telemetry.CouponUnknown:
		v.Message = "There is no such coupon."
	case telemetry.CouponUsedUp:
		v.Message = fmt.Sprintf("Coupon %s is used up.", coupon.Code)
	case telemetry.CouponBelowMinimum:
		v.Message = coupon.minimum()
	}
	return v, nil
}
