package traffic

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// NoAnswer stands in Report.Statuses for requests that got no answer.
const NoAnswer = 0

// Report is what shoppers saw of the store.
type Report struct {
	Elapsed  time.Duration
	Visits   map[Intent]int                    // begun, by what the shopper came for
	Statuses map[int]int                       // requests by the HTTP status of the answer, or NoAnswer
	Orders   map[telemetry.CheckoutOutcome]int // checkouts by how they ended for the shopper
	Latency  Latency                           // of the requests that got an answer
}

// Latency is the distribution of the time that answers took. A percentile is
// at most 5 % too high, and at least 0.1 ms.
type Latency struct{ P50, P95, P99, Max time.Duration }

// Requests is how many requests were made.
func (r Report) Requests() int { return sum(r.Statuses) }

// Refused is how many requests were answered with a status of 4xx: what a
// shopper may run into, such as a declined card.
func (r Report) Refused() int {
	n := 0
	for status, requests := range r.Statuses {
		if status >= http.StatusBadRequest && status < http.StatusInternalServerError {
			n += requests
		}
	}
	return n
}

// Failed is how many requests the store failed: a status of 5xx, or no answer.
func (r Report) Failed() int {
	n := 0
	for status, requests := range r.Statuses {
		if status == NoAnswer || status >= http.StatusInternalServerError {
			n += requests
		}
	}
	return n
}

// Line is the report in short, without a line break.
func (r Report) Line() string {
	return fmt.Sprintf("%v: %d requests, %d failed; p95 %v; %d of %d checkouts completed",
		r.Elapsed.Round(time.Second), r.Requests(), r.Failed(), readable(r.Latency.P95),
		r.Orders[telemetry.CheckoutCompleted], sum(r.Orders))
}

// String is the report as a table.
func (r Report) String() string {
	var (
		text     strings.Builder
		requests = r.Requests()
		rate     = float64(requests) / max(r.Elapsed.Seconds(), 1e-9)
	)
	fmt.Fprintf(&text, "requests  %d in %v (%.1f/s): %d served, %d refused, %d failed\n", requests, readable(r.Elapsed), rate,
		requests-r.Refused()-r.Failed(), r.Refused(), r.Failed())
	fmt.Fprintf(&text, "answers   %s\n", list(r.Statuses, func(status int) string {
		if status == NoAnswer {
			return "none"
		}
		return fmt.Sprint(status)
	}))
	fmt.Fprintf(&text, "latency   p50 %v, p95 %v, p99 %v, longest %v\n",
		readable(r.Latency.P50), readable(r.Latency.P95), readable(r.Latency.P99), readable(r.Latency.Max))
	fmt.Fprintf(&text, "visits    %s\n", list(r.Visits, func(i Intent) string { return string(i) }))
	fmt.Fprintf(&text, "checkouts %s\n", list(r.Orders, func(o telemetry.CheckoutOutcome) string { return string(o) }))
	return text.String()
}

// list names what was counted and how often, such as "200: 31, 402: 1".
func list[K int | Intent | telemetry.CheckoutOutcome](counted map[K]int, name func(K) string) string {
	var items []string
	for _, key := range slices.Sorted(maps.Keys(counted)) {
		items = append(items, fmt.Sprintf("%s: %d", name(key), counted[key]))
	}
	if len(items) == 0 {
		return "none"
	}
	return strings.Join(items, ", ")
}

func sum[K comparable](counted map[K]int) int {
	total := 0
	for _, n := range counted {
		total += n
	}
	return total
}

// readable leaves out digits that say nothing.
func readable(d time.Duration) time.Duration {
	switch {
	case d >= 10*time.Second:
		return d.Round(100 * time.Millisecond)
	case d >= 100*time.Millisecond:
		return d.Round(time.Millisecond)
	}
	return d.Round(100 * time.Microsecond)
}
