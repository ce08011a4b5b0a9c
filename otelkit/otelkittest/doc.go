// Package otelkittest keeps a service's telemetry in memory, for its tests to
// look at: traces, metrics and logs of one fixture, and what they say about
// each other.
//
//	           ┌─ spans ───> Span, Spans, NoOpenSpans
//	service ──>│  metrics ─> Series, ExemplarsResolve      ──> Lint, Score
//	 (a Kit)   └─ logs ────> Log, Logs, Lines
//
// A [Kit] stands in for a *otelkit.Kit wherever an instrumented package asks for
// one, and nothing about it is global, so that tests run in parallel:
//
//	tel := otelkittest.New(t)
//	orders := tel.Series(shop.Orders, attribute.String("shop.outcome", "placed"))
//
//	placeOrder(tel.Context(t.Context()), tel)
//
//	request := tel.Span("POST /orders").Has(semconv.HTTPResponseStatusCode(201))
//	tel.Span("INSERT orders").ChildOf(request)
//	tel.Log("order placed").In(request)
//	orders.Grew(1)
//	orders.ExemplarOf(request)
//
// # What a failure says
//
// Whatever is not found is told together with everything that was recorded, so
// that the next step is to read, not to run the test again with a debugger:
//
//	otelkittest: no span "POST /order"; recorded:
//	  "POST /orders" server {http.response.status_code=201}
//	    "INSERT orders" client {db.system.name="postgresql"}
//
// # Waiting
//
// A server's span ends after its client has the response. So Span, Log, Grew and
// the like wait until what they ask for is there, at most five seconds; a test
// that passes does not wait longer than it has to. In a bubble of
// testing/synctest the five seconds are of its time.
//
// What is absent cannot be waited for. So NoSpan, NoLog, Lint, Score and Grew(0)
// look at what there is: end what you test before you ask.
//
// # Quality
//
// [Kit.Lint] compares what was recorded with OpenTelemetry's semantic
// conventions v1.43.0 and with the service's own definitions, and finds what
// OpenTelemetry Weaver's live check would find, by the same ids. [Kit.Score] is
// the Instrumentation Score of what was recorded, rule by rule. Each states there
// what it does not cover.
//
// The package depends on otelkit/metrics and otelkit/logs, and on the
// OpenTelemetry SDK. It does not replace a test with a collector: batching,
// export and loss are what it leaves out.
package otelkittest
