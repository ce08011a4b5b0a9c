package traffic

import (
	"encoding/json"
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
		Statuses: map[int]int{200: 89, 402: 3, 409: 1, 429: 1, 500: 2, 503: 3, NoAnswer: 1},
		Unsent:   7,
		Kinds: map[Kind]KindReport{
			Browsing:    {Requests: 80, Latency: Latency{P50: 2 * time.Millisecond, P95: 3 * time.Millisecond, P99: 4 * time.Millisecond, Max: 5 * time.Millisecond}},
			CheckingOut: {Requests: 20, Failed: 6, Limited: 1, Latency: Latency{P50: time.Second, P95: time.Second, P99: time.Second, Max: 12345 * time.Millisecond}},
		},
		Orders:  map[telemetry.CheckoutOutcome]int{telemetry.CheckoutCompleted: 20, telemetry.CheckoutDeclined: 3},
		Sales:   map[telemetry.Market]float64{telemetry.Japan: 1234.5, telemetry.Germany: 0.756},
		Latency: Latency{P50: 12345 * time.Microsecond, P95: 123456 * time.Microsecond, P99: time.Second, Max: 12345 * time.Millisecond},
	}
	want := `requests  100 in 1m0s (1.7/s): 89 served, 4 refused, 1 limited, 6 failed; 7 unsent
answers   none: 1, 200: 89, 402: 3, 409: 1, 429: 1, 500: 2, 503: 3
visits    abandon: 3, browse: 5, buy: 2
checkouts completed: 20, declined: 3
sales     1235.26 USD, DE 0.76, JP 1234.50

   latency  requests  failed  limited     p50    p95  p99  longest
    browse        80       0        0     2ms    3ms  4ms      5ms
  checkout        20       6        1      1s     1s   1s    12.3s
       all       100       6        1  12.3ms  123ms   1s    12.3s
`
	if got := report.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got, want := report.Line(), "1m0s: 100 requests (1.7/s), 6 failed, 7 unsent; p95 123ms; 20 of 23 checkouts completed"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	got, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	const document = `{"all":{"failed":6,"limited":1,"max_ms":12345,"p50_ms":12.345,"p95_ms":123.456,"p99_ms":1000,"requests":100},` +
		`"checkouts":{"completed":20,"declined":3},"duration_seconds":60,` +
		`"kinds":{"browse":{"failed":0,"limited":0,"max_ms":5,"p50_ms":2,"p95_ms":3,"p99_ms":4,"requests":80},` +
		`"checkout":{"failed":6,"limited":1,"max_ms":12345,"p50_ms":1000,"p95_ms":1000,"p99_ms":1000,"requests":20}},` +
		`"refused":4,"requests_per_second":1.6666666666666667,"sales_usd":1235.256,"sales_usd_by_market":{"DE":0.756,"JP":1234.5},` +
		`"served":89,"statuses":{"200":89,"402":3,"409":1,"429":1,"500":2,"503":3,"none":1},"unsent":7,` +
		`"visits":{"abandon":3,"browse":5,"buy":2}}`
	if string(got) != document {
		t.Errorf("got\n%s\nwant\n%s", got, document)
	}
}
