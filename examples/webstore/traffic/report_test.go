package traffic

import (
	"testing"
	"time"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

func TestAPercentileIsAtMostFivePercentTooHigh(t *testing.T) {
	var l latencies
	for ms := 1; ms <= 1000; ms++ {
		l.add(time.Duration(ms) * time.Millisecond)
	}
	for part, want := range map[float64]time.Duration{
		0.5: 500 * time.Millisecond, 0.95: 950 * time.Millisecond, 0.99: 990 * time.Millisecond, 1: time.Second,
	} {
		if got := l.percentile(part); got < want || got > want*105/100 {
			t.Errorf("percentile %v is %v, want %v to %v", part, got, want, want*105/100)
		}
	}
}

func TestAPercentileIsNeverMoreThanTheLongest(t *testing.T) {
	for _, d := range []time.Duration{0, time.Microsecond, 3 * time.Millisecond, time.Hour} {
		var l latencies
		l.add(d)
		if got := l.percentile(0.99); got > d || got < min(d, 25*time.Second) {
			t.Errorf("the only duration is %v, and the percentile %v", d, got)
		}
	}
	if got := new(latencies).percentile(0.5); got != 0 {
		t.Errorf("the percentile of nothing is %v", got)
	}
}

func TestTheReportCountsDeclinesApartFromFailures(t *testing.T) {
	report := Report{
		Elapsed:  time.Minute,
		Visits:   map[Intent]int{Browse: 5, Abandon: 3, Buy: 2},
		Statuses: map[int]int{200: 90, 402: 3, 409: 1, 500: 2, 503: 3, NoAnswer: 1},
		Orders:   map[telemetry.CheckoutOutcome]int{telemetry.CheckoutCompleted: 20, telemetry.CheckoutDeclined: 3},
		Latency:  Latency{P50: 12345 * time.Microsecond, P95: 123456 * time.Microsecond, P99: time.Second, Max: 12345 * time.Millisecond},
	}
	want := `requests  100 in 1m0s (1.7/s): 90 served, 4 refused, 6 failed
answers   none: 1, 200: 90, 402: 3, 409: 1, 500: 2, 503: 3
latency   p50 12.3ms, p95 123ms, p99 1s, longest 12.3s
visits    abandon: 3, browse: 5, buy: 2
checkouts completed: 20, declined: 3
`
	if got := report.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got, want := report.Line(), "1m0s: 100 requests, 6 failed; p95 123ms; 20 of 23 checkouts completed"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
