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

// Record records a call that ended now, and returns how long it took.
func (t Target) Record(ctx context.Context, start time.Time, operation string, failure Failure) time.Duration {
	duration := time.Since(start)
	OperationDuration.Record(ctx, duration.Seconds(), OperationAttrs{
		System:    t.System,
		Namespace: t.Namespace,
		Operation: operation,
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
