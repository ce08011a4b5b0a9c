// Package metrics defines a metric once, as a Go value, and records through
// that value.
//
// A definition is a package variable. It is the only place that knows the
// metric's name, unit, help, attributes, their values and its buckets; what
// records, what draws a dashboard and what raises an alert all hold the value:
//
//	Definition ──NewCounter──> Counter[A] ──Add──> Recorder ──> MeterProvider
//	                 │
//	                 └──> Catalog ──Metrics()──> query, dashboards, alerts, docs
//
// The attributes of a metric are a comparable struct, so a misspelt or missing
// attribute does not compile, and the struct is the key under which the ready
// measurement option is kept: recording does not allocate.
//
// Series are bounded by construction. A field whose type has a method
// Values() []T takes those values only and records anything else as "_OTHER".
// A free string states how many values it may have (attr:"key,limit=50").
// A whole metric has at most [Definition.Limit] attribute sets; what is beyond
// is recorded under otel.metric.overflow=true, as the OpenTelemetry
// specification has it, and reported once.
//
// A definition that is wrong never panics and never records: [Catalog.Err] says
// what is wrong and on which line, and otelkit.Start refuses to start with it.
//
// Recording works at any time. It goes to the [Recorder] in the context if
// there is one, else to the process default, which is OpenTelemetry's global
// MeterProvider until [SetDefault] (called by otelkit.Start) replaces it.
//
// This package imports the OpenTelemetry API and nothing else.
package metrics
