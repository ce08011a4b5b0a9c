package logs

import (
	"context"
	"errors"

	"github.com/otelkit/kit/otelkit/metrics"
)

// Catalog holds the metrics of logging. OpenTelemetry's semantic conventions
// (v1.43.0) have none, hence the namespace of otelkit's own.
var Catalog = metrics.NewCatalog(scope)

// Reason is why lines were lost.
type Reason string

const (
	stalled Reason = "stalled" // the output took no lines, and the queue was full
	failed  Reason = "failed"  // the output returned an error
)

// Values returns the closed set of reasons.
func (Reason) Values() []Reason { return []Reason{stalled, failed} }

// DropAttrs tell lost lines apart by why they were.
type DropAttrs struct {
	Reason Reason `attr:"otelkit.logs.reason"`
}

// Dropped counts the lines that never reached the output. The records that they
// are the lines of may have been exported.
var Dropped = metrics.NewObservableCounter[DropAttrs](Catalog, metrics.Definition{
	Name: "otelkit.logs.dropped",
	Unit: "{line}",
	Help: "Log lines that were lost because the output stalled or failed.",
})

// Suppressed counts the records that [Repeats] kept from both sinks.
var Suppressed = metrics.NewObservableCounter[metrics.None](Catalog, metrics.Definition{
	Name: "otelkit.logs.suppressed",
	Unit: "{record}",
	Help: "Log records that were suppressed because they repeat others.",
})

// Observe has the metrics of [Catalog] observed for the recorder in ctx, or else
// the process default, as long as its MeterProvider is there. What was lost before
// is counted too.
func (h *Handler) Observe(ctx context.Context) error {
	_, dropped := Dropped.Register(ctx, func(_ context.Context, observe func(float64, DropAttrs)) error {
		lost := h.out.losses()
		observe(float64(lost.stalled), DropAttrs{stalled})
		observe(float64(lost.failed), DropAttrs{failed})
		return nil
	})
	_, suppressed := Suppressed.Register(ctx, func(_ context.Context, observe func(float64, metrics.None)) error {
		observe(float64(h.repeats.total()), metrics.None{})
		return nil
	})
	return errors.Join(dropped, suppressed)
}
