package promotions

import (
	"fmt"
	"regexp"
	"strings"

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
func automatic(o Order) (Discount, telemetry.Promotion) {
	worth := money.Dollars(o.Market, o.Amount)
	for _, t := range tiers {
		if worth > t.over {
			return Discount{
				Amount:      percentOf(o.Amount, t.percent),
				Currency:    o.Currency,
				Code:        string(t.promotion),
				Description: fmt.Sprintf("%d%% discount for orders over $%.0f", t.percent, t.over),
			}, t.promotion
		}
	}
	return Discount{Currency: o.Currency}, telemetry.NoPromotion
}

// percentOf is rounded down: nobody is given what is not there.
func percentOf(amount, percent int64) int64 { return amount * percent / 100 }

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

func dollars(cents int64) float64 { return float64(cents) / 100 }

// shape is what a coupon's code looks like. What looks otherwise is none, and the
// database need not be asked.
var shape = regexp.MustCompile(`^[A-Z0-9]{1,32}$`)

// normal is a code as it is written in the database: shoppers write as they like.
func normal(code string) string { return strings.ToUpper(code) }
