package tracestore

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/ptrace"
)

// maxSearchLimit bounds the traces that one search may ask for.
const maxSearchLimit = 1000

// Register adds the read API to a mux, in the form of Grafana Tempo's:
//
//	GET /api/traces/{id}, /api/v2/traces/{id}       OTLP, as JSON or (Accept: application/protobuf) protobuf
//	GET /api/search                                 q, tags, minDuration, maxDuration, start, end, limit, spss
//	GET /api/search/tags, /api/v2/search/tags
//	GET /api/search/tag/{name}/values, /api/v2/search/tag/{name}/values
//	GET /api/echo
func (s *Store) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /api/traces/{id}", s.serveTrace)
	mux.HandleFunc("GET /api/v2/traces/{id}", s.serveTraceV2)
	mux.HandleFunc("GET /api/search", s.serveSearch)
	mux.HandleFunc("GET /api/search/tags", s.serveTags)
	mux.HandleFunc("GET /api/v2/search/tags", s.serveTagsV2)
	mux.HandleFunc("GET /api/search/tag/{name}/values", s.serveTagValues)
	mux.HandleFunc("GET /api/v2/search/tag/{name}/values", s.serveTagValuesV2)
	mux.HandleFunc("GET /api/echo", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "echo") })
}

func (s *Store) serveTrace(w http.ResponseWriter, r *http.Request) {
	td, err := s.requestedTrace(r)
	if err != nil {
		fail(w, err)
		return
	}
	if wantsProtobuf(r) {
		writeProtobuf(w, td, func(trace []byte) []byte { return trace })
		return
	}
	writeTraceJSON(w, td, `{"batches":`, `}`)
}

func (s *Store) serveTraceV2(w http.ResponseWriter, r *http.Request) {
	td, err := s.requestedTrace(r)
	if err != nil {
		fail(w, err)
		return
	}
	if wantsProtobuf(r) {
		writeProtobuf(w, td, func(trace []byte) []byte {
			// TraceByIDResponse has the trace as field 1.
			return append(appendUvarint([]byte{1<<3 | 2}, uint64(len(trace))), trace...)
		})
		return
	}
	writeTraceJSON(w, td, `{"trace":{"resourceSpans":`, `}}`)
}

func (s *Store) requestedTrace(r *http.Request) (ptrace.Traces, error) {
	id, err := ParseTraceID(r.PathValue("id"))
	if err != nil {
		return ptrace.Traces{}, fmt.Errorf("%w: %w", ErrBadQuery, err)
	}
	return s.Trace(r.Context(), id)
}

func wantsProtobuf(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "application/protobuf")
}

// writeTraceJSON writes the array of resource spans between two pieces: the
// versions of the API differ in what stands round it.
func writeTraceJSON(w http.ResponseWriter, td ptrace.Traces, before, after string) {
	m := ptrace.JSONMarshaler{}
	data, err := m.MarshalTraces(td)
	if err != nil {
		fail(w, err)
		return
	}
	spans, ok := bytes.CutPrefix(data, []byte(`{"resourceSpans":`))
	if !ok {
		fail(w, fmt.Errorf("unexpected OTLP JSON %.40q", data))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, "%s%s%s", before, bytes.TrimSuffix(spans, []byte("}")), after)
}

func writeProtobuf(w http.ResponseWriter, td ptrace.Traces, wrap func([]byte) []byte) {
	m := ptrace.ProtoMarshaler{}
	data, err := m.MarshalTraces(td)
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/protobuf")
	w.Write(wrap(data))
}

func appendUvarint(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b, v = append(b, byte(v)|0x80), v>>7
	}
	return append(b, byte(v))
}

// The answer to a search, in Tempo's form.
type (
	searchAnswer struct {
		Traces  []foundTrace  `json:"traces"`
		Metrics searchMetrics `json:"metrics"`
	}
	searchMetrics struct {
		InspectedTraces int `json:"inspectedTraces"`
	}
	foundTrace struct {
		TraceID           string    `json:"traceID"`
		RootServiceName   string    `json:"rootServiceName"`
		RootTraceName     string    `json:"rootTraceName"`
		StartTimeUnixNano string    `json:"startTimeUnixNano"`
		DurationMs        int64     `json:"durationMs"`
		SpanSet           spanSet   `json:"spanSet"`
		SpanSets          []spanSet `json:"spanSets"`
	}
	spanSet struct {
		Spans   []foundSpan `json:"spans"`
		Matched int         `json:"matched"`
	}
	foundSpan struct {
		SpanID            string           `json:"spanID"`
		Name              string           `json:"name"`
		StartTimeUnixNano string           `json:"startTimeUnixNano"`
		DurationNanos     string           `json:"durationNanos"`
		Attributes        []foundAttribute `json:"attributes"`
	}
	foundAttribute struct {
		Key   string            `json:"key"`
		Value map[string]string `json:"value"`
	}
)

func (s *Store) serveSearch(w http.ResponseWriter, r *http.Request) {
	q, err := parseSearch(r)
	if err != nil {
		fail(w, fmt.Errorf("%w: %w", ErrBadQuery, err))
		return
	}
	hits, err := s.Search(r.Context(), q)
	if err != nil {
		fail(w, err)
		return
	}
	answer := searchAnswer{Traces: []foundTrace{}, Metrics: searchMetrics{InspectedTraces: len(hits)}}
	for _, h := range hits {
		set := spanSet{Spans: []foundSpan{}, Matched: h.Matched}
		for _, m := range h.Matches {
			set.Spans = append(set.Spans, foundSpan{
				SpanID: m.SpanID, Name: m.Name, StartTimeUnixNano: unixNano(m.Start),
				DurationNanos: strconv.FormatInt(m.Duration.Nanoseconds(), 10),
				Attributes:    []foundAttribute{{Key: "service.name", Value: map[string]string{"stringValue": m.Service}}},
			})
		}
		answer.Traces = append(answer.Traces, foundTrace{
			TraceID: h.TraceID, RootServiceName: h.RootService, RootTraceName: h.RootName,
			StartTimeUnixNano: unixNano(h.Start), DurationMs: h.Duration.Milliseconds(), SpanSet: set, SpanSets: []spanSet{set},
		})
	}
	writeJSON(w, answer)
}

func unixNano(t time.Time) string { return strconv.FormatInt(t.UnixNano(), 10) }

func parseSearch(r *http.Request) (Search, error) {
	q := Search{Query: r.FormValue("q")}
	if tags := r.FormValue("tags"); tags != "" {
		if q.Query != "" {
			return q, errors.New("q and tags exclude each other")
		}
		var err error
		if q.Query, err = tagsQuery(tags); err != nil {
			return q, err
		}
	}
	var errs []error
	seconds := func(name string) time.Time {
		text := r.FormValue(name)
		if text == "" {
			return time.Time{}
		}
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || math.Abs(n) > 1e11 {
			errs = append(errs, fmt.Errorf("%s: %q is not a time in Unix seconds", name, text))
			return time.Time{}
		}
		whole, part := math.Modf(n)
		return time.Unix(int64(whole), int64(part*1e9))
	}
	duration := func(name string) time.Duration {
		text := r.FormValue(name)
		if text == "" {
			return 0
		}
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			errs = append(errs, fmt.Errorf("%s: %q is not a duration such as 100ms", name, text))
		}
		return d
	}
	count := func(name string) int {
		text := r.FormValue(name)
		if text == "" {
			return 0
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxSearchLimit {
			errs = append(errs, fmt.Errorf("%s: %q is not a number from 1 to %d", name, text, maxSearchLimit))
		}
		return n
	}
	q.Start, q.End = seconds("start"), seconds("end")
	q.MinDuration, q.MaxDuration = duration("minDuration"), duration("maxDuration")
	q.Limit, q.SpansPerTrace = count("limit"), count("spss")
	return q, errors.Join(errs...)
}

// tagsQuery turns Tempo's older parameter, key=value pairs, into TraceQL.
func tagsQuery(tags string) (string, error) {
	var conds []string
	for rest := strings.TrimSpace(tags); rest != ""; rest = strings.TrimSpace(rest) {
		key, value, ok := strings.Cut(rest, "=")
		if !ok || key == "" {
			return "", fmt.Errorf("tags: want key=value at %q", rest)
		}
		if strings.HasPrefix(value, `"`) {
			quoted, err := strconv.QuotedPrefix(value)
			if err != nil {
				return "", fmt.Errorf("tags: unfinished quote at %q", value)
			}
			rest = value[len(quoted):]
			value, err = strconv.Unquote(quoted)
			if err != nil {
				return "", fmt.Errorf("tags: bad quote %s", quoted)
			}
		} else {
			value, rest, _ = strings.Cut(value, " ")
		}
		field := "." + strconv.Quote(key)
		if key == "name" {
			field = key
		}
		conds = append(conds, field+" = "+strconv.Quote(value))
	}
	return "{ " + strings.Join(conds, " && ") + " }", nil
}

func (s *Store) serveTags(w http.ResponseWriter, r *http.Request) {
	resource, err := s.tagNames(r.Context(), "resource")
	if err != nil {
		fail(w, err)
		return
	}
	span, err := s.tagNames(r.Context(), "attributes")
	if err != nil {
		fail(w, err)
		return
	}
	writeJSON(w, map[string]any{"tagNames": append(resource, span...)})
}

func (s *Store) serveTagsV2(w http.ResponseWriter, r *http.Request) {
	resource, err := s.tagNames(r.Context(), "resource")
	if err != nil {
		fail(w, err)
		return
	}
	span, err := s.tagNames(r.Context(), "attributes")
	if err != nil {
		fail(w, err)
		return
	}
	type scope struct {
		Name string   `json:"name"`
		Tags []string `json:"tags"`
	}
	writeJSON(w, map[string]any{"scopes": []scope{
		{"resource", resource}, {"span", span}, {"intrinsic", []string{"duration", "kind", "name", "status"}},
	}})
}

func (s *Store) serveTagValues(w http.ResponseWriter, r *http.Request) {
	values, err := s.requestedTagValues(r)
	if err != nil {
		fail(w, err)
		return
	}
	writeJSON(w, map[string]any{"tagValues": values})
}

func (s *Store) serveTagValuesV2(w http.ResponseWriter, r *http.Request) {
	values, err := s.requestedTagValues(r)
	if err != nil {
		fail(w, err)
		return
	}
	type typed struct {
		Type  string `json:"type"`
		Value string `json:"value"`
	}
	typeOf := "string"
	if name := r.PathValue("name"); name == "status" || name == "kind" {
		typeOf = "keyword"
	}
	out := []typed{}
	for _, v := range values {
		out = append(out, typed{typeOf, v})
	}
	writeJSON(w, map[string]any{"tagValues": out})
}

func (s *Store) requestedTagValues(r *http.Request) ([]string, error) {
	name := r.PathValue("name")
	switch name {
	case "name":
		return s.texts(r.Context(), "SELECT DISTINCT name FROM (SELECT name FROM span ORDER BY id DESC LIMIT ?) ORDER BY name", tagSpans)
	case "status":
		return []string{"error", "ok", "unset"}, nil
	case "kind":
		return []string{"client", "consumer", "internal", "producer", "server", "unspecified"}, nil
	}
	columns := []string{"attributes", "resource"}
	if rest, ok := strings.CutPrefix(name, "resource."); ok {
		name, columns = rest, []string{"resource"}
	} else if rest, ok := strings.CutPrefix(name, "span."); ok {
		name, columns = rest, []string{"attributes"}
	}
	name = strings.TrimPrefix(name, ".")
	if strings.Contains(name, `"`) {
		return nil, fmt.Errorf("%w: bad attribute name %q", ErrBadQuery, name)
	}
	return s.tagValues(r.Context(), columns, name)
}

func writeJSON(w http.ResponseWriter, v any) {
	data, err := json.Marshal(v)
	if err != nil {
		fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(data)
}

// fail answers in plain text, as Tempo does.
func fail(w http.ResponseWriter, err error) {
	code := http.StatusInternalServerError
	switch {
	case errors.Is(err, ErrBadQuery):
		code = http.StatusBadRequest
	case errors.Is(err, ErrNotFound):
		code = http.StatusNotFound
	}
	http.Error(w, err.Error(), code)
}
