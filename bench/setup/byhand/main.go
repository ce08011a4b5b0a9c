// Command byhand is bare with the SDKs and the exporters for OTLP over HTTP.
package main

import (
	"context"
	"log"
	"net/http"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

func main() {
	ctx := context.Background()
	spans, err := otlptracehttp.New(ctx)
	if err != nil {
		log.Fatal(err)
	}
	points, err := otlpmetrichttp.New(ctx)
	if err != nil {
		log.Fatal(err)
	}
	records, err := otlploghttp.New(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans)).Shutdown(ctx)
	defer sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(points))).Shutdown(ctx)
	defer sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(records))).Shutdown(ctx)
	_ = http.ListenAndServe("localhost:0", nil)
}
