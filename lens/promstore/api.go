package promstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/annotations"
)

// Version is the release of Prometheus that this package is made of.
const Version = "0.315.0"

// Register adds the read API to a mux, in the form of Prometheus' HTTP API:
//
//	/api/v1/query, query_range, query_exemplars, series, labels    GET and POST
//	/api/v1/label/{name}/values, rules, alerts, metadata, status/buildinfo    GET
//
// Of the optional parameters it knows time, start, end, step, timeout, limit,
// lookback_delta and match[]; rules knows type, rule_name[], rule_group[],
// file[], match[] and exclude_alerts; metadata knows metric and limit. stats
// is ignored. Metadata tells of what was exported since lens started.
func (s *Store) Register(mux *http.ServeMux) {
	both := func(path string, h endpoint) {
		mux.Handle("GET "+path, h)
		mux.Handle("POST "+path, h)
	}
	both("/api/v1/query", s.apiQuery)
	both("/api/v1/query_range", s.apiQueryRange)
	both("/api/v1/query_exemplars", s.apiExemplars)
	both("/api/v1/series", s.apiSeries)
	both("/api/v1/labels", s.apiLabels)
	mux.Handle("GET /api/v1/label/{name}/values", endpoint(s.apiLabelValues))
	mux.Handle("GET /api/v1/rules", endpoint(s.apiRules))
	mux.Handle("GET /api/v1/alerts", endpoint(s.apiAlerts))
	mux.Handle("GET /api/v1/metadata", endpoint(s.apiMetadata))
	mux.Handle("GET /api/v1/status/buildinfo", endpoint(s.apiBuildInfo))
}

// An endpoint answers with data that becomes JSON, with what PromQL has to
// remark, or with an error.
type endpoint func(r *http.Request) (answer, error)

type answer struct {
	data    any
	remarks annotations.Annotations
}

// truncated is Prometheus' remark on an answer that the parameter limit cut.
var errTruncated = errors.New("results truncated due to limit")

// An apiError is an error of a type that Prometheus' clients know.
type apiError struct {
	typ  string
	code int
	err  error
}

func (e *apiError) Error() string { return e.err.Error() }
func (e *apiError) Unwrap() error { return e.err }

func badData(err error) error { return &apiError{"bad_data", http.StatusBadRequest, err} }

func invalidParam(name string, err error) error {
	return badData(fmt.Errorf("invalid parameter %q: %w", name, err))
}

// statusClientClosed is what Prometheus answers to a client that has left.
const statusClientClosed = 499

// typed gives an error of the engine or the storage its type.
func typed(err error) *apiError {
	var typed *apiError
	if errors.As(err, &typed) {
		return typed
	}
	if _, ok := errors.AsType[promql.ErrQueryTimeout](err); ok || errors.Is(err, context.DeadlineExceeded) {
		return &apiError{"timeout", http.StatusServiceUnavailable, err}
	}
	if _, ok := errors.AsType[promql.ErrQueryCanceled](err); ok || errors.Is(err, context.Canceled) {
		return &apiError{"canceled", statusClientClosed, err}
	}
	if _, ok := errors.AsType[promql.ErrStorage](err); ok {
		return &apiError{"internal", http.StatusInternalServerError, err}
	}
	return &apiError{"execution", http.StatusUnprocessableEntity, err}
}

type response struct {
	Status    string   `json:"status"`
	Data      any      `json:"data,omitempty"`
	ErrorType string   `json:"errorType,omitempty"`
	Error     string   `json:"error,omitempty"`
	Warnings  []string `json:"warnings,omitempty"`
	Infos     []string `json:"infos,omitempty"`
}

func (e endpoint) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		respond(w, http.StatusBadRequest, response{Status: "error", ErrorType: "bad_data", Error: err.Error()})
		return
	}
	got, err := e(r)
	if err != nil {
		t := typed(err)
		respond(w, t.code, response{Status: "error", ErrorType: t.typ, Error: err.Error()})
		return
	}
	warnings, infos := got.remarks.AsStrings(r.FormValue("query"), 10, 10)
	respond(w, http.StatusOK, response{Status: "success", Data: got.data, Warnings: warnings, Infos: infos})
}

func respond(w http.ResponseWriter, code int, body response) {
	data, err := json.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	w.Write(data)
}

func (s *Store) apiBuildInfo(*http.Request) (answer, error) {
	return answer{data: map[string]string{
		"version": Version, "revision": "", "branch": "", "buildUser": "", "buildDate": "", "goVersion": runtime.Version(),
	}}, nil
}

func (s *Store) apiMetadata(r *http.Request) (answer, error) {
	limit, err := parseLimit(r)
	if err != nil {
		return answer{}, err
	}
	type described struct {
		Type string `json:"type"`
		Help string `json:"help"`
		Unit string `json:"unit"`
	}
	out := map[string][]described{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, m := range s.metadata {
		if want := r.FormValue("metric"); want != "" && want != name {
			continue
		}
		if limit > 0 && len(out) >= limit {
			break
		}
		out[name] = []described{{string(m.Type), m.Help, m.Unit}}
	}
	return answer{data: out}, nil
}

// earliest and latest stand for an open end of a range.
var (
	earliest = time.UnixMilli(math.MinInt64 / 2)
	latest   = time.UnixMilli(math.MaxInt64 / 2)
)

// timeParam reads Unix seconds with a fraction, or RFC 3339.
func timeParam(r *http.Request, name string, otherwise time.Time) (time.Time, error) {
	text := r.FormValue(name)
	if text == "" {
		return otherwise, nil
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(f) < 1e12 {
		whole, part := math.Modf(f)
		return time.Unix(int64(whole), int64(math.Round(part*1000))*int64(time.Millisecond)).UTC(), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	return time.Time{}, invalidParam(name, fmt.Errorf("cannot parse %q to a valid timestamp", text))
}

func rangeParams(r *http.Request) (start, end time.Time, err error) {
	if start, err = timeParam(r, "start", earliest); err != nil {
		return start, end, err
	}
	if end, err = timeParam(r, "end", latest); err != nil {
		return start, end, err
	}
	if end.Before(start) {
		return start, end, invalidParam("end", errors.New("end timestamp must not be before start time"))
	}
	return start, end, nil
}

// durationParam reads seconds with a fraction or Prometheus' durations, 0 if
// the parameter is absent.
func durationParam(r *http.Request, name string) (time.Duration, error) {
	text := r.FormValue(name)
	if text == "" {
		return 0, nil
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(f) < 9e9 {
		return time.Duration(f * float64(time.Second)), nil
	}
	if d, err := model.ParseDuration(text); err == nil {
		return time.Duration(d), nil
	}
	return 0, invalidParam(name, fmt.Errorf("cannot parse %q to a valid duration", text))
}

// parseLimit returns 0 for no limit.
func parseLimit(r *http.Request) (int, error) {
	text := r.FormValue("limit")
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, invalidParam("limit", fmt.Errorf("%q is not a non-negative number", text))
	}
	return n, nil
}

// matchers reads the parameter match[], each a series selector.
func (s *Store) matchers(r *http.Request) ([][]*labels.Matcher, error) {
	sets, err := s.parser.ParseMetricSelectors(r.Form["match[]"])
	if err != nil {
		return nil, invalidParam("match[]", err)
	}
	for _, set := range sets {
		if !selective(set) {
			return nil, badData(errors.New("match[] must contain at least one non-empty matcher"))
		}
	}
	return sets, nil
}

func selective(set []*labels.Matcher) bool {
	for _, m := range set {
		if !m.Matches("") {
			return true
		}
	}
	return false
}
