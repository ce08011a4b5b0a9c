package otelkit

import (
	"context"
	"errors"
	"sync"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// exports stands between the SDK and the exporter of one signal. The SDK hands
// what fails in the background to OpenTelemetry's global error handler, as often
// as it fails, and goes on with an export under way after Shutdown has given up
// on it. Here failures are reported by the kit, and kept for whoever flushes; and
// an export ends when the kit has ended.
type exports struct {
	signal  string
	ended   context.Context
	reports *reports

	mu     sync.Mutex
	failed error // the first failure since take
}

// run runs one export. What fails is not returned: the SDK would report it once
// more.
func (e *exports) run(ctx context.Context, export func(context.Context) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.ended, cancel)()
	err := export(ctx)
	if err == nil {
		return nil
	}
	e.reports.add(e.signal+" could not be exported", err)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failed == nil {
		e.failed = err
	}
	return nil
}

// take returns the first failure since it was last called.
func (e *exports) take() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	err := e.failed
	e.failed = nil
	return err
}

// during runs what exports and returns why it failed, exports included.
func (e *exports) during(ctx context.Context, do func(context.Context) error) error {
	_ = e.take() // of before, reported already
	done := make(chan error, 1)
	go func() { done <- do(ctx) }()
	select {
	case err := <-done:
		return errors.Join(err, e.take())
	case <-ctx.Done():
		// Metrics are collected by callbacks, which may hang.
		return ctx.Err()
	}
}

type spanExporter struct {
	sdktrace.SpanExporter
	exports *exports
}

func (e spanExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	spans = validSpans(spans)
	return e.exports.run(ctx, func(ctx context.Context) error { return e.SpanExporter.ExportSpans(ctx, spans) })
}

type metricExporter struct {
	sdkmetric.Exporter
	exports *exports
}

func (e metricExporter) Export(ctx context.Context, data *metricdata.ResourceMetrics) error {
	makeValid(data)
	return e.exports.run(ctx, func(bounded context.Context) error {
		err := e.Exporter.Export(bounded, data)
		if errors.Is(ctx.Err(), context.Canceled) && e.cumulative() {
			// The reader gave this export up to shut down; its last one, which
			// follows, has all that was in it.
			return nil
		}
		return err
	})
}

// cumulative reports whether each export has all that the one before had.
func (e metricExporter) cumulative() bool {
	return e.Temporality(sdkmetric.InstrumentKindCounter) == metricdata.CumulativeTemporality
}

type logExporter struct {
	sdklog.Exporter
	exports *exports
}

func (e logExporter) Export(ctx context.Context, records []sdklog.Record) error {
	records = validRecords(records)
	return e.exports.run(ctx, func(ctx context.Context) error { return e.Exporter.Export(ctx, records) })
}
