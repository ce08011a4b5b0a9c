package otelkit

import (
	"context"

	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// startTraces makes a TracerProvider in any case, so that traces have ids. The
// sampler is the SDK's: by OTEL_TRACES_SAMPLER, else parentbased_always_on.
func (k *Kit) startTraces(ctx context.Context, s settings) error {
	options := []sdktrace.TracerProviderOption{sdktrace.WithResource(s.resource)}
	exports := k.newExports("traces")
	if s.traces.exports() {
		exporter, err := newSpanExporter(ctx, s.traces)
		if err != nil {
			return err
		}
		options = append(options, sdktrace.WithBatcher(spanExporter{exporter, exports}))
	}
	provider := sdktrace.NewTracerProvider(options...)
	k.tracerProvider = provider
	k.pipelines = append(k.pipelines, &pipeline{exports, provider.ForceFlush, provider.Shutdown})
	return nil
}

// startMetrics makes a MeterProvider if there is somewhere to export to.
// Exemplars are the SDK's: those of sampled spans, unless
// OTEL_METRICS_EXEMPLAR_FILTER says otherwise.
func (k *Kit) startMetrics(ctx context.Context, s settings) error {
	if !s.metrics.exports() {
		return nil
	}
	exporter, err := newMetricExporter(ctx, s.metrics)
	if err != nil {
		return err
	}
	exports := k.newExports("metrics")
	provider := sdkmetric.NewMeterProvider(
		sdkmetric.WithResource(s.resource),
		sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metricExporter{exporter, exports})),
		// One set of the SDK's limit is the overflow; the definitions keep to
		// their limits themselves.
		sdkmetric.WithCardinalityLimit(s.cardinalityLimit+1),
	)
	k.meterProvider = provider
	k.pipelines = append(k.pipelines, &pipeline{exports, provider.ForceFlush, provider.Shutdown})
	return nil
}

// startLogs makes a LoggerProvider if there is somewhere to export to.
func (k *Kit) startLogs(ctx context.Context, s settings) error {
	if !s.logs.exports() {
		return nil
	}
	exporter, err := newLogExporter(ctx, s.logs)
	if err != nil {
		return err
	}
	exports := k.newExports("logs")
	provider := sdklog.NewLoggerProvider(
		sdklog.WithResource(s.resource),
		sdklog.WithProcessor(sdklog.NewBatchProcessor(logExporter{exporter, exports})),
	)
	k.loggerProvider = provider
	k.pipelines = append(k.pipelines, &pipeline{exports, provider.ForceFlush, provider.Shutdown})
	return nil
}

func newSpanExporter(ctx context.Context, d destination) (sdktrace.SpanExporter, error) {
	if d.protocol == "grpc" {
		var options []otlptracegrpc.Option
		if d.endpoint != "" {
			options = append(options, otlptracegrpc.WithEndpointURL(d.endpoint))
		}
		return otlptracegrpc.New(ctx, options...)
	}
	var options []otlptracehttp.Option
	if d.endpoint != "" {
		options = append(options, otlptracehttp.WithEndpointURL(d.url()))
	}
	return otlptracehttp.New(ctx, options...)
}

func newMetricExporter(ctx context.Context, d destination) (sdkmetric.Exporter, error) {
	if d.protocol == "grpc" {
		var options []otlpmetricgrpc.Option
		if d.endpoint != "" {
			options = append(options, otlpmetricgrpc.WithEndpointURL(d.endpoint))
		}
		return otlpmetricgrpc.New(ctx, options...)
	}
	var options []otlpmetrichttp.Option
	if d.endpoint != "" {
		options = append(options, otlpmetrichttp.WithEndpointURL(d.url()))
	}
	return otlpmetrichttp.New(ctx, options...)
}

func newLogExporter(ctx context.Context, d destination) (sdklog.Exporter, error) {
	if d.protocol == "grpc" {
		var options []otlploggrpc.Option
		if d.endpoint != "" {
			options = append(options, otlploggrpc.WithEndpointURL(d.endpoint))
		}
		return otlploggrpc.New(ctx, options...)
	}
	var options []otlploghttp.Option
	if d.endpoint != "" {
		options = append(options, otlploghttp.WithEndpointURL(d.url()))
	}
	return otlploghttp.New(ctx, options...)
}
