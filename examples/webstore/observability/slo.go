package observability

import (
	"github.com/otelkit/kit/alerts"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/slo"
)

// Availability is what the store promises to shoppers. A declined card is 402
// and a sold-out product 409: they are answers. Only what the shop could not do
// counts against it, an unreachable payment provider included.
var Availability = slo.SLO{
	Name:      "main-availability",
	Help:      "The shop's API answers requests; a declined card or a wrong request is an answer, a status of 500 or more is not.",
	Service:   telemetry.MainService,
	Objective: 0.999,
	Events:    httpserver.RequestDuration,
	Bad:       []slo.Match{{Key: "http.response.status_code", Pattern: "5.."}},
}

// availability keeps the objective.
var availability = alerts.BurnRate{
	SLO:       Availability,
	Dashboard: "/d/" + overviewUID,
	Runbooks:  runbooksURL,
}

const (
	overviewUID = "webstore-overview"
	runbooksURL = "https://github.com/otelkit/kit/blob/main/docs/runbooks"
)
