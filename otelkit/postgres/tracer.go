package postgres

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/otelkit/kit/otelkit/internal/dbclient"
	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/trace"
)

// tracer is what pgx calls around everything that it does. Spans are otelpgx's;
// its metrics are off, since they have no units and names of their own. What it
// leaves out of a span is added here: error.type and the status code.
//
// otelpgx also traces acquiring, connecting and preparing, and each statement of a
// batch once more. Those of its methods are not called.
type tracer struct {
	target dbclient.Target
	kit    dbclient.Recorder
	spans  *otelpgx.Tracer
	pool   dbclient.PoolAttrs

	pending  atomic.Int64
	timeouts atomic.Int64
}

var (
	_ pgx.QueryTracer       = (*tracer)(nil)
	_ pgx.BatchTracer       = (*tracer)(nil)
	_ pgx.CopyFromTracer    = (*tracer)(nil)
	_ pgx.ConnectTracer     = (*tracer)(nil)
	_ pgxpool.AcquireTracer = (*tracer)(nil)
)

func newTracer(kit Kit, target dbclient.Target) *tracer {
	t := &tracer{target: target, pool: dbclient.PoolAttrs{System: target.System, Pool: target.Pool}}
	provider := otel.GetTracerProvider()
	if kit != nil {
		t.kit, provider = kit, kit.TracerProvider()
	}
	t.spans = otelpgx.NewTracer(
		otelpgx.WithTracerProvider(provider),
		otelpgx.WithMeterProvider(metricnoop.NewMeterProvider()),
		otelpgx.WithSpanNameCtxFunc(func(_ context.Context, sql string) string { return operationOf(sql) }),
		otelpgx.WithDisableConnectionDetailsInAttributes(), // the same for all, so given once
		otelpgx.WithTracerAttributes(target.Attributes()...),
	)
	return t
}

// call is one of the things that pgx does, under way.
type call struct {
	operation string
	start     time.Time
}

type callKey struct{}

func begin(ctx context.Context, operation string) context.Context {
	return context.WithValue(ctx, callKey{}, call{operation, time.Now()})
}

// end records a call and adds to its span, if it has one: the span in ctx records
// exactly if otelpgx started it.
func (t *tracer) end(ctx context.Context, err error) {
	c, ok := ctx.Value(callKey{}).(call)
	if !ok {
		return
	}
	failure := failureOf(err)
	failure.Mark(trace.SpanFromContext(ctx))
	t.target.Record(dbclient.Recording(ctx, t.kit), c.start, c.operation, failure)
}

func (t *tracer) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	return begin(t.spans.TraceQueryStart(ctx, conn, data), operationOf(data.SQL))
}

func (t *tracer) TraceQueryEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryEndData) {
	t.end(ctx, data.Err)
	t.spans.TraceQueryEnd(ctx, conn, data)
}

func (t *tracer) TraceBatchStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	ctx = t.started(ctx, t.spans.TraceBatchStart(ctx, conn, data), "BATCH")
	return begin(ctx, "BATCH")
}

func (t *tracer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

func (t *tracer) TraceBatchEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchEndData) {
	t.end(ctx, data.Err)
	t.spans.TraceBatchEnd(ctx, conn, data)
}

func (t *tracer) TraceCopyFromStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceCopyFromStartData) context.Context {
	ctx = t.started(ctx, t.spans.TraceCopyFromStart(ctx, conn, data), "COPY")
	return begin(ctx, "COPY")
}

func (t *tracer) TraceCopyFromEnd(ctx context.Context, conn *pgx.Conn, data pgx.TraceCopyFromEndData) {
	t.end(ctx, data.Err)
	t.spans.TraceCopyFromEnd(ctx, conn, data)
}

// started renames the span that otelpgx started, if it did.
func (t *tracer) started(before, ctx context.Context, name string) context.Context {
	if span := trace.SpanFromContext(ctx); span != trace.SpanFromContext(before) {
		span.SetName(name)
	}
	return ctx
}

func (t *tracer) TraceConnectStart(ctx context.Context, _ pgx.TraceConnectStartData) context.Context {
	return begin(ctx, "")
}

func (t *tracer) TraceConnectEnd(ctx context.Context, data pgx.TraceConnectEndData) {
	if c, ok := ctx.Value(callKey{}).(call); ok && data.Err == nil {
		dbclient.ConnectionCreateTime.Record(dbclient.Recording(ctx, t.kit), time.Since(c.start).Seconds(), t.pool)
	}
}

func (t *tracer) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	t.pending.Add(1)
	return begin(ctx, "")
}

func (t *tracer) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, data pgxpool.TraceAcquireEndData) {
	t.pending.Add(-1)
	if errors.Is(data.Err, context.DeadlineExceeded) {
		t.timeouts.Add(1)
	}
	if c, ok := ctx.Value(callKey{}).(call); ok && data.Err == nil {
		dbclient.ConnectionWaitTime.Record(dbclient.Recording(ctx, t.kit), time.Since(c.start).Seconds(), t.pool)
	}
}

// state tells the state of the pool. The tracer does not hold the pool itself.
func (t *tracer) state(pool *pgxpool.Pool) dbclient.PoolState {
	s := pool.Stat()
	return dbclient.PoolState{
		Idle:     int64(s.IdleConns()),
		Used:     int64(s.AcquiredConns()),
		Max:      int64(s.MaxConns()),
		Pending:  t.pending.Load(),
		Timeouts: t.timeouts.Load(),
	}
}

// failureOf says why a statement failed. An SQLSTATE is the database's own code.
func failureOf(err error) dbclient.Failure {
	if err == nil || errors.Is(err, pgx.ErrNoRows) {
		return dbclient.Failure{}
	}
	if answer, ok := errors.AsType[*pgconn.PgError](err); ok {
		return dbclient.Failure{Status: answer.Code, Type: answer.Code}
	}
	return dbclient.Failure{Type: dbclient.ErrorType(err)}
}

// operations are the first words that statements are told apart by. A statement
// may begin with any word, if it is wrong.
var operations = []string{
	"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE", "WITH", "VALUES", "TABLE", "CALL", "COPY", "EXECUTE",
	"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "SET", "SHOW", "RESET", "LOCK", "LISTEN", "UNLISTEN", "NOTIFY",
	"CREATE", "ALTER", "DROP", "TRUNCATE", "GRANT", "REVOKE", "EXPLAIN", "ANALYZE", "VACUUM", "REFRESH", "DO",
	"DECLARE", "FETCH", "CLOSE", "PREPARE", "DEALLOCATE", "DISCARD",
}

// operationOf returns the operation of a statement: its first word.
func operationOf(sql string) string {
	word := otelpgx.SQLOperationName(context.Background(), sql)
	for i := range word {
		if c := word[i]; c < 'A' || c > 'Z' {
			word = word[:i] // as in "VALUES(1)" and "COMMIT;"
			break
		}
	}
	if !slices.Contains(operations, word) {
		return metrics.Other
	}
	return word
}
