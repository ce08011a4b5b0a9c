// Package exemplar_test measures the reservoirs of otelkit/exemplar beside the SDK's own.
//
//	go test -run '^$' -bench . -benchmem ./exemplar
//
// Measurements are made in sampled, recording spans, by the instruments of a
// MeterProvider. "bare" is the same without exemplars.
package exemplar_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/otelkit/kit/otelkit/exemplar"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdkexemplar "go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// sides are what is compared.
var sides = []struct {
	name    string
	options []sdkmetric.Option
}{
	{"otelkit", []sdkmetric.Option{sdkmetric.WithView(exemplar.Views(exemplar.Config{}, exponential)...)}},
	{"sdk", []sdkmetric.Option{sdkmetric.WithView(exponential)}},
	{"bare", []sdkmetric.Option{sdkmetric.WithView(exponential), sdkmetric.WithExemplarFilter(sdkexemplar.AlwaysOffFilter)}},
}

// exponential makes the histogram of that name exponential.
var exponential = sdkmetric.NewView(sdkmetric.Instrument{Name: "exponential"}, sdkmetric.Stream{
	Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 20},
})

// durations are the buckets of http.server.request.duration.
var durations = []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}

// instruments returns how to record with each instrument that has reservoirs of its own kind.
func instruments(b *testing.B, meter metric.Meter) map[string]func(context.Context, float64) {
	histogram, err1 := meter.Float64Histogram("histogram", metric.WithExplicitBucketBoundaries(durations...))
	exponential, err2 := meter.Float64Histogram("exponential")
	counter, err3 := meter.Int64Counter("counter")
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			b.Fatal(err)
		}
	}
	return map[string]func(context.Context, float64){
		"histogram":   func(ctx context.Context, v float64) { histogram.Record(ctx, v) },
		"exponential": func(ctx context.Context, v float64) { exponential.Record(ctx, v) },
		"counter":     func(ctx context.Context, _ float64) { counter.Add(ctx, 1) },
	}
}

// bench is one side, recording with one instrument.
type bench struct {
	tracer trace.Tracer
	reader *sdkmetric.ManualReader
	record func(context.Context, float64)
}

// each runs a benchmark for each instrument and side.
func each(b *testing.B, run func(*testing.B, bench)) {
	for _, name := range []string{"histogram", "exponential", "counter"} {
		for _, side := range sides {
			b.Run(name+"/"+side.name, func(b *testing.B) {
				reader := sdkmetric.NewManualReader()
				meters := sdkmetric.NewMeterProvider(append(side.options, sdkmetric.WithReader(reader))...)
				b.ReportAllocs()
				run(b, bench{
					tracer: sdktrace.NewTracerProvider().Tracer("bench"),
					reader: reader,
					record: instruments(b, meters.Meter("bench"))[name],
				})
			})
		}
	}
}

// value returns durations from 4 ms to 8 s.
func value(i int64) float64 { return 0.004 * float64(int64(1)<<(i%12)) }

// BenchmarkRecord is a measurement, of which next to none is kept.
func BenchmarkRecord(b *testing.B) {
	each(b, func(b *testing.B, bench bench) {
		ctx, span := bench.tracer.Start(context.Background(), "request")
		defer span.End()
		for i := int64(0); b.Loop(); i++ {
			bench.record(ctx, value(i))
		}
	})
}

// BenchmarkParallel is the same on all CPUs, into one series.
func BenchmarkParallel(b *testing.B) {
	each(b, func(b *testing.B, bench bench) {
		var start atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			ctx, span := bench.tracer.Start(context.Background(), "request")
			defer span.End()
			for i := start.Add(5); pb.Next(); i++ {
				bench.record(ctx, value(i))
			}
		})
	})
}

// BenchmarkCollect is a collection after 12 measurements, each in a span of its own and
// kept if its reservoir has room for it: what exemplars cost at most.
func BenchmarkCollect(b *testing.B) {
	each(b, func(b *testing.B, bench bench) {
		var data metricdata.ResourceMetrics
		for b.Loop() {
			for i := range int64(12) {
				ctx, span := bench.tracer.Start(context.Background(), "request")
				bench.record(ctx, value(i))
				span.End()
			}
			if err := bench.reader.Collect(context.Background(), &data); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkSeries is a new series' reservoir.
func BenchmarkSeries(b *testing.B) {
	stream, _ := exemplar.Views(exemplar.Config{})[0](sdkmetric.Instrument{})
	for _, kind := range []struct {
		name        string
		aggregation sdkmetric.Aggregation
	}{
		{"histogram", sdkmetric.AggregationExplicitBucketHistogram{Boundaries: durations}},
		{"exponential", sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 160, MaxScale: 20}},
		{"counter", sdkmetric.AggregationSum{}},
	} {
		series(b, kind.name+"/otelkit", stream.ExemplarReservoirProviderSelector(kind.aggregation))
		series(b, kind.name+"/sdk", sdkmetric.DefaultExemplarReservoirProviderSelector(kind.aggregation))
	}
}

func series(b *testing.B, name string, provider sdkexemplar.ReservoirProvider) {
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			provider(*attribute.EmptySet())
		}
	})
}
