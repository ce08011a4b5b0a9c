package dbclient

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// Target is the database that a client calls.
type Target struct {
	System    System
	Namespace string // database, by name or number
	Server    string // host, or the path of a socket
	Port      int    // 0 for a socket
	Pool      string // name of the connection pool
}

// Attributes describe the target on a span.
func (t Target) Attributes() []attribute.KeyValue {
	attrs := []attribute.KeyValue{
		semconv.DBSystemNameKey.String(string(t.System)),
		semconv.DBNamespace(t.Namespace),
		semconv.ServerAddress(t.Server),
	}
	if t.Port != 0 {
		attrs = append(attrs, semconv.ServerPort(t.Port))
	}
	return attrs
}

// Failure is why a call failed.
type Failure struct {
	Status string // the database's own code, "" if the database did not answer
	Type   string // Status, else what kept the client from an answer; "" is success
}

// Tracer starts the spans of calls. The zero value starts none.
type Tracer struct{ tracer trace.Tracer }

// NewTracer returns a tracer of a scope. Of the provider that does nothing it is
// one that starts none, which saves a call 4 allocations.
func NewTracer(provider trace.TracerProvider, scope string) Tracer {
	if _, none := provider.(noop.TracerProvider); none {
		return Tracer{}
	}
	return Tracer{provider.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL))}
}

// Wants says whether a call in this context is to have a span: whether there is
// one to put it below, which is recorded or of another process. Background work
// has none; its calls would be traces of one span each.
func (t Tracer) Wants(ctx context.Context) bool {
	if t.tracer == nil {
		return false
	}
	span := trace.SpanFromContext(ctx)
	return span.IsRecording() || span.SpanContext().IsRemote()
}

// Start starts a span that is wanted, as of a time that the call is measured from
// as well.
func (t Tracer) Start(ctx context.Context, name string, at time.Time, options []trace.SpanStartOption) (context.Context, trace.Span) {
	return t.tracer.Start(ctx, name, append(options[:len(options):len(options)], trace.WithTimestamp(at))...)
}

// WaitKey is the attribute of a call that had to wait for its connection: how
// long, in seconds. The conventions have the metric db.client.connection.wait_time
// and no attribute.
const WaitKey = attribute.Key("otelkit.db.connection_wait")

// NoticedWait is from when on a wait is told: an idle connection is had in
// microseconds.
const NoticedWait = time.Millisecond

// Record records a call that ended now, and returns how long it took.
func (t Target) Record(ctx context.Context, start time.Time, operation, summary string, failure Failure) time.Duration {
	duration := time.Since(start)
	OperationDuration.Record(ctx, duration.Seconds(), OperationAttrs{
		System:    t.System,
		Namespace: t.Namespace,
		Operation: operation,
		Summary:   summary,
		Server:    t.Server,
		Port:      t.Port,
		Status:    failure.Status,
		Error:     failure.Type,
	})
	return duration
}

// Mark puts a failure on the span of the call.
func (f Failure) Mark(span trace.Span) {
	if f.Type == "" || !span.IsRecording() {
		return
	}
	span.SetAttributes(semconv.ErrorTypeKey.String(f.Type))
	if f.Status != "" {
		span.SetAttributes(semconv.DBResponseStatusCode(f.Status))
	}
	span.SetStatus(codes.Error, "")
}

// ErrorType names what kept a client from an answer.
func ErrorType(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection_refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "connection_reset"
	default:
		return metrics.Other
	}
}

// Recorder is the part of a Kit that measurements need.
type Recorder interface {
	Recorder() *metrics.Recorder
}

// Recording returns a context in which measurements go to kit. A nil kit leaves
// them where they go.
func Recording(ctx context.Context, kit Recorder) context.Context {
	if kit == nil {
		return ctx
	}
	if recorder := kit.Recorder(); recorder != metrics.FromContext(ctx) {
		return metrics.NewContext(ctx, recorder)
	}
	return ctx
}
