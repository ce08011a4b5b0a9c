package traffic

import (
	"maps"
	"math"
	"net/http"
	"sync"
	"time"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// tally counts as the run goes on. It is safe for concurrent use.
type tally struct {
	begin time.Time

	mu       sync.Mutex
	visits   map[Intent]int
	statuses map[int]int
	notSent  int
	orders   map[telemetry.CheckoutOutcome]int
	sales    map[telemetry.Market]float64
	kinds    map[Kind]*kindTally
}

type kindTally struct {
	requests, failed, limited int
	latencies                 latencies
}

func newTally() *tally {
	return &tally{
		begin:    time.Now(),
		visits:   map[Intent]int{},
		statuses: map[int]int{},
		orders:   map[telemetry.CheckoutOutcome]int{},
		sales:    map[telemetry.Market]float64{},
		kinds:    map[Kind]*kindTally{},
	}
}

func (t *tally) visit(intent Intent) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.visits[intent]++
}

func (t *tally) unsent(n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.notSent += n
}

// answer counts a request by its status, or NoAnswer.
func (t *tally) answer(kind Kind, status int, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.statuses[status]++
	k := t.kinds[kind]
	if k == nil {
		k = &kindTally{}
		t.kinds[kind] = k
	}
	k.requests++
	if failed(status) {
		k.failed++
	}
	if status == http.StatusTooManyRequests {
		k.limited++
	}
	if status != NoAnswer {
		k.latencies.add(took)
	}
}

func (t *tally) order(o order) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.orders[o.outcome]++
	if o.dollars > 0 {
		t.sales[o.market] += o.dollars
	}
}

func (t *tally) report() Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	r := Report{
		Elapsed:  time.Since(t.begin),
		Visits:   maps.Clone(t.visits),
		Statuses: maps.Clone(t.statuses),
		Unsent:   t.notSent,
		Kinds:    map[Kind]KindReport{},
		Orders:   maps.Clone(t.orders),
		Sales:    maps.Clone(t.sales),
	}
	var all latencies
	for kind, k := range t.kinds {
		r.Kinds[kind] = KindReport{Requests: k.requests, Failed: k.failed, Limited: k.limited, Latency: k.latencies.summary()}
		all.addAll(&k.latencies)
	}
	r.Latency = all.summary()
	return r
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

func (l *latencies) addAll(others *latencies) {
	for bucket, n := range others.buckets {
		l.buckets[bucket] += n
	}
	l.total += others.total
	l.max = max(l.max, others.max)
}

func (l *latencies) summary() Latency {
	return Latency{P50: l.percentile(0.50), P95: l.percentile(0.95), P99: l.percentile(0.99), Max: l.max}
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
