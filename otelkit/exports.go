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

// exports stands in front of the exporter of one signal. The SDK hands what fails
// in the background to OpenTelemetry's global error handler, as a text, as often as
// it fails, and goes on with an export under way after Shutdown has given up on it.
// Here what is lost is counted, and kept for whoever flushes; and an export ends
// when the kit has ended.
type exports struct {
	signal  Signal
	ended   context.Context
	reports *reports
	losses  *losses
	lost    map[Cause]*tally
	empty   func() int // empties the queue in front, if there is one

	mu       sync.Mutex
	underWay int   // items that are being exported
	over     bool  // those under way were given up, and counted
	failed   error // the first failure since take
}

// begin counts items as being under way, until run has exported them; as lost after
// the end, as what a callback that hung lets go of then.
func (e *exports) begin(items int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over {
		e.losses.add(e.lost[CauseAlreadyShutdown], items, nil)
		return
	}
	e.underWay += items
}

// run runs one export of items that are under way. The error is not returned, since
// the SDK would report it once more.
func (e *exports) run(ctx context.Context, items int, export func(context.Context) error) {
	bounded, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(e.ended, cancel)()
	err := export(bounded)

	e.mu.Lock()
	defer e.mu.Unlock()
	if e.over {
		return
	}
	e.underWay -= items
	if err == nil {
		return
	}
	cause, lost := causeOf(ctx, err, items)
	if errors.Is(ctx.Err(), context.Canceled) || ctx.Err() != nil && isLast(ctx) {
		cause = CauseShutdown // the SDK's metric reader cancels to shut down
	}
	if lost == 0 {
		e.reports.add("the receiver of "+string(e.signal)+" has a warning", err)
		return
	}
	e.losses.add(e.lost[cause], lost, err)
	if e.failed == nil {
		e.failed = err
	}
}

// abandon gives up what is in the queue and under way, however that ends, and counts
// it as lost.
func (e *exports) abandon() {
	left := 0
	if e.empty != nil {
		left = e.empty()
	}
	e.mu.Lock()
	left += e.underWay
	e.over, e.underWay = true, 0
	e.mu.Unlock()
	e.losses.add(e.lost[CauseShutdown], left, nil)
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

// exportSpans returns what exports a batch of spans.
func exportSpans(e sdktrace.SpanExporter) func(context.Context, []sdktrace.ReadOnlySpan) error {
	return func(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
		return e.ExportSpans(ctx, validSpans(spans))
	}
}

// exportRecords returns what exports a batch of log records.
func exportRecords(e sdklog.Exporter) func(context.Context, []sdklog.Record) error {
	return func(ctx context.Context, records []sdklog.Record) error {
		return e.Export(ctx, validRecords(records))
	}
}

type metricExporter struct {
	sdkmetric.Exporter
	exports *exports
}

func (e metricExporter) Export(ctx context.Context, data *metricdata.ResourceMetrics) error {
	makeValid(data)
	points := pointsIn(data)
	e.exports.begin(points)
	e.exports.run(ctx, points, func(bounded context.Context) error {
		err := e.Exporter.Export(bounded, data)
		if errors.Is(ctx.Err(), context.Canceled) && e.cumulative() && !isLast(ctx) {
			// The reader gave this export up to shut down; its last one, which
			// follows, has all that was in it.
			return nil
		}
		return err
	})
	return nil
}

// lastKey is the key of a context in which the SDK's metric reader makes its last
// export.
type lastKey struct{}

func isLast(ctx context.Context) bool { return ctx.Value(lastKey{}) != nil }

// cumulative reports whether each export has all that the one before had.
func (e metricExporter) cumulative() bool {
	return e.Temporality(sdkmetric.InstrumentKindCounter) == metricdata.CumulativeTemporality
}

// pointsIn returns how many data points there are.
func pointsIn(data *metricdata.ResourceMetrics) int {
	points := 0
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch d := m.Data.(type) {
			case metricdata.Gauge[int64]:
				points += len(d.DataPoints)
			case metricdata.Gauge[float64]:
				points += len(d.DataPoints)
			case metricdata.Sum[int64]:
				points += len(d.DataPoints)
			case metricdata.Sum[float64]:
				points += len(d.DataPoints)
			case metricdata.Histogram[int64]:
				points += len(d.DataPoints)
			case metricdata.Histogram[float64]:
				points += len(d.DataPoints)
			case metricdata.ExponentialHistogram[int64]:
				points += len(d.DataPoints)
			case metricdata.ExponentialHistogram[float64]:
				points += len(d.DataPoints)
			case metricdata.Summary:
				points += len(d.DataPoints)
			}
		}
	}
	return points
}
