// Package logstore keeps log records in SQLite and finds them by label, by
// text and by trace id. Its Handler answers as Grafana Loki does, for a subset
// of LogQL.
//
// A record becomes what Loki makes of it: a line (the body), stream labels
//
//	service_name  service_namespace  deployment_environment_name  level
//
// and structured metadata: trace_id, span_id, severity_text, severity_number,
// scope_name and every other attribute of the record and its resource, with
// dots in names turned into underscores.
package logstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"
	"unicode"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/otelkit/kit/lens/fifo"
	"github.com/otelkit/kit/lens/tally"
)

const schema = `
CREATE TABLE record (
	id          INTEGER PRIMARY KEY,
	time_ns     INTEGER NOT NULL,
	service     TEXT NOT NULL,
	namespace   TEXT NOT NULL,
	environment TEXT NOT NULL,
	level       TEXT NOT NULL,
	trace_id    TEXT, -- hexadecimal, NULL outside a trace
	span_id     TEXT,
	body        TEXT NOT NULL,
	metadata    BLOB NOT NULL -- JSONB object of texts
);
CREATE INDEX record_time ON record (time_ns);
CREATE INDEX record_trace ON record (trace_id) WHERE trace_id IS NOT NULL;
CREATE INDEX record_service ON record (service, time_ns);
`

const insert = `
INSERT INTO record (time_ns, service, namespace, environment, level, trace_id, span_id, body, metadata)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, jsonb(?))`

// Config configures a Store.
type Config struct {
	Path     string        // the file; required
	MaxRows  int64         // records to keep; 0 means no limit
	MaxBytes int64         // bytes to keep; 0 means no limit
	MaxAge   time.Duration // how long to keep them; 0 means no limit
	OnEvict  func(records int64)
	Log      *slog.Logger
}

// A Store keeps log records. Its methods may be called concurrently.
type Store struct {
	records *fifo.Store
	db      *sql.DB
	now     func() time.Time
}

// Open opens the store, or makes it.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	records, err := fifo.Open(ctx, fifo.Config{
		Path: cfg.Path, Table: "record", Time: "time_ns", Schema: schema, Version: 1, Insert: insert,
		MaxRows: cfg.MaxRows, MaxBytes: cfg.MaxBytes, MaxAge: cfg.MaxAge, OnEvict: cfg.OnEvict, Log: cfg.Log,
	})
	if err != nil {
		return nil, fmt.Errorf("logs: %w", err)
	}
	return &Store{records: records, db: records.DB(), now: time.Now}, nil
}

// Close writes what is queued and closes the file.
func (s *Store) Close() error { return s.records.Close() }

// Usage returns how many records and bytes the store holds.
func (s *Store) Usage(ctx context.Context) (fifo.Usage, error) { return s.records.Usage(ctx) }

// Write stores the records of one export and returns after they are
// committed. Errors are those of fifo.Store.Write: nothing was stored then.
func (s *Store) Write(ctx context.Context, ld plog.Logs) (tally.Outcome, error) {
	rows := make([][]any, 0, ld.LogRecordCount())
	for _, rl := range ld.ResourceLogs().All() {
		resource := newSource(rl.Resource())
		for _, sl := range rl.ScopeLogs().All() {
			for _, r := range sl.LogRecords().All() {
				rows = append(rows, s.row(resource, sl.Scope(), r))
			}
		}
	}
	out := tally.Outcome{Received: int64(len(rows))}
	var err error
	out.Stored, err = s.records.Write(ctx, rows)
	return out, err
}

// A source is what the records of one resource share.
type source struct {
	service, namespace, environment string
	metadata                        map[string]string
}

func newSource(r pcommon.Resource) source {
	src := source{service: "unknown_service", metadata: map[string]string{}}
	for k, v := range r.Attributes().All() {
		switch k {
		case "service.name":
			src.service = v.AsString()
		case "service.namespace":
			src.namespace = v.AsString()
		case "deployment.environment.name":
			src.environment = v.AsString()
		default:
			flatten(src.metadata, labelName(k), v)
		}
	}
	return src
}

func (s *Store) row(src source, scope pcommon.InstrumentationScope, r plog.LogRecord) []any {
	metadata := make(map[string]string, len(src.metadata)+r.Attributes().Len()+3)
	for k, v := range src.metadata {
		metadata[k] = v
	}
	put := func(k, v string) {
		if v != "" {
			metadata[k] = v
		}
	}
	put("scope_name", scope.Name())
	put("event_name", r.EventName())
	put("severity_text", r.SeverityText())
	if n := r.SeverityNumber(); n != plog.SeverityNumberUnspecified {
		put("severity_number", strconv.Itoa(int(n)))
	}
	for k, v := range r.Attributes().All() {
		flatten(metadata, labelName(k), v)
	}
	data, err := json.Marshal(metadata)
	if err != nil { // a map of strings
		panic("logstore: metadata as JSON: " + err.Error())
	}
	var trace, span any
	if id := r.TraceID(); !id.IsEmpty() {
		trace = id.String()
	}
	if id := r.SpanID(); !id.IsEmpty() {
		span = id.String()
	}
	return []any{s.timeOf(r), src.service, src.namespace, src.environment, level(r), trace, span, r.Body().AsString(), string(data)}
}

func (s *Store) timeOf(r plog.LogRecord) int64 {
	switch {
	case r.Timestamp() != 0:
		return int64(r.Timestamp())
	case r.ObservedTimestamp() != 0:
		return int64(r.ObservedTimestamp())
	default:
		return s.now().UnixNano()
	}
}

// level returns the severity in the words that Loki uses. A record with a
// text and no number keeps its text.
func level(r plog.LogRecord) string {
	switch n := r.SeverityNumber(); {
	case n >= plog.SeverityNumberFatal:
		return "fatal"
	case n >= plog.SeverityNumberError:
		return "error"
	case n >= plog.SeverityNumberWarn:
		return "warn"
	case n >= plog.SeverityNumberInfo:
		return "info"
	case n >= plog.SeverityNumberDebug:
		return "debug"
	case n >= plog.SeverityNumberTrace:
		return "trace"
	case r.SeverityText() != "":
		return strings.ToLower(r.SeverityText())
	default:
		return "unknown"
	}
}

// flatten adds a value under its name, and the entries of a map under
// name_key, as Loki does.
func flatten(into map[string]string, name string, v pcommon.Value) {
	if v.Type() != pcommon.ValueTypeMap {
		into[name] = v.AsString()
		return
	}
	for k, item := range v.Map().All() {
		flatten(into, name+"_"+labelName(k), item)
	}
}

// labelName makes a name that LogQL can spell.
func labelName(s string) string {
	out := strings.Map(func(r rune) rune {
		if r == '_' || r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
			return r
		}
		return '_'
	}, s)
	if out == "" || unicode.IsDigit(rune(out[0])) {
		return "_" + out
	}
	return out
}
