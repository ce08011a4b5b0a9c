package otelkit

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/otelkit/kit/otelkit/exemplar"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutlog"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdkexemplar "go.opentelemetry.io/otel/sdk/metric/exemplar"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// startTraces makes a TracerProvider in any case, so that traces have ids. The
// sampler is the SDK's: by OTEL_TRACES_SAMPLER, else parentbased_always_on.
func (k *Kit) startTraces(ctx context.Context, s settings) error {
	options := []sdktrace.TracerProviderOption{sdktrace.WithResource(s.resource)}
	if s.traces.exports() {
		exporter, err := newSpanExporter(ctx, s.traces, s.output)
		if err != nil {
			return err
		}
		batcher := newBatcher(k.newExports(SignalTraces), limitsOf("OTEL_BSP", 5*time.Second), exportSpans(exporter))
		options = append(options, sdktrace.WithSpanProcessor(spanProcessor{batcher}))
		k.pipelines = append(k.pipelines, batching(batcher, exporter.Shutdown))
	}
	k.tracerProvider = sdktrace.NewTracerProvider(options...)
	return nil
}

// startMetrics makes a MeterProvider if there is somewhere to export to.
// Exemplars are those of sampled spans, unless OTEL_METRICS_EXEMPLAR_FILTER says
// otherwise; there are none if traces are not exported.
func (k *Kit) startMetrics(ctx context.Context, s settings) error {
	if !s.metrics.exports() {
		return nil
	}
	exporter, err := newMetricExporter(ctx, s.metrics, s.output)
	if err != nil {
		return err
	}
	exports := k.newExports(SignalMetrics)
	options := []sdkmetric.Option{
		sdkmetric.WithResource(s.resource),
		sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metricExporter{exporter, exports})),
		// One set of the SDK's limit is the overflow; the definitions keep to
		// their limits themselves.
		sdkmetric.WithCardinalityLimit(s.cardinalityLimit + 1),
		sdkmetric.WithView(exemplar.Views(s.exemplars)...),
	}
	if !s.traces.exports() {
		// Nobody gets the traces that exemplars would lead to.
		options = append(options, sdkmetric.WithExemplarFilter(sdkexemplar.AlwaysOffFilter))
	}
	provider := sdkmetric.NewMeterProvider(options...)
	k.meterProvider = provider
	k.pipelines = append(k.pipelines, &pipeline{exports, provider.ForceFlush, provider.Shutdown})
	return nil
}

// startLogs makes a LoggerProvider if there is somewhere to export to.
func (k *Kit) startLogs(ctx context.Context, s settings) error {
	if !s.logs.exports() {
		return nil
	}
	exporter, err := newLogExporter(ctx, s.logs, s.output)
	if err != nil {
		return err
	}
	batcher := newBatcher(k.newExports(SignalLogs), limitsOf("OTEL_BLRP", time.Second), exportRecords(exporter))
	options := append(logLimits(),
		sdklog.WithResource(s.resource),
		sdklog.WithProcessor(logProcessor{batcher}),
	)
	k.loggerProvider = sdklog.NewLoggerProvider(options...)
	k.pipelines = append(k.pipelines, batching(batcher, exporter.Shutdown))
	return nil
}

// logLimits returns the limits of log records that the SDK does not read: those
// that the specification has for spans and log records together.
func logLimits() []sdklog.LoggerProviderOption {
	var options []sdklog.LoggerProviderOption
	for suffix, option := range map[string]func(int) sdklog.LoggerProviderOption{
		"ATTRIBUTE_COUNT_LIMIT":        sdklog.WithAttributeCountLimit,
		"ATTRIBUTE_VALUE_LENGTH_LIMIT": sdklog.WithAttributeValueLengthLimit,
	} {
		limit, err := strconv.Atoi(os.Getenv("OTEL_" + suffix))
		if err == nil && variable("OTEL_LOGRECORD_"+suffix) == "" {
			options = append(options, option(limit))
		}
	}
	return options
}

func newSpanExporter(ctx context.Context, d destination, console io.Writer) (sdktrace.SpanExporter, error) {
	if d.exporter == "console" {
		return stdouttrace.New(stdouttrace.WithWriter(console))
	}
	if d.protocol == "grpc" {
		return otlptracegrpc.New(ctx, otlptracegrpc.WithEndpointURL(d.endpoint), otlptracegrpc.WithDialOption(d.dialOptions()...))
	}
	options := []otlptracehttp.Option{otlptracehttp.WithEndpointURL(d.endpoint)}
	if d.refuse != nil {
		options = append(options, otlptracehttp.WithProxy(d.proxy))
	}
	return otlptracehttp.New(ctx, options...)
}

func newMetricExporter(ctx context.Context, d destination, console io.Writer) (sdkmetric.Exporter, error) {
	if d.exporter == "console" {
		return stdoutmetric.New(stdoutmetric.WithWriter(console))
	}
	if d.protocol == "grpc" {
		return otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithEndpointURL(d.endpoint), otlpmetricgrpc.WithDialOption(d.dialOptions()...))
	}
	options := []otlpmetrichttp.Option{otlpmetrichttp.WithEndpointURL(d.endpoint)}
	if d.refuse != nil {
		options = append(options, otlpmetrichttp.WithProxy(d.proxy))
	}
	return otlpmetrichttp.New(ctx, options...)
}

func newLogExporter(ctx context.Context, d destination, console io.Writer) (sdklog.Exporter, error) {
	if d.exporter == "console" {
		return stdoutlog.New(stdoutlog.WithWriter(console))
	}
	if d.protocol == "grpc" {
		return otlploggrpc.New(ctx, otlploggrpc.WithEndpointURL(d.endpoint), otlploggrpc.WithDialOption(d.dialOptions()...))
	}
	options := []otlploghttp.Option{otlploghttp.WithEndpointURL(d.endpoint)}
	if d.refuse != nil {
		options = append(options, otlploghttp.WithProxy(d.proxy))
	}
	return otlploghttp.New(ctx, options...)
}

// dialOptions has gRPC ask whether requests are refused, each attempt.
func (d destination) dialOptions() []grpc.DialOption {
	if d.refuse == nil {
		return nil
	}
	return []grpc.DialOption{grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
		if err := d.refuse(); err != nil {
			return status.Error(codes.Unavailable, err.Error())
		}
		return invoke(ctx, method, request, reply, conn, options...)
	})}
}

// proxy is the exporters' own choice of a proxy, which they ask before each attempt: the
// one place where they can be made to fail that leaves them their TLS and their retries.
func (d destination) proxy(r *http.Request) (*url.URL, error) {
	if err := d.refuse(); err != nil {
		return nil, err
	}
	return http.ProxyFromEnvironment(r)
}
