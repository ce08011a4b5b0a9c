// Package httpnamestest keeps what HTTP servers and clients under test record, as the SDK
// has it: their tests are about single attributes, and where they must not be.
package httpnamestest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// Kit is a *otelkit.Kit as far as clients can tell.
type Kit struct {
	Spans   *tracetest.SpanRecorder
	Reader  *sdkmetric.ManualReader
	Tracers *sdktrace.TracerProvider // into Spans; a test may put another here

	recorder *metrics.Recorder
}

// New returns a Kit that has recorded nothing.
func New() *Kit {
	k := &Kit{Spans: tracetest.NewSpanRecorder(), Reader: sdkmetric.NewManualReader()}
	k.Tracers = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(k.Spans))
	k.recorder = metrics.NewRecorder(sdkmetric.NewMeterProvider(sdkmetric.WithReader(k.Reader)))
	return k
}

// TracerProvider returns Tracers.
func (k *Kit) TracerProvider() trace.TracerProvider { return k.Tracers }

// Propagator returns that of W3C Trace Context.
func (k *Kit) Propagator() propagation.TextMapPropagator { return propagation.TraceContext{} }

// Recorder returns what Reader reads.
func (k *Kit) Recorder() *metrics.Recorder { return k.recorder }

// Metric returns the metric of that name, nil if there is none.
func (k *Kit) Metric(t *testing.T, name string) metricdata.Aggregation {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := k.Reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	for _, s := range all.ScopeMetrics {
		for _, m := range s.Metrics {
			if m.Name == name {
				return m.Data
			}
		}
	}
	return nil
}

// Points returns the series of a histogram.
func (k *Kit) Points(t *testing.T, name string) []metricdata.HistogramDataPoint[float64] {
	t.Helper()
	data, _ := k.Metric(t, name).(metricdata.Histogram[float64])
	return data.DataPoints
}

// Point returns the only series of a histogram, which has one measurement.
func (k *Kit) Point(t *testing.T, name string) metricdata.HistogramDataPoint[float64] {
	t.Helper()
	points := k.Points(t, name)
	if len(points) != 1 || points[0].Count != 1 {
		t.Fatalf("%s has the points %+v, want one measurement", name, points)
	}
	return points[0]
}

// Text writes attributes as "key=value key=value", sorted by key.
func Text(attrs []attribute.KeyValue) string {
	set := attribute.NewSet(attrs...)
	var list []string
	for _, kv := range set.ToSlice() {
		list = append(list, fmt.Sprintf("%s=%s", kv.Key, kv.Value.String()))
	}
	return strings.Join(list, " ")
}
