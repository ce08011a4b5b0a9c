package query_test

import (
	"strings"
	"testing"
	"time"

	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/slo"
	"github.com/otelkit/kit/query"
)

var quick = slo.New(slo.SLO{
	Name: "quick", Help: "Requests are quick.", Service: "shop", Objective: 0.99, Events: requests,
	Where:     []slo.Match{{Key: "http.route", Pattern: "/api/.*"}},
	Bad:       []slo.Match{{Key: "http.response.status_code", Pattern: "5.."}},
	Threshold: 300 * time.Millisecond,
})

func TestALatencyObjectiveCountsWhatIsAboveItsBucket(t *testing.T) {
	const (
		all  = `http_server_request_duration_seconds_count{service_name="shop",http_route=~"/api/.*",http_response_status_code!~"5.."}`
		fast = `http_server_request_duration_seconds_bucket{service_name="shop",http_route=~"/api/.*",http_response_status_code!~"5..",le="0.3"}`
	)
	for want, e := range map[string]query.Expr{
		`sum(rate(` + all + `[5m]) and sum without (le) (rate(` + fast + `[5m])))`:                           query.Events(quick).Over(5 * time.Minute),
		`sum by (job) (rate(` + all + `[5m]) - sum without (le) (rate(` + fast + `[5m])))`:                   query.BadEvents(quick).By("job").Over(5 * time.Minute),
		`sum(` + all + ` and sum without (le) (` + fast + `))`:                                               query.EventTotal(quick),
		`sum by (instance) (` + all + ` - sum without (le) (` + fast + `))`:                                  query.BadEventTotal(quick).By("instance"),
		`histogram_quantile(0.5, sum by (le) (rate(` + strings.Replace(fast, `,le="0.3"`, "", 1) + `[1h])))`: query.EventQuantile(0.5, quick).Over(time.Hour),
	} {
		got, err := e.PromQL(query.Target{Rule: true})
		if err != nil || got != want {
			t.Errorf("got  %s (%v)\nwant %s", got, err, want)
		}
	}
}

func TestEventsWithoutAThresholdHaveATotal(t *testing.T) {
	s := slo.SLO{Name: "orders", Service: "shop", Events: orders, Bad: []slo.Match{{Key: "shop.paid", Pattern: "false"}}}
	for want, e := range map[string]query.Expr{
		`sum(shop_orders_total{service_name="shop"})`:                    query.EventTotal(s),
		`sum(shop_orders_total{service_name="shop",shop_paid=~"false"})`: query.BadEventTotal(s),
	} {
		if got, err := e.PromQL(query.Target{Rule: true}); err != nil || got != want {
			t.Errorf("got %s (%v), want %s", got, err, want)
		}
	}
}

func TestCountedEventsNeedNothingMore(t *testing.T) {
	s := slo.New(slo.SLO{Name: "search", Service: "shop", Events: slo.Counted, Threshold: time.Second})
	want := `sum(rate(otelkit_slo_events_total{service_name="shop",otelkit_slo_name=~"search",otelkit_slo_outcome=~"bad"}[5m]))`
	if got, err := query.BadEvents(s).Over(5 * time.Minute).PromQL(query.Target{Rule: true}); err != nil || got != want {
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
}

func TestABucketIsAskedForInBothSpellings(t *testing.T) {
	for threshold, want := range map[time.Duration]string{
		300 * time.Millisecond:  `le="0.3"`,
		2500 * time.Millisecond: `le="2.5"`,
		time.Second:             `le=~"1|1\\.0"`,
		time.Minute:             `le=~"60|60\\.0"`,
		50 * time.Microsecond:   `le=~"0\\.00005|5e-05"`,
		12 * 24 * time.Hour:     `le=~"1036800|1\\.0368e+06"`,
	} {
		s := slo.New(slo.SLO{Name: "quick", Service: "shop", Events: timed(), Threshold: threshold})
		text, err := query.BadEvents(s).Over(time.Minute).PromQL(query.Target{Rule: true})
		if want = strings.ReplaceAll(want, "e+", `e\\+`); err != nil || !strings.Contains(text, want) {
			t.Errorf("%v: %s (%v) lacks %s", threshold, text, err, want)
		}
	}
}

// timed is a histogram of its own.
func timed() *metrics.Histogram[metrics.None] {
	return metrics.NewHistogram[metrics.None](metrics.NewCatalog("test"), metrics.Definition{Name: "shop.time", Unit: "s", Help: "Time.", Buckets: []float64{1}})
}

func TestFaultsOfALatencyObjectiveAreTold(t *testing.T) {
	for want, e := range map[string]query.Expr{
		"no window":                query.Events(quick),
		`no attribute "shop.size"`: query.BadEvents(quick).By("shop.size").Over(time.Minute),
		"not whole seconds":        query.BadEvents(quick).Over(time.Millisecond),
		"leave Over out":           query.EventTotal(quick).Over(time.Minute),
		"counts no events":         query.Events(slo.SLO{Events: inFlight}).Over(time.Minute),
	} {
		if _, err := e.PromQL(query.Target{Rule: true}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}

func TestATargetMayFillWindowsIn(t *testing.T) {
	want := `sum(rate(shop_orders_total[{{.window}}]))`
	if got, err := query.Rate(orders).PromQL(query.Target{Window: "{{.window}}"}); err != nil || got != want {
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
	if got, _ := query.Rate(orders).Over(time.Hour).PromQL(query.Target{Window: "{{.window}}"}); !strings.Contains(got, "[1h]") {
		t.Errorf("a stated window became %s", got)
	}
}

func TestABucketIsNamedForTests(t *testing.T) {
	got, err := query.BucketSeries(requests, 1, map[string]string{"job": "shop"}, query.Target{Rule: true})
	if want := `http_server_request_duration_seconds_bucket{job="shop",le="1"}`; got != want {
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
	if _, err := query.BucketSeries(orders, 1, nil, query.Target{}); err == nil {
		t.Error("no error for a bucket of a counter")
	}
}
