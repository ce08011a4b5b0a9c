package page

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/ptrace"

	"github.com/otelkit/kit/lens/logstore"
	"github.com/otelkit/kit/lens/tracestore"
)

type tracesView struct {
	Query string
	Error string
	Hits  []tracestore.Hit
}

// traces is the search. A query that is wrong is shown with what is wrong.
func (p *Page) traces(r *http.Request) (string, any, error) {
	v := tracesView{Query: r.FormValue("q")}
	var err error
	v.Hits, err = p.Traces.Search(r.Context(), tracestore.Search{Query: v.Query, Limit: 100})
	if errors.Is(err, tracestore.ErrBadQuery) {
		v.Error, err = err.Error(), nil
	}
	return "Traces", v, err
}

type traceView struct {
	ID       string
	Start    time.Time
	Duration time.Duration
	Services []string
	Spans    []spanLine
	Logs     []logstore.Record
}

// A spanLine is one line of the waterfall.
type spanLine struct {
	ID, ParentID   string
	Depth          int // at most maxDepth
	Orphan         bool
	Service        string
	Color          int // of its service, from 0 to colors-1
	Name           string
	Kind           string
	Failed         bool
	StatusMessage  string
	Offset         time.Duration // from the start of the trace
	Duration       time.Duration
	X, Width       float64 // of its bar, in thousandths of the trace
	Attributes     []attribute
	Resource       []attribute
	Events         []event
	Links          []string // ids of other traces
	Scope, Version string
}

type attribute struct{ Key, Value string }

type event struct {
	Name       string
	Offset     time.Duration
	Attributes []attribute
}

const (
	maxDepth = 12 // of indentation
	colors   = 8
	minWidth = 4 // of a bar, to be seen
)

func (p *Page) trace(r *http.Request) (string, any, error) {
	id, err := tracestore.ParseTraceID(r.PathValue("id"))
	if err != nil {
		return "", nil, notFound{"trace " + r.PathValue("id")}
	}
	td, err := p.Traces.Trace(r.Context(), id)
	if errors.Is(err, tracestore.ErrNotFound) {
		return "", nil, notFound{"trace " + id.String()}
	}
	if err != nil {
		return "", nil, err
	}
	v := waterfall(td)
	v.ID = id.String()
	v.Logs, err = p.Logs.Query(r.Context(), logstore.Query{LogQL: fmt.Sprintf("{} | trace_id=%q", v.ID), Limit: 500, Forward: true})
	return "Trace " + v.ID[:8], v, err
}

// waterfall puts the spans of a trace in the order of a tree, children by
// their start. A span whose parent is not there stands at the margin.
func waterfall(td ptrace.Traces) traceView {
	var v traceView
	first, last := pcommon.Timestamp(0), pcommon.Timestamp(0)
	byParent := map[string][]spanLine{}
	present := map[string]bool{}
	color := map[string]int{}
	each(td, func(_ ptrace.ResourceSpans, _ ptrace.ScopeSpans, s ptrace.Span) {
		if first == 0 || s.StartTimestamp() < first {
			first = s.StartTimestamp()
		}
		last = max(last, s.EndTimestamp())
		present[s.SpanID().String()] = true
	})
	v.Start, v.Duration = first.AsTime(), time.Duration(max(last, first)-first)
	each(td, func(rs ptrace.ResourceSpans, ss ptrace.ScopeSpans, s ptrace.Span) {
		line := newSpanLine(rs, ss, s, first, v.Duration)
		if _, known := color[line.Service]; !known {
			color[line.Service] = len(color) % colors
		}
		line.Color = color[line.Service]
		line.Orphan = line.ParentID != "" && !present[line.ParentID]
		parent := line.ParentID
		if line.Orphan {
			parent = ""
		}
		byParent[parent] = append(byParent[parent], line)
	})
	for _, siblings := range byParent {
		slices.SortStableFunc(siblings, func(a, b spanLine) int { return cmp.Compare(a.Offset, b.Offset) })
	}
	var descend func(parent string, depth int)
	descend = func(parent string, depth int) {
		children := byParent[parent]
		delete(byParent, parent) // also what makes an endless loop impossible
		for _, line := range children {
			line.Depth = min(depth, maxDepth)
			v.Spans = append(v.Spans, line)
			descend(line.ID, depth+1)
		}
	}
	descend("", 0)
	for len(byParent) > 0 { // spans that are each other's ancestors
		descend(slices.Sorted(maps.Keys(byParent))[0], 0)
	}
	v.Services = slices.Sorted(maps.Keys(color))
	return v
}

func each(td ptrace.Traces, do func(ptrace.ResourceSpans, ptrace.ScopeSpans, ptrace.Span)) {
	for _, rs := range td.ResourceSpans().All() {
		for _, ss := range rs.ScopeSpans().All() {
			for _, s := range ss.Spans().All() {
				do(rs, ss, s)
			}
		}
	}
}

func newSpanLine(rs ptrace.ResourceSpans, ss ptrace.ScopeSpans, s ptrace.Span, first pcommon.Timestamp, whole time.Duration) spanLine {
	line := spanLine{
		ID:            s.SpanID().String(),
		ParentID:      s.ParentSpanID().String(),
		Service:       "unknown_service",
		Name:          s.Name(),
		Kind:          strings.ToLower(s.Kind().String()),
		Failed:        s.Status().Code() == ptrace.StatusCodeError,
		StatusMessage: s.Status().Message(),
		Offset:        time.Duration(s.StartTimestamp() - first),
		Duration:      time.Duration(max(s.EndTimestamp(), s.StartTimestamp()) - s.StartTimestamp()),
		Attributes:    attributes(s.Attributes()),
		Resource:      attributes(rs.Resource().Attributes()),
		Scope:         ss.Scope().Name(),
		Version:       ss.Scope().Version(),
	}
	if name, ok := rs.Resource().Attributes().Get("service.name"); ok {
		line.Service = name.AsString()
	}
	scale := 1000 / max(float64(whole), 1)
	line.Width = min(max(float64(line.Duration)*scale, minWidth), 1000)
	line.X = min(float64(line.Offset)*scale, 1000-line.Width)
	for _, e := range s.Events().All() {
		line.Events = append(line.Events, event{e.Name(), time.Duration(e.Timestamp() - first), attributes(e.Attributes())})
	}
	for _, l := range s.Links().All() {
		line.Links = append(line.Links, l.TraceID().String())
	}
	return line
}

func attributes(m pcommon.Map) []attribute {
	out := make([]attribute, 0, m.Len())
	for k, v := range m.All() {
		out = append(out, attribute{k, v.AsString()})
	}
	slices.SortFunc(out, func(a, b attribute) int { return strings.Compare(a.Key, b.Key) })
	return out
}
