// Package httpserver observes an HTTP server: a span, four metrics and, if asked
// for, a log line a request.
//
//	mux := http.NewServeMux()
//	mux.HandleFunc("GET /orders/{id}", showOrder)
//	server := http.Server{Handler: httpserver.Wrap(mux, httpserver.Config{Kit: kit})}
//
// Wrap goes around the router, not around its handlers, so that requests which
// no route matches are seen too:
//
//	request ──> Wrap ──> router ──> handler
//	             │          └─ says the route: "/orders/{id}"
//	             └─ knows status, sizes, duration and panics
//
// It knows routes of http.ServeMux and of gorilla/mux; other routers tell it by
// [SetRoute]. The names are those of OpenTelemetry's semantic conventions for
// HTTP, v1.43.0. What a client may choose freely, such as its path, host and user
// agent, stands on the span and never on a metric, so no client can multiply
// series.
//
// A handler's panic is recorded as status 500 on the span, in the metrics and in
// the log, and answered so. If the answer had begun, the connection is broken off
// instead, so that the client does not take the half for the whole.
// http.ErrAbortHandler passes through as it is. With [Config.Repanic] every panic
// does, once it is recorded.
//
// http.ResponseController and the optional interfaces of the ResponseWriter
// (http.Flusher, http.Hijacker, http.Pusher, io.ReaderFrom) work as without Wrap.
// One thing does not: http.MaxBytesReader cannot tell a wrapped ResponseWriter to
// close the connection when a body is too large; the request fails all the same.
package httpserver

import (
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"runtime/pprof"
	"sync/atomic"
	"time"

	"github.com/gorilla/mux"
	"github.com/otelkit/kit/otelkit/internal/httpnames"
	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// scope is the instrumentation scope of spans and metrics.
const scope = "github.com/otelkit/kit/otelkit/httpserver"

// Kit is what Wrap needs of a *otelkit.Kit. If it also has the method
//
//	SamplesByAttributes() bool
//
// and that returns false, spans get all their attributes when they end, which spares
// two allocations a request. Else a sampler is given the method and the path.
type Kit interface {
	TracerProvider() trace.TracerProvider
	Propagator() propagation.TextMapPropagator
	Recorder() *metrics.Recorder
	Logger() *slog.Logger
}

// Config configures Wrap. The zero value of every field is useful.
type Config struct {
	// ClientAddress returns the client's address for spans, "" if there is none, as the
	// service believes it: behind a proxy, the one that the proxy names, such as
	// ratelimit.ClientAddress tells it. nil means the peer of the connection, whatever a
	// header claims.
	ClientAddress func(*http.Request) string

	Kit          Kit                      // where telemetry goes; nil means OpenTelemetry's globals, the default recorder and slog.Default
	AccessLog    *slog.Logger             // gets a line a request, at level info; nil means none
	Filter       func(*http.Request) bool // whether a request is observed; nil means all are. Health checks are best left out
	Profiles     Profiles                 // labels profiles with a request's route and span: a *profiles.Profiler; nil means none
	Repanic      bool                     // panic again with a handler's panic once it is recorded, and leave the answer to whoever recovers
	ServerTiming bool                     // tell the client its trace in a Server-Timing header, where a browser can read it
}

// Wrap returns h, observed. If h is a *mux.Router, Wrap adds a middleware to it
// that tells the route.
func Wrap(h http.Handler, cfg Config) http.Handler {
	s := &server{
		next:       h,
		cfg:        cfg,
		tracer:     otel.GetTracerProvider().Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL)),
		propagator: otel.GetTextMapPropagator(),

		samplesByAttributes: true,
	}
	if cfg.Kit != nil {
		s.tracer = cfg.Kit.TracerProvider().Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL))
		s.propagator = cfg.Kit.Propagator()
	}
	if kit, ok := cfg.Kit.(interface{ SamplesByAttributes() bool }); ok {
		s.samplesByAttributes = kit.SamplesByAttributes()
	}
	_, s.noSpans = s.tracer.(noop.Tracer)
	if cfg.Profiles != nil && cfg.Profiles.On() {
		s.profiles = cfg.Profiles
	}
	if router, ok := h.(*mux.Router); ok {
		router.Use(tellMuxRoute)
		s.routerTells = true
	}
	return s
}

type server struct {
	next       http.Handler
	cfg        Config
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
	profiles   Profiles // nil without

	noSpans             bool // the tracer does nothing, so nothing need be prepared for it
	samplesByAttributes bool // the sampler may look at them
	routerTells         bool // the router calls SetRoute

	// spansTellStart says that the tracer's spans have StartTime, as the SDK's have.
	// Then span and metric agree without a timestamp for each, an allocation less.
	spansTellStart atomic.Bool
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.cfg.Filter != nil && !s.cfg.Filter(r) {
		s.next.ServeHTTP(w, r)
		return
	}
	o := s.begin(w, r)
	if s.cfg.ServerTiming {
		setServerTiming(w.Header(), o.span.SpanContext())
	}
	ActiveRequests.Add(o.ctx, 1, ActiveAttrs{o.method, o.scheme})
	defer func() {
		panicked := recover()
		if s.profiles != nil {
			// The server serves the connection's next request with this goroutine.
			pprof.SetGoroutineLabels(r.Context())
		}
		o.route = o.exchange.route()
		again := s.answerPanic(&o, panicked)
		ActiveRequests.Add(o.ctx, -1, ActiveAttrs{o.method, o.scheme})
		s.finish(&o)
		if r.MultipartForm == nil {
			r.MultipartForm = o.request.MultipartForm // whose files net/http removes
		}
		if again != nil {
			panic(again)
		}
	}()
	s.labelFirst(o.exchange)
	s.next.ServeHTTP(o.writer(), &o.request)
}

// answerPanic makes a panic an answer, and returns what is to be panicked with
// then, nil for nothing.
func (s *server) answerPanic(o *observation, panicked any) (again any) {
	if panicked == nil {
		return nil
	}
	if panicked == http.ErrAbortHandler {
		o.aborted = true
		return panicked
	}
	stack := string(debug.Stack())
	o.panicked = true
	o.span.AddEvent(semconv.ExceptionEventName, trace.WithAttributes(
		semconv.ExceptionType(fmt.Sprintf("%T", panicked)),
		semconv.ExceptionMessage(httpnames.Clip(fmt.Sprint(panicked))),
		semconv.ExceptionStacktrace(stack),
	))
	s.logger().ErrorContext(o.ctx, "handler panicked",
		"http.request.method", string(o.method), "http.route", o.route, "panic", httpnames.Clip(fmt.Sprint(panicked)), "stack", stack)
	switch {
	case s.cfg.Repanic:
		o.status = http.StatusInternalServerError
		return panicked
	case o.hijacked:
		return nil
	case o.status == 0:
		http.Error(o.exchange, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return nil
	default:
		o.status = http.StatusInternalServerError // whatever the client was told before
		return http.ErrAbortHandler
	}
}

func (s *server) logger() *slog.Logger {
	if s.cfg.Kit == nil {
		return slog.Default()
	}
	return s.cfg.Kit.Logger()
}

// finish records what is known once the handler has returned. The duration is
// measured once, so that span and metric agree.
func (s *server) finish(o *observation) {
	duration := time.Since(o.start)
	if o.status == 0 && !o.hijacked && !o.aborted {
		o.status = http.StatusOK // as net/http does
	}
	attrs := o.attributes()
	RequestDuration.Record(o.ctx, duration.Seconds(), attrs)
	if o.body != nil {
		if read := o.body.read.Load(); read > 0 {
			RequestBodySize.Record(o.withoutSpan, float64(read), attrs)
		}
	}
	if o.written > 0 {
		ResponseBodySize.Record(o.withoutSpan, float64(o.written), attrs)
	}
	o.endSpan(duration)
	if s.cfg.AccessLog != nil {
		s.cfg.AccessLog.LogAttrs(o.ctx, slog.LevelInfo, "request", o.logAttributes(duration)...)
	}
}

// setServerTiming tells the trace in the form that OpenTelemetry's browser
// instrumentation reads.
func setServerTiming(h http.Header, span trace.SpanContext) {
	if !span.IsValid() {
		return
	}
	const begin, end = `traceparent;desc="00-`, `"`
	traceID, spanID, flags := span.TraceID(), span.SpanID(), [1]byte{byte(span.TraceFlags())}
	value := make([]byte, 0, len(begin)+len("0123456789abcdef0123456789abcdef-0123456789abcdef-01")+len(end))
	value = hex.AppendEncode(append(value, begin...), traceID[:])
	value = hex.AppendEncode(append(value, '-'), spanID[:])
	value = hex.AppendEncode(append(value, '-'), flags[:])
	h.Add("Server-Timing", string(append(value, end...)))
}
