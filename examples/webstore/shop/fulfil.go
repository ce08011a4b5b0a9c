package shop

import (
	"context"
	"fmt"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// lineWorkers is how many lines of an order the inventory system is asked about at a
// time.
const lineWorkers = 4

// advice is what the inventory system has to say against an order, for the shopper
// to know. It is said before the order is paid, and keeps nobody from buying.
func (s *shop) advice(ctx context.Context, order Order) []string {
	said := make([]string, len(order.Lines))
	atOnce(lineWorkers, len(order.Lines), func(i int) {
		line := order.Lines[i]
		available, err := s.inventory.available(ctx, order.Market, line)
		answer := telemetry.InventoryAvailable
		switch {
		case err != nil:
			answer = telemetry.InventoryUnavailable
			s.log.WarnContext(ctx, "Inventory not checked", "webstore.order.id", order.ID, "webstore.product.id", strconv.FormatInt(line.ProductID, 10), "exception.message", err.Error())
		case !available:
			answer = telemetry.InventoryShort
			s.log.WarnContext(ctx, "Inventory not available in preferred warehouses", "webstore.order.id", order.ID, "webstore.product.id", strconv.FormatInt(line.ProductID, 10), "webstore.product.quantity", line.Quantity)
			said[i] = fmt.Sprintf("%s may take longer: no warehouse near you has %d of it at the moment.", line.ProductName, line.Quantity)
		}
		telemetry.InventoryChecks.Add(ctx, 1, telemetry.InventoryCheckAttrs{Market: order.Market, Answer: answer})
	})
	var warnings []string
	for _, text := range said {
		if text != "" {
			warnings = append(warnings, text)
		}
	}
	return warnings
}

// cancelledOf is of how many orders that cannot be delivered one is cancelled.
const cancelledOf = 5

// hopeless decides whether an order that cannot be delivered is cancelled, or waits
// for the next delivery. It is a fifth of them, by the order's random id, so that
// whoever decides again decides the same.
func hopeless(orderID string) bool {
	n, err := strconv.ParseUint(orderID[:8], 16, 32)
	return err == nil && n%cancelledOf == 0
}

// fulfil reserves what a paid order has taken from the stock, and ends the order. If
// something is missing it is delayed or, at times, cancelled and given back.
func (s *shop) fulfil(ctx context.Context, order Order) (Order, telemetry.CheckoutOutcome, error) {
	reserved := s.reserve(ctx, order)
	status, outcome := StatusCompleted, telemetry.CheckoutCompleted
	missing := len(order.Lines) - len(reserved)
	switch {
	case missing > 0 && s.hopeless(order.ID):
		status, outcome = StatusCancelled, telemetry.CheckoutCancelled
	case missing > 0:
		status, outcome = StatusDelayed, telemetry.CheckoutDelayed
	}
	ended, ours, err := s.end(ctx, order, status, reserved)
	if err != nil {
		return order, telemetry.CheckoutFailed, fmt.Errorf("ending order %s as %s: %w", order.ID, status, err)
	}
	if !ours {
		return ended, "", nil
	}
	s.became(ctx, ended)
	log := s.log.With("webstore.order.id", order.ID, "webstore.market", string(order.Market), "webstore.cart.lines", len(order.Lines), "webstore.order.missing_lines", missing)
	switch status {
	case StatusDelayed:
		log.WarnContext(ctx, "Order marked for delayed fulfillment")
	case StatusCancelled:
		log.ErrorContext(ctx, "Order cancelled due to inventory unavailability")
	}
	return ended, outcome, nil
}

func (s *shop) end(ctx context.Context, order Order, status Status, reserved []reservedLine) (Order, bool, error) {
	if status == StatusCancelled {
		return s.store.unsell(ctx, order)
	}
	return s.store.finish(ctx, order, status, reserved)
}

// reserve reserves the lines of a paid order and returns those for which it could.
// Of what was not in stock nothing is asked for.
func (s *shop) reserve(ctx context.Context, order Order) []reservedLine {
	reservations := make([]reservation, len(order.Lines))
	atOnce(lineWorkers, len(order.Lines), func(i int) {
		line := order.Lines[i]
		reason, cause := telemetry.ReservationOutOfStock, "not in stock any more"
		if line.taken {
			var err error
			if reservations[i], err = s.inventory.reserve(ctx, order, line); err == nil {
				return
			}
			if !refused(err, "out_of_stock") {
				reason = telemetry.ReservationUnavailable
			}
			reservations[i], cause = reservation{}, err.Error()
		}
		product := strconv.FormatInt(line.ProductID, 10)
		telemetry.ReservationFailures.Add(ctx, 1, telemetry.ReservationFailureAttrs{Market: order.Market, Product: product, Reason: reason})
		s.log.ErrorContext(ctx, "Inventory reservation failed after payment", "webstore.order.id", order.ID, "webstore.product.id", strconv.FormatInt(line.ProductID, 10), "webstore.product.quantity", line.Quantity, "exception.message", cause)
	})
	reserved := []reservedLine{} // nil would be no list in JSON
	span := trace.SpanFromContext(ctx)
	for i, r := range reservations {
		if r.Warehouse == "" {
			continue
		}
		reserved = append(reserved, reservedLine{order.Lines[i].ProductID, r})
		span.AddEvent("reserved", trace.WithAttributes(
			attribute.String("webstore.product.id", strconv.FormatInt(order.Lines[i].ProductID, 10)),
			attribute.String("webstore.inventory.warehouse", r.Warehouse)))
	}
	if len(reserved) > 0 {
		s.log.InfoContext(ctx, "Reserved inventory", "webstore.order.id", order.ID, "webstore.order.reserved_lines", len(reserved))
	}
	return reserved
}
