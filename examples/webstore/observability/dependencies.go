package observability

import (
	dashboards "github.com/otelkit/kit/dashboards-as-code"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit"
	"github.com/otelkit/kit/otelkit/ratelimit"
	"github.com/otelkit/kit/otelkit/resilience"
	"github.com/otelkit/kit/query"
)

// dependencies is who the shop asks, and what it does when they fail.
func dependencies() dashboards.Row {
	return dashboards.Row{Title: "Dependencies", Panels: []dashboards.Panel{
		{
			Title: "Calls of the shop", Width: 8,
			Description: "Calls per second of main, by whom it asks and how they ended, retries included in one call. Refused is an answer: a decline, nothing in stock.",
			Queries:     []dashboards.Query{{Expr: query.Rate(telemetry.ShopCalls).By("webstore.dependency.name", "webstore.dependency.outcome")}},
		},
		{
			Title: "Duration of the shop's calls", Width: 8,
			Description: "95th percentile of main's calls by whom it asks, retries included: who makes checkouts slow.",
			Queries:     []dashboards.Query{{Expr: query.Quantile(0.95, telemetry.ShopCalls).By("webstore.dependency.name")}},
		},
		{
			Title: "Duration of payments' calls", Width: 8,
			Description: "The same for payments, which asks the payment provider.",
			Queries:     []dashboards.Query{{Expr: query.Quantile(0.95, telemetry.PaymentsCalls).By("webstore.dependency.outcome")}},
		},
		{
			Title: "Retries, timeouts, open circuits", Width: 8,
			Description: "What policies did per second, by target: calls that were tried again, that took too long, that were not sent since the circuit is open.",
			Queries:     []dashboards.Query{{Expr: query.Rate(resilience.Events).By("otelkit.resilience.target", "otelkit.resilience.event")}},
		},
		{
			Title: "Circuits that are not closed", Width: 8,
			Description: "Circuit breakers that are open or half open, by target. While one is open its target is left alone, and what needs it fails at once.",
			Queries: []dashboards.Query{{
				Expr: query.Sum(resilience.Circuits).Where(query.NotMatches("otelkit.resilience.circuit.state", "closed")).By("otelkit.resilience.target"),
			}},
		},
		{
			Title: "Ends of calls", Stacked: true, Width: 8,
			Description: "Calls per second through policies, by how they ended for who called.",
			Queries:     []dashboards.Query{{Expr: query.Rate(resilience.Executions).By("otelkit.resilience.outcome")}},
		},
	}}
}

// security is who tries what they should not.
func security() dashboards.Row {
	return dashboards.Row{Title: "Security", Panels: []dashboards.Panel{
		{
			Title: "Suspicious activity", Width: 8,
			Description: "Answers per second to addresses that got too many of a kind within five minutes, by rule. Which addresses is in the log.",
			Queries:     []dashboards.Query{{Expr: query.Rate(telemetry.SuspiciousActivity).By("webstore.security.rule")}},
		},
		{
			Title: "Answers not looked at", Width: 8,
			Description: "Answers of 4xx per second in which suspicious activity may have been missed, by why. Anything but nothing means that more comes than one worker judges.",
			Queries:     []dashboards.Query{{Expr: query.Rate(telemetry.UnjudgedAnswers).By("webstore.security.unjudged_reason")}},
		},
		{
			Title: "Failed authentications", Width: 8,
			Description: "Share of logins and tokens that were refused, by kind.",
			Queries: []dashboards.Query{{Expr: query.Ratio(
				query.Rate(telemetry.AuthAttempts).Where(query.NotEqual("webstore.auth.outcome", telemetry.AuthSucceeded)),
				query.Rate(telemetry.AuthAttempts),
			).By("webstore.auth.kind")}},
		},
		{
			Title: "Rate limits", Width: 8,
			Description: "Requests per second that met a limit, by limit and outcome. Denied ones were answered with 429.",
			Queries:     []dashboards.Query{{Expr: query.Rate(ratelimit.Decisions).By("otelkit.ratelimit.limit", "otelkit.ratelimit.outcome")}},
		},
	}}
}

// faultsRow is trouble that was made on purpose.
func faultsRow() dashboards.Row {
	return dashboards.Row{Title: "Faults", Panels: []dashboards.Panel{
		{
			Title:       "Faults that are on",
			Description: "1 for each fault that somebody started on purpose. Look here first, before you look for a real one.",
			Queries:     []dashboards.Query{{Expr: query.Max(telemetry.ActiveFaults).By("webstore.fault.name")}},
		},
		{
			Title:       "Errors by release",
			Description: "Share of requests that fail, by release, while a new one is tried on some of them.",
			Queries: []dashboards.Query{{Expr: query.Ratio(
				query.Rate(telemetry.ReleaseRequests).Where(query.Equal("webstore.release.outcome", telemetry.ReleaseFailed)),
				query.Rate(telemetry.ReleaseRequests),
			).By("webstore.release")}},
		},
		{
			Title:       "Telemetry that was lost",
			Description: "Spans, log records and data points per second that did not reach the back end, by service and signal. What was lost while it was away is told when it is back.",
			Queries:     []dashboards.Query{{Expr: query.Rate(otelkit.Lost).By("service.name", "otelkit.telemetry.signal")}},
		},
	}}
}
