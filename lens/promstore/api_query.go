package promstore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/prometheus/model/timestamp"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// maxSteps is how many points of a series a range query may ask for, as in
// Prometheus: a week by the minute.
const maxSteps = 11_000

func (s *Store) apiQuery(r *http.Request) (answer, error) {
	at, err := timeParam(r, "time", time.Now())
	if err != nil {
		return answer{}, err
	}
	return s.answerQuery(r, func(ctx context.Context, opts promql.QueryOpts) (promql.Query, error) {
		return s.engine.NewInstantQuery(ctx, s.db, opts, r.FormValue("query"), at)
	})
}

func (s *Store) apiQueryRange(r *http.Request) (answer, error) {
	for _, name := range []string{"start", "end", "step"} {
		if r.FormValue(name) == "" {
			return answer{}, invalidParam(name, errors.New("it is required"))
		}
	}
	start, end, err := rangeParams(r)
	if err != nil {
		return answer{}, err
	}
	step, err := durationParam(r, "step")
	if err != nil {
		return answer{}, err
	}
	if step <= 0 {
		return answer{}, invalidParam("step", errors.New("the query resolution step width must be positive"))
	}
	if end.Sub(start)/step > maxSteps {
		return answer{}, badData(fmt.Errorf("the maximum resolution of %d points per timeseries is exceeded; choose a larger step", maxSteps))
	}
	return s.answerQuery(r, func(ctx context.Context, opts promql.QueryOpts) (promql.Query, error) {
		return s.engine.NewRangeQuery(ctx, s.db, opts, r.FormValue("query"), start, end, step)
	})
}

func (s *Store) answerQuery(r *http.Request, prepare func(context.Context, promql.QueryOpts) (promql.Query, error)) (answer, error) {
	limit, err := parseLimit(r)
	if err != nil {
		return answer{}, err
	}
	timeout, err := durationParam(r, "timeout")
	if err != nil {
		return answer{}, err
	}
	lookback, err := durationParam(r, "lookback_delta")
	if err != nil {
		return answer{}, err
	}
	ctx := r.Context()
	if timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, timeout)
		defer cancel()
	}
	q, err := prepare(ctx, promql.NewPrometheusQueryOpts(false, lookback))
	if err != nil {
		return answer{}, invalidParam("query", err)
	}
	defer q.Close()
	res := q.Exec(ctx)
	if res.Err != nil {
		return answer{}, res.Err
	}
	remarks := res.Warnings
	if truncate(res, limit) {
		remarks = remarks.Add(errTruncated)
	}
	return answer{encodeResult(res.Value), remarks}, nil
}

// truncate shortens a result to at most limit series; 0 means no limit.
func truncate(res *promql.Result, limit int) bool {
	if limit == 0 {
		return false
	}
	switch v := res.Value.(type) {
	case promql.Matrix:
		if len(v) > limit {
			res.Value = v[:limit]
			return true
		}
	case promql.Vector:
		if len(v) > limit {
			res.Value = v[:limit]
			return true
		}
	}
	return false
}

func (s *Store) apiExemplars(r *http.Request) (answer, error) {
	start, end, err := rangeParams(r)
	if err != nil {
		return answer{}, err
	}
	expr, err := s.parser.ParseExpr(r.FormValue("query"))
	if err != nil {
		return answer{}, invalidParam("query", err)
	}
	q, err := s.db.ExemplarQuerier(r.Context())
	if err != nil {
		return answer{}, err
	}
	found, err := q.Select(timestamp.FromTime(start), timestamp.FromTime(end), parser.ExtractSelectors(expr)...)
	if err != nil {
		return answer{}, err
	}
	return answer{data: encodeExemplars(found)}, nil
}
