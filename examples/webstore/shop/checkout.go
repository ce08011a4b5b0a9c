package shop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/examples/webstore/jsonhttp"
	"github.com/otelkit/kit/examples/webstore/latency"
	"github.com/otelkit/kit/examples/webstore/money"
	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// checkout is a user's wish to buy what is in the cart.
type checkout struct {
	user   int64
	key    string // the same for the same wish
	market telemetry.Market
	method telemetry.PaymentMethod
	coupon string // as parseCoupon returns it; "" is none
}

var couponShape = regexp.MustCompile(`^[A-Z0-9]{1,32}$`)

// parseCoupon reads a coupon's code as people write it.
func parseCoupon(s string) (string, error) {
	code := strings.ToUpper(strings.TrimSpace(s))
	if code != "" && !couponShape.MatchString(code) {
		return "", UnknownCoupon
	}
	return code, nil
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

// checkoutTimeout is the longest that a checkout may take: less than a server's
// answer may, and less than the reconciler waits.
const checkoutTimeout = 25 * time.Second

// checkout buys what is in a cart.
//
//  1. The order and its lines are written as pending, and the cart's lines are tied
//     to it. The inventory system is asked for advice.
//  2. Promotions takes the discount, and its result is written into the order. From
//     then on the total stands.
//  3. Payments takes the money.
//  4. One transaction marks the order as paid, takes the stock and empties the cart;
//     or marks it as declined and gives the cart back.
//  5. Each line is reserved in a warehouse.
//  6. One transaction ends the order, and writes into the outbox who has to be told.
//
// Whatever dies, and when: whoever is asked for something in 2, 3 and 5 is asked with
// the order's id as the key, so that asking again after a lost answer changes nothing.
// What is known of an order is what is committed, and each transaction names the state
// that it starts from, so that of two who work on one order one goes first and the
// other finds what was made of it. Hence an order that was left behind before any step
// can be continued from where it stands by anybody: the same request, another instance,
// the reconciler.
//
//   - Before 1 is committed there is nothing. After it, nobody else sells the lines.
//   - A use of a coupon, an amount of money or a reservation that was taken without our
//     learning of it is found again by its key when the order goes on. If it does not go
//     on, the transaction that ends it also writes the message that gives it back, even
//     where nothing may have been taken; and what was given back under a key is never
//     taken under it again, so that a request that was under way for long does no harm.
//   - Money is asked for only after 2 is committed, with the amount that stands there.
//     So an order that is cancelled before has cost nothing, and none can after: 2 needs
//     an order that is pending.
//   - 4 and 6 are all or nothing in PostgreSQL. When it dies while they are committed,
//     whether they are is found out by reading the order, as after any other death.
//   - A message that was delivered and not deleted is delivered again, with its key.
//
// It does not stop when the shopper goes away.
func (s *shop) checkout(ctx context.Context, c checkout) (Order, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), checkoutTimeout)
	defer cancel()
	ctx, span := s.tracer.Start(ctx, "checkout", trace.WithAttributes(
		attribute.String("webstore.market", string(c.market)),
		attribute.String("webstore.payment.method", string(c.method)),
		userID(c.user),
	))
	defer span.End()
	order, outcome, err := s.order(ctx, c)
	span.SetAttributes(order.attributes()...)
	if outcome == telemetry.CheckoutFailed && order.Status == StatusPaid {
		// The shopper has bought it; what remains is ours to do.
		s.log.ErrorContext(ctx, "order is paid and left to the reconciler", "webstore.order.id", order.ID, "exception.message", err.Error())
		outcome, err = telemetry.CheckoutCompleted, nil
	}
	if outcome == "" {
		return order, err
	}
	telemetry.Checkouts.Add(ctx, 1, telemetry.CheckoutAttrs{Market: c.market, Method: c.method, Outcome: outcome})
	level := slog.LevelInfo
	switch outcome {
	case telemetry.CheckoutUnavailable:
		level = slog.LevelWarn
		span.SetStatus(codes.Error, err.Error())
	case telemetry.CheckoutFailed:
		span.SetStatus(codes.Error, err.Error())
		return order, err // logged by the one who answers
	}
	log := s.log.With("user.id", strconv.FormatInt(c.user, 10), "webstore.order.id", order.ID,
		"webstore.market", string(c.market), "webstore.payment.method", string(c.method),
		"webstore.order.total", order.Total.Amount, "webstore.order.currency", order.Total.Currency,
		"webstore.cart.lines", len(order.Lines), "webstore.payment.charge_id", order.ChargeID)
	if err != nil {
		log = log.With("exception.message", err.Error())
	}
	log.Log(ctx, level, "Checkout "+string(outcome))
	return order, err
}

// order takes the steps of a checkout and says how it ended. Without an
// outcome it was none: a replay, or what cannot be ordered.
func (s *shop) order(ctx context.Context, c checkout) (Order, telemetry.CheckoutOutcome, error) {
	if _, err := checkoutWork.Wait(ctx, s.latencyScale); err != nil {
		return Order{}, telemetry.CheckoutFailed, err
	}
	order, created, err := s.store.createOrder(ctx, c, s.pace.reconcileAfter)
	var sold *outOfStockError
	var pending *orderPendingError
	switch {
	case errors.Is(err, errCartEmpty):
		return Order{}, "", CartEmpty.With("There is nothing in it for market %s.", c.market)
	case errors.As(err, &pending):
		return Order{}, "", about(OrderPending, pending.orderID)
	case errors.As(err, &sold):
		return Order{}, telemetry.CheckoutOutOfStock, OutOfStock.With("There are %d left of: %s.", sold.left, sold.product)
	case err != nil:
		return Order{}, telemetry.CheckoutFailed, fmt.Errorf("failed to create order: %w", err)
	}
	if order.Market != c.market || order.Method != c.method || order.Coupon != c.coupon {
		return Order{}, "", jsonhttp.KeyReused
	}
	if created {
		s.became(ctx, order)
		s.did(ctx, c.user, telemetry.ActionCheckout, c.market)
		if err := s.lookUp(ctx, order); err != nil {
			return order, telemetry.CheckoutUnavailable, about(PaymentUnavailable, order.ID)
		}
		order.Warnings = s.advice(ctx, order)
	}
	order, outcome, err := s.proceed(ctx, order)
	if outcome == "" && err == nil {
		return s.replay(ctx, order)
	}
	return order, outcome, err
}

// lookUp is the time that looking up the products of an order takes.
func (s *shop) lookUp(ctx context.Context, order Order) error {
	for _, line := range order.Lines {
		slow, err := productLookup.Wait(ctx, s.latencyScale)
		if err != nil {
			return err
		}
		if slow {
			trace.SpanFromContext(ctx).AddEvent("slow query", trace.WithAttributes(attribute.String("webstore.product.id", strconv.FormatInt(line.ProductID, 10))))
			s.log.WarnContext(ctx, "Slow database query", "webstore.product.id", strconv.FormatInt(line.ProductID, 10))
		}
	}
	return nil
}

// proceed takes an order from where it stands to its end, and says which that is. An
// order that somebody else has ended meanwhile has no outcome. An error, and what the
// shopper has to be told of the outcome, is the error.
func (s *shop) proceed(ctx context.Context, order Order) (Order, telemetry.CheckoutOutcome, error) {
	for _, step := range []struct {
		from Status
		take func(context.Context, Order) (Order, telemetry.CheckoutOutcome, error)
	}{
		{StatusPending, s.priceOf},
		{StatusPending, s.payFor},
		{StatusPaid, s.fulfil},
	} {
		if order.Status != step.from {
			continue
		}
		next, outcome, err := step.take(ctx, order)
		if outcome != "" || err != nil {
			return next, outcome, err
		}
		order = next
	}
	return order, "", nil
}

// priceOf settles what an order costs. Without a coupon, promotions being away is
// tolerated: it costs the full price then. A coupon was promised, so that an order
// whose coupon does not hold, or of which nobody can say, is cancelled.
func (s *shop) priceOf(ctx context.Context, order Order) (Order, telemetry.CheckoutOutcome, error) {
	if order.priced {
		return order, "", nil
	}
	taken, err := s.promotions.redeem(ctx, order)
	switch {
	case refused(err, "redemption_released"):
		// Somebody has ended the order meanwhile.
		ended, err := s.store.orderByID(ctx, order.ID)
		return ended, "", err
	case err != nil && order.Coupon != "":
		return s.refuse(ctx, order, err)
	case err != nil:
		s.log.WarnContext(ctx, "no promotion: the order costs the full price", "webstore.order.id", order.ID, "exception.message", err.Error())
	}
	priced, _, err := s.store.price(ctx, order, taken, s.pace.reconcileAfter)
	if err != nil {
		return order, telemetry.CheckoutFailed, fmt.Errorf("writing the price of order %s: %w", order.ID, err)
	}
	if priced.Discount.Amount > 0 {
		s.log.InfoContext(ctx, "Applied promotion discount", "webstore.order.id", order.ID, "webstore.promotion.code", priced.PromotionCode,
			"webstore.order.discount", priced.Discount.Amount, "webstore.order.currency", priced.Discount.Currency)
	}
	return priced, "", nil
}

// refuse ends an order whose coupon does not hold.
func (s *shop) refuse(ctx context.Context, order Order, why error) (Order, telemetry.CheckoutOutcome, error) {
	reason, outcome := cancelledNoPromotions, telemetry.CheckoutUnavailable
	var no *refusal
	if errors.As(why, &no) && cancelReason(no.name).coupon() {
		reason, outcome = cancelReason(no.name), telemetry.CheckoutCouponRefused
	}
	refused, ours, err := s.store.refuse(ctx, order, reason)
	if err != nil {
		return order, telemetry.CheckoutFailed, fmt.Errorf("cancelling order %s: %w", order.ID, errors.Join(err, why))
	}
	if !ours {
		return refused, "", nil
	}
	s.became(ctx, refused)
	s.log.InfoContext(ctx, "Order cancelled with its coupon", "webstore.order.id", order.ID, "webstore.coupon.entered", order.Coupon, "exception.message", why.Error())
	problem := about(cancelled[reason], order.ID)
	if reason == cancelledBelowMinimum {
		problem.More["min_amount"] = money.Price(order.Market, no.minAmount)
	}
	return refused, outcome, problem
}

// payFor pays for an order that is pending.
func (s *shop) payFor(ctx context.Context, order Order) (Order, telemetry.CheckoutOutcome, error) {
	chargeID, err := s.payments.pay(ctx, order)
	switch {
	case errors.Is(err, errDeclined):
		declined, ours, err := s.declined(ctx, order)
		if err != nil {
			return order, telemetry.CheckoutFailed, err
		}
		if !ours {
			return declined, "", nil
		}
		return declined, telemetry.CheckoutDeclined, problemOf(declined)
	case errors.Is(err, errPaymentCancelled):
		// Somebody has ended the order meanwhile.
		ended, err := s.store.orderByID(ctx, order.ID)
		if err == nil && ended.Status == StatusPending {
			err = fmt.Errorf("the payment of order %s is cancelled, and the order is not", order.ID)
		}
		return ended, "", err
	case err != nil:
		s.log.ErrorContext(ctx, "Payment service error", "webstore.order.id", order.ID, "exception.message", err.Error())
		trace.SpanFromContext(ctx).RecordError(err)
		return order, telemetry.CheckoutUnavailable, about(PaymentUnavailable, order.ID)
	}
	paid, err := s.paid(ctx, order, chargeID)
	if err != nil {
		return order, telemetry.CheckoutFailed, err
	}
	return paid, "", nil
}

// paid marks an order as paid. If somebody else has ended it meanwhile, they have seen
// to it that the money is given back.
func (s *shop) paid(ctx context.Context, order Order, chargeID string) (Order, error) {
	paid, ours, err := s.store.pay(ctx, order.ID, chargeID, s.pace.reconcileAfter)
	if err != nil {
		return order, fmt.Errorf("failed to create order: %s is paid by charge %s, which is not written down: %w", order.ID, chargeID, err)
	}
	if ours {
		s.became(ctx, paid)
	}
	return paid, nil
}

func (s *shop) declined(ctx context.Context, order Order) (declined Order, ours bool, err error) {
	declined, ours, err = s.store.decline(ctx, order)
	if err != nil {
		return order, false, fmt.Errorf("writing that the payment of order %s was declined: %w", order.ID, err)
	}
	if ours {
		s.became(ctx, declined)
	}
	return declined, ours, nil
}

// replay answers from an order that has ended before, or that somebody else has
// ended.
func (s *shop) replay(ctx context.Context, order Order) (Order, telemetry.CheckoutOutcome, error) {
	telemetry.CheckoutReplays.Add(ctx, 1, telemetry.MarketAttrs{Market: order.Market})
	return order, "", problemOf(order)
}

// problemOf is what the shopper is told of an order that has ended; nil if they have
// bought it, even if what they bought could not be delivered.
func problemOf(order Order) error {
	switch {
	case order.Status == StatusDeclined:
		return about(PaymentDeclined, order.ID)
	case order.Status == StatusCancelled && order.cancelReason != cancelledOutOfStock:
		return about(cancelled[order.cancelReason], order.ID)
	}
	return nil
}

// about is a problem with the order that it is about.
func about(p *jsonhttp.Problem, orderID string) *jsonhttp.Problem {
	mine := *p
	mine.More = map[string]any{"order_id": orderID}
	return &mine
}

// userID is a user's id as spans have it.
func userID(id int64) attribute.KeyValue {
	return attribute.String("user.id", strconv.FormatInt(id, 10))
}
