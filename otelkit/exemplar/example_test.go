package exemplar_test

import (
	"context"
	"fmt"

	"github.com/otelkit/kit/otelkit/exemplar"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// otelkit.Start does this by itself; so is it done with a MeterProvider of your own.
func ExampleViews() {
	ctx := context.Background()
	spans := tracetest.NewInMemoryExporter()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSyncer(spans)).Tracer("shop")
	meter := sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(sdkmetric.NewManualReader()),
		sdkmetric.WithView(exemplar.Views(exemplar.Config{})...),
	).Meter("shop")
	latency, err := meter.Float64Histogram("shop.order.duration")
	if err != nil {
		fmt.Println(err)
		return
	}

	for _, seconds := range []float64{0.2, 0.3} {
		ctx, span := tracer.Start(ctx, "place order")
		latency.Record(ctx, seconds) // before the span ends
		span.End()
	}
	for _, span := range spans.GetSpans() {
		fmt.Println(span.Name, span.Attributes)
	}
	// Output:
	// place order [{"otelkit.exemplar":true}]
	// place order []
}
