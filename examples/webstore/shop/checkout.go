package shop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/examples/webstore/jsonhttp"
	"github.com/otelkit/kit/examples/webstore/latency"
	"github.com/otelkit/kit/examples/webstore/money"
	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// Status is how far an order has come.
type Status string

// The states of an order. All but pending are final.
const (
	StatusPending   Status = "pending"   // nobody knows yet whether it is paid
	StatusCompleted Status = "completed" // paid, and taken from the stock
	StatusDelayed   Status = "delayed"   // paid, and something has to be delivered first
	StatusDeclined  Status = "declined"  // not paid, and will not be
)

// Order is what a user has bought, or tried to.
type Order struct {
	ID        string                  `json:"order_id"`
	Status    Status                  `json:"status"`
	Market    telemetry.Market        `json:"country"`
	Method    telemetry.PaymentMethod `json:"payment_method"`
	Total     money.Money             `json:"total"`
	ChargeID  string                  `json:"payment_transaction_id,omitempty"` // the payment provider's, once paid
	CreatedAt time.Time               `json:"created_at"`
	Lines     []OrderLine             `json:"items"`
}

// OrderLine is a product at the name and price of when it was ordered.
type OrderLine struct {
	ProductID   int64       `json:"product_id"`
	ProductName string      `json:"product_name"`
	Price       money.Money `json:"price"`
	Quantity    int         `json:"quantity"`
	Subtotal    money.Money `json:"subtotal"`
}

// checkout is a user's wish to buy what is in the cart.
type checkout struct {
	user   int64
	key    string // the same for the same wish
	market telemetry.Market
	method telemetry.PaymentMethod
}

// Why a cart cannot be ordered.
var errCartEmpty = errors.New("the cart is empty")

type outOfStockError struct {
	product string
	left    int
}

func (e *outOfStockError) Error() string { return fmt.Sprintf("%d of %s left", e.left, e.product) }

type orderPendingError struct{ orderID string }

func (e *orderPendingError) Error() string { return "the cart belongs to pending order " + e.orderID }

// The time that a checkout takes, beside that of the others it asks: of taxes,
// of fraud, and now and then of a query that is slow.
var (
	checkoutWork  = latency.Delay{Min: 100 * time.Millisecond, Max: 300 * time.Millisecond}
	productLookup = latency.Delay{SlowChance: 0.05, SlowMin: 500 * time.Millisecond, SlowMax: 1500 * time.Millisecond}
)

// checkoutTimeout is the longest that a checkout may take. A server's answer
// may take twice that.
const checkoutTimeout = 20 * time.Second

// checkout buys what is in a cart. Whatever happens, and however often it is
// called with one key, at most one charge is made, and for an order:
//
//  1. The order and its lines are written as pending, and the cart's lines are
//     tied to it.
//  2. Payments is asked, with the order's id as the key. No connection to the
//     database is held meanwhile.
//  3. One transaction ends the order: paid, out of the stock and out of the
//     cart, or declined and back in the cart.
//
// Between any two steps the process may die, or the answer be lost: the order
// is pending then, and the same key continues where it stands. It does not stop
// when the shopper goes away.
func (s *shop) checkout(ctx context.Context, c checkout) (Order, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkoutTimeout)
	defer cancel()
	ctx, span := s.tracer.Start(ctx, "checkout", trace.WithAttributes(
		attribute.String("webstore.market", string(c.market)),
		attribute.String("webstore.payment.method", string(c.method)),
	))
	defer span.End()

	order, outcome, err := s.order(ctx, c)
	span.SetAttributes(
		attribute.String("webstore.order.id", order.ID),
		attribute.String("webstore.order.status", string(order.Status)),
		attribute.Int64("webstore.order.total", order.Total.Amount),
		attribute.String("webstore.order.currency", order.Total.Currency),
		attribute.Int("webstore.order.lines", len(order.Lines)),
	)
	if outcome == "" {
		return order, err
	}
	telemetry.Checkouts.Add(ctx, 1, telemetry.CheckoutAttrs{Market: c.market, Method: c.method, Outcome: outcome})
	level := slog.LevelInfo
	switch outcome {
	case telemetry.CheckoutCompleted, telemetry.CheckoutDelayed:
		telemetry.CheckoutAmount.Record(ctx, money.Dollars(c.market, order.Total.Amount), telemetry.SaleAttrs{Market: c.market, Method: c.method})
	case telemetry.CheckoutUnavailable:
		level = slog.LevelWarn
		span.SetStatus(codes.Error, err.Error())
	case telemetry.CheckoutFailed:
		span.SetStatus(codes.Error, err.Error())
		return order, err // logged by the one who answers
	}
	log := s.log.With("order_id", order.ID, "market", string(c.market), "method", string(c.method),
		"amount", order.Total.Amount, "currency", order.Total.Currency)
	if err != nil {
		log = log.With("reason", err.Error())
	}
	log.Log(ctx, level, "checkout "+string(outcome))
	return order, problemOf(order, outcome, err)
}

// order takes the steps of a checkout and says how it ended. Without an
// outcome it was none: a replay, or what cannot be ordered.
func (s *shop) order(ctx context.Context, c checkout) (Order, telemetry.CheckoutOutcome, error) {
	if _, err := checkoutWork.Wait(ctx, s.latencyScale); err != nil {
		return Order{}, telemetry.CheckoutFailed, err
	}
	order, created, err := s.store.createOrder(ctx, c)
	var sold *outOfStockError
	var pending *orderPendingError
	switch {
	case errors.Is(err, errCartEmpty):
		return Order{}, "", CartEmpty.With("There is nothing in it for market %s.", c.market)
	case errors.As(err, &pending):
		problem := *OrderPending
		problem.More = map[string]any{"order_id": pending.orderID}
		return Order{}, "", &problem
	case errors.As(err, &sold):
		return Order{}, telemetry.CheckoutOutOfStock, err
	case err != nil:
		return Order{}, telemetry.CheckoutFailed, err
	}
	if order.Market != c.market || order.Method != c.method {
		return Order{}, "", jsonhttp.KeyReused
	}
	if order.Status != StatusPending {
		return s.replay(ctx, order)
	}
	if created {
		if err := s.lookUp(ctx, order); err != nil {
			return order, telemetry.CheckoutUnavailable, err
		}
	}
	return s.payFor(ctx, order)
}

// lookUp is the time that looking up the products of an order takes.
func (s *shop) lookUp(ctx context.Context, order Order) error {
	for _, line := range order.Lines {
		slow, err := productLookup.Wait(ctx, s.latencyScale)
		if err != nil {
			return err
		}
		if slow {
			s.log.WarnContext(ctx, "slow product lookup", "product_id", line.ProductID)
		}
	}
	return nil
}

// payFor pays for an order that is pending, and ends it.
func (s *shop) payFor(ctx context.Context, order Order) (Order, telemetry.CheckoutOutcome, error) {
	chargeID, err := s.payments.pay(ctx, order)
	if errors.Is(err, errDeclined) {
		declined, ours, err := s.store.declineOrder(ctx, order.ID)
		switch {
		case err != nil:
			return order, telemetry.CheckoutFailed, err
		case !ours:
			return s.replay(ctx, declined)
		}
		return declined, telemetry.CheckoutDeclined, errDeclined
	}
	if err != nil {
		return order, telemetry.CheckoutUnavailable, err
	}
	paid, ours, err := s.store.completeOrder(ctx, order.ID, chargeID)
	switch {
	case err != nil:
		return order, telemetry.CheckoutFailed, fmt.Errorf("order %s is paid by charge %s and not completed: %w", order.ID, chargeID, err)
	case !ours:
		return s.replay(ctx, paid)
	case paid.Status == StatusDelayed:
		return paid, telemetry.CheckoutDelayed, nil
	}
	return paid, telemetry.CheckoutCompleted, nil
}

// replay answers from an order that has ended before.
func (s *shop) replay(ctx context.Context, order Order) (Order, telemetry.CheckoutOutcome, error) {
	telemetry.CheckoutReplays.Add(ctx, 1, telemetry.MarketAttrs{Market: order.Market})
	if order.Status == StatusDeclined {
		return order, "", problemOf(order, telemetry.CheckoutDeclined, errDeclined)
	}
	return order, "", nil
}

// problemOf is what the shopper is told of an outcome; nil if it is what they
// wanted.
func problemOf(order Order, outcome telemetry.CheckoutOutcome, err error) error {
	var sold *outOfStockError
	if errors.As(err, &sold) {
		return OutOfStock.With("There are %d left of: %s.", sold.left, sold.product)
	}
	problem := map[telemetry.CheckoutOutcome]*jsonhttp.Problem{
		telemetry.CheckoutDeclined:    PaymentDeclined,
		telemetry.CheckoutUnavailable: PaymentUnavailable,
	}[outcome]
	if problem == nil {
		return err
	}
	mine := *problem
	mine.More = map[string]any{"order_id": order.ID}
	return &mine
}
