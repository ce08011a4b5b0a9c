package observability

import (
	dashboards "github.com/otelkit/kit/dashboards-as-code"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/query"
)

const businessUID = "webstore-business"

// Business is how the shop does: who comes, how far they get, and what becomes of
// their orders, once the overview has said that they are served.
func Business() dashboards.Dashboard {
	return dashboards.Dashboard{
		UID:         businessUID,
		Title:       "WebStore business",
		Description: "Who comes, how far they get on the way to an order, and what becomes of it: customers, orders, stock, discounts, and those that the shop depends on.",
		Notice:      Notice,
		Tags:        []string{"webstore", "generated"},
		Links:       []dashboards.Link{{Title: "Overview", URL: "/d/" + overviewUID}, {Title: "Runbooks", URL: runbooksURL}},
		Instances:   httpserver.RequestDuration,
		Rows:        []dashboards.Row{funnel(), customers(), orders(), inventory(), discounts(), dependencies(), security(), faultsRow()},
	}
}

// funnel is the way from looking to buying.
func funnel() dashboards.Row {
	at := func(stage telemetry.FunnelStage) query.Expr {
		return query.Rate(telemetry.FunnelEvents).Where(query.Equal("webstore.funnel.stage", stage))
	}
	step := func(from, to telemetry.FunnelStage, legend string) dashboards.Query {
		return dashboards.Query{Expr: query.Ratio(at(to), at(from)), Legend: legend}
	}
	return dashboards.Row{Title: "Funnel", Panels: []dashboards.Panel{
		{
			Title: "Steps to an order", Width: 8,
			Description: "Steps per second on the way from looking to buying. Each stage is smaller than the one before; where it shrinks more than usual, something is in the way.",
			Queries:     []dashboards.Query{{Expr: query.Rate(telemetry.FunnelEvents).By("webstore.funnel.stage")}},
		},
		{
			Title: "From one stage to the next", Width: 8,
			Description: "Events of a stage for each event of the stage before. It can be above 100%: one list leads to many products.",
			Queries: []dashboards.Query{
				step(telemetry.FunnelBrowse, telemetry.FunnelView, "list to product"),
				step(telemetry.FunnelView, telemetry.FunnelAdd, "product to cart"),
				step(telemetry.FunnelAdd, telemetry.FunnelCheckoutStart, "cart to checkout"),
				step(telemetry.FunnelCheckoutStart, telemetry.FunnelCheckoutComplete, "checkout to payment"),
			},
		},
		{
			Title: "Orders for each look, by market", Width: 8,
			Description: "Paid orders for each time that a list of products was shown, by market. A market far below the others has a problem of its own: prices, stock, its payment method.",
			Queries: []dashboards.Query{{
				Expr: query.Ratio(at(telemetry.FunnelCheckoutComplete), at(telemetry.FunnelBrowse)).By("webstore.market"),
			}},
		},
	}}
}

// customers is who does it.
func customers() dashboards.Row {
	return dashboards.Row{Title: "Customers", Panels: []dashboards.Panel{
		{
			Title: "Actions by segment", Stacked: true, Width: 8,
			Description: "What customers do per second, by what they were before: new, returning, VIP, at risk, churned. Unknown means that Redis could not be asked.",
			Queries:     []dashboards.Query{{Expr: query.Rate(telemetry.CustomerActions).By("webstore.customer.segment")}},
		},
		{
			Title: "Active users", Stacked: true, Width: 8,
			Description: "Identities of the last five minutes by market, as the busiest instance of main sees them.",
			Queries:     []dashboards.Query{{Expr: query.Max(telemetry.ActiveUsers).By("webstore.market")}},
		},
		{
			Title: "Active carts", Stacked: true, Width: 8,
			Description: "Carts with something in them that changed within the last hour, by market. Many carts and few checkouts are shoppers who cannot or will not pay.",
			Queries:     []dashboards.Query{{Expr: query.Max(telemetry.ActiveCarts).By("webstore.market")}},
		},
		{
			Title:       "Products shown",
			Description: "Looks at product pages per second, by product.",
			Queries:     []dashboards.Query{{Expr: query.Rate(telemetry.ProductViews).By("webstore.product.id")}},
		},
		{
			Title: "Categories shown", Stacked: true,
			Description: "Looks at product pages per second, by category.",
			Queries:     []dashboards.Query{{Expr: query.Rate(telemetry.ProductViews).By("webstore.product.category")}},
		},
	}}
}

// orders is what becomes of them.
func orders() dashboards.Row {
	return dashboards.Row{Title: "Orders", Panels: []dashboards.Panel{
		{
			Title: "Orders by state", Stacked: true, Width: 8,
			Description: "Orders per second that came into a state. What comes into pending has to come out of it as one of the others.",
			Queries:     []dashboards.Query{{Expr: query.Rate(telemetry.OrderTransitions).By("webstore.order.status")}},
		},
		{
			Title: "Open orders", Width: 8,
			Description: "Orders that have not ended. A few pending ones are being paid; a number that grows is an outage of payments, or a reconciler that does not run.",
			Queries:     []dashboards.Query{{Expr: query.Max(telemetry.OpenOrders).By("webstore.order.status")}},
		},
		{
			Title: "Taken up again", Stacked: true, Width: 8,
			Description: "Orders per second that nobody worked on any more and that the reconciler took up, by what became of them. It is 0 while no process dies.",
			Queries:     []dashboards.Query{{Expr: query.Rate(telemetry.Reconciliations).By("webstore.reconciliation.outcome")}},
		},
		{
			Title: "Delayed and cancelled", Width: 8, Unit: "{order}/s",
			Description: "Paid orders per second that wait for a delivery, and orders that were cancelled, by reason.",
			Queries: []dashboards.Query{
				{Expr: query.Rate(telemetry.OrdersDelayed), Legend: "delayed"},
				{Expr: query.Rate(telemetry.OrdersCancelled).By("webstore.order.cancel_reason")},
			},
		},
		{
			Title: "Outbox lag", Width: 8,
			Description: "Age of the oldest message that somebody has not got yet, by kind. It grows while who it is for is away, and nothing is lost.",
			Queries:     []dashboards.Query{{Expr: query.Max(telemetry.OutboxLag).By("webstore.outbox.kind")}},
		},
		{
			Title: "Outbox", Width: 8,
			Description: "Messages that wait to be delivered, by kind.",
			Queries:     []dashboards.Query{{Expr: query.Max(telemetry.OutboxMessages).By("webstore.outbox.kind")}},
		},
		{
			Title: "Deliveries", Stacked: true, Width: 8,
			Description: "Attempts per second to deliver a message, by how they ended. What failed is tried again.",
			Queries:     []dashboards.Query{{Expr: query.Rate(telemetry.OutboxDeliveries).By("webstore.outbox.outcome")}},
		},
		{
			Title: "Payment amounts", Width: 8,
			Description: "Median and 95th percentile of what authorised payments are worth.",
			Queries: []dashboards.Query{
				{Expr: query.Quantile(0.5, telemetry.PaymentAmount), Legend: "p50"},
				{Expr: query.Quantile(0.95, telemetry.PaymentAmount), Legend: "p95"},
			},
		},
		{
			Title: "Cancelled payments", Width: 8,
			Description: "Requests per second to cancel a payment, by what became of the money. Unavailable ones are asked for again.",
			Queries:     []dashboards.Query{{Expr: query.Rate(telemetry.PaymentCancellations).By("webstore.payment.cancellation")}},
		},
	}}
}

// inventory is what can be sent.
func inventory() dashboards.Row {
	failures := query.Rate(telemetry.ReservationFailures)
	return dashboards.Row{Title: "Inventory", Panels: []dashboards.Panel{
		{
			Title: "Checks before payment", Stacked: true, Width: 8,
			Description: "Questions per second whether a product can be sent, by the answer. It is advice: nobody is kept from buying.",
			Queries:     []dashboards.Query{{Expr: query.Rate(telemetry.InventoryChecks).By("webstore.inventory.answer")}},
		},
		{
			Title: "Failed reservations by reason", Width: 8,
			Description: "Paid products per second that no warehouse reserved: nothing there, or the inventory system is away.",
			Queries:     []dashboards.Query{{Expr: failures.By("webstore.inventory.reason")}},
		},
		{
			Title: "Failed reservations by product", Width: 8,
			Description: "The same by product: one product is an empty shelf, all of them are an outage.",
			Queries:     []dashboards.Query{{Expr: failures.By("webstore.product.id")}},
		},
	}}
}

// discounts is what promotions does.
func discounts() dashboards.Row {
	return dashboards.Row{Title: "Discounts", Panels: []dashboards.Panel{
		{
			Title: "Promotions", Stacked: true, Width: 8,
			Description: "Orders per second that were looked at for a promotion, by the one that they get.",
			Queries:     []dashboards.Query{{Expr: query.Rate(telemetry.PromotionChecks).By("webstore.promotion.code")}},
		},
		{
			Title: "Discounts per hour", Stacked: true, Width: 8, Unit: "{USD}",
			Description: "What orders are made cheaper by at the present pace, in US dollars, by what grants it.",
			Queries:     []dashboards.Query{{Expr: query.RateOfSum(telemetry.PromotionDiscount).Times(3600).By("webstore.discount.kind")}},
		},
		{
			Title: "Coupons asked about", Stacked: true, Width: 8,
			Description: "Coupons per second that shoppers asked about, by whether they hold. Many unknown ones are somebody who guesses.",
			Queries:     []dashboards.Query{{Expr: query.Rate(telemetry.CouponValidations).By("webstore.coupon.outcome")}},
		},
		{
			Title: "Coupons redeemed", Stacked: true,
			Description: "Coupons per second that came with an order, by coupon and whether they held.",
			Queries:     []dashboards.Query{{Expr: query.Rate(telemetry.Redemptions).By("webstore.coupon.code", "webstore.coupon.outcome")}},
		},
		{
			Title:       "Coupons given back",
			Description: "Uses of coupons per second that were given back, since the order came to nothing.",
			Queries:     []dashboards.Query{{Expr: query.Rate(telemetry.CouponReleases).By("webstore.coupon.code")}},
		},
	}}
}
