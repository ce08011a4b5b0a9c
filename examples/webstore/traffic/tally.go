package traffic

import (
	"maps"
	"math"
	"sync"
	"time"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// tally counts as the run goes on. It is safe for concurrent use.
type tally struct {
	begin time.Time

	mu        sync.Mutex
	visits    map[Intent]int
	statuses  map[int]int
	orders    map[telemetry.CheckoutOutcome]int
	latencies latencies
}

func newTally() *tally {
	return &tally{
		begin:    time.Now(),
		visits:   map[Intent]int{},
		statuses: map[int]int{},
		orders:   map[telemetry.CheckoutOutcome]int{},
	}
}

func (t *tally) visit(intent Intent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.visits[intent]++
}

func (t *tally) answer(status int, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.statuses[status]++
	t.latencies.add(took)
}

func (t *tally) noAnswer() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.statuses[NoAnswer]++
}

func (t *tally) order(outcome telemetry.CheckoutOutcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.orders[outcome]++
}

func (t *tally) report() Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	return Report{
		Elapsed:  time.Since(t.begin),
		Visits:   maps.Clone(t.visits),
		Statuses: maps.Clone(t.statuses),
		Orders:   maps.Clone(t.orders),
		Latency: Latency{
			P50: t.latencies.percentile(0.50),
			P95: t.latencies.percentile(0.95),
			P99: t.latencies.percentile(0.99),
			Max: t.latencies.max,
		},
	}
}

// latencies counts durations in buckets whose bounds grow by 5 %, from 0.1 ms
// to more than the longest that a request may take: a run of any length needs
// the same memory.
type latencies struct {
	buckets [256]int
	total   int
	max     time.Duration
}

const (
	lowest = 100 * time.Microsecond // the upper bound of the first bucket
	growth = 1.05
)

func (l *latencies) add(d time.Duration) {
	bucket := math.Ceil(math.Log(float64(d)/float64(lowest)) / math.Log(growth))
	l.buckets[int(min(max(bucket, 0), float64(len(l.buckets)-1)))]++
	l.total++
	l.max = max(l.max, d)
}

// percentile returns the upper bound of the bucket that holds the part of the
// durations asked for, but never more than the longest; 0 if there are none.
func (l *latencies) percentile(part float64) time.Duration {
	rank := int(math.Ceil(part * float64(l.total)))
	for bucket, seen := 0, 0; bucket < len(l.buckets); bucket++ {
		seen += l.buckets[bucket]
		if seen > 0 && seen >= rank {
			return min(time.Duration(float64(lowest)*math.Pow(growth, float64(bucket))), l.max)
		}
	}
	return 0
}
