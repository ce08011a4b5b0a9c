package ratelimit

import (
	"math"
	"time"
)

// bucket is GCRA in whole numbers. GCRA keeps, for each key, the time at which it
// will be at rest; that time is a fraction unless the rate divides the period. So
// we keep the time of the last change and the backlog at it, in a unit small
// enough that everything is whole: each microsecond takes rate off the backlog,
// each unit that passes puts unit on it, and what would exceed depth is denied.
//
//	100 per minute, burst 20:   rate 1, unit 600,000, depth 12,000,000
//	7 per second, burst 7:      rate 7, unit 1,000,000, depth 7,000,000
//
// one.lua and several.lua compute the same.
type bucket struct {
	rate  int64 // backlog that a microsecond takes off
	unit  int64 // backlog that a unit puts on
	depth int64 // most backlog
}

// after returns what is left of a backlog after so many microseconds.
func (b bucket) after(backlog, elapsed int64) int64 {
	switch {
	case elapsed <= 0: // a clock was set back
		return backlog
	case elapsed > backlog/b.rate:
		return 0
	default:
		return backlog - elapsed*b.rate
	}
}

// fits says whether cost units can pass on top of a backlog. What is at rest lets
// anything pass: an instance's share of a burst may be less than a cost that the
// burst allows, even less than one.
func (b bucket) fits(backlog int64, cost int) bool {
	return backlog == 0 || backlog+int64(cost)*b.unit <= b.depth
}

// taken returns how many units are taken by an ask that nothing else denies, ahead of
// them taken ahead at most: half of what remains is left to others.
func (b bucket) taken(backlog int64, cost, ahead int) int {
	if !b.fits(backlog, cost) {
		return 0 // in shadow mode
	}
	left := b.depth - backlog - int64(cost)*b.unit
	return cost + min(ahead, int(left/b.unit/2))
}

// remaining returns how many units could pass at once.
func (b bucket) remaining(backlog int64) int {
	return int(max(0, b.depth-backlog) / b.unit)
}

// untilFits returns how long it takes until cost units can pass.
func (b bucket) untilFits(backlog int64, cost int) time.Duration {
	if b.fits(backlog, cost) {
		return 0
	}
	return b.duration(backlog - max(0, b.depth-int64(cost)*b.unit))
}

// duration returns how long it takes to take so much off a backlog, at most what a
// time.Duration can hold.
func (b bucket) duration(backlog int64) time.Duration {
	const longest = math.MaxInt64 / int64(time.Microsecond)
	return time.Duration(min(ceilDiv(backlog, b.rate), longest)) * time.Microsecond
}
