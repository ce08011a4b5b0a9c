package traffic

import (
	"context"
	"sync"
	"time"
)

// pace spreads requests evenly: each gets a slot of its own, an interval after
// the one before. Slots that nobody took are gone, so that a store which was
// slow is not flooded when it is fast again.
type pace struct {
	interval time.Duration

	mu   sync.Mutex
	next time.Time // the first slot that is free
}

// wait waits for a slot, or until ctx is done.
func (p *pace) wait(ctx context.Context) error {
	timer := time.NewTimer(time.Until(p.slot()))
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *pace) slot() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	slot := p.next
	if now := time.Now(); slot.Before(now) {
		slot = now
	}
	p.next = slot.Add(p.interval)
	return slot
}
