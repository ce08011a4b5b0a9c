package httpclient

import (
	"context"
	"net/http"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// startSpan starts the span of a request; nil if it has none. A sampler may decide by
// what the span is started with; in a trace that is not sampled there is nothing to
// decide, and three allocations are saved (BenchmarkTransport).
func (t *transport) startSpan(ctx context.Context, r *http.Request, call *call) (context.Context, trace.Span) {
	parent := trace.SpanContextFromContext(ctx)
	if !t.cfg.RootSpans && !parent.IsValid() {
		return ctx, nil
	}
	with := arguments.Get().(*spanArguments)
	options := with.start[:1]
	if parent.IsSampled() || !parent.IsValid() {
		options = append(options, with.options[len(call.spanAttributes(with.attributes[:0], r))])
		call.described = true
	}
	tell := t.spansTellStart.Load()
	if !tell {
		options = append(options, trace.WithTimestamp(call.start))
	}
	ctx, span := t.tracer.Start(ctx, call.spanName(), options...)
	with.free()
	if told, ok := span.(interface{ StartTime() time.Time }); ok {
		call.start = told.StartTime()
		if !tell {
			t.spansTellStart.Store(true)
		}
	}
	return ctx, span
}

// endSpan says how the request ended.
func (c *call) endSpan(span trace.Span, r *http.Request, result RequestAttrs, end time.Time) {
	if !span.IsRecording() {
		span.End()
		return
	}
	with := arguments.Get().(*spanArguments)
	attrs := with.attributes[:0]
	if !c.described {
		attrs = c.spanAttributes(attrs, r)
	}
	span.SetAttributes(resultAttributes(attrs, result)...)
	if result.Error != "" {
		span.SetStatus(codes.Error, "")
	}
	with.end[0] = trace.WithTimestamp(end)
	span.End(with.end[:]...)
	with.free()
}

// spanArguments are the arguments of a span's methods, used again: they escape to the
// heap though the SDK copies them (BenchmarkTransport).
type spanArguments struct {
	attributes [10]attribute.KeyValue
	options    [8]trace.SpanStartOption // the first none, one, … seven attributes
	start      [3]trace.SpanStartOption
	end        [1]trace.SpanEndOption
}

var arguments = sync.Pool{New: func() any {
	a := &spanArguments{}
	a.start[0] = trace.WithSpanKind(trace.SpanKindClient)
	for n := range a.options {
		a.options[n] = trace.WithAttributes(a.attributes[:n]...) // whatever stands there when it is applied
	}
	return a
}}

// free forgets the request, and gives the arguments back.
func (a *spanArguments) free() {
	clear(a.attributes[:])
	arguments.Put(a)
}
