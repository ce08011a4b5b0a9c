// Package telemetrytest keeps a service's telemetry in memory, for its tests to
// look at.
//
//	kit := telemetrytest.New(t)
//	... run the service with kit ...
//	if n := kit.Count(t, telemetry.Checkouts); n != 1 {
package telemetrytest

import (
	"bytes"
	"context"
	"log/slog"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/otelkit/metrics"
)

// Kit is a *otelkit.Kit as far as a service can tell. It is safe for concurrent
// use.
type Kit struct {
	logger   *slog.Logger
	lines    *lines
	spans    *tracetest.SpanRecorder
	tracers  *sdktrace.TracerProvider
	reader   *sdkmetric.ManualReader
	recorder *metrics.Recorder
}

// New returns a Kit that ends with the test.
func New(t testing.TB) *Kit {
	spans := tracetest.NewSpanRecorder()
	reader := sdkmetric.NewManualReader()
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	out := &lines{}
	k := &Kit{
		logger:   slog.New(slog.NewTextHandler(out, nil)),
		lines:    out,
		spans:    spans,
		tracers:  sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)),
		reader:   reader,
		recorder: metrics.NewRecorder(meters),
	}
	t.Cleanup(func() {
		_ = k.tracers.Shutdown(context.Background())
		_ = meters.Shutdown(context.Background())
	})
	return k
}

// Logger returns a logger whose lines Log returns.
func (k *Kit) Logger() *slog.Logger { return k.logger }

// TracerProvider returns a provider that records every span.
func (k *Kit) TracerProvider() trace.TracerProvider { return k.tracers }

// Propagator returns that of W3C Trace Context.
func (k *Kit) Propagator() propagation.TextMapPropagator { return propagation.TraceContext{} }

// Recorder returns a recorder whose counts Count returns.
func (k *Kit) Recorder() *metrics.Recorder { return k.recorder }

// Spans returns the spans that have ended, in the order in which they did.
func (k *Kit) Spans() []sdktrace.ReadOnlySpan { return k.spans.Ended() }

// Log returns what has been logged.
func (k *Kit) Log() string { return k.lines.String() }

// Count returns how much a counter has counted, or how often a histogram was
// recorded, over the series that have all the given attributes: pairs of key
// and value.
func (k *Kit) Count(t testing.TB, of metrics.Defined, attributes ...string) int64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := k.reader.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	var n int64
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != of.Metric().Name {
				continue
			}
			switch data := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, point := range data.DataPoints {
					if has(point.Attributes, attributes) {
						n += point.Value
					}
				}
			case metricdata.Histogram[float64]:
				for _, point := range data.DataPoints {
					if has(point.Attributes, attributes) {
						n += int64(point.Count)
					}
				}
			case metricdata.Gauge[float64]:
				for _, point := range data.DataPoints {
					if has(point.Attributes, attributes) {
						n += int64(point.Value)
					}
				}
			default:
				t.Fatalf("%s is a %T, which Count does not know", m.Name, data)
			}
		}
	}
	return n
}

// lines is a buffer for concurrent use.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
