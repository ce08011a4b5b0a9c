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
// http.ErrAbortHandler passes through as it is.
//
// http.ResponseController and the optional interfaces of the ResponseWriter
// (http.Flusher, http.Hijacker, http.Pusher, io.ReaderFrom) work as without Wrap.
// One thing does not: http.MaxBytesReader cannot tell a wrapped ResponseWriter to
// close the connection when a body is too large; the request fails all the same.
package httpserver

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/gorilla/mux"
	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// scope is the instrumentation scope of spans and metrics.
const scope = "github.com/otelkit/kit/otelkit/httpserver"

// Kit is what Wrap needs of a *otelkit.Kit.
type Kit interface {
	TracerProvider() trace.TracerProvider
	Propagator() propagation.TextMapPropagator
	Recorder() *metrics.Recorder
	Logger() *slog.Logger
}

// Config configures Wrap. The zero value of every field is useful.
type Config struct {
	Kit          Kit                      // where telemetry goes; nil means OpenTelemetry's globals, the default recorder and slog.Default
	AccessLog    *slog.Logger             // gets a line a request, at level info; nil means none
	Filter       func(*http.Request) bool // whether a request is observed; nil means all are. Health checks are best left out
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
	}
	if cfg.Kit != nil {
		s.tracer = cfg.Kit.TracerProvider().Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL))
		s.propagator = cfg.Kit.Propagator()
	}
	if router, ok := h.(*mux.Router); ok {
		router.Use(tellMuxRoute)
	}
	return s
}

type server struct {
	next       http.Handler
	cfg        Config
	tracer     trace.Tracer
	propagator propagation.TextMapPropagator
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if s.cfg.Filter != nil && !s.cfg.Filter(r) {
		s.next.ServeHTTP(w, r)
		return
	}
	x := &exchange{ResponseWriter: w, start: time.Now(), method: methodOf(r), scheme: schemeOf(r)}
	ctx := s.propagator.Extract(s.recording(r.Context()), propagation.HeaderCarrier(r.Header))
	ctx, span := s.tracer.Start(ctx, x.spanName(),
		trace.WithSpanKind(trace.SpanKindServer),
		trace.WithTimestamp(x.start),
		trace.WithAttributes(x.samplingAttributes(r)...),
	)
	r = r.WithContext(context.WithValue(ctx, exchangeKey{}, x))
	if r.Body != nil && r.Body != http.NoBody {
		x.body.ReadCloser = r.Body
		r.Body = &x.body
	}
	if s.cfg.ServerTiming {
		setServerTiming(w.Header(), span.SpanContext())
	}
	ActiveRequests.Add(ctx, 1, ActiveAttrs{x.method, x.scheme})
	defer func() {
		panicked := recover()
		if x.route == "" {
			x.route = routeOf(r.Pattern)
		}
		again := s.answerPanic(ctx, x, span, panicked)
		ActiveRequests.Add(ctx, -1, ActiveAttrs{x.method, x.scheme})
		s.finish(ctx, x, r, span)
		if again != nil {
			panic(again)
		}
	}()
	s.next.ServeHTTP(x.writer(), r)
}

// recording returns a context in which measurements go to the kit.
func (s *server) recording(ctx context.Context) context.Context {
	if s.cfg.Kit == nil {
		return ctx
	}
	if recorder := s.cfg.Kit.Recorder(); recorder != metrics.FromContext(ctx) {
		return metrics.NewContext(ctx, recorder)
	}
	return ctx
}

// answerPanic makes a panic an answer, and returns what is to be panicked with
// then, nil for nothing.
func (s *server) answerPanic(ctx context.Context, x *exchange, span trace.Span, panicked any) (again any) {
	if panicked == nil {
		return nil
	}
	if panicked == http.ErrAbortHandler {
		x.aborted = true
		return panicked
	}
	stack := string(debug.Stack())
	x.panicked = true
	span.AddEvent(semconv.ExceptionEventName, trace.WithAttributes(
		semconv.ExceptionType(fmt.Sprintf("%T", panicked)),
		semconv.ExceptionMessage(fmt.Sprint(panicked)),
		semconv.ExceptionStacktrace(stack),
	))
	s.logger().ErrorContext(ctx, "handler panicked",
		"http.request.method", string(x.method), "http.route", x.route, "panic", fmt.Sprint(panicked), "stack", stack)
	switch {
	case x.hijacked:
		return nil
	case x.status == 0:
		http.Error(x, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return nil
	default:
		x.status = http.StatusInternalServerError // whatever the client was told before
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
func (s *server) finish(ctx context.Context, x *exchange, r *http.Request, span trace.Span) {
	duration := time.Since(x.start)
	if x.status == 0 && !x.hijacked && !x.aborted {
		x.status = http.StatusOK // as net/http does
	}
	attrs := x.attributes(r)
	RequestDuration.Record(ctx, duration.Seconds(), attrs)
	if read, written := x.body.read.Load(), x.written; read > 0 || written > 0 {
		// An exemplar of a size has nothing to say, and costs as much as one of
		// the duration.
		ctx := trace.ContextWithSpan(ctx, noSpan)
		if read > 0 {
			RequestBodySize.Record(ctx, float64(read), attrs)
		}
		if written > 0 {
			ResponseBodySize.Record(ctx, float64(written), attrs)
		}
	}
	if span.IsRecording() {
		span.SetName(x.spanName())
		span.SetAttributes(x.spanAttributes(r)...)
		if attrs.Error != "" {
			span.SetStatus(codes.Error, "")
		}
	}
	span.End(trace.WithTimestamp(x.start.Add(duration)))
	if s.cfg.AccessLog != nil {
		s.cfg.AccessLog.LogAttrs(ctx, slog.LevelInfo, "request", x.logAttributes(r, duration)...)
	}
}

// noSpan is what a context without a span holds.
var noSpan = trace.SpanFromContext(context.Background())

// setServerTiming tells the trace in the form that OpenTelemetry's browser
// instrumentation reads.
func setServerTiming(h http.Header, span trace.SpanContext) {
	if span.IsValid() {
		h.Add("Server-Timing", fmt.Sprintf(`traceparent;desc="00-%s-%s-%s"`, span.TraceID(), span.SpanID(), span.TraceFlags()))
	}
}
