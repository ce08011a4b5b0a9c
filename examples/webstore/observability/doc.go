// Package observability is what watches the store: its objective, its dashboard
// and its alerts, as values over the definitions that its services record.
//
//	telemetry, httpserver, postgres ...  definitions
//	            │
//	     observability                   SLO, dashboard
//	            │
//	  dashboards-as-code, alerts         Grafana JSON, Prometheus rules and their tests, runbooks
//
// It is the only package of the store that knows both the definitions and the
// generators. [Files] is all that is generated; cmd/generate writes it into the
// repository, and `webstore up` beside the store's data, so that what watches a
// run is always in step with what it records.
package observability
