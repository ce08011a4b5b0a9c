package profiles

import (
	"context"
	"errors"
	"net/http"

	"github.com/otelkit/kit/otelkit/metrics"
)

// Catalog holds the metrics of profiling. OpenTelemetry's semantic conventions
// (v1.43.0) have none, hence the namespace of otelkit's own.
var Catalog = metrics.NewCatalog("github.com/otelkit/kit/otelkit/profiles")

// Outcome is how the upload of a profile ended, after the last try.
type Outcome string

const (
	uploaded    Outcome = "uploaded"
	rejected    Outcome = "rejected"    // Pyroscope answered with another status than 200
	unreachable Outcome = "unreachable" // there was no answer
	timeout     Outcome = "timeout"     // there was none within the interval
	abandoned   Outcome = "abandoned"   // the time for stopping was over
)

// Values returns the closed set of outcomes.
func (Outcome) Values() []Outcome {
	return []Outcome{uploaded, rejected, unreachable, timeout, abandoned}
}

// cause returns what otelkit calls a loss that ended in this way.
func (o Outcome) cause() string {
	switch o {
	case unreachable:
		return "unavailable"
	case abandoned:
		return "shutdown"
	default: // rejected, timeout
		return string(o)
	}
}

// UploadAttrs tell uploads apart by how they ended.
type UploadAttrs struct {
	Outcome Outcome `attr:"otelkit.profiles.outcome"`
}

// Uploads counts the profiles that were to be uploaded. All but those with the
// outcome "uploaded" are lost.
var Uploads = metrics.NewCounter[UploadAttrs](Catalog, metrics.Definition{
	Name: "otelkit.profiles.uploads",
	Unit: "{profile}",
	Help: "Profiles that were to be uploaded, by how that ended.",
})

// outcomeOf tells how an upload ended; all uploads end with ctx.
func outcomeOf(ctx context.Context, response *http.Response, err error) Outcome {
	switch {
	case err == nil && response.StatusCode == http.StatusOK: // what pyroscope-go takes for success
		return uploaded
	case err == nil:
		return rejected
	case ctx.Err() != nil:
		return abandoned
	case errors.Is(err, context.DeadlineExceeded):
		return timeout
	default:
		return unreachable
	}
}
