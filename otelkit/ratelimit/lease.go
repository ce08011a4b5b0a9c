package ratelimit

import "sync"

// leases holds units that were taken from Redis ahead. It is safe for concurrent
// use.
//
// Only keys that use their leases up get large ones. A key begins with a single
// unit, gets twice as many whenever it has used up the last lease before its end,
// to at most Limit.Lease, and begins anew when it has not. A lease ends after the
// time in which the limit's whole burst comes back: by then its units have come
// back in Redis too.
type leases struct {
	mu    sync.Mutex
	table table[lease]
}

type lease struct {
	units  int   // left
	size   int   // how many were taken, the one that was asked for included
	asking bool  // whether more are being taken, which only one ask does at a time
	level  level // of the limit in Redis, when they were taken
	ends   int64
}

func newLeases(size int) *leases { return &leases{table: newTable[lease](size)} }

// use takes the units of an ask from a lease, if there are as many.
func (l *leases) use(a *ask, now int64) (Result, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := l.table.get(a.key, now)
	if held.units < a.cost {
		return Result{}, false
	}
	held.units -= a.cost
	l.set(a, held, now)

	// Nothing newer is known of what others take.
	backlog := a.limit.whole.after(held.level.backlog, now-held.level.at)
	return Result{
		Limit:      a.limit.Limit,
		Allowed:    true,
		Remaining:  held.units + a.limit.whole.remaining(backlog),
		ResetAfter: a.limit.whole.duration(backlog),
		Source:     FromLease,
	}, true
}

// giveBack puts back what an ask used for nothing, since another limit denied.
func (l *leases) giveBack(a *ask, now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := l.table.get(a.key, now)
	if held.ends > now {
		held.units += a.cost
		l.set(a, held, now)
	}
}

// begin says how many units are to be taken ahead, besides those asked for. If there
// are any, done has to be called.
func (l *leases) begin(a *ask, now int64) (extra int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := l.table.get(a.key, now)
	if held.asking {
		return 0
	}
	held.size = min(max(1, 2*held.size), a.limit.Lease)
	extra = max(0, held.size-1-held.units)
	held.asking = extra > 0
	held.ends = now + a.limit.rest
	l.set(a, held, now)
	return extra
}

// done ends what begin began, with what was taken ahead.
func (l *leases) done(a *ask, now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	held := l.table.get(a.key, now)
	held.units += max(0, a.taken-a.cost)
	held.asking = false
	held.level = level{now, a.backlog + int64(a.taken)*a.limit.whole.unit}
	held.ends = now + a.limit.rest
	l.set(a, held, now)
}

func (l *leases) set(a *ask, held lease, now int64) {
	l.table.set(a.key, held, held.ends, now)
}
