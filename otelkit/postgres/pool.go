package postgres

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/otelkit/kit/otelkit/internal/dbclient"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// connection is what a tracer keeps of a connection. It belongs to whoever holds
// the connection, and is for one goroutine at a time as the connection is. A nil
// connection is one that the tracer has not seen; nothing is kept of it.
type connection struct {
	acquired time.Time       // zero while it is idle
	holder   context.Context // of whoever acquired it, so that its exemplar leads to the trace
	wait     time.Duration   // for the connection, until a span tells of it
	names    map[string]*statement
}

// connectionKey is the key in pgconn.PgConn.CustomData.
const connectionKey = scope

// maxNames is the most names of prepared statements that are kept of one
// connection.
const maxNames = 200

func connectionOf(conn *pgx.Conn) *connection {
	if conn == nil {
		return nil
	}
	c, _ := conn.PgConn().CustomData()[connectionKey].(*connection)
	return c
}

// takeWait returns how long the connection was waited for, once.
func (c *connection) takeWait() time.Duration {
	if c == nil {
		return 0
	}
	wait := c.wait
	c.wait = 0
	return wait
}

// prepare notes the statement that a name stands for. pgx's own names are left
// out: they do not come in place of a text.
func (c *connection) prepare(name string, s *statement) {
	if c == nil || name == "" || strings.HasPrefix(name, "stmtcache_") || len(c.names) >= maxNames {
		return
	}
	if c.names == nil {
		c.names = map[string]*statement{}
	}
	c.names[name] = s
}

// prepared returns the statement that a name stands for, nil if it is none.
func (c *connection) prepared(name string) *statement {
	if c == nil {
		return nil
	}
	return c.names[name]
}

// TraceConnectStart starts measuring how long making a connection takes.
func (t *tracer) TraceConnectStart(ctx context.Context, _ pgx.TraceConnectStartData) context.Context {
	return &call{Context: ctx, start: time.Now()}
}

// TraceConnectEnd measures a connection that was made.
func (t *tracer) TraceConnectEnd(ctx context.Context, data pgx.TraceConnectEndData) {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok || data.Err != nil {
		return
	}
	data.Conn.PgConn().CustomData()[connectionKey] = &connection{}
	dbclient.ConnectionCreateTime.Record(dbclient.Recording(ctx, t.kit), time.Since(c.start).Seconds(), t.pool)
}

// TraceAcquireStart starts measuring how long a connection is waited for.
func (t *tracer) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	t.pending.Add(1)
	return &call{Context: ctx, start: time.Now()}
}

// TraceAcquireEnd measures the wait, and leaves it to the next span on the
// connection. Of a wait that was in vain there will be no such span; the one
// around it is told.
func (t *tracer) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, data pgxpool.TraceAcquireEndData) {
	t.pending.Add(-1)
	if errors.Is(data.Err, context.DeadlineExceeded) {
		t.timeouts.Add(1)
	}
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		return
	}
	now := time.Now()
	wait := now.Sub(c.start)
	if data.Err != nil {
		trace.SpanFromContext(ctx).AddEvent("db.client.connection.unavailable", trace.WithAttributes(
			semconv.DBClientConnectionPoolName(t.pool.Pool),
			semconv.ErrorTypeKey.String(failureOf(data.Err).Type),
			dbclient.WaitKey.Float64(wait.Seconds()),
		))
		return
	}
	dbclient.ConnectionWaitTime.Record(dbclient.Recording(ctx, t.kit), wait.Seconds(), t.pool)
	if conn := connectionOf(data.Conn); conn != nil {
		conn.acquired, conn.holder, conn.wait = now, c.Context, wait
	}
}

// TraceRelease measures how long a connection was used.
func (t *tracer) TraceRelease(_ *pgxpool.Pool, data pgxpool.TraceReleaseData) {
	conn := connectionOf(data.Conn)
	if conn == nil || conn.acquired.IsZero() {
		return
	}
	dbclient.ConnectionUseTime.Record(dbclient.Recording(conn.holder, t.kit), time.Since(conn.acquired).Seconds(), t.pool)
	conn.acquired, conn.holder, conn.wait = time.Time{}, nil, 0
}

// state returns what tells the state of the pool. It does not hold the pool.
func (t *tracer) state(config *pgxpool.Config) func(*pgxpool.Pool) dbclient.PoolState {
	idleMin := int64(config.MinIdleConns)
	return func(pool *pgxpool.Pool) dbclient.PoolState {
		s := pool.Stat()
		return dbclient.PoolState{
			Idle:     int64(s.IdleConns()),
			Used:     int64(s.AcquiredConns()),
			Max:      int64(s.MaxConns()),
			IdleMin:  idleMin,
			Pending:  t.pending.Load(),
			Timeouts: t.timeouts.Load(),
		}
	}
}
