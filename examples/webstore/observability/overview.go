package observability

import (
	"fmt"
	"time"

	"github.com/otelkit/kit/alerts"
	dashboards "github.com/otelkit/kit/dashboards-as-code"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit/httpclient"
	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/postgres"
	"github.com/otelkit/kit/otelkit/resilience"
	"github.com/otelkit/kit/query"
)

// Overview is the dashboard to open first: are shoppers served, is the promise
// kept, do they buy, and if not, which part is it.
func Overview() dashboards.Dashboard {
	return dashboards.Dashboard{
		UID:         overviewUID,
		Title:       "WebStore overview",
		Description: "Whether shoppers are served, from top to bottom: requests, the objectives, the shop, payments, databases. Blue dots are exemplars: each leads to the trace of one request.",
		Notice:      Notice,
		Tags:        []string{"webstore", "generated"},
		Links:       []dashboards.Link{{Title: "Runbooks", URL: runbooksURL}},
		Instances:   httpserver.RequestDuration,
		Rows: []dashboards.Row{
			requests(),
			kept("availability of the shop", "answered", availability),
			kept("products are shown within 300 ms", "fast enough", browsingLatency),
			kept("checkouts are answered within 2 s", "fast enough", checkoutLatency),
			shop(), payments(), stores(),
		},
	}
}

// requests is rate, errors and duration of what the services serve.
func requests() dashboards.Row {
	served := query.Rate(httpserver.RequestDuration)
	failed := served.Where(query.Matches("http.response.status_code", "5.."))
	return dashboards.Row{Title: "Requests", Panels: []dashboards.Panel{
		{
			Title: "Requests", Width: 8, Unit: "{request}/s",
			Description: "Requests per second that each service serves. A sudden drop is an outage before this service, or of its telemetry.",
			Queries:     []dashboards.Query{{Expr: served.By("service.name")}},
		},
		{
			Title: "Errors", Width: 8,
			Description: "Share of requests that a service answers with a status of 500 or more. It is 0 while all goes well, and has no value while nothing is asked.",
			Queries:     []dashboards.Query{{Expr: query.Ratio(failed, served).By("service.name")}},
		},
		{
			Title: "Duration", Width: 8,
			Description: "Half of all requests are faster than p50, one in a hundred is slower than p99. Where p99 leaves p50 behind, a few shoppers wait: the dots are traces of some of them.",
			Queries:     quantiles(httpserver.RequestDuration, "service.name"),
		},
		{
			Title: "Duration of the shop's requests", Kind: dashboards.Heatmap,
			Description: "How the requests of main spread over durations. Two bands are two kinds of request, or a cache that some of them miss.",
			Queries:     []dashboards.Query{{Expr: query.Buckets(httpserver.RequestDuration).Where(query.Service(telemetry.MainService))}},
		},
		{
			Title: "Duration by route", Width: 12,
			Description: "95th percentile of main's requests by route: which of them is slow.",
			Queries:     []dashboards.Query{{Expr: query.Quantile(0.95, httpserver.RequestDuration).Where(query.Service(telemetry.MainService)).By("http.route")}},
		},
		{
			Title: "Errors by route", Unit: "{request}/s",
			Description: "Requests per second that main answers with a status of 500 or more, by route: which of them fails. 0 for routes that do not.",
			Queries: []dashboards.Query{{
				Expr: query.OrZero(failed, served).Where(query.Service(telemetry.MainService)).By("http.route"),
			}},
		},
		{
			Title:       "Requests in flight",
			Description: "Requests that are being served. It grows when answers become slower than questions come.",
			Queries:     []dashboards.Query{{Expr: query.Sum(httpserver.ActiveRequests).By("service.name")}},
		},
	}}
}

// quantiles of a histogram, told apart by a resource attribute or an own one.
func quantiles(h metrics.Defined, key string) []dashboards.Query {
	var list []dashboards.Query
	for _, q := range []float64{0.5, 0.95, 0.99} {
		legend := fmt.Sprintf("p%.0f", q*100)
		expr := query.Quantile(q, h)
		if key != "" {
			expr = expr.By(key)
			label, _ := query.Label(key, query.Target{})
			legend += " {{" + label + "}}"
		}
		list = append(list, dashboards.Query{Expr: expr, Legend: legend})
	}
	return list
}

// kept is a promise and how it is kept. good says of an event that it was.
func kept(title, good string, b alerts.BurnRate) dashboards.Row {
	return dashboards.Row{Title: "Objective: " + title, Panels: []dashboards.Panel{
		{
			Title: "Objective", Kind: dashboards.Stat, Width: 4, Height: 8,
			Description: "The share of requests that is promised to be " + good + " over 30 days.",
			Queries:     []dashboards.Query{{Expr: query.Constant(b.SLO.Objective, "1"), Legend: "Objective"}},
		},
		{
			Title: "Kept", Kind: dashboards.Stat, Width: 4, Height: 8,
			Description: "The share of requests that was " + good + " over 30 days, or since there is telemetry. Red when the promise is broken.",
			Queries:     []dashboards.Query{{Expr: query.Complement(b.ErrorRatio(b.SLO.Period())), Legend: "Kept"}},
			Base:        dashboards.Bad, Thresholds: []dashboards.Threshold{{From: b.SLO.Objective, Level: dashboards.Good}},
		},
		{
			Title: "Error budget left", Kind: dashboards.Stat, Width: 4, Height: 8,
			Description: "How much of what may go wrong in 30 days is left. 100% when nothing went wrong, 0 when the budget is used up: then nothing risky should be released.",
			Queries:     []dashboards.Query{{Expr: b.BudgetRemaining(), Legend: "Left"}},
			Base:        dashboards.Bad, Thresholds: []dashboards.Threshold{{From: 0, Level: dashboards.Warn}, {From: 0.25, Level: dashboards.Good}},
		},
		{
			Title: "Burn rate", Unit: "{times}",
			Description: "How many times faster than evenly the error budget burns. At 1 it lasts exactly 30 days. Somebody is paged above the dashed line, when both windows are.",
			Queries: []dashboards.Query{
				{Expr: b.Burn(5 * time.Minute), Legend: "5 minutes"},
				{Expr: b.Burn(time.Hour), Legend: "1 hour"},
				{Expr: b.Burn(6 * time.Hour), Legend: "6 hours"},
			},
			Thresholds: []dashboards.Threshold{{From: b.Factor(), Level: dashboards.Bad}},
		},
	}}
}

// shop is what shoppers do.
func shop() dashboards.Row {
	lookups := query.Rate(telemetry.CacheLookups)
	return dashboards.Row{Title: "Shop", Panels: []dashboards.Panel{
		{
			Title: "Checkouts", Stacked: true, Width: 8,
			Description: "Checkouts per second by how they ended. Declined is the shopper's affair; unavailable means that the payment could not be settled, failed that the shop is at fault.",
			Queries:     []dashboards.Query{{Expr: query.Rate(telemetry.Checkouts).By("webstore.checkout.outcome")}},
		},
		{
			Title: "Checkouts by market", Stacked: true, Width: 8,
			Description: "Checkouts per second by market, whatever their end. One market alone that stops points at its prices, its stock or its payment method.",
			Queries:     []dashboards.Query{{Expr: query.Rate(telemetry.Checkouts).By("webstore.market")}},
		},
		{
			Title: "Sales per hour", Stacked: true, Width: 8, Unit: "{USD}",
			Description: "Value of paid orders in US dollars at the present pace, by market.",
			Queries:     []dashboards.Query{{Expr: query.RateOfSum(telemetry.CheckoutAmount).Times(3600).By("webstore.market")}},
		},
		{
			Title: "On the way to a checkout", Width: 8, Unit: "{event}/s",
			Description: "What shoppers do per second, from looking to buying. Each step is smaller than the one before; where it shrinks more than usual, something is in the way.",
			Queries: []dashboards.Query{
				{Expr: query.Rate(telemetry.CatalogueViews), Legend: "lists shown"},
				{Expr: query.Rate(telemetry.ProductViews), Legend: "products shown"},
				{Expr: query.Rate(telemetry.CartAdditions), Legend: "put into carts"},
				{Expr: query.Rate(telemetry.Checkouts), Legend: "checkouts"},
			},
		},
		{
			Title: "Authentication", Stacked: true, Width: 8,
			Description: "Logins and token checks per second, by kind and end. Many wrong passwords are somebody who tries them out.",
			Queries:     []dashboards.Query{{Expr: query.Rate(telemetry.AuthAttempts).By("webstore.auth.kind", "webstore.auth.outcome")}},
		},
		{
			Title: "Answered from the cache", Width: 8,
			Description: "Share of lookups that Redis answered. When it drops to 0, PostgreSQL does all the work.",
			Queries: []dashboards.Query{{
				Expr: query.Ratio(lookups.Where(query.Equal("webstore.cache.outcome", telemetry.CacheHit)), lookups).By("webstore.cache.name"),
			}},
		},
	}}
}

// payments is what payments does for the shop, and the provider for payments.
func payments() dashboards.Row {
	return dashboards.Row{Title: "Payments", Panels: []dashboards.Panel{
		{
			Title: "Payments", Stacked: true, Width: 8,
			Description: "Payments per second by how they ended. Unavailable means that the provider gave no answer that settles them.",
			Queries:     []dashboards.Query{{Expr: query.Rate(telemetry.PaymentRequests).By("webstore.payment.outcome")}},
		},
		{
			Title: "Duration of payments", Width: 8,
			Description: "How long payments took, all attempts at the provider and the pauses between them included.",
			Queries:     quantiles(telemetry.PaymentDuration, ""),
		},
		{
			Title: "Calls of the payment provider", Stacked: true, Width: 8,
			Description: "Attempts per second by how they ended. All but authorised, declined and rejected are tried again; circuit_open was not sent.",
			Queries:     []dashboards.Query{{Expr: query.Rate(telemetry.ProviderAttempts).By("webstore.payment_provider.outcome")}},
		},
		{
			Title: "Duration of calls to other services", Width: 8,
			Description: "95th percentile of HTTP calls, by who calls and how. A slow call makes the caller slow.",
			Queries:     []dashboards.Query{{Expr: query.Quantile(0.95, httpclient.RequestDuration).By("service.name", "http.request.method", "url.template")}},
		},
		{
			Title: "Repetitions", Width: 8, Unit: "{event}/s",
			Description: "What was asked again per second: retried calls of others, and the checkouts and payments that idempotency made harmless.",
			Queries: []dashboards.Query{
				{Expr: query.Rate(resilience.Events).Where(query.Matches("otelkit.resilience.event", "retry")), Legend: "calls of others"},
				{Expr: query.Rate(telemetry.CheckoutReplays), Legend: "checkouts"},
				{Expr: query.Rate(telemetry.PaymentReplays), Legend: "payments"},
			},
		},
		{
			Title: "Circuits to the payment provider", Width: 8,
			Description: "Circuit breakers of the instances of payments, by the state that they are in. Open means that the provider failed so often that it is left alone for a while.",
			Queries: []dashboards.Query{{
				Expr: query.Sum(resilience.Circuits).
					Where(query.Equal("otelkit.resilience.target", string(telemetry.DependsOnPaymentProvider))).
					By("otelkit.resilience.circuit.state"),
			}},
		},
	}}
}

// stores is PostgreSQL and Redis as the services see them.
func stores() dashboards.Row {
	return dashboards.Row{Title: "PostgreSQL and Redis", Panels: []dashboards.Panel{
		{
			Title: "Database operations", Width: 8, Unit: "{operation}/s",
			Description: "Queries and commands per second, by service and system.",
			Queries:     []dashboards.Query{{Expr: query.Rate(postgres.OperationDuration).By("service.name", "db.system.name")}},
		},
		{
			Title: "Duration of database operations", Width: 8,
			Description: "95th percentile of queries and commands, by service and system.",
			Queries:     []dashboards.Query{{Expr: query.Quantile(0.95, postgres.OperationDuration).By("service.name", "db.system.name")}},
		},
		{
			Title: "Connections", Width: 8,
			Description: "Connections of each pool that are in use, and the most that it may have. When they meet, requests wait.",
			Queries: []dashboards.Query{
				{Expr: query.Sum(postgres.ConnectionCount).Where(query.Equal("db.client.connection.state", "used")).By("service.name", "db.system.name"), Legend: "{{service_name}} {{db_system_name}} used"},
				{Expr: query.Sum(postgres.ConnectionMax).By("service.name", "db.system.name"), Legend: "{{service_name}} {{db_system_name}} most"},
			},
		},
	}}
}
