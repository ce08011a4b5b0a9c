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

// startSpan starts the span of a request, with what a sampler decides by if it may; nil
// if it has none. To start without saves 2 allocations, and 3 in a trace that is not
// sampled (BenchmarkTransport).
func (t *transport) startSpan(ctx context.Context, r *http.Request, call *call) (context.Context, trace.Span) {
	if !t.cfg.RootSpans && !trace.SpanContextFromContext(ctx).IsValid() {
		return ctx, nil
	}
	with := arguments.Get().(*spanArguments)
	options := with.start[:1]
	if t.samplesByAttributes {
		options = append(options, with.options[len(call.spanAttributes(with.attributes[:0], r))])
	}
	tell := t.spansTellStart.Load()
	if !tell {
		options = append(options, trace.WithTimestamp(call.start))
	}
	ctx, span := t.tracer.Start(ctx, call.method.SpanName(call.template), options...)
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
func (t *transport) endSpan(call *call, span trace.Span, r *http.Request, result RequestAttrs, end time.Time) {
	if !span.IsRecording() {
		span.End()
		return
	}
	with := arguments.Get().(*spanArguments)
	attrs := with.attributes[:0]
	if !t.samplesByAttributes {
		attrs = call.spanAttributes(attrs, r)
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
