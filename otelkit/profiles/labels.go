package profiles

import (
	"context"
	"encoding/hex"
	"runtime/pprof"
	"strings"
	"sync"

	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// ProfileID is the attribute of a span by which Grafana finds the profile of the
// span: its value is that of the label span_id.
const ProfileID = attribute.Key("pyroscope.profile.id")

// The labels, in the form of Prometheus' label names.
const (
	routeLabel = "http_route"
	spanLabel  = "span_id"
)

// maxRoutes bounds the values of http_route: each is a series in Pyroscope.
// Further ones are labelled "_OTHER".
const maxRoutes = 200

// Label labels the calling goroutine, and those that it starts from now on, with
// a route and a span. It returns ctx with the labels, for code that passes them on
// (pprof.Do).
//
// The route is the template that is written in the code ("/orders/{id}"), or
// another name of few that says what is being done; "" means none. The span is
// left out unless it is sampled and of this process, and opens its profile only
// with the attribute [ProfileID]. httpserver.Wrap does all this for requests; for
// other work, when it is done, give the goroutine its labels back:
//
//	defer pprof.SetGoroutineLabels(ctx)
//	ctx = profiler.Label(ctx, trace.SpanFromContext(ctx), "send mail")
func (p *Profiler) Label(ctx context.Context, span trace.Span, route string) context.Context {
	if !p.On() {
		return ctx
	}
	switch {
	case span.IsRecording() && span.SpanContext().IsSampled():
		ctx = pprof.WithLabels(ctx, p.labels.of(route, span.SpanContext().SpanID()))
	case route != "":
		ctx = pprof.WithLabels(ctx, p.labels.ofRoute(route).set)
	default:
		return ctx
	}
	pprof.SetGoroutineLabels(ctx)
	return ctx
}

// On says whether anything is profiled. Of a nil Profiler it says no.
func (p *Profiler) On() bool { return p != nil && p.session != nil }

// labels makes sets of labels. The zero value is ready.
type labels struct {
	mu     sync.RWMutex
	routes map[string]routeLabels

	ids   sync.Mutex
	texts strings.Builder
}

// routeLabels are the labels of unsampled requests to a route, made once: that
// saves one allocation a request.
type routeLabels struct {
	route string // as it is labelled
	set   pprof.LabelSet
}

// of returns the labels of a sampled request. Their order is what pprof.Labels
// needs to neither sort nor copy them.
func (l *labels) of(route string, span trace.SpanID) pprof.LabelSet {
	if route == "" {
		return pprof.Labels(spanLabel, l.id(span))
	}
	return pprof.Labels(routeLabel, l.ofRoute(route).route, spanLabel, l.id(span))
}

func (l *labels) ofRoute(route string) routeLabels {
	l.mu.RLock()
	known, ok := l.routes[route]
	l.mu.RUnlock()
	if ok {
		return known
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if known, ok := l.routes[route]; ok { // since the look above
		return known
	}
	if l.routes == nil {
		l.routes = map[string]routeLabels{}
	}
	if len(l.routes) >= maxRoutes {
		route = metrics.Other
	}
	known = routeLabels{route, pprof.Labels(routeLabel, route)}
	l.routes[route] = known
	return known
}

// idsAtOnce is how many ids share an allocation.
const idsAtOnce = 64

// id returns a span's id in hexadecimal digits. A strings.Builder may be read and
// then written on, so that its text serves for many ids: with SpanID.String, a
// sampled request costs 4 allocations (BenchmarkLabel).
func (l *labels) id(span trace.SpanID) string {
	var digits [2 * len(span)]byte
	hex.Encode(digits[:], span[:])
	l.ids.Lock()
	defer l.ids.Unlock()
	if l.texts.Cap()-l.texts.Len() < len(digits) {
		l.texts.Reset()
		l.texts.Grow(idsAtOnce * len(digits))
	}
	l.texts.Write(digits[:])
	return l.texts.String()[l.texts.Len()-len(digits):]
}
