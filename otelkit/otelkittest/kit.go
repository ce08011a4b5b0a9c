package otelkittest

import (
	"context"
	"crypto/rand"
	"log/slog"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/otelkit/logs"
	"github.com/otelkit/kit/otelkit/metrics"
)

const (
	patience = 5 * time.Second      // how long what is asked for may take to be recorded
	interval = 2 * time.Millisecond // between two looks
)

// limits are the SDK's defaults, which it would otherwise let the OTEL_* variables
// of whoever runs the test change.
var limits = sdktrace.SpanLimits{
	AttributeValueLengthLimit:   sdktrace.DefaultAttributeValueLengthLimit,
	AttributeValueDepthLimit:    sdktrace.DefaultAttributeValueDepthLimit,
	AttributeCountLimit:         sdktrace.DefaultAttributeCountLimit,
	EventCountLimit:             sdktrace.DefaultEventCountLimit,
	LinkCountLimit:              sdktrace.DefaultLinkCountLimit,
	AttributePerEventCountLimit: sdktrace.DefaultAttributePerEventCountLimit,
	AttributePerLinkCountLimit:  sdktrace.DefaultAttributePerLinkCountLimit,
}

// Kit is a *otelkit.Kit as far as a service can tell, and the test's way to see
// what the service recorded. Services may use it concurrently; its assertions
// are for the goroutine of their test.
type Kit struct {
	t testing.TB
	*fixture
}

// fixture is what the Kits of a test and of its subtests share.
type fixture struct {
	resource *resource.Resource
	tracers  *sdktrace.TracerProvider
	meters   *sdkmetric.MeterProvider
	loggers  *sdklog.LoggerProvider
	logger   *slog.Logger
	recorder *metrics.Recorder

	spans   spanRecorder
	records logRecorder
	lines   lines
	reader  *sdkmetric.ManualReader
}

// New returns a Kit that ends with the test. It samples every trace, keeps an
// exemplar of every measurement in a span (the first 1,000 a series), and logs
// from level debug on. The OTEL_* variables change nothing about it but the
// resource, which OTEL_RESOURCE_ATTRIBUTES adds to in spans and records.
//
// resourceAttributes describe the service, over the defaults: service.name is
// the test's name, service.instance.id is random, and telemetry.sdk.* are the
// SDK's. An attribute that is "" counts as absent in [Kit.Score].
func New(t testing.TB, resourceAttributes ...attribute.KeyValue) *Kit {
	t.Helper()
	described, err := resource.New(context.Background(), resource.WithTelemetrySDK(), resource.WithAttributes(append(
		[]attribute.KeyValue{semconv.ServiceName(t.Name()), semconv.ServiceInstanceID(rand.Text())},
		resourceAttributes...)...))
	if err != nil {
		t.Fatalf("otelkittest: describing the service: %v", err)
	}
	f := &fixture{resource: described, reader: sdkmetric.NewManualReader()}
	f.tracers = sdktrace.NewTracerProvider(
		sdktrace.WithResource(described),
		sdktrace.WithSampler(sdktrace.AlwaysSample()),
		sdktrace.WithRawSpanLimits(limits),
		sdktrace.WithSpanProcessor(&f.spans),
	)
	f.meters = sdkmetric.NewMeterProvider(
		sdkmetric.WithResource(described),
		sdkmetric.WithReader(f.reader),
		sdkmetric.WithExemplarFilter(exemplar.TraceBasedFilter),
		sdkmetric.WithView(keepExemplars),
		sdkmetric.WithCardinalityLimit(0), // none: a definition keeps to its own
	)
	f.loggers = sdklog.NewLoggerProvider(
		sdklog.WithResource(described),
		sdklog.WithProcessor(&f.records),
		sdklog.WithAttributeCountLimit(limits.AttributeCountLimit),
		sdklog.WithAttributeValueLengthLimit(limits.AttributeValueLengthLimit),
		sdklog.WithAttributeValueDepthLimit(limits.AttributeValueDepthLimit),
	)
	f.logger = logs.New(logs.Config{Level: slog.LevelDebug, Output: &f.lines, Sync: true}, f.loggers)
	f.recorder = metrics.NewRecorder(f.meters)
	t.Cleanup(func() {
		_ = f.tracers.Shutdown(context.Background())
		_ = f.meters.Shutdown(context.Background())
		_ = f.loggers.Shutdown(context.Background())
	})
	return &Kit{t: t, fixture: f}
}

// For returns the same fixture for a subtest: its assertions fail t.
func (k *Kit) For(t testing.TB) *Kit { return &Kit{t: t, fixture: k.fixture} }

// Logger returns a logger whose records Log finds and whose lines Lines returns.
func (k *Kit) Logger() *slog.Logger { return k.logger }

// TracerProvider returns a provider whose spans Span finds.
func (k *Kit) TracerProvider() trace.TracerProvider { return k.tracers }

// MeterProvider returns a provider whose series Series finds.
func (k *Kit) MeterProvider() metric.MeterProvider { return k.meters }

// LoggerProvider returns a provider whose records Log finds.
func (k *Kit) LoggerProvider() log.LoggerProvider { return k.loggers }

// Propagator returns that of W3C Trace Context and Baggage.
func (k *Kit) Propagator() propagation.TextMapPropagator {
	return propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
}

// Recorder returns a recorder whose series Series finds.
func (k *Kit) Recorder() *metrics.Recorder { return k.recorder }

// Context returns a context in which measurements of otelkit/metrics go to this
// kit.
func (k *Kit) Context(ctx context.Context) context.Context {
	return metrics.NewContext(ctx, k.recorder)
}

// eventually says whether something holds, now or within the kit's patience.
func eventually(holds func() bool) bool {
	if holds() {
		return true
	}
	looks := time.NewTicker(interval)
	defer looks.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		<-looks.C
		if holds() {
			return true
		}
	}
	return false
}
