// Package configfile lets a file configure the telemetry, as OpenTelemetry's
// declarative configuration has it.
//
//	kit, err := otelkit.Start(ctx, otelkit.Config{
//		Service:    "payments",
//		ConfigFile: configfile.Load,
//	})
//
// When OTEL_CONFIG_FILE names a file, the file says everything; other OTEL_*
// variables matter only where the file names them:
//
//	file_format: "1.0"
//	tracer_provider:
//	  processors:
//	    - batch:
//	        exporter:
//	          otlp_http:
//	            endpoint: ${OTEL_EXPORTER_OTLP_ENDPOINT:-http://localhost:4318}/v1/traces
//
// Without OTEL_CONFIG_FILE nothing changes. The package is apart because it holds
// go.opentelemetry.io/contrib/otelconf, which reads the schema and builds the SDK.
//
// # Strictness
//
// A file that cannot mean what its author thinks keeps the service from starting,
// and the error has the line: an unknown key (with the one that may have been
// meant), a file_format that otelconf does not implement, two samplers where one
// can be, a reference that names no variable, a list where a text has to be. What
// is right but without effect is a line at start: log_level, distribution, metric
// producers, default_histogram_aggregation, aggregation_cardinality_limit.
//
// YAML aliases are refused: write it out.
//
// # What is better than otelconf alone
//
// exemplar_filter, attribute_limits, all limits of spans and resource's
// attributes_list are applied; the type of a resource attribute holds; the
// aggregations of views have the defaults of the schema. The resource has what
// Config says and what is detected, where the file says nothing else, and
// service.name has to be somewhere.
//
// # What differs from Start without a file
//
// Shutdown and ForceFlush are the same: all signals at once, in their time. But
// otelconf makes the exporters, so that the kit does not stand between them and
// the SDK: what they cannot export is reported to OpenTelemetry's error handler,
// which is the kit's only with [otelkit.Config.SetGlobal], and is not among what
// the kit counts as lost; an export under way when Shutdown gives up goes on until
// its own timeout; a text that is not UTF-8 loses its batch. A signal that
// the file leaves out is off: without a tracer_provider there are no trace ids,
// without a propagator none travels. Exporters named console write to standard
// output, whatever [otelkit.Config.Logs] says. pull readers and what is in
// development are refused. A file with views has the SDK's exemplars, of which a
// tail sampler knows nothing (see otelkit/exemplar).
package configfile
