package postgres

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/otelkit/kit/otelkit/internal/dbclient"
	"go.opentelemetry.io/otel"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// scope is the instrumentation scope of spans.
const scope = "github.com/otelkit/kit/otelkit/postgres"

// tracer is what pgx calls around everything that it does.
type tracer struct {
	target     dbclient.Target
	statements statements
	kit        dbclient.Recorder
	spans      dbclient.Tracer
	pool       dbclient.PoolAttrs

	pending  atomic.Int64
	timeouts atomic.Int64
}

var (
	_ pgx.QueryTracer       = (*tracer)(nil)
	_ pgx.BatchTracer       = (*tracer)(nil)
	_ pgx.CopyFromTracer    = (*tracer)(nil)
	_ pgx.PrepareTracer     = (*tracer)(nil)
	_ pgx.ConnectTracer     = (*tracer)(nil)
	_ pgxpool.AcquireTracer = (*tracer)(nil)
	_ pgxpool.ReleaseTracer = (*tracer)(nil)
)

func newTracer(kit Kit, target dbclient.Target) *tracer {
	t := &tracer{
		target:     target,
		statements: statements{target: target.Attributes()},
		pool:       dbclient.PoolAttrs{System: target.System, Pool: target.Pool},
	}
	provider := otel.GetTracerProvider()
	if kit != nil {
		t.kit, provider = kit, kit.TracerProvider()
	}
	t.spans = dbclient.NewTracer(provider, scope)
	return t
}

// call is a call of the database under way, and the context that it goes on in:
// one allocation instead of the three of context.WithValue.
type call struct {
	context.Context
	statement *statement
	conn      *connection
	start     time.Time
	span      trace.Span // nil if it has none
	late      bool       // it may yet have one
}

type callKey struct{}

// Value returns the call, or what the context around it holds.
func (c *call) Value(key any) any {
	if key == (callKey{}) {
		return c
	}
	return c.Context.Value(key)
}

// slow is when a statement that begins or ends a transaction is worth a span.
const slow = 5 * time.Millisecond

// begin starts a call, with a span if the context has one to put it below.
func (t *tracer) begin(ctx context.Context, conn *pgx.Conn, s *statement) context.Context {
	c := &call{Context: ctx, statement: s, conn: connectionOf(conn), start: time.Now()}
	switch {
	case s.ping || !t.spans.Wants(ctx):
	case s.bracket:
		c.late = true
	default:
		c.Context, c.span = t.span(c)
	}
	return c
}

// span starts the span of a call.
func (t *tracer) span(c *call) (context.Context, trace.Span) {
	ctx, span := t.spans.Start(c.Context, c.statement.spanName(), c.start, c.statement.options)
	if wait := c.conn.takeWait(); wait >= dbclient.NoticedWait {
		span.SetAttributes(dbclient.WaitKey.Float64(wait.Seconds()))
	}
	return ctx, span
}

// end records a call and ends its span.
func (t *tracer) end(ctx context.Context, err error) {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok || c.statement.ping {
		return
	}
	failure := failureOf(err)
	duration := t.target.Record(dbclient.Recording(c.Context, t.kit), c.start, c.statement.operation, c.statement.text, failure)
	if c.late && (failure.Type != "" || duration >= slow) {
		_, c.span = t.span(c)
	}
	if c.span == nil {
		return
	}
	failure.Mark(c.span)
	c.span.End(trace.WithTimestamp(c.start.Add(duration)))
}

// TraceQueryStart starts the call of a statement. That of a ping is not told of, and
// hides the acquiring that it is part of.
func (t *tracer) TraceQueryStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	return t.begin(ctx, conn, t.statement(conn, data.SQL))
}

// statement returns what is known of a text, or of the statement that was
// prepared under it as a name.
func (t *tracer) statement(conn *pgx.Conn, sql string) *statement {
	s := t.statements.of(sql)
	if s.ping {
		return s
	}
	if prepared := connectionOf(conn).prepared(sql); prepared != nil {
		return prepared
	}
	return s
}

// TraceQueryEnd ends the call of a statement. It comes when the rows are closed,
// so that a call takes until its last row was read.
func (t *tracer) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryEndData) {
	t.end(ctx, data.Err)
}

// TraceBatchStart starts the call of a batch.
func (t *tracer) TraceBatchStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceBatchStartData) context.Context {
	queries := data.Batch.QueuedQueries
	if len(queries) == 1 { // one is no batch, say the conventions
		return t.begin(ctx, conn, t.statement(conn, queries[0].SQL))
	}
	all := make([]*statement, len(queries))
	for i, q := range queries {
		all[i] = t.statement(conn, q.SQL)
	}
	s := together(all)
	if t.spans.Wants(ctx) {
		s.options = spanOptions(t.statements.target, s, semconv.DBOperationBatchSize(len(queries)))
	}
	return t.begin(ctx, conn, s)
}

// together sums up the statements of a batch, by the conventions: what all have
// in common stays.
func together(all []*statement) *statement {
	s := &statement{}
	for i, one := range all {
		if i == 0 {
			s.summary, s.query = one.summary, one.query
			continue
		}
		if one.text != s.text {
			s.text = ""
		}
		if one.operation != s.operation {
			s.operation = ""
		}
		if one.collection != s.collection {
			s.collection = ""
		}
	}
	if slices.ContainsFunc(all, func(one *statement) bool { return one.query != s.query }) {
		s.query = joined(all)
	}
	s.text = strings.TrimSpace("BATCH " + s.text)
	s.operation = strings.TrimSpace("BATCH " + s.operation)
	return s
}

// joined writes the texts of a batch one behind the other.
func joined(all []*statement) string {
	var b strings.Builder
	for i, s := range all {
		if b.Len()+len("; ")+len(s.query) > maxQuery-len("; ...") {
			b.WriteString("; ...")
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(s.query)
	}
	return b.String()
}

// TraceBatchQuery does nothing: a batch is one call.
func (t *tracer) TraceBatchQuery(context.Context, *pgx.Conn, pgx.TraceBatchQueryData) {}

// TraceBatchEnd ends the call of a batch.
func (t *tracer) TraceBatchEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceBatchEndData) {
	t.end(ctx, data.Err)
}

// TraceCopyFromStart starts the call of a copy.
func (t *tracer) TraceCopyFromStart(ctx context.Context, conn *pgx.Conn, data pgx.TraceCopyFromStartData) context.Context {
	table := strings.Join(data.TableName, ".")
	s := &statement{summary: summary{text: "COPY " + table, operation: "COPY", collection: table}}
	s.options = spanOptions(t.statements.target, s)
	return t.begin(ctx, conn, s)
}

// TraceCopyFromEnd ends the call of a copy.
func (t *tracer) TraceCopyFromEnd(ctx context.Context, _ *pgx.Conn, data pgx.TraceCopyFromEndData) {
	t.end(ctx, data.Err)
}

// TracePrepareStart learns the name of a statement.
func (t *tracer) TracePrepareStart(ctx context.Context, conn *pgx.Conn, data pgx.TracePrepareStartData) context.Context {
	connectionOf(conn).prepare(data.Name, t.statements.of(data.SQL))
	return ctx
}

// TracePrepareEnd does nothing.
func (t *tracer) TracePrepareEnd(context.Context, *pgx.Conn, pgx.TracePrepareEndData) {}

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
