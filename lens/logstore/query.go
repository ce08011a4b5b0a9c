package logstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// ErrBadQuery is wrapped by errors that the query itself causes.
var ErrBadQuery = errors.New("bad query")

// A Query asks for log records.
type Query struct {
	// LogQL is a query in lens' subset of LogQL. Required; {} matches all.
	LogQL string
	// Start (inclusive) and End (exclusive) bound the time; zero means open.
	Start, End time.Time
	// Limit is how many records to return; 0 means 100.
	Limit int
	// Forward returns the earliest records first instead of the latest.
	Forward bool
}

// A Record is a log record.
type Record struct {
	Time     time.Time
	Line     string
	Labels   map[string]string // stream labels; absent when empty
	Metadata map[string]string // structured metadata
}

// Query returns the records that match. An error that the query causes wraps
// ErrBadQuery.
func (s *Store) Query(ctx context.Context, q Query) ([]Record, error) {
	filters, err := parseLogQL(q.LogQL)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadQuery, err)
	}
	if !q.Start.IsZero() {
		filters = append(filters, filter{"time_ns >= ?", []any{q.Start.UnixNano()}})
	}
	if !q.End.IsZero() {
		filters = append(filters, filter{"time_ns < ?", []any{q.End.UnixNano()}})
	}
	if q.Limit <= 0 {
		q.Limit = 100
	}
	order := "time_ns DESC, id DESC"
	if q.Forward {
		order = "time_ns, id"
	}
	cond, args := where(filters)
	rows, err := s.db.QueryContext(ctx, `
		SELECT time_ns, body, service, namespace, environment, level, coalesce(trace_id, ''), coalesce(span_id, ''), json(metadata)
		FROM record WHERE `+cond+` ORDER BY `+order+` LIMIT ?`, append(args, q.Limit)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Record
	for rows.Next() {
		var ns int64
		var r Record
		var service, namespace, environment, level, trace, span string
		var metadata []byte
		if err := rows.Scan(&ns, &r.Line, &service, &namespace, &environment, &level, &trace, &span, &metadata); err != nil {
			return nil, err
		}
		r.Time = time.Unix(0, ns)
		r.Labels = present(map[string]string{
			"service_name": service, "service_namespace": namespace, "deployment_environment_name": environment, "level": level,
		})
		if err := json.Unmarshal(metadata, &r.Metadata); err != nil {
			return nil, err
		}
		for k, v := range present(map[string]string{"trace_id": trace, "span_id": span, "detected_level": level}) {
			r.Metadata[k] = v
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// present removes empty values.
func present(m map[string]string) map[string]string {
	for k, v := range m {
		if v == "" {
			delete(m, k)
		}
	}
	return m
}

// LabelValues returns the values of a stream label in a span of time.
func (s *Store) LabelValues(ctx context.Context, name string, start, end time.Time) ([]string, error) {
	column, ok := labelColumns[name]
	if !ok {
		return []string{}, nil
	}
	rows, err := s.db.QueryContext(ctx, "SELECT DISTINCT "+column+" FROM record WHERE time_ns >= ? AND time_ns < ? AND "+column+" != '' ORDER BY 1",
		start.UnixNano(), end.UnixNano())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	values := []string{}
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, rows.Err()
}
