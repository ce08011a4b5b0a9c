package promotions

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/examples/webstore/faults"
	"github.com/otelkit/kit/examples/webstore/latency"
	"github.com/otelkit/kit/examples/webstore/money"
	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// Order is what is to be bought.
type Order struct {
	UserID   string           `json:"user_id"`
	Market   telemetry.Market `json:"country"`
	Amount   int64            `json:"amount"`   // in minor units of the currency
	Currency string           `json:"currency"` // that of the market
}

// Discount is how much less an order costs, and why.
type Discount struct {
	Amount      int64  `json:"discount"` // in minor units of the currency
	Currency    string `json:"currency"`
	Code        string `json:"promotion_code"` // of the promotion or coupon; "" without a discount
	Description string `json:"description"`    // for the shopper; "" without a discount
}

// tiers is what large orders get by themselves, the largest first. An order has to be
// worth more than over, in US dollars.
var tiers = []struct {
	over      float64
	percent   int64
	promotion telemetry.Promotion
}{
	{500, 10, telemetry.BigOrder10},
	{200, 5, telemetry.MediumOrder},
	{100, 3, telemetry.SmallOrder3},
}

// automatic is what an order gets by itself.
func automatic(o Order) Discount {
	worth := money.Dollars(o.Market, o.Amount)
	for _, t := range tiers {
		if worth > t.over {
			return Discount{
				Amount:      percentOf(o.Amount, t.percent),
				Currency:    o.Currency,
				Code:        string(t.promotion),
				Description: fmt.Sprintf("%d%% discount for orders over $%.0f", t.percent, t.over),
			}
		}
	}
	return Discount{Currency: o.Currency}
}

// percentOf is rounded down: nobody is given what is not there.
func percentOf(amount, percent int64) int64 { return amount * percent / 100 }

// promotion is the one that an automatic discount is by.
func (d Discount) promotion() telemetry.Promotion {
	return cmp.Or(telemetry.Promotion(d.Code), telemetry.NoPromotion)
}

// look returns what an order gets by itself.
func (p *promotions) look(ctx context.Context, o Order) (d Discount, err error) {
	ctx, span := p.tracer.Start(ctx, "check promotion", trace.WithAttributes(describe(o)...))
	defer func() { end(span, err) }()
	if err := p.work(ctx); err != nil {
		return Discount{}, err
	}
	d = automatic(o)
	span.SetAttributes(
		attribute.String("webstore.promotion.code", string(d.promotion())),
		attribute.Int64("webstore.discount", d.Amount),
	)
	telemetry.PromotionChecks.Add(ctx, 1, telemetry.PromotionCheckAttrs{Market: o.Market, Promotion: d.promotion()})
	return d, nil
}

// rules is the time that it takes to go through the rules.
var rules = latency.Delay{
	Min: 50 * time.Millisecond, Max: 250 * time.Millisecond,
	SlowChance: 0.05, SlowMin: 800 * time.Millisecond, SlowMax: 1500 * time.Millisecond,
}

// work goes through the rules, for as long as that takes.
func (p *promotions) work(ctx context.Context) error {
	slow, err := rules.Wait(ctx, p.latencyScale)
	if slow && err == nil {
		trace.SpanFromContext(ctx).AddEvent("slow rules")
		p.log.WarnContext(ctx, "Slow promotion rules")
	}
	if err != nil {
		return err
	}
	return p.faults.Wait(ctx, faults.PromotionsSlow, "")
}
