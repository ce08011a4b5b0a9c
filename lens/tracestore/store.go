// Package tracestore keeps spans in SQLite and finds traces again: by id, and
// by a subset of TraceQL. Its Handler answers as Grafana Tempo does.
//
// A span is one row. What search needs stands in columns (attributes as JSONB);
// beside them lies the span as it came, in OTLP with its resource and scope,
// so that a trace is given out with all that was put in.
package tracestore

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otelkit/kit/lens/fifo"
	"github.com/otelkit/kit/lens/tally"
)

const schema = `
CREATE TABLE span (
	id          INTEGER PRIMARY KEY,
	trace_id    BLOB NOT NULL,
	span_id     BLOB NOT NULL,
	parent_id   BLOB, -- NULL for a root
	service     TEXT NOT NULL,
	name        TEXT NOT NULL,
	kind        INTEGER NOT NULL,
	status      INTEGER NOT NULL,
	start_ns    INTEGER NOT NULL,
	duration_ns INTEGER NOT NULL,
	resource    BLOB NOT NULL, -- JSONB object
	attributes  BLOB NOT NULL, -- JSONB object
	otlp        BLOB NOT NULL  -- TracesData with this one span
);
-- A client that tries again sends the same spans. Kind is part of the identity
-- because Zipkin's clients and servers share an id.
CREATE UNIQUE INDEX span_identity ON span (trace_id, span_id, kind);
CREATE INDEX span_start ON span (start_ns);
`

const insert = `
INSERT OR IGNORE INTO span
	(trace_id, span_id, parent_id, service, name, kind, status, start_ns, duration_ns, resource, attributes, otlp)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, jsonb(?), jsonb(?), ?)`

// Config configures a Store.
type Config struct {
	Path     string        // the file; required
	MaxRows  int64         // spans to keep; 0 means no limit
	MaxBytes int64         // bytes to keep; 0 means no limit
	MaxAge   time.Duration // how long to keep them; 0 means no limit
	OnEvict  func(spans int64)
	Log      *slog.Logger
}

// A Store keeps spans. Its methods may be called concurrently.
type Store struct {
	spans *fifo.Store
	db    *sql.DB
}

// Open opens the store, or makes it.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	spans, err := fifo.Open(ctx, fifo.Config{
		Path: cfg.Path, Table: "span", Time: "start_ns", Schema: schema, Version: 1, Insert: insert,
		MaxRows: cfg.MaxRows, MaxBytes: cfg.MaxBytes, MaxAge: cfg.MaxAge, OnEvict: cfg.OnEvict, Log: cfg.Log,
	})
	if err != nil {
		return nil, fmt.Errorf("traces: %w", err)
	}
	return &Store{spans: spans, db: spans.DB()}, nil
}

// Close writes what is queued and closes the file.
func (s *Store) Close() error { return s.spans.Close() }

// Usage returns how many spans and bytes the store holds.
func (s *Store) Usage(ctx context.Context) (fifo.Usage, error) { return s.spans.Usage(ctx) }

// Write stores the spans of one export and returns after they are committed.
// A span without ids is dropped; one that is there already is a duplicate.
// Errors are those of fifo.Store.Write: nothing was stored then.
func (s *Store) Write(ctx context.Context, td ptrace.Traces) (tally.Outcome, error) {
	out := tally.Outcome{Received: int64(td.SpanCount())}
	rows := make([][]any, 0, td.SpanCount())
	marshaler := ptrace.ProtoMarshaler{}
	for _, rs := range td.ResourceSpans().All() {
		service := serviceName(rs.Resource())
		resource := attributesJSON(rs.Resource().Attributes())
		for _, ss := range rs.ScopeSpans().All() {
			for _, span := range ss.Spans().All() {
				if span.TraceID().IsEmpty() || span.SpanID().IsEmpty() {
					out.Drop("no id", 1, fmt.Sprintf("span %q of %s has no trace id or no span id", span.Name(), service))
					continue
				}
				otlp, err := marshaler.MarshalTraces(single(rs, ss, span))
				if err != nil {
					out.Drop("not encodable", 1, fmt.Sprintf("span %q of %s: %v", span.Name(), service, err))
					continue
				}
				rows = append(rows, row(span, service, resource, otlp))
			}
		}
	}
	stored, err := s.spans.Write(ctx, rows)
	if err != nil {
		return tally.Outcome{Received: out.Received}, err
	}
	out.Stored, out.Duplicate = stored, int64(len(rows))-stored
	return out, nil
}

func row(span ptrace.Span, service, resource string, otlp []byte) []any {
	trace, id := span.TraceID(), span.SpanID()
	var parent []byte
	if p := span.ParentSpanID(); !p.IsEmpty() {
		parent = p[:]
	}
	start := int64(span.StartTimestamp())
	return []any{trace[:], id[:], parent, service, span.Name(), int64(span.Kind()), int64(span.Status().Code()),
		start, max(int64(span.EndTimestamp())-start, 0), resource, attributesJSON(span.Attributes()), otlp}
}

// single returns one span with its resource and scope.
func single(rs ptrace.ResourceSpans, ss ptrace.ScopeSpans, span ptrace.Span) ptrace.Traces {
	td := ptrace.NewTraces()
	toRS := td.ResourceSpans().AppendEmpty()
	rs.Resource().CopyTo(toRS.Resource())
	toRS.SetSchemaUrl(rs.SchemaUrl())
	toSS := toRS.ScopeSpans().AppendEmpty()
	ss.Scope().CopyTo(toSS.Scope())
	toSS.SetSchemaUrl(ss.SchemaUrl())
	span.CopyTo(toSS.Spans().AppendEmpty())
	return td
}

// serviceName returns the service that the resource names, or what the
// semantic conventions call one that has no name.
func serviceName(r pcommon.Resource) string {
	if v, ok := r.Attributes().Get("service.name"); ok && v.AsString() != "" {
		return v.AsString()
	}
	return "unknown_service"
}

// A Service is a service that sent spans.
type Service struct {
	Name     string
	LastSeen time.Time
}

// Services returns the services with spans that started after since, by name.
func (s *Store) Services(ctx context.Context, since time.Time) ([]Service, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT service, max(start_ns) FROM span WHERE start_ns >= ? GROUP BY service ORDER BY service", since.UnixNano())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Service
	for rows.Next() {
		var name string
		var last int64
		if err := rows.Scan(&name, &last); err != nil {
			return nil, err
		}
		out = append(out, Service{Name: name, LastSeen: time.Unix(0, last)})
	}
	return out, rows.Err()
}
