package logstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	maxLimit     = 5000
	defaultRange = time.Hour
)

// Register adds the read API to a mux, in the form of Grafana Loki's, for GET
// and POST:
//
//	/loki/api/v1/query_range            query, start, end, since, limit, direction
//	/loki/api/v1/labels                 start, end, since
//	/loki/api/v1/label/{name}/values    start, end, since
//
// As in Loki, structured metadata joins the labels of a stream unless the
// request has the header "X-Loki-Response-Encoding-Flags: categorize-labels";
// then it is the third element of each value.
func (s *Store) Register(mux *http.ServeMux) {
	for _, method := range []string{"GET", "POST"} {
		mux.HandleFunc(method+" /loki/api/v1/query_range", s.serveQueryRange)
		mux.HandleFunc(method+" /loki/api/v1/labels", s.serveLabels)
		mux.HandleFunc(method+" /loki/api/v1/label/{name}/values", s.serveLabelValues)
	}
}

// categorize is the flag that keeps structured metadata apart.
const categorize = "categorize-labels"

type streamsAnswer struct {
	ResultType    string    `json:"resultType"`
	EncodingFlags []string  `json:"encodingFlags,omitempty"`
	Result        []*stream `json:"result"`
	Stats         struct{}  `json:"stats"`
}

type stream struct {
	Stream map[string]string `json:"stream"`
	Values [][]any           `json:"values"`
}

func (s *Store) serveQueryRange(w http.ResponseWriter, r *http.Request) {
	q, err := s.parseQuery(r)
	if err != nil {
		fail(w, fmt.Errorf("%w: %w", ErrBadQuery, err))
		return
	}
	records, err := s.Query(r.Context(), q)
	if err != nil {
		fail(w, err)
		return
	}
	answer := streamsAnswer{ResultType: "streams"}
	apart := strings.Contains(r.Header.Get("X-Loki-Response-Encoding-Flags"), categorize)
	if apart {
		answer.EncodingFlags = []string{categorize}
	}
	answer.Result = streams(records, apart)
	succeed(w, answer)
}

// streams groups records by their labels, in order of first appearance.
func streams(records []Record, apart bool) []*stream {
	out := []*stream{}
	byLabels := map[string]*stream{}
	for _, rec := range records {
		labels := maps.Clone(rec.Labels)
		value := []any{strconv.FormatInt(rec.Time.UnixNano(), 10), rec.Line}
		if apart {
			value = append(value, map[string]any{"structuredMetadata": rec.Metadata})
		} else {
			maps.Copy(labels, rec.Metadata)
		}
		key, err := json.Marshal(labels) // with its keys in order
		if err != nil {                  // a map of strings
			panic("logstore: labels as JSON: " + err.Error())
		}
		st := byLabels[string(key)]
		if st == nil {
			st = &stream{Stream: labels}
			byLabels[string(key)] = st
			out = append(out, st)
		}
		st.Values = append(st.Values, value)
	}
	return out
}

func (s *Store) serveLabels(w http.ResponseWriter, r *http.Request) {
	start, end, err := s.parseRange(r)
	if err != nil {
		fail(w, fmt.Errorf("%w: %w", ErrBadQuery, err))
		return
	}
	names := []string{}
	for _, name := range slices.Sorted(maps.Keys(labelColumns)) {
		values, err := s.LabelValues(r.Context(), name, start, end)
		if err != nil {
			fail(w, err)
			return
		}
		if len(values) > 0 {
			names = append(names, name)
		}
	}
	succeed(w, names)
}

func (s *Store) serveLabelValues(w http.ResponseWriter, r *http.Request) {
	start, end, err := s.parseRange(r)
	if err != nil {
		fail(w, fmt.Errorf("%w: %w", ErrBadQuery, err))
		return
	}
	values, err := s.LabelValues(r.Context(), r.PathValue("name"), start, end)
	if err != nil {
		fail(w, err)
		return
	}
	succeed(w, values)
}

func (s *Store) parseQuery(r *http.Request) (Query, error) {
	q := Query{LogQL: r.FormValue("query")}
	var err error
	if q.Start, q.End, err = s.parseRange(r); err != nil {
		return q, err
	}
	if text := r.FormValue("limit"); text != "" {
		q.Limit, err = strconv.Atoi(text)
		if err != nil || q.Limit < 1 || q.Limit > maxLimit {
			return q, fmt.Errorf("limit: %q is not a number from 1 to %d", text, maxLimit)
		}
	}
	switch direction := strings.ToLower(r.FormValue("direction")); direction {
	case "", "backward":
	case "forward":
		q.Forward = true
	default:
		return q, fmt.Errorf("direction: %q is neither forward nor backward", direction)
	}
	return q, nil
}

// parseRange returns the hour before now unless the request says otherwise.
func (s *Store) parseRange(r *http.Request) (start, end time.Time, err error) {
	if end, err = parseTime(r, "end", s.now()); err != nil {
		return start, end, err
	}
	since := defaultRange
	if text := r.FormValue("since"); text != "" {
		if since, err = time.ParseDuration(text); err != nil || since <= 0 {
			return start, end, fmt.Errorf("since: %q is not a duration such as 1h", text)
		}
	}
	if start, err = parseTime(r, "start", end.Add(-since)); err != nil {
		return start, end, err
	}
	if end.Before(start) {
		return start, end, errors.New("end is before start")
	}
	return start, end, nil
}

// parseTime reads Unix nanoseconds, Unix seconds with a fraction or RFC 3339.
// As in Loki, a whole number of at most ten digits is in seconds.
func parseTime(r *http.Request, name string, otherwise time.Time) (time.Time, error) {
	text := r.FormValue(name)
	if text == "" {
		return otherwise, nil
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		if len(text) <= 10 {
			return time.Unix(n, 0), nil
		}
		return time.Unix(0, n), nil
	}
	if f, err := strconv.ParseFloat(text, 64); err == nil && math.Abs(f) < 1e11 {
		whole, part := math.Modf(f)
		return time.Unix(int64(whole), int64(part*1e9)), nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	return time.Time{}, fmt.Errorf("%s: %q is neither Unix nanoseconds nor RFC 3339", name, text)
}

func succeed(w http.ResponseWriter, data any) {
	body, err := json.Marshal(map[string]any{"status": "success", "data": data})
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(body)
}

// fail answers in plain text, as Loki does.
func fail(w http.ResponseWriter, err error) {
	code := http.StatusInternalServerError
	if errors.Is(err, ErrBadQuery) {
		code = http.StatusBadRequest
	}
	http.Error(w, err.Error(), code)
}
