package telemetry

import "github.com/otelkit/kit/otelkit/metrics"

// FunnelStage is a step on the way from looking to buying.
type FunnelStage string

// The stages, in their order.
const (
	FunnelBrowse           FunnelStage = "browse"            // saw a market's list of products
	FunnelView             FunnelStage = "view_product"      // saw one of them
	FunnelAdd              FunnelStage = "add_to_cart"       // put one into the cart
	FunnelCheckoutStart    FunnelStage = "checkout_start"    // has an order that is to be paid
	FunnelCheckoutComplete FunnelStage = "checkout_complete" // has paid for it
)

// Values is every stage.
func (FunnelStage) Values() []FunnelStage {
	return []FunnelStage{FunnelBrowse, FunnelView, FunnelAdd, FunnelCheckoutStart, FunnelCheckoutComplete}
}

// FunnelAttrs tells one series of the funnel from another. They are the same at each
// stage, so that any two can be divided.
type FunnelAttrs struct {
	Stage  FunnelStage `attr:"webstore.funnel.stage"`
	Market Market      `attr:"webstore.market"`
}

// Segment is how well the store knows a customer.
type Segment string

// The segments.
const (
	SegmentNew       Segment = "new"       // has done nothing before
	SegmentReturning Segment = "returning" // was here in the last 30 days
	SegmentVIP       Segment = "vip"       // has spent more than $500 or ordered more than 5 times
	SegmentAtRisk    Segment = "at_risk"   // was here in the last 90 days
	SegmentChurned   Segment = "churned"   // was here before that
	SegmentAnonymous Segment = "anonymous" // says not who it is
	SegmentUnknown   Segment = "unknown"   // what is known cannot be read at the moment
)

// Values is every segment.
func (Segment) Values() []Segment {
	return []Segment{
		SegmentNew, SegmentReturning, SegmentVIP, SegmentAtRisk,
		SegmentChurned, SegmentAnonymous, SegmentUnknown,
	}
}

// CustomerAction is what a customer does.
type CustomerAction string

// The actions.
const (
	ActionBrowse   CustomerAction = "browse_catalogue"
	ActionView     CustomerAction = "view_product"
	ActionAdd      CustomerAction = "add_to_cart"
	ActionCheckout CustomerAction = "checkout"
)

// Values is every action.
func (CustomerAction) Values() []CustomerAction {
	return []CustomerAction{ActionBrowse, ActionView, ActionAdd, ActionCheckout}
}

// CustomerAttrs tells one series of actions from another.
type CustomerAttrs struct {
	Segment Segment        `attr:"webstore.customer.segment"`
	Action  CustomerAction `attr:"webstore.customer.action"`
	Market  Market         `attr:"webstore.market"`
}

var (
	// FunnelEvents counts shoppers' steps on the way to an order.
	FunnelEvents = metrics.NewCounter[FunnelAttrs](Shop, metrics.Definition{
		Name: "webstore.funnel.events",
		Unit: "{event}",
		Help: "Steps of shoppers on the way from looking to buying, by stage.",
	})

	// CustomerActions counts what customers do, by what they were before they did it.
	CustomerActions = metrics.NewCounter[CustomerAttrs](Shop, metrics.Definition{
		Name: "webstore.customer.actions",
		Unit: "{action}",
		Help: "What customers do, by the segment that they were in before.",
	})

	// ActiveUsers is how many identities an instance of main has served lately.
	ActiveUsers = metrics.NewObservableGauge[MarketAttrs](Shop, metrics.Definition{
		Name: "webstore.users.active",
		Unit: "{user}",
		Help: "Identities that did something within the last five minutes, as one instance of main saw them.",
	})
)
