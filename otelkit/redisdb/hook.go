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
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// scope is the instrumentation scope of spans.
const scope = "github.com/otelkit/kit/otelkit/redisdb"

// hook is what go-redis calls around everything that it does.
type hook struct {
	target     dbclient.Target
	pool       dbclient.PoolAttrs
	spans      dbclient.Tracer
	recorder   dbclient.Recorder
	operations operations
}

func newHook(kit Kit, target dbclient.Target) *hook {
	provider := otel.GetTracerProvider()
	if kit != nil {
		provider = kit.TracerProvider()
	}
	return &hook{
		target:     target,
		pool:       dbclient.PoolAttrs{System: target.System, Pool: target.Pool},
		spans:      dbclient.NewTracer(provider, scope),
		recorder:   recorderOf(kit),
		operations: operations{target: target.Attributes()},
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
			dbclient.ConnectionCreateTime.Record(dbclient.Recording(ctx, h.recorder), time.Since(start).Seconds(), h.pool)
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
		c := h.begin(ctx, h.operations.of("", cmd.Name()), 1)
		err := next(c, cmd)
		h.end(c, err)
		return err
	}
}

// ProcessPipelineHook observes a pipeline or transaction as one.
func (h *hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if len(cmds) > 0 && isSetup(cmds[0]) {
			return next(ctx, cmds)
		}
		c := h.begin(ctx, h.operations.ofBatch(cmds), batchSize(cmds))
		err := next(c, cmds)
		h.end(c, err)
		return err
	}
}

// call is a command or batch under way, and the context that it goes on in.
type call struct {
	context.Context
	hook      *hook
	operation *operation
	start     time.Time
	span      trace.Span    // nil if it has none
	wait      time.Duration // for a connection
}

type callKey struct{}

// Value returns the call, or what the context around it holds.
func (c *call) Value(key any) any {
	if key == (callKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// begin starts a call, with a span if the context has one to put it below.
func (h *hook) begin(ctx context.Context, operation *operation, size int) *call {
	c := &call{Context: dbclient.Recording(ctx, h.recorder), hook: h, operation: operation, start: time.Now()}
	if !h.spans.Wants(ctx) {
		return c
	}
	c.Context, c.span = h.spans.Start(c.Context, operation.name, c.start, operation.options)
	if size != 1 { // one is no batch, say the conventions
		c.span.SetAttributes(semconv.DBOperationBatchSize(size))
	}
	return c
}

// end records a call and ends its span.
func (h *hook) end(c *call, err error) {
	failure := failureOf(err)
	duration := h.target.Record(c.Context, c.start, c.operation.name, "", failure)
	if c.span == nil {
		return
	}
	if c.wait >= dbclient.NoticedWait {
		c.span.SetAttributes(dbclient.WaitKey.Float64(c.wait.Seconds()))
	}
	failure.Mark(c.span)
	c.span.End(trace.WithTimestamp(c.start.Add(duration)))
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

// failureOf says why a call failed. That there is no such key is an answer.
func failureOf(err error) dbclient.Failure {
	if err == nil || errors.Is(err, redis.Nil) {
		return dbclient.Failure{}
	}
	if errors.Is(err, redis.ErrPoolTimeout) {
		return dbclient.Failure{Type: "pool_timeout"}
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
