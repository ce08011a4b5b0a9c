package telemetry

import (
	"time"

	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/slo"
)

// What the store promises to shoppers. The objectives stand here, where the
// services see them, because a threshold has to be a boundary of the histogram that
// main records.
var (
	// Availability: a declined card is 402 and a sold-out product 409, which are
	// answers. Only what the shop could not do counts against it, an unreachable
	// payment provider included.
	Availability = slo.New(slo.SLO{
		Name:      "main-availability",
		Help:      "The shop's API answers requests; a declined card or a wrong request is an answer, a status of 500 or more is not.",
		Service:   MainService,
		Objective: 0.999,
		Events:    httpserver.RequestDuration,
		Bad:       failed,
	})

	// BrowsingLatency: who leafs through products leaves when pages are slow.
	BrowsingLatency = slo.New(slo.SLO{
		Name:      "main-browsing-latency",
		Help:      "The shop shows products within 300 ms; a request that fails is the affair of main-availability.",
		Service:   MainService,
		Objective: 0.99,
		Events:    httpserver.RequestDuration,
		Where:     []slo.Match{{Key: "http.route", Pattern: `/[{]country[}]/products(/[{]id[}])?`}},
		Bad:       failed,
		Threshold: 300 * time.Millisecond,
	})

	// CheckoutLatency: a shopper who pays waits for the payment provider, and
	// minds it less.
	CheckoutLatency = slo.New(slo.SLO{
		Name:      "main-checkout-latency",
		Help:      "A checkout is answered within 2 seconds, the payment included; one that fails is the affair of main-availability.",
		Service:   MainService,
		Objective: 0.95,
		Events:    httpserver.RequestDuration,
		Where:     []slo.Match{{Key: "http.route", Pattern: "(/orders)?/checkout"}},
		Bad:       failed,
		Threshold: 2 * time.Second,
	})
)

// failed are the requests that main could not answer.
var failed = []slo.Match{{Key: "http.response.status_code", Pattern: "5.."}}
