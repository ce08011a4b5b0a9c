package otelkit_test

import (
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/otelkit/kit/otelkit"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// OTLP exporters v1.47: one string that is not UTF-8 loses its whole batch.
func TestBytesThatAreNotTextDoNotLoseTheirBatch(t *testing.T) {
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			collector := newCollector(t, protocol)
			kit, _ := start(t, otelkit.Config{Endpoint: collector.url, Protocol: protocol})
			place(t.Context(), kit)

			const bad = "a\xffb"
			values := attribute.Map("m", attribute.String(bad, bad), attribute.StringSlice("l", []string{bad}), attribute.Slice("s", attribute.StringValue(bad)))
			_, span := kit.TracerProvider().Tracer("shop").Start(t.Context(), bad, trace.WithLinks(trace.Link{
				SpanContext: trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}}),
				Attributes:  []attribute.KeyValue{values},
			}))
			span.SetAttributes(values, attribute.Int("n", 1))
			span.AddEvent(bad, trace.WithAttributes(values))
			span.SetStatus(codes.Error, bad)
			span.End()
			meter := kit.MeterProvider().Meter("shop")
			counter, err := meter.Int64Counter("shop.counter")
			if err != nil {
				t.Fatal(err)
			}
			histogram, err := meter.Float64Histogram("shop.histogram")
			if err != nil {
				t.Fatal(err)
			}
			counter.Add(t.Context(), 1, metric.WithAttributes(attribute.String("k", bad)))
			histogram.Record(t.Context(), 1, metric.WithAttributes(attribute.String("k", bad)))
			kit.Logger().WithGroup(bad).Error(bad, "k", bad, "err", errors.New(bad), "list", []string{bad})

			if err := kit.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got, want := collector.spanNames(), []string{"place order", "a\uFFFDb"}; !slices.Equal(got, want) {
				t.Errorf("spans %q, want %q", got, want)
			}
			if got, want := collector.logBodies(), []string{"order placed", "a\uFFFDb"}; !slices.Equal(got, want) {
				t.Errorf("log records %q, want %q", got, want)
			}
			for _, name := range []string{"shop.counter", "shop.histogram", "shop.orders"} {
				if collector.metric(name) == nil {
					t.Errorf("metric %s did not arrive", name)
				}
			}
		})
	}
}

func TestAnExecutableWhoseNameIsNotTextDoesNotLoseEveryBatch(t *testing.T) {
	name := os.Args[0]
	defer func() { os.Args[0] = name }()
	os.Args[0] = "sh\xffp"
	collector := newCollector(t, "")
	kit, _ := start(t, otelkit.Config{Endpoint: collector.url})
	place(t.Context(), kit)
	if err := kit.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestBytesThatAreNotTextDoNotLoseExponentialHistograms(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", "base2_exponential_bucket_histogram")
	collector := newCollector(t, "")
	kit, _ := start(t, otelkit.Config{Endpoint: collector.url})
	place(t.Context(), kit)
	meter := kit.MeterProvider().Meter("shop")
	ints, err := meter.Int64Histogram("shop.ints")
	if err != nil {
		t.Fatal(err)
	}
	floats, err := meter.Float64Histogram("shop.floats")
	if err != nil {
		t.Fatal(err)
	}
	ints.Record(t.Context(), 1, metric.WithAttributes(attribute.String("k", "a\xffb")))
	floats.Record(t.Context(), 1, metric.WithAttributes(attribute.String("k", "a\xffb")))
	if err := kit.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"shop.ints", "shop.floats", "shop.orders"} {
		if collector.metric(name) == nil {
			t.Errorf("metric %s did not arrive", name)
		}
	}
}
