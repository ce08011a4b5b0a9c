package postgres

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/otelkit/kit/otelkit/internal/dbclient"
	"github.com/otelkit/kit/otelkit/metrics"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// BenchmarkCall is what a statement on a pool costs without the database: acquiring
// and the statement, each begun and ended, in a sampled request.
func BenchmarkCall(b *testing.B) {
	tracers := sdktrace.NewTracerProvider(sdktrace.WithBatcher(tracetest.NewNoopExporter()))
	defer func() { _ = tracers.Shutdown(context.Background()) }()
	metrics.SetDefault(metrics.NewRecorder(sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))))
	tracer := newTracer(sampled{tracers}, dbclient.Target{System: dbclient.PostgreSQL, Pool: "orders", Server: "db", Port: 5432, Namespace: "shop"})
	ctx, span := tracers.Tracer("bench").Start(b.Context(), "request")
	defer span.End()
	b.ReportAllocs()
	for b.Loop() {
		acquiring := tracer.TraceAcquireStart(ctx, nil, pgxpool.TraceAcquireStartData{})
		tracer.TraceAcquireEnd(acquiring, nil, pgxpool.TraceAcquireEndData{})
		call := tracer.TraceQueryStart(ctx, nil, pgx.TraceQueryStartData{SQL: "select id from orders where id = $1"})
		tracer.TraceQueryEnd(call, nil, pgx.TraceQueryEndData{})
	}
}

type sampled struct{ tracers trace.TracerProvider }

func (k sampled) TracerProvider() trace.TracerProvider { return k.tracers }
func (sampled) Recorder() *metrics.Recorder            { return metrics.Default() }
