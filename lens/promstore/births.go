package promstore

import (
	"sync"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

// births knows where a new counter was zero, so that its first increment
// counts.
//
// OTLP sends a counter for the first time when it has counted something: the
// series is born at 5, say, and increase() sees no increase. The start time
// that comes along is when the process started, which may be an hour ago:
// right for a process that lens has just met, but out of the window of
// increase() for a counter that is new in an old process. That one was zero
// when its process last exported without it, and that is where the zero goes:
//
//	exports of the process   |     |     |     |
//	the counter                          0 ··· 5
type births struct {
	mu   sync.Mutex
	seen map[source]exports
}

// A source is what exports together: one instance of a service.
type source struct {
	job, instance string
}

// exports are the times, in Unix milliseconds, of a source's last two exports.
type exports struct {
	last, before int64
}

const (
	maxSources  = 10_000
	forgetAfter = time.Hour
)

func sourceOf(ls labels.Labels) source {
	return source{ls.Get(model.JobLabel), ls.Get(model.InstanceLabel)}
}

// zeroTime returns when a new counter with a sample at t was zero: at the
// export before t, but not before its start time.
func (b *births) zeroTime(src source, start, t int64) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.seen[src]
	if e.last < t {
		return max(start, e.last)
	}
	return max(start, e.before)
}

// exported notes an export.
func (b *births) exported(src source, t int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, known := b.seen[src]
	if !known && len(b.seen) >= maxSources {
		b.forget(t - forgetAfter.Milliseconds())
	}
	if t > e.last {
		b.seen[src] = exports{last: t, before: e.last}
	}
}

// forget drops the sources that have not exported since t, or all if that
// makes no room. The caller holds mu.
func (b *births) forget(t int64) {
	for src, e := range b.seen {
		if e.last < t {
			delete(b.seen, src)
		}
	}
	if len(b.seen) >= maxSources {
		clear(b.seen)
	}
}

// interval returns the longest time between exports among the sources that
// exported since t, or 0 if none did so twice.
func (b *births) interval(t int64) time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	var longest int64
	for _, e := range b.seen {
		if e.last >= t && e.before > 0 {
			longest = max(longest, e.last-e.before)
		}
	}
	return time.Duration(longest) * time.Millisecond
}

// zeroable says whether a sample belongs to something that counts up from
// zero, and so has a zero before its first value.
func zeroable(ls labels.Labels, opts storage.AOptions) bool {
	switch opts.Metadata.Type {
	case model.MetricTypeCounter, model.MetricTypeHistogram:
		return true
	case model.MetricTypeSummary:
		return ls.Get(model.QuantileLabel) == ""
	default:
		return false
	}
}
