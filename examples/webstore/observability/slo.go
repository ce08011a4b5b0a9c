package observability

import (
	"github.com/otelkit/kit/alerts"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit/slo"
)

// The objectives, each kept by its rules.
var (
	availability    = keep(telemetry.Availability)
	browsingLatency = keep(telemetry.BrowsingLatency)
	checkoutLatency = keep(telemetry.CheckoutLatency)

	objectives = []alerts.BurnRate{availability, browsingLatency, checkoutLatency}
)

func keep(s slo.SLO) alerts.BurnRate {
	return alerts.BurnRate{SLO: s, Dashboard: "/d/" + overviewUID, Runbooks: runbooksURL}
}

const (
	overviewUID = "webstore-overview"
	runbooksURL = "https://github.com/otelkit/kit/blob/main/docs/runbooks"
)
