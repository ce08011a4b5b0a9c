// Package dashboards states dashboards as values over metric definitions and
// writes them for Grafana.
//
//	Dashboard
//	  Row "Requests"
//	    Panel "Errors" ──> Query ──> query.Expr ──> definition
//	  Row ...
//	      │
//	      └──Grafana──> JSON, the same byte for byte each time, or what is wrong
//
// A panel says what it answers, by its title and its description. It has no
// metric names and, as a rule, no unit: both come from the definitions that its
// queries read. A query that makes no sense is an error that names the panel,
// the metric and the line of its definition.
//
// Ids follow from titles, so that a link to a panel survives the panel's
// neighbours, and a diff shows what changed and nothing else.
//
// Grafana's own builder library is hidden here: it breaks between patch
// releases, leaves ids and refIds out, and hides links in a menu.
package dashboards
