package telemetry

import "github.com/otelkit/kit/otelkit/metrics"

// Promotions holds what promotions records.
var Promotions = metrics.NewCatalog("github.com/otelkit/kit/examples/webstore/promotions")

// Promotion is a discount that an order gets by itself.
type Promotion string

// The promotions.
const (
	NoPromotion Promotion = "none"
	SmallOrder3 Promotion = "SMALL_ORDER_3"
	MediumOrder Promotion = "MEDIUM_ORDER_5"
	BigOrder10  Promotion = "BIG_ORDER_10"
)

// Values is every promotion.
func (Promotion) Values() []Promotion {
	return []Promotion{NoPromotion, SmallOrder3, MediumOrder, BigOrder10}
}

// Coupon is a code that shoppers enter.
type Coupon string

// The coupons. What shoppers enter that is none of these is no coupon, and recorded
// as _OTHER.
const (
	Welcome10 Coupon = "WELCOME10"
	Save20    Coupon = "SAVE20"
	Flat50    Coupon = "FLAT50"
	BigOrder  Coupon = "BIGORDER"
	NewUser   Coupon = "NEWUSER"
)

// Values is every coupon.
func (Coupon) Values() []Coupon { return []Coupon{Welcome10, Save20, Flat50, BigOrder, NewUser} }

// CouponOutcome is whether a coupon holds.
type CouponOutcome string

// The outcomes.
const (
	CouponValid        CouponOutcome = "valid"
	CouponUnknown      CouponOutcome = "unknown"
	CouponUsedUp       CouponOutcome = "used_up"
	CouponBelowMinimum CouponOutcome = "below_minimum"
)

// Values is every outcome.
func (CouponOutcome) Values() []CouponOutcome {
	return []CouponOutcome{CouponValid, CouponUnknown, CouponUsedUp, CouponBelowMinimum}
}

// PromotionCheckAttrs tells one series of checks from another.
type PromotionCheckAttrs struct {
	Market    Market    `attr:"webstore.market"`
	Promotion Promotion `attr:"webstore.promotion.code"`
}

// CouponAttrs tells one series of coupons from another.
type CouponAttrs struct {
	Coupon  Coupon        `attr:"webstore.coupon.code"`
	Outcome CouponOutcome `attr:"webstore.coupon.outcome"`
}

// DiscountKind is where a discount comes from.
type DiscountKind string

// The kinds.
const (
	DiscountPromotion DiscountKind = "promotion"
	DiscountCoupon    DiscountKind = "coupon"
)

// Values is every kind.
func (DiscountKind) Values() []DiscountKind { return []DiscountKind{DiscountPromotion, DiscountCoupon} }

// DiscountAttrs tells one series of discounts from another.
type DiscountAttrs struct {
	Market Market       `attr:"webstore.market"`
	Kind   DiscountKind `attr:"webstore.discount.kind"`
}

var (
	// PromotionChecks counts orders that were looked at for a promotion.
	PromotionChecks = metrics.NewCounter[PromotionCheckAttrs](Promotions, metrics.Definition{
		Name: "webstore.promotion.checks",
		Unit: "{check}",
		Help: "Orders that were looked at for a promotion, by the one that they get.",
	})

	// CouponValidations counts coupons that were looked at, which uses none.
	CouponValidations = metrics.NewCounter[CouponAttrs](Promotions, metrics.Definition{
		Name: "webstore.coupon.validations",
		Unit: "{validation}",
		Help: "Coupons that shoppers asked about, by whether they hold.",
	})

	// Redemptions counts coupons that came with an order. A repetition is not one.
	Redemptions = metrics.NewCounter[CouponAttrs](Promotions, metrics.Definition{
		Name: "webstore.coupon.redemptions",
		Unit: "{redemption}",
		Help: "Coupons that came with an order, by whether they held.",
	})

	// CouponReleases counts uses that were given back.
	CouponReleases = metrics.NewCounter[CouponReleaseAttrs](Promotions, metrics.Definition{
		Name: "webstore.coupon.releases",
		Unit: "{release}",
		Help: "Uses of coupons that were given back, since nothing was bought with them.",
	})

	// PromotionDiscount is how much less shoppers pay.
	PromotionDiscount = metrics.NewHistogram[DiscountAttrs](Promotions, metrics.Definition{
		Name:    "webstore.discount.amount",
		Unit:    "{USD}",
		Help:    "What each discounted order was made cheaper by, in US dollars, converted by a fixed table.",
		Buckets: []float64{1, 2.5, 5, 10, 20, 30, 50, 75, 100, 150, 250, 500, 1000},
	})
)

// CouponReleaseAttrs tells the series of one coupon from another's.
type CouponReleaseAttrs struct {
	Coupon Coupon `attr:"webstore.coupon.code"`
}
