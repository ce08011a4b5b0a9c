// Package metrics_test measures otelkit/metrics beside the ways that OpenTelemetry's
// API has to say attributes, on the same SDK.
//
//	go test -run '^$' -bench . -benchmem ./metrics
//
// "one option kept" is the least that the SDK allows: the caller has built the option
// beforehand, for one series.
package metrics_test

import (
	"context"
	"testing"

	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

type market string

func (market) Values() []market { return []market{"DE", "FR", "JP", "UK", "US"} }

type method string

func (method) Values() []method { return []method{"card", "invoice"} }

type outcome string

func (outcome) Values() []outcome { return []outcome{"completed", "declined", "failed"} }

type checkoutAttrs struct {
	Market  market  `attr:"webstore.market"`
	Method  method  `attr:"webstore.payment.method"`
	Outcome outcome `attr:"webstore.checkout.outcome"`
}

var (
	catalog   = metrics.NewCatalog("bench")
	checkouts = metrics.NewCounter[checkoutAttrs](catalog, metrics.Definition{
		Name: "webstore.checkouts", Unit: "{checkout}", Help: "Checkouts that ended, by how they ended.",
	})
	durations = metrics.NewHistogram[checkoutAttrs](catalog, metrics.Definition{
		Name: "webstore.checkout.duration", Unit: "s", Help: "How long checkouts take.", Buckets: metrics.DurationBuckets(),
	})
	attrs = checkoutAttrs{Market: "DE", Method: "card", Outcome: "completed"}
)

// keyValues are attrs as the API takes them.
func keyValues() []attribute.KeyValue {
	return []attribute.KeyValue{
		attribute.String("webstore.market", string(attrs.Market)),
		attribute.String("webstore.payment.method", string(attrs.Method)),
		attribute.String("webstore.checkout.outcome", string(attrs.Outcome)),
	}
}

// meter returns one to which otelkit/metrics records, too.
func meter(b *testing.B) metric.Meter {
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	b.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	metrics.SetDefault(metrics.NewRecorder(provider))
	return provider.Meter("bench")
}

// BenchmarkCounter counts one checkout with three attributes, one caller at a time and
// all processors at once.
func BenchmarkCounter(b *testing.B) {
	counter, err := meter(b).Int64Counter("plain")
	if err != nil {
		b.Fatal(err)
	}
	kept := []metric.AddOption{metric.WithAttributeSet(attribute.NewSet(keyValues()...))}
	compare(b, map[string]func(context.Context){
		"otelkit":        func(ctx context.Context) { checkouts.Add(ctx, 1, attrs) },
		"WithAttributes": func(ctx context.Context) { counter.Add(ctx, 1, metric.WithAttributes(keyValues()...)) },
		"WithAttributeSet": func(ctx context.Context) {
			counter.Add(ctx, 1, metric.WithAttributeSet(attribute.NewSet(keyValues()...)))
		},
		"one option kept": func(ctx context.Context) { counter.Add(ctx, 1, kept...) },
	})
}

// BenchmarkHistogram records one duration with three attributes.
func BenchmarkHistogram(b *testing.B) {
	histogram, err := meter(b).Float64Histogram("plain", metric.WithExplicitBucketBoundaries(metrics.DurationBuckets()...))
	if err != nil {
		b.Fatal(err)
	}
	compare(b, map[string]func(context.Context){
		"otelkit":        func(ctx context.Context) { durations.Record(ctx, 0.12, attrs) },
		"WithAttributes": func(ctx context.Context) { histogram.Record(ctx, 0.12, metric.WithAttributes(keyValues()...)) },
	})
}

func compare(b *testing.B, ways map[string]func(context.Context)) {
	for _, who := range []string{"otelkit", "WithAttributes", "WithAttributeSet", "one option kept"} {
		record, ok := ways[who]
		if !ok {
			continue
		}
		b.Run("one caller/"+who, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				record(b.Context())
			}
		})
		b.Run("in parallel/"+who, func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for ctx := b.Context(); pb.Next(); {
					record(ctx)
				}
			})
		})
	}
}
