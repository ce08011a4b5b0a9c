// Package query builds PromQL from metric definitions.
//
// An expression is given the definition that records, never a name, so a metric
// that is renamed takes its queries along, and a wrong use is found when the
// expression is written out instead of showing as an empty panel:
//
//	definition ──Rate──> Expr ──Where, By, Over──> Expr ──PromQL──> text or error
//
//	requests := query.Rate(httpserver.RequestDuration).By("service.name")
//	failed := requests.Where(query.Matches("http.response.status_code", "5.."))
//	text, err := query.Ratio(failed, requests).PromQL(query.Target{})
//
// Expressions are immutable values. Building them never fails and never
// panics; [Expr.PromQL] returns everything that is wrong, each fault with the
// metric, the line of its definition and what would be right: a rate of a gauge,
// an attribute that the metric does not have, a value outside a closed set, a
// quantile of a counter, a ratio of two units.
//
// Names of metrics and labels come from github.com/prometheus/otlptranslator,
// the code by which Prometheus itself translates OTLP, for a stated [Strategy].
//
// Beside a metric's own attributes every series has those of its resource:
// "job" and "instance", which Prometheus makes from service.namespace,
// service.name and service.instance.id, and service.name, service.namespace,
// service.version, service.instance.id and deployment.environment.name, which
// it has to be told to promote (otlp.promote_resource_attributes; lens does).
package query
