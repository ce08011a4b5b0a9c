package promstore

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// A Series is one line of a query's answer.
type Series struct {
	Labels map[string]string
	Points []Point
}

// A Point is a value at a time.
type Point struct {
	Time  time.Time
	Value float64
}

// An Exemplar is one measurement that a series was made of, and its trace.
type Exemplar struct {
	TraceID string
	Point
}

// Instant evaluates expr at one time. Each series has one point.
func (s *Store) Instant(ctx context.Context, expr string, at time.Time) ([]Series, error) {
	q, err := s.engine.NewInstantQuery(ctx, s.db, nil, expr, at)
	if err != nil {
		return nil, err
	}
	return run(ctx, q)
}

// Range evaluates expr at every step from start to end.
func (s *Store) Range(ctx context.Context, expr string, start, end time.Time, step time.Duration) ([]Series, error) {
	q, err := s.engine.NewRangeQuery(ctx, s.db, nil, expr, start, end, step)
	if err != nil {
		return nil, err
	}
	return run(ctx, q)
}

// run executes a query and copies the floats out of its result, which is
// valid until Close only. Native histograms have no place on the page's lines
// and are left out.
func run(ctx context.Context, q promql.Query) ([]Series, error) {
	defer q.Close()
	res := q.Exec(ctx)
	if res.Err != nil {
		return nil, res.Err
	}
	switch v := res.Value.(type) {
	case promql.Matrix:
		out := make([]Series, 0, len(v))
		for _, series := range v {
			points := make([]Point, len(series.Floats))
			for i, p := range series.Floats {
				points[i] = Point{timestamp.Time(p.T), p.F}
			}
			out = append(out, Series{series.Metric.Map(), points})
		}
		return out, nil
	case promql.Vector:
		out := make([]Series, 0, len(v))
		for _, sample := range v {
			if sample.H == nil {
				out = append(out, Series{sample.Metric.Map(), []Point{{timestamp.Time(sample.T), sample.F}}})
			}
		}
		return out, nil
	case promql.Scalar:
		return []Series{{Points: []Point{{timestamp.Time(v.T), v.V}}}}, nil
	default:
		return nil, fmt.Errorf("the result is a %s, not numbers", res.Value.Type())
	}
}

// Exemplars returns the exemplars, of the series that expr selects, that name
// a trace.
func (s *Store) Exemplars(ctx context.Context, expr string, start, end time.Time) ([]Exemplar, error) {
	parsed, err := s.parser.ParseExpr(expr)
	if err != nil {
		return nil, err
	}
	q, err := s.db.ExemplarQuerier(ctx)
	if err != nil {
		return nil, err
	}
	found, err := q.Select(timestamp.FromTime(start), timestamp.FromTime(end), parser.ExtractSelectors(parsed)...)
	if err != nil {
		return nil, err
	}
	var out []Exemplar
	for _, series := range found {
		for _, e := range series.Exemplars {
			if trace := e.Labels.Get("trace_id"); trace != "" && !math.IsNaN(e.Value) {
				out = append(out, Exemplar{trace, Point{timestamp.Time(e.Ts), e.Value}})
			}
		}
	}
	return out, nil
}

// ExportInterval returns how often the slowest of the sources that exported
// lately does so; without any, the OpenTelemetry SDKs' default of a minute.
func (s *Store) ExportInterval() time.Duration {
	const lately = 5 * time.Minute
	interval := s.births.interval(time.Now().Add(-lately).UnixMilli())
	if interval <= 0 || interval > lately {
		return time.Minute
	}
	return max(interval, time.Second)
}
