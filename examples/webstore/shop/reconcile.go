package shop

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit/metrics"
)

// reconcileBatch is how many orders an instance takes up at once.
const reconcileBatch = 16

// reconcile takes up the orders that nobody works on, until ctx is done. Several
// instances share them.
func (s *shop) reconcile(ctx context.Context) {
	ctx = metrics.NewContext(ctx, s.recorder)
	// Often enough that an order waits little longer than it has to.
	every(ctx, max(s.pace.reconcileAfter/10, 10*time.Millisecond), func() {
		for ctx.Err() == nil {
			n, err := s.reconcileSome(ctx)
			if err != nil && ctx.Err() == nil {
				s.log.WarnContext(ctx, "orders that were left behind cannot be read", "exception.message", err.Error())
			}
			if err != nil || n < reconcileBatch {
				return
			}
		}
	})
}

// reconcileSome takes up orders, and returns how many there were.
func (s *shop) reconcileSome(ctx context.Context) (int, error) {
	orders, err := s.store.takeUp(ctx, reconcileBatch, s.pace.reconcileAfter, s.pace.cancelAfter)
	if err != nil {
		return 0, err
	}
	atOnce(reconcileBatch, len(orders), func(i int) { s.reconcileOne(ctx, orders[i]) })
	return len(orders), nil
}

// reconcileOne brings an order to its end, if that can be told. It may be cut off,
// like a checkout; then somebody takes the order up again.
func (s *shop) reconcileOne(ctx context.Context, u unattended) {
	ctx, cancel := context.WithTimeout(ctx, checkoutTimeout)
	defer cancel()
	ctx, span := s.tracer.Start(ctx, "reconcile order", trace.WithNewRoot(), trace.WithLinks(linkTo(u.traceparent)...),
		trace.WithAttributes(attribute.String("webstore.order.id", u.id)))
	defer span.End()
	order, err := s.takeFurther(ctx, u)
	span.SetAttributes(attribute.String("webstore.order.status", string(order.Status)))
	outcome := telemetry.ReconciledLater
	switch order.Status {
	case StatusCompleted, StatusDelayed:
		outcome = telemetry.ReconciledCompleted
	case StatusDeclined:
		outcome = telemetry.ReconciledDeclined
	case StatusCancelled:
		outcome = telemetry.ReconciledCancelled
	}
	telemetry.Reconciliations.Add(ctx, 1, telemetry.ReconciliationAttrs{Outcome: outcome})
	log := s.log.With("webstore.order.id", u.id, "webstore.order.status", string(order.Status))
	if outcome != telemetry.ReconciledLater {
		log.InfoContext(ctx, "Order reconciled")
		return
	}
	if err != nil {
		span.SetStatus(codes.Error, err.Error())
		log = log.With("exception.message", err.Error())
	}
	log.WarnContext(ctx, "Order cannot be reconciled yet")
}

// takeFurther continues an order from where it stands. One that is too old is not
// paid for any more, but if it is paid, it is sold.
func (s *shop) takeFurther(ctx context.Context, u unattended) (Order, error) {
	order, err := s.store.orderByID(ctx, u.id)
	if err != nil {
		return Order{}, err
	}
	if u.old && order.Status == StatusPending {
		if order, err = s.giveUp(ctx, order); err != nil {
			return order, err
		}
	}
	order, _, err = s.proceed(ctx, order)
	return order, err
}

// giveUp ends a pending order that has waited too long, unless it is paid: then it
// is marked so. When payments does not answer it is cancelled too, and the money
// given back if there was any: no shopper is to wait for ever.
func (s *shop) giveUp(ctx context.Context, order Order) (Order, error) {
	p, err := s.payments.state(ctx, order.ID)
	switch {
	case err == nil && p.State == paymentAuthorised:
		return s.paid(ctx, order, p.ChargeID)
	case err == nil && p.State == paymentDeclined:
		declined, _, err := s.declined(ctx, order)
		return declined, err
	}
	cancelled, ours, err := s.store.abandon(ctx, order)
	if err != nil {
		return order, err
	}
	if ours {
		s.became(ctx, cancelled)
	}
	return cancelled, nil
}

// observeOpenOrders tells how many orders wait for somebody.
func (s *shop) observeOpenOrders(ctx context.Context, observe func(float64, telemetry.OpenOrderAttrs)) error {
	ctx, cancel := context.WithTimeout(ctx, observeTimeout)
	defer cancel()
	open, err := s.store.openOrders(ctx)
	if err != nil {
		return err
	}
	for _, status := range telemetry.OrderStatus("").Values() {
		observe(open[Status(status)], telemetry.OpenOrderAttrs{Status: status})
	}
	return nil
}
