package telemetry

import "github.com/otelkit/kit/otelkit/metrics"

// OrderStatus is how far an order has come.
type OrderStatus string

// The states of an order.
const (
	OrderPending   OrderStatus = "pending"   // nobody knows yet whether it is paid
	OrderPaid      OrderStatus = "paid"      // paid, and not yet reserved in a warehouse
	OrderCompleted OrderStatus = "completed" // paid and reserved
	OrderDelayed   OrderStatus = "delayed"   // paid, and something has to be delivered first
	OrderDeclined  OrderStatus = "declined"  // not paid, and will not be
	OrderCancelled OrderStatus = "cancelled" // no money was kept
)

// Values is every state.
func (OrderStatus) Values() []OrderStatus {
	return []OrderStatus{OrderPending, OrderPaid, OrderCompleted, OrderDelayed, OrderDeclined, OrderCancelled}
}

// OpenOrderAttrs tells the series of one state from another's.
type OpenOrderAttrs struct {
	Status OrderStatus `attr:"webstore.order.status"`
}

// OrderTransitionAttrs tells one series of transitions from another.
type OrderTransitionAttrs struct {
	Market Market      `attr:"webstore.market"`
	Status OrderStatus `attr:"webstore.order.status"`
}

// ReconciliationOutcome is what became of an order that was left behind.
type ReconciliationOutcome string

// The outcomes.
const (
	ReconciledCompleted ReconciliationOutcome = "completed" // the order was brought to its end, be it delayed
	ReconciledDeclined  ReconciliationOutcome = "declined"
	ReconciledCancelled ReconciliationOutcome = "cancelled"
	ReconciledLater     ReconciliationOutcome = "later" // it cannot be told yet
)

// Values is every outcome.
func (ReconciliationOutcome) Values() []ReconciliationOutcome {
	return []ReconciliationOutcome{ReconciledCompleted, ReconciledDeclined, ReconciledCancelled, ReconciledLater}
}

// ReconciliationAttrs tells one series of reconciliations from another.
type ReconciliationAttrs struct {
	Outcome ReconciliationOutcome `attr:"webstore.reconciliation.outcome"`
}

// CancelReason is why a paid or pending order was cancelled.
type CancelReason string

// The reasons.
const (
	CancelledOutOfStock CancelReason = "out_of_stock" // it was paid, and cannot be delivered
	CancelledUnsettled  CancelReason = "unsettled"    // nobody could say for too long whether it was paid
	CancelledCoupon     CancelReason = "coupon"       // its coupon did not hold, or nobody could say
)

// Values is every reason.
func (CancelReason) Values() []CancelReason {
	return []CancelReason{CancelledOutOfStock, CancelledUnsettled, CancelledCoupon}
}

// OrderCancelledAttrs tells one series of cancellations from another.
type OrderCancelledAttrs struct {
	Market Market       `attr:"webstore.market"`
	Reason CancelReason `attr:"webstore.order.cancel_reason"`
}

// OutboxKind is what the outbox has to tell others.
type OutboxKind string

// The kinds.
const (
	OutboxCRMOrder         OutboxKind = "crm.order"
	OutboxCRMUpdate        OutboxKind = "crm.update"
	OutboxPaymentCancel    OutboxKind = "payment.cancel"
	OutboxPromotionRelease OutboxKind = "promotion.release"
	OutboxInventoryRelease OutboxKind = "inventory.release"
)

// Values is every kind.
func (OutboxKind) Values() []OutboxKind {
	return []OutboxKind{OutboxCRMOrder, OutboxCRMUpdate, OutboxPaymentCancel, OutboxPromotionRelease, OutboxInventoryRelease}
}

// OutboxAttrs tells the series of one kind from another's.
type OutboxAttrs struct {
	Kind OutboxKind `attr:"webstore.outbox.kind"`
}

// DeliveryOutcome is how an attempt to deliver a message of the outbox ended.
type DeliveryOutcome string

// The outcomes.
const (
	DeliveryDone     DeliveryOutcome = "delivered"
	DeliveryFailed   DeliveryOutcome = "failed"   // it is tried again
	DeliveryGivenUp  DeliveryOutcome = "given_up" // it is too old, and of no use any more
	DeliveryRejected DeliveryOutcome = "rejected" // whom it is for will never take it
)

// Values is every outcome.
func (DeliveryOutcome) Values() []DeliveryOutcome {
	return []DeliveryOutcome{DeliveryDone, DeliveryFailed, DeliveryGivenUp, DeliveryRejected}
}

// OutboxDeliveryAttrs tells one series of deliveries from another.
type OutboxDeliveryAttrs struct {
	Kind    OutboxKind      `attr:"webstore.outbox.kind"`
	Outcome DeliveryOutcome `attr:"webstore.outbox.outcome"`
}

var (
	// OrderTransitions counts orders that came into a state.
	OrderTransitions = metrics.NewCounter[OrderTransitionAttrs](Shop, metrics.Definition{
		Name: "webstore.order.transitions",
		Unit: "{order}",
		Help: "Orders that came into a state, by that state.",
	})

	// OpenOrders is how many orders wait for somebody.
	OpenOrders = metrics.NewObservableGauge[OpenOrderAttrs](Shop, metrics.Definition{
		Name: "webstore.order.open",
		Unit: "{order}",
		Help: "Orders that have not ended, by state, and 0 for the states that are an end. Every instance of main tells the same number: take the greatest, not the sum.",
	})

	// Reconciliations counts orders that nobody worked on any more and that were
	// taken up again.
	Reconciliations = metrics.NewCounter[ReconciliationAttrs](Shop, metrics.Definition{
		Name: "webstore.order.reconciliations",
		Unit: "{order}",
		Help: "Orders that were left behind, by a killed process or a lost answer, and taken up again.",
	})

	// OrdersDelayed counts paid orders that something has to be delivered for first.
	OrdersDelayed = metrics.NewCounter[MarketAttrs](Shop, metrics.Definition{
		Name: "webstore.order.delayed",
		Unit: "{order}",
		Help: "Paid orders that cannot be sent before something is delivered.",
	})

	// OrdersCancelled counts orders whose shoppers got their money back, or kept it.
	OrdersCancelled = metrics.NewCounter[OrderCancelledAttrs](Shop, metrics.Definition{
		Name: "webstore.order.cancelled",
		Unit: "{order}",
		Help: "Orders that were cancelled, by reason. No money is kept for any of them.",
	})

	// OutboxLag is how long the oldest message has waited.
	OutboxLag = metrics.NewObservableGauge[OutboxAttrs](Shop, metrics.Definition{
		Name: "webstore.outbox.lag",
		Unit: "s",
		Help: "Age of the oldest message of the outbox that is not delivered; 0 when all are.",
	})

	// OutboxMessages is how many messages wait.
	OutboxMessages = metrics.NewObservableGauge[OutboxAttrs](Shop, metrics.Definition{
		Name: "webstore.outbox.messages",
		Unit: "{message}",
		Help: "Messages of the outbox that are not delivered.",
	})

	// OutboxDeliveries counts attempts to deliver a message.
	OutboxDeliveries = metrics.NewCounter[OutboxDeliveryAttrs](Shop, metrics.Definition{
		Name: "webstore.outbox.deliveries",
		Unit: "{delivery}",
		Help: "Attempts to deliver a message of the outbox, by how they ended.",
	})
)
