package shop

import (
	"context"
	"errors"
	"time"

	"github.com/otelkit/kit/examples/webstore/latency"
	"github.com/otelkit/kit/examples/webstore/money"
	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// Line is a product in a cart, at today's price.
type Line struct {
	ID          int64            `json:"id"`
	ProductID   int64            `json:"product_id"`
	ProductName string           `json:"product_name"`
	Market      telemetry.Market `json:"country"`
	Price       money.Money      `json:"price"`
	Quantity    int              `json:"quantity"`
	Subtotal    money.Money      `json:"subtotal"`
}

// Cart is what a user wants to buy.
type Cart struct {
	Lines  []Line        `json:"items"`
	Totals []money.Money `json:"totals"` // one of each currency in the cart
}

// maxQuantity is the most of one product that a cart holds.
const maxQuantity = 99

// additionWork is the time that an addition takes: of offers, of bundles, of
// what others bought too.
var additionWork = latency.Delay{Min: 50 * time.Millisecond, Max: 200 * time.Millisecond}

// addToCart puts a product into a cart.
func (s *shop) addToCart(ctx context.Context, user int64, m telemetry.Market, product int64, quantity int) (Line, error) {
	if quantity < 1 || quantity > maxQuantity {
		return Line{}, InvalidQuantity
	}
	if _, err := additionWork.Wait(ctx, s.latencyScale); err != nil {
		return Line{}, err
	}
	line, err := s.store.addLine(ctx, user, m, product, quantity)
	switch {
	case errors.Is(err, errNotFound):
		return Line{}, UnknownProduct.With("There is no product %d in market %s.", product, m)
	case violates(err, "cart_quantity"):
		return Line{}, InvalidQuantity
	case err != nil:
		return Line{}, err
	}
	telemetry.CartAdditions.Add(ctx, 1, telemetry.MarketAttrs{Market: m})
	s.did(ctx, user, telemetry.ActionAdd, m)
	return line, nil
}

// cart returns a user's cart, of one market or, if m is "", of all.
func (s *shop) cart(ctx context.Context, user int64, m telemetry.Market) (Cart, error) {
	lines, err := s.store.cart(ctx, user, m)
	if err != nil {
		return Cart{}, err
	}
	cart := Cart{Lines: []Line{}, Totals: []money.Money{}}
	at := map[string]int{} // of each currency in Totals
	for _, line := range lines {
		currency := line.Subtotal.Currency
		if _, ok := at[currency]; !ok {
			at[currency] = len(cart.Totals)
			cart.Totals = append(cart.Totals, money.Money{Currency: currency})
		}
		cart.Totals[at[currency]].Amount += line.Subtotal.Amount
		cart.Lines = append(cart.Lines, line)
	}
	return cart, nil
}

// setQuantity changes how many of something are in a cart.
func (s *shop) setQuantity(ctx context.Context, user, line int64, quantity int) (Line, error) {
	if quantity < 1 || quantity > maxQuantity {
		return Line{}, InvalidQuantity
	}
	changed, err := s.store.setQuantity(ctx, user, line, quantity)
	if errors.Is(err, errNotFound) {
		return Line{}, UnknownItem
	}
	return changed, err
}

// removeLine takes something out of a cart.
func (s *shop) removeLine(ctx context.Context, user, line int64) error {
	err := s.store.removeLine(ctx, user, line)
	if errors.Is(err, errNotFound) {
		return UnknownItem
	}
	return err
}
