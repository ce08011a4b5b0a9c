package tracestore

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"time"
)

// searchSpans is how many of the newest matching spans a search looks at.
const searchSpans = 50_000

// ErrBadQuery is wrapped by errors that the query itself causes.
var ErrBadQuery = errors.New("bad query")

// A Search asks for traces that have a span that matches.
type Search struct {
	// Query is a filter in lens' subset of TraceQL; "" matches every span.
	Query string
	// Start and End bound the start of the matching spans; zero means open.
	Start, End time.Time
	// MinDuration and MaxDuration bound the duration of the whole trace;
	// zero means open.
	MinDuration, MaxDuration time.Duration
	// Limit is how many traces to return; 0 means 20.
	Limit int
	// SpansPerTrace is how many matching spans to return of each; 0 means 3.
	SpansPerTrace int
}

// A Hit is a trace that a search found.
type Hit struct {
	TraceID     string // 32 hexadecimal digits
	RootService string // of the root span, or of the earliest there is
	RootName    string
	Start       time.Time
	Duration    time.Duration
	Spans       int // how many spans the trace has
	Errors      int // how many of them ended in an error
	Matched     int // how many match
	Matches     []Match
}

// A Match is a span that matches.
type Match struct {
	SpanID   string
	Name     string
	Service  string
	Start    time.Time
	Duration time.Duration
}

// Search returns the traces that match, the latest first. An error that the
// query causes wraps ErrBadQuery.
func (s *Store) Search(ctx context.Context, q Search) ([]Hit, error) {
	filters, err := parseTraceQL(q.Query)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadQuery, err)
	}
	if q.Limit <= 0 {
		q.Limit = 20
	}
	if q.SpansPerTrace <= 0 {
		q.SpansPerTrace = 3
	}
	if !q.Start.IsZero() {
		filters = append(filters, filter{"start_ns >= ?", []any{q.Start.UnixNano()}})
	}
	if !q.End.IsZero() {
		filters = append(filters, filter{"start_ns <= ?", []any{q.End.UnixNano()}})
	}
	hits, err := s.matchingTraces(ctx, q, filters)
	if err != nil {
		return nil, err
	}
	for i := range hits {
		if err := s.describe(ctx, &hits[i], filters, q.SpansPerTrace); err != nil {
			return nil, err
		}
	}
	return hits, nil
}

func (s *Store) matchingTraces(ctx context.Context, q Search, filters []filter) ([]Hit, error) {
	cond, args := where(filters)
	shortest, longest := int64(0), int64(math.MaxInt64)
	if q.MinDuration > 0 {
		shortest = q.MinDuration.Nanoseconds()
	}
	if q.MaxDuration > 0 {
		longest = q.MaxDuration.Nanoseconds()
	}
	candidates := int64(q.Limit)
	if shortest > 0 || longest < math.MaxInt64 {
		candidates = searchSpans // the duration is known only after the join
	}
	rows, err := s.db.QueryContext(ctx, `
		WITH match AS (SELECT trace_id, start_ns FROM span WHERE `+cond+` ORDER BY start_ns DESC LIMIT ?),
		hit AS (SELECT trace_id, count(*) AS matched, max(start_ns) AS latest FROM match GROUP BY trace_id ORDER BY latest DESC LIMIT ?)
		SELECT hit.trace_id, matched, min(span.start_ns), max(span.start_ns + span.duration_ns), count(*), sum(span.status = 2)
		FROM hit JOIN span ON span.trace_id = hit.trace_id
		GROUP BY hit.trace_id
		HAVING max(span.start_ns + span.duration_ns) - min(span.start_ns) BETWEEN ? AND ?
		ORDER BY latest DESC LIMIT ?`,
		append(args, searchSpans, candidates, shortest, longest, q.Limit)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var hits []Hit
	for rows.Next() {
		var id []byte
		var h Hit
		var start, end int64
		if err := rows.Scan(&id, &h.Matched, &start, &end, &h.Spans, &h.Errors); err != nil {
			return nil, err
		}
		h.TraceID, h.Start, h.Duration = hex.EncodeToString(id), time.Unix(0, start), time.Duration(end-start)
		hits = append(hits, h)
	}
	return hits, rows.Err()
}

// describe adds the root and the first matching spans.
func (s *Store) describe(ctx context.Context, h *Hit, filters []filter, spans int) error {
	id, err := hex.DecodeString(h.TraceID)
	if err != nil {
		return err
	}
	err = s.db.QueryRowContext(ctx, "SELECT service, name FROM span WHERE trace_id = ? ORDER BY parent_id IS NOT NULL, start_ns LIMIT 1", id).
		Scan(&h.RootService, &h.RootName)
	if err != nil {
		return err
	}
	cond, args := where(append([]filter{{"trace_id = ?", []any{id}}}, filters...))
	rows, err := s.db.QueryContext(ctx, "SELECT span_id, name, service, start_ns, duration_ns FROM span WHERE "+cond+" ORDER BY start_ns LIMIT ?", append(args, spans)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id []byte
		var m Match
		var start int64
		if err := rows.Scan(&id, &m.Name, &m.Service, &start, &m.Duration); err != nil {
			return err
		}
		m.SpanID, m.Start = hex.EncodeToString(id), time.Unix(0, start)
		h.Matches = append(h.Matches, m)
	}
	return rows.Err()
}

// tagSpans is how many of the newest spans are asked for tags.
const tagSpans = 5000

// tagNames returns the attribute names in a column of recent spans.
func (s *Store) tagNames(ctx context.Context, column string) ([]string, error) {
	return s.texts(ctx, "SELECT DISTINCT key FROM (SELECT "+column+" AS o FROM span ORDER BY id DESC LIMIT ?), json_each(o) ORDER BY key", tagSpans)
}

// tagValues returns the values that a field of the subset has in recent spans.
func (s *Store) tagValues(ctx context.Context, columns []string, name string) ([]string, error) {
	query := ""
	var args []any
	for i, column := range columns {
		if i > 0 {
			query += " UNION "
		}
		query += "SELECT DISTINCT json_extract(" + column + ", ?) AS value FROM (SELECT " + column + " FROM span ORDER BY id DESC LIMIT ?) WHERE value IS NOT NULL"
		args = append(args, `$."`+name+`"`, tagSpans)
	}
	return s.texts(ctx, query+" ORDER BY value", args...)
}

func (s *Store) texts(ctx context.Context, query string, args ...any) ([]string, error) {
	rows, err := s.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := []string{}
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, rows.Err()
}
