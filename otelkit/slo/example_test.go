package slo_test

import (
	"fmt"
	"net/http"
	"time"

	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/slo"
)

// A latency objective: the threshold becomes a boundary of the histogram.
func ExampleNew() {
	s := slo.New(slo.SLO{
		Name:      "shop-speed",
		Help:      "Requests are answered within 300 ms.",
		Service:   "shop",
		Objective: 0.99,
		Events:    httpserver.RequestDuration,
		Bad:       []slo.Match{{Key: "http.response.status_code", Pattern: "5.."}}, // failed: does not count here
		Threshold: 300 * time.Millisecond,
	})
	fmt.Println(s.Validate(), s.Events.Metric().Buckets[6:9])
	// Output: <nil> [0.25 0.3 0.5]
}

// An objective whose events no metric has: a Recorder counts them.
func ExampleRecorder_Wrap() {
	search := slo.New(slo.SLO{
		Name:      "search-speed",
		Help:      "Searches are answered within a second.",
		Service:   "search",
		Objective: 0.99,
		Events:    slo.Counted,
		Threshold: time.Second,
	})
	recorder, err := slo.NewRecorder(slo.RecorderConfig{SLO: search}) // Kit: kit
	if err != nil {
		fmt.Println(err)
		return
	}
	http.Handle("GET /search", recorder.Wrap(http.NotFoundHandler(), nil))
}
