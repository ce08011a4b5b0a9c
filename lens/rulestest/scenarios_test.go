package rulestest

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"
)

// The objective of the scenarios is the store's: 99.9% over 30 days.
const (
	goodSeries = `http_server_request_duration_seconds_count{job="webstore/main",service_name="main",deployment_environment_name="local",instance="1",http_response_status_code="200"}`
	badSeries  = `http_server_request_duration_seconds_count{job="webstore/main",service_name="main",deployment_environment_name="local",instance="1",http_response_status_code="503"}`

	fast    = "MainAvailabilityFastBurn"
	medium  = "MainAvailabilityMediumBurn"
	slow    = "MainAvailabilitySlowBurn"
	chronic = "MainAvailabilityChronicBurn"
	noData  = "MainAvailabilityNoData"

	available = "main-availability"

	budgetLeft = `slo:error_budget_remaining{slo="main-availability"}`
)

// traffic loads series of good and bad events.
func traffic(t *testing.T, stretches ...stretch) *prometheus {
	t.Helper()
	good, bad := counters(stretches...)
	return load(t, map[string]string{goodSeries: good, badSeries: bad}, available)
}

// healthy is the time before trouble, longer than the window of a fast burn.
var healthy = stretch{lasts: 2 * time.Hour, good: 600}

func TestSomebodyIsPagedSoonerTheWorseItIs(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		bad   float64 // of 600 events a minute
		by    string
		after time.Duration // the longest that the first page may take
	}{
		"100% of requests fail": {600, fast, 3 * time.Minute},
		"10% of requests fail":  {60, fast, 11 * time.Minute},
		"2% of requests fail":   {12, fast, 46 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := traffic(t, healthy, stretch{lasts: time.Hour, good: 600 - tc.bad, bad: tc.bad})
			p.run(healthy.lasts)
			if fired := p.ever(); len(fired) > 0 {
				t.Fatalf("%v fired while all was well", fired)
			}
			p.run(healthy.lasts + time.Hour)
			began, ok := p.began[tc.by]
			if !ok {
				t.Fatalf("%s never fired; %v did", tc.by, p.ever())
			}
			took := began - healthy.lasts
			t.Logf("paged after %s", took)
			if took > tc.after {
				t.Errorf("the page came after %s, want at most %s", took, tc.after)
			}
		})
	}
}

func TestOneFailedRequestOfAQuietNightWakesNobody(t *testing.T) { // Sloth v0.16 pages
	t.Parallel()
	p := traffic(t,
		stretch{lasts: time.Hour, good: 1},
		stretch{lasts: time.Minute, bad: 1},
		stretch{lasts: 2 * time.Hour, good: 1})
	p.run(time.Hour + 3*time.Minute)
	if ratio := p.value("slo:error_ratio:5m"); ratio < 0.1 {
		t.Fatalf("the error ratio is %v, so that nothing is proven", ratio)
	}
	p.run(3 * time.Hour)
	if fired := p.ever(); len(fired) > 0 {
		t.Errorf("%v fired for one failed request", fired)
	}
}

func TestAnIdleHourDoesNotTurnTheBudgetToNaN(t *testing.T) { // Sloth v0.16 and Pyrra v0.10 show NaN for the whole window
	t.Parallel()
	p := traffic(t,
		stretch{lasts: time.Hour, good: 600},
		stretch{lasts: time.Hour},
		stretch{lasts: time.Hour, good: 600})
	p.run(2 * time.Hour)
	if left := p.value(budgetLeft); left != 1 {
		t.Errorf("at the end of an idle hour %v of the budget is left, want 1", left)
	}
	p.run(3 * time.Hour)
	if left := p.value(budgetLeft); left != 1 {
		t.Errorf("after an idle hour %v of the budget is left, want 1", left)
	}
	if fired := p.ever(); len(fired) > 0 {
		t.Errorf("%v fired while the service was idle", fired)
	}
}

func TestThereIsARatioBeforeTheFirstError(t *testing.T) { // Sloth v0.16 has no series until something fails
	t.Parallel()
	good, _ := counters(stretch{lasts: time.Hour, good: 600})
	p := load(t, map[string]string{goodSeries: good}, available)
	p.run(time.Hour)
	for _, window := range []string{"5m", "30m", "1h", "2h", "6h", "1d", "3d", "30d"} {
		if ratio := p.value("slo:error_ratio:" + window); ratio != 0 {
			t.Errorf("the error ratio over %s is %v, want 0", window, ratio)
		}
	}
	if left := p.value(budgetLeft); left != 1 {
		t.Errorf("%v of the budget is left, want 1", left)
	}
}

func TestSilenceIsATicketAndNoPage(t *testing.T) {
	t.Parallel()
	p := traffic(t, stretch{lasts: time.Hour, good: 600})
	p.run(2 * time.Hour)
	if got := p.names(); !slices.Equal(got, []string{noData}) {
		t.Fatalf("after an hour of silence %v fire, want %s", got, noData)
	}
	alert := p.firing()[0]
	if severity := alert.Labels.Get("severity"); severity != "ticket" {
		t.Errorf("the severity of silence is %q, want ticket", severity)
	}
	// The last sample counts for 5 minutes in which it is looked for, and 5 in
	// which the rate sees it; then come 15 minutes of absence and 5 of waiting.
	if took := p.began[noData] - time.Hour; took > 32*time.Minute {
		t.Errorf("silence was noticed after %s", took)
	}
}

func TestAPageEndsSoonAfterItIsOver(t *testing.T) {
	t.Parallel()
	outage := 10 * time.Minute
	p := traffic(t, healthy, stretch{lasts: outage, bad: 600}, stretch{lasts: 2 * time.Hour, good: 600})
	p.run(healthy.lasts + outage)
	if got := p.names(); !slices.Contains(got, fast) {
		t.Fatalf("at the end of the outage %v fire, want %s among them", got, fast)
	}
	// The short window is good after 5 minutes; 5 more are waited for a relapse.
	p.run(healthy.lasts + outage + 12*time.Minute)
	if got := p.names(); slices.Contains(got, fast) {
		t.Errorf("%s still fires 12 minutes after the outage", fast)
	}
	// The medium one looks at 30 minutes and waits 15.
	p.run(healthy.lasts + outage + 50*time.Minute)
	if got := p.names(); slices.ContainsFunc(got, func(name string) bool { return name == fast || name == medium }) {
		t.Errorf("%v fire 50 minutes after the outage", got)
	}
}

func TestSlowLossesAreTickets(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		bad  float64 // of 6000 events a minute
		want []string
	}{
		"0.4% of requests fail":  {24, []string{chronic, slow}},
		"0.2% of requests fail":  {12, []string{chronic}},
		"0.05% of requests fail": {3, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := traffic(t, stretch{lasts: 2 * time.Hour, good: 6000 - tc.bad, bad: tc.bad})
			p.run(2 * time.Hour)
			if got := p.ever(); !slices.Equal(got, tc.want) {
				t.Errorf("%v fired, want %v", got, tc.want)
			}
		})
	}
}

func TestLongWindowsWeighByTraffic(t *testing.T) { // Sloth v0.16 averages ratios: one failed request of a quiet hour weighs as much as a busy one
	t.Parallel()
	p := traffic(t,
		stretch{lasts: time.Hour, good: 0.5, bad: 0.5},
		stretch{lasts: time.Hour, good: 6000})
	p.run(2 * time.Hour)
	const truth = 30.0 / (30 + 30 + 60*6000)
	if ratio := p.value("slo:error_ratio:30d"); math.Abs(ratio-truth)/truth > 0.1 {
		t.Errorf("the error ratio is %v, want %v", ratio, truth)
	}
}

func TestAFiringAlertSaysWhatItsReaderNeeds(t *testing.T) {
	t.Parallel()
	p := traffic(t, healthy, stretch{lasts: 10 * time.Minute, bad: 600})
	p.run(healthy.lasts + 10*time.Minute)
	for _, alert := range p.firing() {
		for _, annotation := range []string{"summary", "description", "dashboard", "runbook_url"} {
			if text := alert.Annotations.Get(annotation); text == "" || strings.Contains(text, "<no value>") {
				t.Errorf("%s has the %s %q", alert.Labels.Get("alertname"), annotation, text)
			}
		}
		if job := alert.Labels.Get("job"); job != "webstore/main" {
			t.Errorf("%s has the job %q", alert.Labels.Get("alertname"), job)
		}
	}
	if len(p.firing()) == 0 {
		t.Error("nothing fires")
	}
}
