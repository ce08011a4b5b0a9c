package observability

import (
	"time"

	"github.com/otelkit/kit/examples/webstore/faults"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit"
	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/postgres"
	"github.com/otelkit/kit/query"
)

// Trouble is what a fault of package faults looks like to who watches the store, with
// the shoppers that `webstore up` sends.
type Trouble struct {
	Fault  faults.Name
	Shows  []Symptom // what metrics say of it
	Look   string    // what else does: traces, logs, a function in a profile; may be empty
	Panels []PanelOf // that show it, the one to look at first
	Alerts []string  // that it has to fire; none for what nobody should be woken for
	Help   string    // what helps against the real thing
}

// Symptom is what happens to a metric.
type Symptom struct {
	Expr query.Expr
	Does string // such as "rises"
}

// PanelOf names a panel of a dashboard.
type PanelOf struct{ Dashboard, Panel string }

// The alerts of today that faults fire.
const (
	unavailable  = "MainAvailabilityFastBurn"
	slowBrowsing = "MainBrowsingLatencyFastBurn"
	slowCheckout = "MainCheckoutLatencyFastBurn"
	silent       = "MainAvailabilityNoData"
)

// Panels that several faults are seen on.
var (
	errorsByRoute    = PanelOf{overviewUID, "Errors by route"}
	durationByRoute  = PanelOf{overviewUID, "Duration by route"}
	budgetBurns      = PanelOf{overviewUID, "Burn rate"}
	providerAttempts = PanelOf{overviewUID, "Calls of the payment provider"}
	paymentsEnd      = PanelOf{overviewUID, "Payments"}
	checkoutsEnd     = PanelOf{overviewUID, "Checkouts"}
	connections      = PanelOf{overviewUID, "Connections"}
	databaseDuration = PanelOf{overviewUID, "Duration of database operations"}
	fromTheCache     = PanelOf{overviewUID, "Answered from the cache"}
	shopCalls        = PanelOf{businessUID, "Calls of the shop"}
	shopCallDuration = PanelOf{businessUID, "Duration of the shop's calls"}
	paymentCalls     = PanelOf{businessUID, "Duration of payments' calls"}
	policies         = PanelOf{businessUID, "Retries, timeouts, open circuits"}
	openCircuits     = PanelOf{businessUID, "Circuits that are not closed"}
)

// Troubles is every fault as it is seen, in the order of faults.All.
var Troubles = []Trouble{
	{
		Fault:  faults.ProviderFailing,
		Shows:  []Symptom{{attempts(telemetry.AttemptError), "rises"}, {paymentRate(telemetry.PaymentUnavailable), "rises"}},
		Panels: []PanelOf{providerAttempts, paymentsEnd, openCircuits, errorsByRoute, budgetBurns},
		Alerts: []string{unavailable},
		Help:   "The provider's status page; the circuit breaker keeps the load off it. Orders stay pending and are paid or cancelled when it is back.",
	},
	{
		Fault:  faults.ProviderSlow,
		Shows:  []Symptom{{quantile(0.95, telemetry.PaymentDuration), "rises by as much"}},
		Panels: []PanelOf{{overviewUID, "Duration of payments"}, paymentCalls, durationByRoute, budgetBurns},
		Alerts: []string{slowCheckout},
		Help:   "A trace of a slow checkout ends in the provider's span: nothing of ours is slow. Tell the provider.",
	},
	{
		Fault:  faults.ProviderHanging,
		Shows:  []Symptom{{attempts(telemetry.AttemptTimeout), "rises"}, {paymentRate(telemetry.PaymentUnavailable), "rises"}},
		Panels: []PanelOf{providerAttempts, policies, openCircuits, errorsByRoute, budgetBurns},
		Alerts: []string{unavailable},
		Help:   "Nothing is lost: the same key asks again and is charged once, and what is cancelled is given back. Tell the provider.",
	},
	{
		Fault:  faults.ProviderUnreachable,
		Shows:  []Symptom{{attempts(telemetry.AttemptUnreachable), "rises"}, {paymentRate(telemetry.PaymentUnavailable), "rises"}},
		Panels: []PanelOf{providerAttempts, openCircuits, errorsByRoute, budgetBurns},
		Alerts: []string{unavailable},
		Help:   "Whether it is the provider or the way there: its name, our egress, its certificate.",
	},
	{
		Fault:  faults.ProviderDeclining,
		Shows:  []Symptom{{attempts(telemetry.AttemptDeclined).By("webstore.market"), "rises, in the market"}},
		Panels: []PanelOf{providerAttempts, paymentsEnd, checkoutsEnd},
		Help:   "A decline is an answer and no error, so that no objective is hurt. One market alone is a card scheme or a rule of the provider's: ask there.",
	},
	{
		Fault: faults.InventoryOutOfStock,
		Shows: []Symptom{
			{rate(telemetry.ReservationFailures).By("webstore.inventory.reason"), "rises for out_of_stock"},
			{rate(telemetry.OrdersDelayed), "rises"},
		},
		Panels: []PanelOf{{businessUID, "Failed reservations by reason"}, {businessUID, "Delayed and cancelled"}, {businessUID, "Checks before payment"}},
		Help:   "Orders are delayed, and some are cancelled and refunded. Order goods, or take the products off sale.",
	},
	{
		Fault:  faults.InventoryFailing,
		Shows:  []Symptom{{calls(telemetry.DependsOnInventory, telemetry.CallFailed), "rises"}, {rate(telemetry.OrdersDelayed), "rises"}},
		Panels: []PanelOf{shopCalls, {businessUID, "Failed reservations by reason"}, {businessUID, "Checks before payment"}, openCircuits},
		Help:   "Shoppers can buy, since the check is advice only; what cannot be reserved is delayed. Tell who runs the inventory system.",
	},
	{
		Fault: faults.CRMFailing,
		Shows: []Symptom{
			{query.Max(telemetry.OutboxLag).By("webstore.outbox.kind"), "rises for crm.order, and falls when the fault is over"},
			{rate(telemetry.OutboxDeliveries).Where(query.Equal("webstore.outbox.outcome", telemetry.DeliveryFailed)), "rises"},
		},
		Panels: []PanelOf{{businessUID, "Outbox lag"}, {businessUID, "Outbox"}, {businessUID, "Deliveries"}},
		Help:   "No shopper notices. What waits is delivered when the CRM is back, for a day; after that it is given up.",
	},
	{
		Fault:  faults.PromotionsSlow,
		Shows:  []Symptom{{quantile(0.95, telemetry.ShopCalls).By("webstore.dependency.name"), "rises for promotions"}},
		Panels: []PanelOf{shopCallDuration, durationByRoute, budgetBurns},
		Alerts: []string{slowCheckout},
		Help:   "A trace of a slow checkout shows which call takes the time. Look at promotions' own trace: its rules or its database.",
	},
	{
		Fault:  faults.SlowQueries,
		Shows:  []Symptom{{quantile(0.95, postgres.OperationDuration).By("service.name"), "rises for main"}, {quantile(0.95, httpserver.RequestDuration).By("http.route"), "rises for products"}},
		Look:   "In traces the span of the query, with its text: SELECT pg_sleep($1).",
		Panels: []PanelOf{databaseDuration, durationByRoute, connections, budgetBurns},
		Alerts: []string{slowBrowsing},
		Help:   "The text of the query is on its span: EXPLAIN it, and look for a lost index or for locks.",
	},
	{
		Fault:  faults.ConnectionsExhausted,
		Shows:  []Symptom{{query.Max(postgres.ConnectionPending).By("service.name"), "rises for main"}, {rate(postgres.ConnectionTimeouts).By("service.name"), "rises for main"}},
		Look:   "In traces the event db.client.connection.unavailable on the request's span.",
		Panels: []PanelOf{connections, errorsByRoute, budgetBurns},
		Alerts: []string{unavailable},
		Help:   "Who holds them: pg_stat_activity, and traces with long gaps between queries. Restarting main frees them.",
	},
	{
		Fault:  faults.DatabaseAway,
		Shows:  []Symptom{{failedRequests(), "rises to all of them"}},
		Look:   "In main's logs why each request failed; /healthz/ready says that main is not ready.",
		Panels: []PanelOf{errorsByRoute, connections, budgetBurns},
		Alerts: []string{unavailable},
		Help:   "Whether PostgreSQL runs and whether main reaches it. Nothing has to be restarted: the pool connects again.",
	},
	{
		Fault:  faults.RedisAway,
		Shows:  []Symptom{{rate(telemetry.CacheLookups).Where(query.Equal("webstore.cache.outcome", telemetry.CacheUnavailable)), "rises"}},
		Look:   "In main's log one line, that Redis is away, and one when it is back.",
		Panels: []PanelOf{fromTheCache, {overviewUID, "Database operations"}, databaseDuration},
		Help:   "Shoppers are served all the same, by PostgreSQL; limits hold per instance. Bring Redis back before the load of the evening.",
	},
	{
		Fault:  faults.MainLatency,
		Shows:  []Symptom{{quantile(0.5, httpserver.RequestDuration).Where(query.Service(telemetry.MainService)), "rises by as much"}},
		Look:   "In traces a gap in main's own span, before its first child.",
		Panels: []PanelOf{durationByRoute, {overviewUID, "Requests in flight"}, budgetBurns},
		Alerts: []string{slowBrowsing},
		Help:   "What no child span explains is main itself: a lock, a sleep, a CPU. Profile it.",
	},
	{
		Fault:  faults.CPUBurner,
		Shows:  []Symptom{{quantile(0.99, httpserver.RequestDuration).By("service.name"), "rises, where there are few CPUs"}},
		Look:   "In main's CPU profile faults.BurnCPU.",
		Panels: []PanelOf{{overviewUID, "Duration"}},
		Help:   "The widest bar of the CPU profile, and what was released before.",
	},
	{
		Fault:  faults.HeapLeak,
		Shows:  []Symptom{{query.Max(telemetry.ActiveFaults).By("webstore.fault.name"), "is 1 for heap-leak"}},
		Look:   "In main's heap profile faults.LeakHeap; main's memory grows for half a minute, and is free again when the fault is over.",
		Panels: []PanelOf{{businessUID, "Faults that are on"}},
		Help:   "Two heap profiles some minutes apart: what is in the second and not in the first. Restarting buys time.",
	},
	{
		Fault:  faults.LockFight,
		Shows:  []Symptom{{quantile(0.95, httpserver.RequestDuration).Where(query.Service(telemetry.MainService)), "rises"}},
		Look:   "In main's mutex profile (*faults.Lock).Fight; in traces a gap in main's own span.",
		Panels: []PanelOf{durationByRoute, {overviewUID, "Requests in flight"}},
		Help:   "Requests wait while CPUs are idle. The mutex profile names who holds the lock; hold it for less.",
	},
	{
		Fault:  faults.Panics,
		Shows:  []Symptom{{failedRequests(), "rises to a fifth"}},
		Look:   "In main's log \"handler panicked\" with the stack; in traces an exception event.",
		Panels: []PanelOf{errorsByRoute, {overviewUID, "Errors"}, budgetBurns},
		Alerts: []string{unavailable},
		Help:   "The stack in the log names the line. Roll back what was released last.",
	},
	{
		Fault:  faults.LogFlood,
		Shows:  []Symptom{{query.Max(telemetry.ActiveFaults).By("webstore.fault.name"), "is 1 for log-flood"}},
		Look:   "In main's logs the same message many times a second.",
		Panels: []PanelOf{{businessUID, "Faults that are on"}},
		Help:   "Have the handler of logs suppress repeats, or lower the level, before the back end bills for it.",
	},
	{
		Fault:  faults.CardinalityBomb,
		Shows:  []Symptom{{rate(telemetry.ProductViews).By("webstore.product.id"), "rises for _OTHER, and has no more series than its definition allows"}},
		Look:   "In main's standard error one line for each attribute that is beyond its limit.",
		Panels: []PanelOf{{businessUID, "Products shown"}},
		Help:   "The definition bounds it. Find who records what is not in the set; put what is unbounded on spans.",
	},
	{
		Fault: faults.BadRelease,
		Shows: []Symptom{
			{query.Ratio(rate(telemetry.ReleaseRequests).Where(query.Equal("webstore.release.outcome", telemetry.ReleaseFailed)), rate(telemetry.ReleaseRequests)).By("webstore.release"), "rises for B alone"},
			{failedRequests(), "rises a little"},
		},
		Look:   "In traces the event feature_flag.evaluation, whose feature_flag.result.variant is B on all that fail.",
		Panels: []PanelOf{{businessUID, "Errors by release"}, errorsByRoute, budgetBurns},
		Alerts: []string{unavailable},
		Help:   "Turn the flag off: A is not hurt.",
	},
	{
		Fault:  faults.TelemetryAway,
		Shows:  []Symptom{{increase(otelkit.Lost).By("service.name", "otelkit.telemetry.signal"), "rises, as can be seen when the fault is over"}, {query.Sum(httpserver.ActiveRequests).By("service.name"), "ends, and goes on when the fault is over"}},
		Look:   "On the services' standard output one line a minute says what was lost and why.",
		Panels: []PanelOf{{businessUID, "Telemetry that was lost"}, {overviewUID, "Requests"}},
		Alerts: []string{silent},
		Help:   "The store works: look at its health (webstore health) and at its logs on the machines, and bring the back end back.",
	},
}

// window is what the symptoms look back over.
const window = 5 * time.Minute

func rate(m metrics.Defined) query.Expr                { return query.Rate(m).Over(window) }
func increase(m metrics.Defined) query.Expr            { return query.Increase(m).Over(window) }
func quantile(q float64, m metrics.Defined) query.Expr { return query.Quantile(q, m).Over(window) }

func attempts(outcome telemetry.AttemptOutcome) query.Expr {
	return rate(telemetry.ProviderAttempts).Where(query.Equal("webstore.payment_provider.outcome", outcome))
}

func paymentRate(outcome telemetry.PaymentOutcome) query.Expr {
	return rate(telemetry.PaymentRequests).Where(query.Equal("webstore.payment.outcome", outcome))
}

func calls(of telemetry.Dependency, outcome telemetry.CallOutcome) query.Expr {
	return rate(telemetry.ShopCalls).Where(query.Equal("webstore.dependency.name", of), query.Equal("webstore.dependency.outcome", outcome))
}

// failedRequests is the share of main's requests that it could not answer.
func failedRequests() query.Expr {
	served := rate(httpserver.RequestDuration).Where(query.Service(telemetry.MainService))
	return query.Ratio(served.Where(query.Matches("http.response.status_code", "5..")), served)
}
