package telemetry

import "github.com/otelkit/kit/otelkit/metrics"

// InventoryAnswer is what the inventory system says when it is asked whether
// something can be sent.
type InventoryAnswer string

// The answers.
const (
	InventoryAvailable   InventoryAnswer = "available"
	InventoryShort       InventoryAnswer = "short"       // no warehouse near the market has enough
	InventoryUnavailable InventoryAnswer = "unavailable" // it did not answer
)

// Values is every answer.
func (InventoryAnswer) Values() []InventoryAnswer {
	return []InventoryAnswer{InventoryAvailable, InventoryShort, InventoryUnavailable}
}

// InventoryCheckAttrs tells one series of checks from another.
type InventoryCheckAttrs struct {
	Market Market          `attr:"webstore.market"`
	Answer InventoryAnswer `attr:"webstore.inventory.answer"`
}

// ReservationFailure is why something that was paid could not be reserved.
type ReservationFailure string

// The reasons.
const (
	ReservationOutOfStock  ReservationFailure = "out_of_stock"
	ReservationUnavailable ReservationFailure = "unavailable" // the inventory system did not answer
)

// Values is every reason.
func (ReservationFailure) Values() []ReservationFailure {
	return []ReservationFailure{ReservationOutOfStock, ReservationUnavailable}
}

// ReservationFailureAttrs tells one series of failures from another.
type ReservationFailureAttrs struct {
	Market  Market             `attr:"webstore.market"`
	Product string             `attr:"webstore.product.id,limit=20"`
	Reason  ReservationFailure `attr:"webstore.inventory.reason"`
}

var (
	// InventoryChecks counts questions whether something can be sent. Their answers
	// are advice: they keep nobody from buying.
	InventoryChecks = metrics.NewCounter[InventoryCheckAttrs](Shop, metrics.Definition{
		Name: "webstore.inventory.checks",
		Unit: "{check}",
		Help: "Questions to the inventory system whether a product can be sent, by its answer.",
	})

	// ReservationFailures counts paid products that no warehouse has reserved.
	ReservationFailures = metrics.NewCounter[ReservationFailureAttrs](Shop, metrics.Definition{
		Name: "webstore.inventory.reservation_failures",
		Unit: "{failure}",
		Help: "Products that were paid and could not be reserved in a warehouse.",
	})
)
