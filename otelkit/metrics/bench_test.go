package metrics_test

import (
	"context"
	"strconv"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/otelkit/kit/otelkit/metrics"
)

// What it costs to count one checkout. Beside what OpenTelemetry's API offers it is
// measured in bench/metrics.
func BenchmarkCounterAdd(b *testing.B) {
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	recorder := metrics.NewRecorder(provider)
	metrics.SetDefault(recorder)
	catalog := metrics.NewCatalog("bench")
	checkouts := metrics.NewCounter[checkoutAttrs](catalog, checkoutDefinition())
	ctx := context.Background()
	attrs := checkoutAttrs{Market: "DE", Method: "card", Outcome: "completed"}

	b.Run("definition", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			checkouts.Add(ctx, 1, attrs)
		}
	})
	b.Run("definition in parallel", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				checkouts.Add(ctx, 1, attrs)
			}
		})
	})
	b.Run("value out of bounds", func(b *testing.B) {
		b.ReportAllocs()
		unknown := checkoutAttrs{Market: "Atlantis", Method: "card", Outcome: "completed"}
		for b.Loop() {
			checkouts.Add(ctx, 1, unknown)
		}
	})
	// From here on contexts may hold a recorder, so each call searches its own.
	deep := metrics.NewContext(ctx, recorder)
	for i := range 10 {
		deep = context.WithValue(deep, depth(i), strconv.Itoa(i))
	}
	b.Run("recorder in a deep context", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			checkouts.Add(deep, 1, attrs)
		}
	})
}

type depth int

// "Handed to the SDK" is what Add did before it kept sums itself.
func BenchmarkUpDownCounterAdd(b *testing.B) {
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	ctx := metrics.NewContext(context.Background(), metrics.NewRecorder(provider))
	sessions := metrics.NewUpDownCounter[checkoutAttrs](metrics.NewCatalog("bench"), metrics.Definition{
		Name: "webstore.sessions", Unit: "{session}", Help: "Sessions.",
	})
	plain, err := provider.Meter("bench").Int64UpDownCounter("plain")
	if err != nil {
		b.Fatal(err)
	}
	attrs := checkoutAttrs{Market: "DE", Method: "card", Outcome: "completed"}
	b.Run("definition", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			sessions.Add(ctx, 1, attrs)
		}
	})
	b.Run("handed to the SDK", func(b *testing.B) {
		b.ReportAllocs()
		options := []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(
			attribute.String("webstore.market", string(attrs.Market)),
			attribute.String("webstore.payment.method", string(attrs.Method)),
			attribute.String("webstore.checkout.outcome", string(attrs.Outcome))))}
		for b.Loop() {
			plain.Add(ctx, 1, options...)
		}
	})
}

func BenchmarkHistogramRecord(b *testing.B) {
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	ctx := metrics.NewContext(context.Background(), metrics.NewRecorder(provider))
	durations := metrics.NewHistogram[checkoutAttrs](metrics.NewCatalog("bench"), metrics.Definition{
		Name: "webstore.checkout.duration", Unit: "s", Help: "How long checkouts take.", Buckets: metrics.DurationBuckets(),
	})
	attrs := checkoutAttrs{Market: "DE", Method: "card", Outcome: "completed"}
	b.Run("definition", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			durations.Record(ctx, 0.12, attrs)
		}
	})
}
