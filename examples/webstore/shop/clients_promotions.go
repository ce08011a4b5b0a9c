package shop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/otelkit/kit/examples/webstore/jsonhttp"
	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// promotionsClient calls the promotions service. It is safe for concurrent use.
type promotionsClient struct {
	*client
	redeemOp, releaseOp *operation
}

func newPromotionsClient(address string, rests rests, kit telemetryKit) (*promotionsClient, error) {
	c, err := newClient(telemetry.DependsOnPromotions, address, "/healthz/live", rests, kit)
	if err != nil {
		return nil, err
	}
	return &promotionsClient{
		client:    c,
		redeemOp:  c.operation(http.MethodPost, "/api/promotions/redemptions", patience{attempts: 3, attempt: 2 * time.Second, total: 4 * time.Second}),
		releaseOp: c.operation(http.MethodPost, "/api/promotions/redemptions/{key}/release", patience{attempts: 1, attempt: 3 * time.Second, total: 3 * time.Second}),
	}, nil
}

// offer is how much less an order costs, and by which promotion or coupon.
type offer struct {
	Discount int64  `json:"discount"`
	Currency string `json:"currency"`
	Code     string `json:"promotion_code"`
}

// redeem takes the discount of an order, with a use of its coupon if it has one,
// once: the order's id is the key. A coupon that does not hold is a *refusal.
func (c *promotionsClient) redeem(ctx context.Context, order Order) (offer, error) {
	body, err := json.Marshal(struct {
		UserID   string           `json:"user_id"`
		Market   telemetry.Market `json:"country"`
		Amount   int64            `json:"amount"`
		Currency string           `json:"currency"`
		Coupon   string           `json:"coupon_code,omitempty"`
	}{strconv.FormatInt(order.userID, 10), order.Market, order.Subtotal.Amount, order.Subtotal.Currency, order.Coupon})
	if err != nil {
		return offer{}, err
	}
	answer, err := c.redeemOp.call(ctx, order.ID, body)
	if err != nil {
		return offer{}, err
	}
	var o offer
	if err := answer.into(&o); err != nil {
		return offer{}, fmt.Errorf("promotions: %w", err)
	}
	if o.Currency != order.Subtotal.Currency || o.Discount < 0 || o.Discount >= order.Subtotal.Amount {
		return offer{}, fmt.Errorf("promotions gives %d %s off %d %s", o.Discount, o.Currency, order.Subtotal.Amount, order.Subtotal.Currency)
	}
	if o.Code != "" && !jsonhttp.ValidKey(o.Code) {
		return offer{}, fmt.Errorf("promotions gives a discount for %.40q, which is no promotion", o.Code)
	}
	return o, nil
}

// release gives the use of a coupon back, and keeps the key from taking another.
func (c *promotionsClient) release(ctx context.Context, orderID string) error {
	return c.releaseOp.succeed(ctx, orderID, []byte(`{}`))
}
