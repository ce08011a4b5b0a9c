// Package alerts turns objectives into Prometheus rules, the unit tests that
// prove them and the runbooks that explain them.
//
//	slo.SLO ──BurnRate──> groups of rules ──File──> rules.yaml
//	             │              │                   rules_test.yaml (promtool test rules)
//	             │              └─────────────────> one runbook page an alert
//	             └─────────────────────────Specs──> openslo.yaml, sloth.yaml
//
// An alert owes its reader an expression, a severity, a summary, a description,
// a runbook and a dashboard, and a proof: series on which it fires, and series
// on which it stays quiet. A [File] with an alert that lacks any of them is not
// written.
//
// [BurnRate] writes multi-window, multi-burn-rate alerts (Google's SRE workbook,
// "Alerting on SLOs") without four defects of the rules that Sloth v0.16 and
// Pyrra v0.10 write: there is a ratio before the first error; an idle hour does
// not turn the budget to NaN; one failed request at night wakes nobody; and long
// windows are weighted by traffic instead of averaging ratios. What the rules do
// while there is little traffic, or none, is told by package slo.
//
// An objective about time is counted from the bucket that ends at its threshold. A
// histogram without it is left out, so that a service that was built without the
// objective shows as one without data, instead of as one that is always quick.
//
// [Specs] says the same objectives to those who generate their rules by Sloth, or
// read OpenSLO.
package alerts
