package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/otelkit/kit/examples/webstore/jsonhttp"
	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// inventoryClient calls the inventory system, a third party. It is safe for
// concurrent use.
type inventoryClient struct {
	*client
	checkOp, reserveOp, releaseOp *operation
}

func newInventoryClient(address string, rests rests, kit telemetryKit) (*inventoryClient, error) {
	c, err := newClient(telemetry.DependsOnInventory, address, "/health", rests, kit)
	if err != nil {
		return nil, err
	}
	return &inventoryClient{
		client: c,
		// Advice is not worth a second attempt.
		checkOp:   c.operation(http.MethodPost, "/api/inventory/check", patience{attempts: 1, attempt: time.Second, total: time.Second}),
		reserveOp: c.operation(http.MethodPost, "/api/inventory/reserve", patience{attempts: 3, attempt: 1500 * time.Millisecond, total: 4 * time.Second}),
		releaseOp: c.operation(http.MethodPost, "/api/inventory/release", patience{attempts: 1, attempt: 2 * time.Second, total: 2 * time.Second}),
	}, nil
}

// reservationKey is under what a line of an order is reserved.
func reservationKey(orderID string, product int64) string {
	return fmt.Sprintf("%s:%d", orderID, product)
}

// wish is what the inventory system is asked for.
func wish(m telemetry.Market, line OrderLine) []byte {
	body, _ := json.Marshal(struct { // cannot fail: numbers and a text
		Product  int64            `json:"product_id"`
		Quantity int              `json:"quantity"`
		Market   telemetry.Market `json:"country"`
	}{line.ProductID, line.Quantity, m})
	return body
}

// available asks whether a line could be sent. The answer binds nobody.
func (c *inventoryClient) available(ctx context.Context, m telemetry.Market, line OrderLine) (bool, error) {
	answer, err := c.checkOp.call(ctx, "", wish(m, line))
	if err != nil {
		return false, err
	}
	var said struct {
		Available bool `json:"available"`
	}
	err = answer.into(&said)
	return said.Available, err
}

// reservation is what a warehouse keeps for an order.
type reservation struct {
	Warehouse string `json:"warehouse"`
	Days      int    `json:"fulfillment_days"`
}

// reserve reserves a line of an order, once: order and product are the key. That a
// warehouse has not enough is a *refusal.
func (c *inventoryClient) reserve(ctx context.Context, order Order, line OrderLine) (reservation, error) {
	answer, err := c.reserveOp.call(ctx, reservationKey(order.ID, line.ProductID), wish(order.Market, line))
	if err != nil {
		return reservation{}, err
	}
	var r reservation
	if err := answer.into(&r); err != nil {
		return reservation{}, err
	}
	if !jsonhttp.ValidKey(r.Warehouse) || r.Days < 0 || r.Days > maxDays {
		return reservation{}, errors.New("inventory reserves in no warehouse that there can be, or for no time")
	}
	return r, nil
}

// maxDays is the longest that a delivery may take. What is written of an order is what
// can be true: the answer is a third party's.
const maxDays = 365

// release gives a reservation back, and keeps its key from making another.
func (c *inventoryClient) release(ctx context.Context, key string) error {
	return c.releaseOp.succeed(ctx, key, []byte(`{}`))
}
