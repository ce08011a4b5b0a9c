// Command autoexport is bare with the SDKs and what contrib's autoexport and autoprop
// make of the environment.
package main

import (
	"context"
	"log"
	"net/http"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/contrib/propagators/autoprop"
	"go.opentelemetry.io/otel"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

func main() {
	ctx := context.Background()
	spans, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		log.Fatal(err)
	}
	reader, err := autoexport.NewMetricReader(ctx)
	if err != nil {
		log.Fatal(err)
	}
	records, err := autoexport.NewLogExporter(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans)).Shutdown(ctx)
	defer sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)).Shutdown(ctx)
	defer sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(records))).Shutdown(ctx)
	otel.SetTextMapPropagator(autoprop.NewTextMapPropagator())
	_ = http.ListenAndServe("localhost:0", nil)
}
