package otelkittest

import (
	"bytes"
	"context"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// spanRecorder is a span processor that keeps every span.
type spanRecorder struct {
	mu    sync.Mutex
	open  []sdktrace.ReadOnlySpan // started, not ended
	ended []sdktrace.ReadOnlySpan // in the order in which they did
}

// OnStart keeps an open span.
func (r *spanRecorder) OnStart(_ context.Context, s sdktrace.ReadWriteSpan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = append(r.open, s)
}

// OnEnd keeps an ended span.
func (r *spanRecorder) OnEnd(s sdktrace.ReadOnlySpan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open = slices.DeleteFunc(r.open, func(o sdktrace.ReadOnlySpan) bool {
		return o.SpanContext().Equal(s.SpanContext())
	})
	r.ended = append(r.ended, s)
}

// Shutdown keeps what was recorded.
func (*spanRecorder) Shutdown(context.Context) error { return nil }

// ForceFlush has nothing to wait for.
func (*spanRecorder) ForceFlush(context.Context) error { return nil }

func (r *spanRecorder) snapshot() (open, ended []sdktrace.ReadOnlySpan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.open), slices.Clone(r.ended)
}

// logRecorder is a log processor that keeps every record.
type logRecorder struct {
	mu      sync.Mutex
	records []sdklog.Record
}

// Enabled wants every record.
func (*logRecorder) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }

// OnEmit keeps a copy of the record, which is the SDK's to use again.
func (r *logRecorder) OnEmit(_ context.Context, record *sdklog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.records = append(r.records, record.Clone())
	return nil
}

// Shutdown keeps what was recorded.
func (*logRecorder) Shutdown(context.Context) error { return nil }

// ForceFlush has nothing to wait for.
func (*logRecorder) ForceFlush(context.Context) error { return nil }

func (r *logRecorder) snapshot() []sdklog.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.records)
}

// lines is a buffer for concurrent use.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// reservoir keeps the first measurements that it is offered. The SDK's own let
// later ones take an earlier one's place after each collection, by chance: a
// test would find its exemplar most of the time.
type reservoir struct {
	mu   sync.Mutex
	kept []exemplar.Exemplar
}

const mostExemplars = 1000 // of one series

// keepExemplars is a view that gives every series a reservoir.
func keepExemplars(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
	return sdkmetric.Stream{
		Name:        i.Name,
		Description: i.Description,
		Unit:        i.Unit,
		ExemplarReservoirProviderSelector: func(sdkmetric.Aggregation) exemplar.ReservoirProvider {
			return func(attribute.Set) exemplar.Reservoir { return &reservoir{} }
		},
	}, true
}

// Offer keeps a measurement with the span that it was made in.
func (r *reservoir) Offer(ctx context.Context, at time.Time, value exemplar.Value, dropped []attribute.KeyValue) {
	span := trace.SpanContextFromContext(ctx)
	traceID, spanID := span.TraceID(), span.SpanID()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.kept) < mostExemplars {
		r.kept = append(r.kept, exemplar.Exemplar{
			FilteredAttributes: slices.Clone(dropped),
			Time:               at,
			Value:              value,
			SpanID:             spanID[:],
			TraceID:            traceID[:],
		})
	}
}

// Collect returns what is kept, and keeps it.
func (r *reservoir) Collect(dest *[]exemplar.Exemplar) {
	r.mu.Lock()
	defer r.mu.Unlock()
	*dest = append((*dest)[:0], r.kept...)
}
