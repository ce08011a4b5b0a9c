// Package tally counts what became of telemetry: received, stored, dropped.
//
// A back end that loses data quietly teaches its users wrong things, so every
// record that lens was given and does not have is counted here under a signal
// and a cause, is shown by /api/status, and is logged, at most once a minute
// for each cause:
//
//	var o tally.Outcome
//	o.Received, o.Stored = 512, 500
//	o.Drop("no trace id", 12, "span \"GET /\" of checkout")
//	t.Count(tally.Traces, o)
package tally

import (
	"log/slog"
	"maps"
	"sync"
	"time"
)

// A Signal is one of the kinds of telemetry.
type Signal string

// The signals that lens takes.
const (
	Traces  Signal = "traces"  // counted in spans
	Metrics Signal = "metrics" // counted in data points
	Logs    Signal = "logs"    // counted in log records
)

// logEvery is how often one cause is logged.
const logEvery = time.Minute

// Counts says what became of the records of one signal since the start.
type Counts struct {
	Received  int64            `json:"received"`
	Stored    int64            `json:"stored"`
	Duplicate int64            `json:"duplicate"` // stored before: a client that tried again
	Dropped   map[string]int64 `json:"dropped"`   // not stored, by cause; an unreadable request counts as one
	Evicted   int64            `json:"evicted"`   // stored, and since removed to stay within the limits
}

// An Outcome says what became of the records of one request.
type Outcome struct {
	Received  int64
	Stored    int64
	Duplicate int64
	Drops     []Drop
}

// A Drop is a number of records lost for one cause.
type Drop struct {
	Cause   string // one of a few short phrases
	Records int64
	Example string // for the log: the first record that was lost, and why
}

// Drop adds n records lost for one cause. The example is kept of the first.
func (o *Outcome) Drop(cause string, n int64, example string) {
	for i := range o.Drops {
		if o.Drops[i].Cause == cause {
			o.Drops[i].Records += n
			return
		}
	}
	o.Drops = append(o.Drops, Drop{Cause: cause, Records: n, Example: example})
}

// Dropped returns how many records were lost for all causes.
func (o *Outcome) Dropped() int64 {
	var n int64
	for _, d := range o.Drops {
		n += d.Records
	}
	return n
}

// A Tally counts. Its methods may be called concurrently.
type Tally struct {
	log *slog.Logger
	now func() time.Time

	mu      sync.Mutex
	signals map[Signal]*Counts
	quiet   map[loss]*silence
}

type loss struct {
	signal Signal
	cause  string
}

// silence is what happened to a cause since it was last logged.
type silence struct {
	until   time.Time
	dropped int64
}

// New returns a Tally that logs losses to log.
func New(log *slog.Logger) *Tally {
	return &Tally{log: log, now: time.Now, signals: map[Signal]*Counts{}, quiet: map[loss]*silence{}}
}

// Count adds the outcome of one request.
func (t *Tally) Count(s Signal, o Outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.counts(s)
	c.Received += o.Received
	c.Stored += o.Stored
	c.Duplicate += o.Duplicate
	for _, d := range o.Drops {
		t.drop(s, d)
	}
}

// Evicted counts n stored records that made room for newer ones.
func (t *Tally) Evicted(s Signal, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.counts(s).Evicted += n
}

// drop counts a loss and logs it, unless its cause was logged lately. The
// caller holds mu.
func (t *Tally) drop(s Signal, d Drop) {
	t.counts(s).Dropped[d.Cause] += d.Records
	q := t.quiet[loss{s, d.Cause}]
	if q == nil {
		q = &silence{}
		t.quiet[loss{s, d.Cause}] = q
	}
	q.dropped += d.Records
	now := t.now()
	if now.Before(q.until) {
		return
	}
	t.log.Warn("telemetry dropped", "signal", string(s), "cause", d.Cause, "records", q.dropped, "example", d.Example)
	q.dropped, q.until = 0, now.Add(logEvery)
}

// Snapshot returns a copy of the counts of every signal, also of those that
// nothing was received of.
func (t *Tally) Snapshot() map[Signal]Counts {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := make(map[Signal]Counts, 3)
	for _, s := range []Signal{Traces, Metrics, Logs} {
		c := *t.counts(s)
		c.Dropped = maps.Clone(c.Dropped)
		out[s] = c
	}
	return out
}

func (t *Tally) counts(s Signal) *Counts {
	c := t.signals[s]
	if c == nil {
		c = &Counts{Dropped: map[string]int64{}}
		t.signals[s] = c
	}
	return c
}
