package traffic

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// NoAnswer stands in Report.Statuses for requests that got no answer.
const NoAnswer = 0

// Report is what people saw of the store.
type Report struct {
	Elapsed  time.Duration
	Visits   map[Intent]int                    // begun, by what they came for
	Statuses map[int]int                       // requests by the HTTP status of the answer, or NoAnswer
	Unsent   int                               // requests that fell due while everybody waited for an answer
	Kinds    map[Kind]KindReport               // of those that were sent
	Orders   map[telemetry.CheckoutOutcome]int // checkouts by how they ended for the shopper
	Sales    map[telemetry.Market]float64      // what the store was paid, in US dollars by the store's fixed table
	Latency  Latency                           // of the requests that got an answer
}

// KindReport is about the requests of one kind.
type KindReport struct {
	Requests int
	Failed   int // see Report.Failed
	Limited  int // answered with status 429
	Latency  Latency
}

// Latency is the distribution of the time that answers took, from sending the
// request to the end of the answer. A percentile is at most 5 % too high, and at
// least 0.1 ms.
type Latency struct{ P50, P95, P99, Max time.Duration }

// Requests is how many requests were made.
func (r Report) Requests() int { return sum(r.Statuses) }

// Limited is how many requests were answered with status 429: they were too many
// for the store's limits.
func (r Report) Limited() int { return r.Statuses[http.StatusTooManyRequests] }

// Refused is how many requests were answered with another status of 4xx: what a
// shopper may run into, such as a declined card.
func (r Report) Refused() int {
	return r.count(func(status int) bool {
		return status >= http.StatusBadRequest && status < http.StatusInternalServerError && status != http.StatusTooManyRequests
	})
}

// Failed is how many requests the store failed: a status of 5xx, or no answer.
func (r Report) Failed() int { return r.count(failed) }

func failed(status int) bool {
	return status == NoAnswer || status >= http.StatusInternalServerError
}

func (r Report) count(counts func(status int) bool) int {
	n := 0
	for status, requests := range r.Statuses {
		if counts(status) {
			n += requests
		}
	}
	return n
}

func (r Report) served() int { return r.Requests() - r.Refused() - r.Limited() - r.Failed() }

func (r Report) perSecond() float64 { return float64(r.Requests()) / max(r.Elapsed.Seconds(), 1e-9) }

// Line is the report in short, without a line break.
func (r Report) Line() string {
	return fmt.Sprintf("%v: %d requests (%.1f/s), %d failed, %d unsent; p95 %v; %d of %d checkouts completed",
		r.Elapsed.Round(time.Second), r.Requests(), r.perSecond(), r.Failed(), r.Unsent, readable(r.Latency.P95),
		r.Orders[telemetry.CheckoutCompleted], sum(r.Orders))
}

// String is the report as text.
func (r Report) String() string {
	var text strings.Builder
	fmt.Fprintf(&text, "requests  %d in %v (%.1f/s): %d served, %d refused, %d limited, %d failed; %d unsent\n",
		r.Requests(), readable(r.Elapsed), r.perSecond(), r.served(), r.Refused(), r.Limited(), r.Failed(), r.Unsent)
	fmt.Fprintf(&text, "answers   %s\n", list(r.Statuses, statusName))
	fmt.Fprintf(&text, "visits    %s\n", list(r.Visits, func(i Intent) string { return string(i) }))
	fmt.Fprintf(&text, "checkouts %s\n", list(r.Orders, func(o telemetry.CheckoutOutcome) string { return string(o) }))
	fmt.Fprintf(&text, "sales     %.2f USD", total(r.Sales))
	for _, market := range slices.Sorted(maps.Keys(r.Sales)) {
		fmt.Fprintf(&text, ", %s %.2f", market, r.Sales[market])
	}
	text.WriteString("\n\n")

	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "latency\trequests\tfailed\tlimited\tp50\tp95\tp99\tlongest\t")
	row := func(name string, k KindReport) {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\t%v\t%v\t%v\t%v\t\n", name, k.Requests, k.Failed, k.Limited,
			readable(k.Latency.P50), readable(k.Latency.P95), readable(k.Latency.P99), readable(k.Latency.Max))
	}
	for _, kind := range Kind("").Values() {
		if k, ok := r.Kinds[kind]; ok {
			row(string(kind), k)
		}
	}
	row("all", r.all())
	_ = table.Flush() // to a strings.Builder
	return text.String()
}

// all is the report of all kinds together.
func (r Report) all() KindReport {
	return KindReport{r.Requests(), r.Failed(), r.Limited(), r.Latency}
}

// MarshalJSON writes the report for programs. Times are in seconds and, where the
// name says so, milliseconds.
func (r Report) MarshalJSON() ([]byte, error) {
	statuses := map[string]int{}
	for status, n := range r.Statuses {
		statuses[statusName(status)] = n
	}
	kinds := map[string]any{}
	for kind, k := range r.Kinds {
		kinds[string(kind)] = k.document()
	}
	return json.Marshal(map[string]any{
		"duration_seconds":    r.Elapsed.Seconds(),
		"requests_per_second": r.perSecond(),
		"served":              r.served(),
		"refused":             r.Refused(),
		"unsent":              r.Unsent,
		"statuses":            statuses,
		"visits":              r.Visits,
		"checkouts":           r.Orders,
		"sales_usd":           total(r.Sales),
		"sales_usd_by_market": r.Sales,
		"all":                 r.all().document(),
		"kinds":               kinds,
	})
}

func (k KindReport) document() map[string]any {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	return map[string]any{
		"requests": k.Requests, "failed": k.Failed, "limited": k.Limited,
		"p50_ms": ms(k.Latency.P50), "p95_ms": ms(k.Latency.P95), "p99_ms": ms(k.Latency.P99), "max_ms": ms(k.Latency.Max),
	}
}

func statusName(status int) string {
	if status == NoAnswer {
		return "none"
	}
	return strconv.Itoa(status)
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

// total adds up sales, always in the same order: sums of fractions depend on it.
func total(sales map[telemetry.Market]float64) float64 {
	dollars := 0.0
	for _, market := range slices.Sorted(maps.Keys(sales)) {
		dollars += sales[market]
	}
	return dollars
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
