package telemetry

import (
	"context"

	"github.com/otelkit/kit/examples/webstore/faults"
	"github.com/otelkit/kit/otelkit/metrics"
)

// Faults holds what is measured of faults that were started on purpose. It is shared
// by all services that can have one.
var Faults = metrics.NewCatalog("github.com/otelkit/kit/examples/webstore/faults")

// FaultAttrs tells the series of one fault from another's.
type FaultAttrs struct {
	Fault string `attr:"webstore.fault.name,limit=50"`
}

// Release is which version of a feature a request got.
type Release string

// The releases.
const (
	ReleaseA Release = "A" // what everybody has
	ReleaseB Release = "B" // what is new, and bad while the fault bad-release is on
)

// Values is every release.
func (Release) Values() []Release { return []Release{ReleaseA, ReleaseB} }

// ReleaseOutcome is how a request went.
type ReleaseOutcome string

// The outcomes.
const (
	ReleaseSucceeded ReleaseOutcome = "success"
	ReleaseFailed    ReleaseOutcome = "error"
)

// Values is every outcome.
func (ReleaseOutcome) Values() []ReleaseOutcome {
	return []ReleaseOutcome{ReleaseSucceeded, ReleaseFailed}
}

// ReleaseAttrs tells one series of requests from another.
type ReleaseAttrs struct {
	Release Release        `attr:"webstore.release"`
	Outcome ReleaseOutcome `attr:"webstore.release.outcome"`
}

var (
	// ActiveFaults is which faults are on.
	ActiveFaults = metrics.NewObservableGauge[FaultAttrs](Faults, metrics.Definition{
		Name: "webstore.fault.active",
		Unit: "{fault}",
		Help: "1 for each fault that was started on purpose and is on.",
	})

	// ReleaseRequests counts requests while two releases are out.
	ReleaseRequests = metrics.NewCounter[ReleaseAttrs](Faults, metrics.Definition{
		Name: "webstore.release.requests",
		Unit: "{request}",
		Help: "Requests while a new release is tried on some of them, by release and how they went.",
	})
)

// ObserveFaults has ActiveFaults tell which faults of a board are on.
func ObserveFaults(ctx context.Context, board *faults.Board) (*metrics.Registration, error) {
	return ActiveFaults.Register(ctx, func(_ context.Context, observe func(float64, FaultAttrs)) error {
		for _, a := range board.Active() {
			observe(1, FaultAttrs{Fault: string(a.Name)})
		}
		return nil
	})
}
