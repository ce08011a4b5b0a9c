// Package httpclient observes outgoing HTTP requests: a span and a metric each,
// and the trace context in their headers.
//
//	client := &http.Client{Transport: httpclient.Transport(nil, httpclient.Config{Kit: kit})}
//	ctx = httpclient.WithTemplate(ctx, "/payments/{id}")
//	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
//
// A request is observed from when it is sent until the header of its response
// has come: span and metric measure the same time. Reading the body is not in it,
// since a client may never read it to its end, and such a span would never end.
//
// Each try that a retrying client makes through the transport is a request and a
// span of its own. A redirect that http.Client follows is, too, and says by
// http.request.resend_count which it is. [Call] puts the tries of one logical call
// below one span, and counts them.
//
// A request whose context holds no span gets none and starts no trace: background
// work that polls would else fill the back end with traces of one span. It is
// still measured. [Config.RootSpans] changes that.
//
// The names are those of OpenTelemetry's semantic conventions for HTTP, v1.43.0.
// The template makes good span names and tells endpoints apart in metrics; a path
// never is on a metric. Of a URL's query the span says only that there was one,
// and nothing of a user and password in it.
package httpclient

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// scope is the instrumentation scope of spans and metrics.
const scope = "github.com/otelkit/kit/otelkit/httpclient"

// Kit is what Transport needs of a *otelkit.Kit. If it also has the method
//
//	SamplesByAttributes() bool
//
// and that returns false, spans get all their attributes when they end, which spares
// two allocations a request, and more if the trace is not sampled.
type Kit interface {
	TracerProvider() trace.TracerProvider
	Propagator() propagation.TextMapPropagator
	Recorder() *metrics.Recorder
}

// Config configures Transport. The zero value of every field is useful.
type Config struct {
	Kit       Kit  // where telemetry goes; nil means OpenTelemetry's globals and the default recorder
	RootSpans bool // start a trace for a request whose context holds no span
}

// Transport returns base, observed. A nil base means http.DefaultTransport.
func Transport(base http.RoundTripper, cfg Config) http.RoundTripper {
	if base == nil {
		base = http.DefaultTransport
	}
	t := &transport{
		base:       base,
		cfg:        cfg,
		tracer:     otel.GetTracerProvider().Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL)),
		propagator: otel.GetTextMapPropagator(),

		samplesByAttributes: true,
	}
	if kit, ok := cfg.Kit.(interface{ SamplesByAttributes() bool }); ok {
		t.samplesByAttributes = kit.SamplesByAttributes()
	}
	if cfg.Kit != nil {
		t.tracer = cfg.Kit.TracerProvider().Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL))
		t.propagator = cfg.Kit.Propagator()
	}
	return t
}

type templateKey struct{}

// WithTemplate returns a context whose requests go to the endpoint of that
// template, such as "/payments/{id}": url.template of span and metric, and part of
// the span's name. It has to be one of a few texts in the code; never put a path
// or an id there.
func WithTemplate(ctx context.Context, template string) context.Context {
	return context.WithValue(ctx, templateKey{}, template)
}

type transport struct {
	base       http.RoundTripper
	cfg        Config
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator

	samplesByAttributes bool // the sampler may look at them

	// spansTellStart says that the tracer's spans have StartTime, as the SDK's have.
	// Then span and metric agree without a timestamp for each, an allocation less.
	spansTellStart atomic.Bool
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL == nil {
		return t.base.RoundTrip(r) // it says what is wrong
	}
	call := call{start: time.Now(), method: methodOf(r), resends: resends(r)}
	call.template, _ = r.Context().Value(templateKey{}).(string)
	call.server, call.port = serverOf(r.URL)

	ctx, span := t.startSpan(t.recording(r.Context()), r, &call)
	out := t.outgoing(ctx, r)

	response, err := t.base.RoundTrip(out)
	duration := time.Since(call.start)
	attrs := call.attributes(response, err)
	RequestDuration.Record(ctx, duration.Seconds(), attrs)
	if span != nil {
		t.endSpan(&call, span, r, attrs, call.start.Add(duration))
	}
	return response, err
}

// CloseIdleConnections is what http.Client.CloseIdleConnections calls.
func (t *transport) CloseIdleConnections() {
	if base, ok := t.base.(interface{ CloseIdleConnections() }); ok {
		base.CloseIdleConnections()
	}
}

// recording returns a context in which measurements go to the kit.
func (t *transport) recording(ctx context.Context) context.Context {
	if t.cfg.Kit == nil {
		return ctx
	}
	if recorder := t.cfg.Kit.Recorder(); recorder != metrics.FromContext(ctx) {
		return metrics.NewContext(ctx, recorder)
	}
	return ctx
}
