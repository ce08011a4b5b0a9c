package redisdb

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/otelkit/kit/otelkit/internal/dbclient"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// scope is the instrumentation scope of spans.
const scope = "github.com/otelkit/kit/otelkit/redisdb"

// hook is what go-redis calls around everything that it does.
type hook struct {
	target     dbclient.Target
	attributes []attribute.KeyValue
	tracer     trace.Tracer
	recorder   dbclient.Recorder
}

func newHook(kit Kit, target dbclient.Target) *hook {
	provider := otel.GetTracerProvider()
	if kit != nil {
		provider = kit.TracerProvider()
	}
	return &hook{
		target:     target,
		attributes: target.Attributes(),
		tracer:     provider.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL)),
		recorder:   recorderOf(kit),
	}
}

// recorderOf keeps a nil kit nil.
func recorderOf(kit Kit) dbclient.Recorder {
	if kit == nil {
		return nil
	}
	return kit
}

// DialHook measures how long connecting takes.
func (h *hook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		start := time.Now()
		conn, err := next(ctx, network, addr)
		if err == nil {
			dbclient.ConnectionCreateTime.Record(dbclient.Recording(ctx, h.recorder), time.Since(start).Seconds(),
				dbclient.PoolAttrs{System: h.target.System, Pool: h.target.Pool})
		}
		return conn, err
	}
}

// ProcessHook observes a command.
func (h *hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if isSetup(cmd) {
			return next(ctx, cmd)
		}
		return h.observe(ctx, operationOf(cmd), 0, func(ctx context.Context) error { return next(ctx, cmd) })
	}
}

// ProcessPipelineHook observes a pipeline or transaction as one.
func (h *hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if len(cmds) > 0 && isSetup(cmds[0]) {
			return next(ctx, cmds)
		}
		operation, size := "PIPELINE", len(cmds)
		if size > 0 && cmds[0].Name() == "multi" { // go-redis puts "multi" and "exec" around a transaction
			operation, size = "MULTI", size-2
		}
		return h.observe(ctx, operation, size, func(ctx context.Context) error { return next(ctx, cmds) })
	}
}

// observe runs a call within its span and records it. batch is the number of
// commands in a batch.
func (h *hook) observe(ctx context.Context, operation string, batch int, call func(context.Context) error) error {
	ctx = dbclient.Recording(ctx, h.recorder)
	start := time.Now()
	if !trace.SpanContextFromContext(ctx).IsValid() {
		err := call(ctx)
		h.target.Record(ctx, start, operation, failureOf(err))
		return err
	}
	ctx, span := h.tracer.Start(ctx, operation,
		trace.WithSpanKind(trace.SpanKindClient),
		trace.WithTimestamp(start),
		trace.WithAttributes(h.attributes...),
	)
	err := call(ctx)
	failure := failureOf(err)
	duration := h.target.Record(ctx, start, operation, failure)
	if span.IsRecording() {
		span.SetAttributes(semconv.DBOperationName(operation))
		if batch > 1 { // one is no batch, say the conventions
			span.SetAttributes(semconv.DBOperationBatchSize(batch))
		}
		failure.Mark(span)
	}
	span.End(trace.WithTimestamp(start.Add(duration)))
	return err
}

// isSetup says whether a command sets up a new connection: go-redis sends those
// through the hooks of the call that needed the connection.
func isSetup(cmd redis.Cmder) bool {
	switch cmd.Name() {
	case "hello", "auth", "select", "client", "readonly":
		return true
	default:
		return false
	}
}

// operationOf returns the name of a command. Names are written in the code, not
// sent by anybody.
func operationOf(cmd redis.Cmder) string { return strings.ToUpper(cmd.Name()) }

// failureOf says why a call failed. That there is no such key is an answer.
func failureOf(err error) dbclient.Failure {
	if err == nil || errors.Is(err, redis.Nil) {
		return dbclient.Failure{}
	}
	if answer, ok := errors.AsType[redis.Error](err); ok {
		if prefix := prefixOf(answer.Error()); prefix != "" {
			return dbclient.Failure{Status: prefix, Type: prefix}
		}
	}
	return dbclient.Failure{Type: dbclient.ErrorType(err)}
}

// prefixOf returns the code that Redis begins its errors with, such as WRONGTYPE.
func prefixOf(message string) string {
	prefix, _, _ := strings.Cut(message, " ")
	if prefix == "" || strings.Trim(prefix, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return ""
	}
	return prefix
}
