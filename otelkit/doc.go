// Package otelkit starts a service's telemetry: one call, one value, one
// Shutdown.
//
//	func run(ctx context.Context) error {
//		kit, err := otelkit.Start(ctx, otelkit.Config{Service: "payments"})
//		if err != nil {
//			return err
//		}
//		defer kit.Shutdown(ctx)
//		...
//	}
//
// A [Kit] is what the other packages are wired to:
//
//	                 ┌─ TracerProvider ─ batches ─┐
//	Start ──> Kit ───┼─ MeterProvider ── interval ─┼──OTLP──> collector
//	                 ├─ LoggerProvider ─ batches ─┘
//	                 ├─ Profiles    to Pyroscope, if Config.Profiles says so
//	                 ├─ Logger      lines on standard output, and the LoggerProvider
//	                 ├─ Propagator  trace context in headers
//	                 └─ Recorder    where otelkit/metrics records
//
// Its Kit goes into the Config of otelkit/httpserver, httpclient, postgres and
// redisdb. Nothing is global unless [Config.SetGlobal] asks for it, but for one
// thing: definitions of otelkit/metrics record through the kit that was started
// last, so that a measurement is one line. A second kit in one process is
// reached by [Kit.Context].
//
// # Configuration
//
// The OTEL_* variables of the OpenTelemetry specification rule; Config fills in
// what they leave out. [Variables] lists them, docs/reference/environment.md
// shows them, and each is checked: a service with a value that cannot be does not
// start, and the error says all that is wrong. The SDK would take its default. One
// line at start names the OTEL_* variables that are set and that nobody reads.
//
// OTEL_CONFIG_FILE hands all of it over to a file, which then rules alone:
//
//	otelkit.Config{Service: "payments", ConfigFile: configfile.Load}
//
// Without ConfigFile a service with OTEL_CONFIG_FILE does not start.
//
// Without an endpoint nothing is exported. That is a mode of its own, for a
// developer's machine and for tests: traces have ids, which stand in the logs and
// go along with calls, but spans, metrics and log records stay in the process.
// One line at start says so. OTEL_SDK_DISABLED=true leaves the logs on standard
// output and the propagators, and turns off everything else.
//
// # Exemplars
//
// Each series of a histogram or counter exports an exemplar now and then: a
// measurement with the id of its trace. The span of each is marked, so that a tail
// sampler can keep exactly those traces; otelkit/exemplar says how. Without traces
// there are none.
//
// # When the collector is away
//
// Nothing here waits for a collector: not Start, not a span, a measurement or a
// log line. What cannot be exported is lost after the exporter's retries, and so is
// what finds the queues full meanwhile. None of it is lost silently: it is counted
// by signal and [Cause], exactly, in [Kit.Loss], in the metric otelkit.telemetry.lost
// ([Lost]), which arrives when the collector is back, and on standard output, in one
// line a minute for each cause. A file of OTEL_CONFIG_FILE has the SDK's processors
// do the exporting, which count nothing. The lines themselves wait for nobody either:
// otelkit/logs says what a stalled standard output costs.
//
// [Kit.Shutdown] gives each signal the same, whole time to get rid of what it
// still has, all at once, and then ends.
package otelkit
