package ratelimit

import "sync"

// level is a backlog and when it was so, in microseconds.
type level struct{ at, backlog int64 }

// levels is the backlogs of keys, in memory. It is safe for concurrent use.
//
// There is one lock for all keys, so that several asks together need nothing more. With
// it two cores make 5 million decisions a second, as many as one (BenchmarkAllow).
type levels struct {
	mu    sync.Mutex
	table table[level]
}

func newLevels(size int) *levels { return &levels{table: newTable[level](size)} }

// backlog returns the backlog of a key now. The caller holds the lock.
func (l *levels) backlog(k key, b bucket, now int64) int64 {
	was := l.table.get(k, now)
	return b.after(was.backlog, now-was.at)
}

// set sets the backlog of a key as of now. The caller holds the lock.
func (l *levels) set(k key, b bucket, backlog, now int64) (evicted bool) {
	return l.table.set(k, level{now, backlog}, now+ceilDiv(backlog, b.rate), now)
}

// memory decides in memory, as several.lua does in Redis.
type memory struct{ levels *levels }

// take takes what is asked for and is not leased, all or nothing. It says how many keys
// had to be forgotten for it.
func (m memory) take(asks []ask, results []Result, now int64) (evicted int64) {
	m.levels.mu.Lock()
	defer m.levels.mu.Unlock()
	pass := true
	for i := range asks {
		a := &asks[i]
		if a.leased {
			continue
		}
		a.backlog = m.levels.backlog(a.key, a.limit.share, now)
		pass = pass && !a.denied(a.limit.share)
	}
	for i := range asks {
		a := &asks[i]
		if a.leased {
			continue
		}
		if pass && a.limit.share.fits(a.backlog, a.cost) {
			a.taken = a.cost
			if m.levels.set(a.key, a.limit.share, a.backlog+int64(a.cost)*a.limit.share.unit, now) {
				evicted++
			}
		}
		results[i] = a.result(a.limit.share, FromLocal)
	}
	return evicted
}

// denies says whether an ask does not fit.
func (m memory) denies(a *ask, now int64) bool {
	m.levels.mu.Lock()
	defer m.levels.mu.Unlock()
	return !a.limit.share.fits(m.levels.backlog(a.key, a.limit.share, now), a.cost)
}

// overLimit remembers which keys Redis said are over their limit, so that denying them
// again needs no round trip. It may know less than Redis, never more: others only add to
// a backlog, and only time takes off it. (What is given back, since another limit denied,
// may be seen late.)
type overLimit struct{ levels *levels }

// denies says whether it is known that an ask does not fit, and sets the backlog from
// which that is known.
func (o overLimit) denies(a *ask, now int64) bool {
	o.levels.mu.Lock()
	defer o.levels.mu.Unlock()
	a.backlog = o.levels.backlog(a.key, a.limit.whole, now)
	a.known = a.backlog > 0
	return !a.limit.whole.fits(a.backlog, a.cost)
}

// learn takes in what Redis said of a key now, or later.
func (o overLimit) learn(a *ask, now int64) {
	o.levels.mu.Lock()
	defer o.levels.mu.Unlock()
	o.levels.set(a.key, a.limit.whole, a.backlog+int64(a.taken)*a.limit.whole.unit, now)
}
