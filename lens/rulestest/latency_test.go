package rulestest

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// The latency objective of the scenarios is the store's for browsing: 99% within
// 300 ms over 30 days.
const (
	latencyFast   = "MainBrowsingLatencyFastBurn"
	latencyNoData = "MainBrowsingLatencyNoData"

	quick = "main-browsing-latency"

	latencyBudgetLeft = `slo:error_budget_remaining{slo="main-browsing-latency"}`
	latencyRatio5m    = `slo:error_ratio:5m{slo="main-browsing-latency"}`
)

// requestSeries names a series of main's requests for products: part is what
// follows the histogram's name, and le its bucket's end, if it is one.
func requestSeries(part, instance, status, le string) string {
	if le != "" {
		le = fmt.Sprintf(",le=%q", le)
	}
	return fmt.Sprintf(`http_server_request_duration_seconds_%s{job="webstore/main",service_name="main",deployment_environment_name="local",instance=%q,http_route="/{country}/products",http_response_status_code=%q%s}`,
		part, instance, status, le)
}

// durations loads a histogram of fast requests, which are good, and slow ones.
func durations(t *testing.T, stretches ...stretch) *prometheus {
	t.Helper()
	both := make([]stretch, len(stretches))
	for i, s := range stretches {
		both[i] = stretch{lasts: s.lasts, good: s.good + s.bad}
	}
	fast, _ := counters(stretches...)
	all, _ := counters(both...)
	return load(t, map[string]string{
		requestSeries("bucket", "1", "200", "0.25"): fast,
		requestSeries("bucket", "1", "200", "0.3"):  fast,
		requestSeries("bucket", "1", "200", "0.5"):  all,
		requestSeries("bucket", "1", "200", "+Inf"): all,
		requestSeries("count", "1", "200", ""):      all,
	}, quick)
}

func TestARegressionOfLatencyPages(t *testing.T) {
	t.Parallel()
	p := durations(t, healthy, stretch{lasts: time.Hour, good: 300, bad: 300})
	p.run(healthy.lasts)
	if fired := p.ever(); len(fired) > 0 {
		t.Fatalf("%v fired while all was well", fired)
	}
	if left := p.value(latencyBudgetLeft); left != 1 {
		t.Errorf("%v of the budget is left of two good hours, want 1", left)
	}
	p.run(healthy.lasts + time.Hour)
	took := p.began[latencyFast] - healthy.lasts
	t.Logf("half of all requests slow: paged after %s", took)
	if took <= 0 || took > 20*time.Minute {
		t.Errorf("the page came after %s, want at most 20 minutes; %v fired", took, p.ever())
	}
}

func TestOneSlowRequestOfAQuietNightWakesNobody(t *testing.T) {
	t.Parallel()
	p := durations(t,
		stretch{lasts: time.Hour, good: 1},
		stretch{lasts: time.Minute, bad: 1},
		stretch{lasts: 2 * time.Hour, good: 1})
	p.run(time.Hour + 3*time.Minute)
	if ratio := p.value(latencyRatio5m); ratio < 0.144 {
		t.Fatalf("the error ratio is %v, so that nothing is proven", ratio)
	}
	p.run(3 * time.Hour)
	if fired := p.ever(); len(fired) > 0 {
		t.Errorf("%v fired for one slow request", fired)
	}
}

func TestFromAboutFiveSlowRequestsAnHourOnSomebodyIsPaged(t *testing.T) { // what package slo says of low traffic
	t.Parallel()
	for bad, want := range map[int]bool{4: false, 6: true} {
		t.Run(fmt.Sprintf("%d slow requests", bad), func(t *testing.T) {
			t.Parallel()
			var stretches []stretch
			for range bad { // one every four minutes, and no other request
				stretches = append(stretches, stretch{lasts: time.Minute, bad: 1}, stretch{lasts: 3 * time.Minute})
			}
			p := durations(t, append([]stretch{{lasts: time.Hour}}, stretches...)...)
			p.run(time.Hour + 30*time.Minute)
			if got := slices.Contains(p.ever(), latencyFast); got != want {
				t.Errorf("paged: %v, want %v; %v fired", got, want, p.ever())
			}
		})
	}
}

func TestAnIdleHourLeavesTheLatencyBudgetAsItWas(t *testing.T) {
	t.Parallel()
	p := durations(t, stretch{lasts: time.Hour, good: 600}, stretch{lasts: time.Hour})
	p.run(2 * time.Hour)
	if left := p.value(latencyBudgetLeft); left != 1 {
		t.Errorf("at the end of an idle hour %v of the budget is left, want 1", left)
	}
	if fired := p.ever(); len(fired) > 0 {
		t.Errorf("%v fired while the service was idle", fired)
	}
}

func TestFailuresDoNotSpendTheLatencyBudget(t *testing.T) {
	t.Parallel()
	all, failures := counters(stretch{lasts: 2 * time.Hour, good: 600, bad: 600})
	p := load(t, map[string]string{
		requestSeries("bucket", "1", "200", "0.3"): all,
		requestSeries("count", "1", "200", ""):     all,
		requestSeries("bucket", "1", "503", "0.3"): "0x120",
		requestSeries("count", "1", "503", ""):     failures,
	}, quick, available)
	p.run(2 * time.Hour)
	if ratio := p.value(latencyRatio5m); ratio != 0 {
		t.Errorf("half of all requests fail slowly, and the latency error ratio is %v, want 0", ratio)
	}
	if got := p.ever(); !slices.Contains(got, fast) || slices.Contains(got, latencyFast) {
		t.Errorf("%v fired, want %s and not %s", got, fast, latencyFast)
	}
}

func TestAHistogramWithoutTheBucketIsATicketAndNoSilence(t *testing.T) { // a service that was built without the objective
	t.Parallel()
	all, _ := counters(stretch{lasts: time.Hour, good: 600})
	p := load(t, map[string]string{
		requestSeries("bucket", "1", "200", "0.25"): "0x60", // all of them are slow
		requestSeries("bucket", "1", "200", "0.5"):  all,
		requestSeries("count", "1", "200", ""):      all,
	}, quick)
	p.run(time.Hour)
	if got := p.names(); !slices.Contains(got, latencyNoData) || slices.Contains(got, latencyFast) {
		t.Errorf("%v fire, want %s and not %s", got, latencyNoData, latencyFast)
	}
}

func TestAnInstanceOfTheReleaseBeforeDoesNotCount(t *testing.T) { // its histogram has no bucket of a threshold that is new
	t.Parallel()
	all, slow := counters(stretch{lasts: time.Hour, good: 600, bad: 6})
	both, _ := counters(stretch{lasts: time.Hour, good: 606})
	p := load(t, map[string]string{
		requestSeries("count", "old", "200", ""):      all,
		requestSeries("bucket", "old", "200", "0.25"): all,
		requestSeries("count", "new", "200", ""):      both,
		requestSeries("bucket", "new", "200", "0.3"):  all,
		requestSeries("bucket", "new", "200", "0.25"): all,
		requestSeries("bucket", "new", "200", "+Inf"): both,
		requestSeries("sum", "new", "200", ""):        slow,
	}, quick)
	p.run(time.Hour)
	const truth = 6.0 / 606
	if ratio := p.value(latencyRatio5m); ratio < truth*0.999 || ratio > truth*1.001 {
		t.Errorf("the error ratio is %v, want %v, that of the new instance", ratio, truth)
	}
	if rate := p.value(`slo:events:rate5m{slo="main-browsing-latency"}`); rate < 10.09 || rate > 10.11 {
		t.Errorf("%v events a second, want the 10.1 of the new instance", rate)
	}
}
