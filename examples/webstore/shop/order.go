package shop

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelkit/kit/examples/webstore/jsonhttp"
	"github.com/otelkit/kit/examples/webstore/money"
	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// Status is how far an order has come:
//
//	pending ──> paid ──> completed
//	   │          ├────> delayed
//	   │          └────> cancelled
//	   ├──> declined
//	   └──> cancelled
type Status string

// The states of an order. All but pending and paid are final.
const (
	StatusPending   Status = "pending"   // nobody knows yet whether it is paid
	StatusPaid      Status = "paid"      // paid, and not yet reserved
	StatusCompleted Status = "completed" // paid, taken from the stock, and reserved
	StatusDelayed   Status = "delayed"   // paid, and something has to be delivered first
	StatusDeclined  Status = "declined"  // not paid, and will not be
	StatusCancelled Status = "cancelled" // no money was taken, or it was given back
)

// Order is what a user has bought, or tried to.
type Order struct {
	ID            string                  `json:"order_id"`
	Status        Status                  `json:"status"`
	Market        telemetry.Market        `json:"country"`
	Method        telemetry.PaymentMethod `json:"payment_method"`
	Lines         []OrderLine             `json:"items"`
	Subtotal      money.Money             `json:"subtotal"`
	Discount      money.Money             `json:"discount"`
	PromotionCode string                  `json:"promotion_code,omitempty"` // what the discount is for
	Coupon        string                  `json:"coupon,omitempty"`         // that the shopper wanted to use
	Total         money.Money             `json:"total"`                    // final as soon as the order is paid
	ChargeID      string                  `json:"payment_transaction_id,omitempty"`
	Refunded      bool                    `json:"refunded"` // a cancelled order's money was given back
	CreatedAt     time.Time               `json:"created_at"`
	Warnings      []string                `json:"warnings,omitempty"` // what the inventory system had to say, before it was paid

	userID       int64
	priced       bool // the total stands
	cancelReason cancelReason
	traceparent  string // of its checkout
}

// OrderLine is a product at the name and price of when it was ordered.
type OrderLine struct {
	ProductID       int64       `json:"product_id"`
	ProductName     string      `json:"product_name"`
	Price           money.Money `json:"price"`
	Quantity        int         `json:"quantity"`
	Subtotal        money.Money `json:"subtotal"`
	Warehouse       string      `json:"warehouse,omitempty"` // that has reserved it
	FulfillmentDays int         `json:"fulfillment_days,omitempty"`

	taken bool // from the stock
}

// cancelReason is why an order was cancelled. Those of coupons are the names of the
// problems that promotions answers with.
type cancelReason string

const (
	cancelledOutOfStock   cancelReason = "out_of_stock" // after it was paid
	cancelledUnsettled    cancelReason = "unsettled"
	cancelledUnknown      cancelReason = "unknown_coupon"
	cancelledUsedUp       cancelReason = "coupon_used_up"
	cancelledBelowMinimum cancelReason = "below_minimum"
	cancelledNoPromotions cancelReason = "promotions_unavailable"
)

// cancelled is what the shopper is told when nothing was bought.
var cancelled = map[cancelReason]*jsonhttp.Problem{
	cancelledUnsettled:    OrderCancelled,
	cancelledUnknown:      UnknownCoupon,
	cancelledUsedUp:       CouponUsedUp,
	cancelledBelowMinimum: BelowMinimum,
	cancelledNoPromotions: PromotionsUnavailable,
}

// coupon reports whether r is that a coupon does not hold.
func (r cancelReason) coupon() bool {
	return r == cancelledUnknown || r == cancelledUsedUp || r == cancelledBelowMinimum
}

// measured is the reason as metrics have it.
func (r cancelReason) measured() telemetry.CancelReason {
	switch r {
	case cancelledOutOfStock:
		return telemetry.CancelledOutOfStock
	case cancelledUnsettled:
		return telemetry.CancelledUnsettled
	}
	return telemetry.CancelledCoupon
}

// became measures that an order has come into its state. It is called once for each
// state of an order, by whoever brought it there.
func (s *shop) became(ctx context.Context, o Order) {
	telemetry.OrderTransitions.Add(ctx, 1, telemetry.OrderTransitionAttrs{Market: o.Market, Status: telemetry.OrderStatus(o.Status)})
	switch o.Status {
	case StatusPaid:
		telemetry.CheckoutAmount.Record(ctx, money.Dollars(o.Market, o.Total.Amount), telemetry.SaleAttrs{Market: o.Market, Method: o.Method})
		s.sold(ctx, o)
	case StatusDelayed:
		telemetry.OrdersDelayed.Add(ctx, 1, telemetry.MarketAttrs{Market: o.Market})
	case StatusCancelled:
		telemetry.OrdersCancelled.Add(ctx, 1, telemetry.OrderCancelledAttrs{Market: o.Market, Reason: o.cancelReason.measured()})
		s.unsold(ctx, o)
	}
}

// attributes is what a span tells of an order.
func (o Order) attributes() []attribute.KeyValue {
	if o.ID == "" {
		return nil
	}
	attrs := []attribute.KeyValue{
		attribute.String("webstore.order.id", o.ID),
		attribute.String("webstore.order.status", string(o.Status)),
		attribute.Int64("webstore.order.total", o.Total.Amount),
		attribute.Int64("webstore.order.discount", o.Discount.Amount),
		attribute.String("webstore.order.currency", o.Total.Currency),
		attribute.Int("webstore.cart.lines", len(o.Lines)),
	}
	if o.ChargeID != "" {
		attrs = append(attrs, attribute.String("webstore.payment.charge_id", o.ChargeID))
	}
	if o.PromotionCode != "" {
		attrs = append(attrs, attribute.String("webstore.promotion.code", o.PromotionCode))
	}
	return attrs
}
