package httpserver

import (
	"context"
	"net/http"
	"runtime/pprof"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// Profiles is what Wrap needs of a *profiles.Profiler.
type Profiles interface {
	// On says whether anything is profiled. It is asked once, by Wrap.
	On() bool
	// Label labels the calling goroutine with a route, "" if there is none, and a span,
	// if that is sampled, and returns ctx with these labels.
	Label(ctx context.Context, span trace.Span, route string) context.Context
}

// profileID is the attribute by which Grafana finds the profile of a span. Its value is
// that of the label spanLabel.
const (
	profileID = attribute.Key("pyroscope.profile.id")
	spanLabel = "span_id"
)

// labelFirst labels what a request costs from its beginning on, unless the router tells
// the route when it has found it. http.ServeMux is asked for the route, and so routes
// twice, which costs 70 ns, and an allocation if the pattern has a wildcard: what it
// calls once it has routed is the service's own.
func (s *server) labelFirst(x *exchange) {
	if s.profiles == nil || s.routerTells {
		return
	}
	route := ""
	if mux, ok := s.next.(*http.ServeMux); ok {
		_, pattern := mux.Handler(&x.request)
		route = routeOf(pattern)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.label(route)
}

// label labels the goroutine, and the context: pprof.Do in a handler keeps the labels
// that it finds there. To label the server's context below the span's spares a copy of
// the request, which a middleware would have to make: 3 allocations, where with a
// middleware it was 6 (BenchmarkRequest of otelkit/profiles). The caller holds the lock.
func (x *exchange) label(route string) {
	if x.server.profiles != nil {
		x.base = x.server.profiles.Label(x.base, trace.SpanFromContext(x.request.Context()), route)
	}
}

// profile returns the id by which the span opens its profile, "" if it has none.
func (x *exchange) profile() string {
	if x.server.profiles == nil {
		return ""
	}
	id, _ := pprof.Label(x.context(), spanLabel)
	return id
}
