package alerts_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/otelkit/kit/alerts"
	"github.com/otelkit/kit/otelkit/slo"
)

func ExampleBurnRate() {
	b := alerts.BurnRate{
		SLO: slo.SLO{
			Name:      "shop-orders",
			Help:      "Orders end without failing.",
			Service:   "shop",
			Objective: 0.999,
			Events:    orders,
			Bad:       []slo.Match{{Key: "shop.outcome", Pattern: "failed|lost"}},
		},
		Dashboard: "/d/shop",
		Runbooks:  "https://example.com/runbooks",
	}
	groups, err := b.Groups()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, group := range groups {
		for _, alert := range group.Alerts {
			fmt.Println(alert.Severity, alert.Name)
		}
	}
	// Output:
	// page ShopOrdersFastBurn
	// page ShopOrdersMediumBurn
	// ticket ShopOrdersNoData
	// ticket ShopOrdersSlowBurn
	// ticket ShopOrdersChronicBurn
}

func ExampleSpecs() {
	specs := alerts.Specs{Objectives: []alerts.BurnRate{{
		SLO: slo.New(slo.SLO{
			Name:      "shop-speed",
			Help:      "Orders are placed within 300 ms.",
			Service:   "shop",
			Objective: 0.99,
			Events:    durations,
			Threshold: 300 * time.Millisecond,
		}),
		Dashboard: "/d/shop",
		Runbooks:  "https://example.com/runbooks",
	}}}
	text, err := specs.OpenSLO()
	fmt.Println(strings.Contains(string(text), "apiVersion: openslo/v1"), err)
	// Output: true <nil>
}
