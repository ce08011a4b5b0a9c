// Package providers is where telemetry goes while a server or a client is measured, for
// otelkit and for its peer.
package providers

import (
	"context"
	"log/slog"
	"testing"

	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// Kit is the Kit of otelkit's packages.
type Kit struct {
	Tracers trace.TracerProvider
	Meters  metric.MeterProvider
	flags   trace.TraceFlags // of the caller
}

// TracerProvider returns Tracers.
func (k *Kit) TracerProvider() trace.TracerProvider { return k.Tracers }

// Recorder returns the recorder of the process, which records into Meters.
func (*Kit) Recorder() *metrics.Recorder { return metrics.Default() }

// Logger returns a logger to nowhere.
func (*Kit) Logger() *slog.Logger { return slog.New(slog.DiscardHandler) }

// Propagator returns that of W3C Trace Context.
func (*Kit) Propagator() propagation.TextMapPropagator { return propagation.TraceContext{} }

// SamplesByAttributes says that the sampler does not look at them, as *otelkit.Kit does.
func (*Kit) SamplesByAttributes() bool { return false }

// Each runs a benchmark with no-op providers, and with the SDK's in a request that is
// not sampled and in one that is. Sampled spans go through a batch processor; exemplars
// are on.
func Each(b *testing.B, run func(*testing.B, *Kit)) {
	b.Run("noop", func(b *testing.B) {
		run(b, use(&Kit{Tracers: tracenoop.NewTracerProvider(), Meters: metricnoop.NewMeterProvider(), flags: trace.FlagsSampled}))
	})
	for _, mode := range []struct {
		name  string
		flags trace.TraceFlags
	}{{"unsampled", 0}, {"sampled", trace.FlagsSampled}} {
		b.Run(mode.name, func(b *testing.B) {
			tracers := sdktrace.NewTracerProvider(sdktrace.WithBatcher(tracetest.NewNoopExporter()))
			meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
			b.Cleanup(func() {
				_ = tracers.Shutdown(context.Background())
				_ = meters.Shutdown(context.Background())
			})
			run(b, use(&Kit{tracers, meters, mode.flags}))
		})
	}
}

// use makes the providers those of the process, as otelkit.Start does.
func use(k *Kit) *Kit {
	metrics.SetDefault(metrics.NewRecorder(k.Meters))
	return k
}

// Called returns the context of a request that another process began.
func (k *Kit) Called(b *testing.B) context.Context {
	return trace.ContextWithRemoteSpanContext(b.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: k.flags, Remote: true,
	}))
}

// Request returns the context of a request that another process began, within a span of
// this one that has not ended.
func (k *Kit) Request(b *testing.B) context.Context {
	ctx, span := k.Tracers.Tracer("bench").Start(k.Called(b), "request")
	b.Cleanup(func() { span.End() })
	return ctx
}
