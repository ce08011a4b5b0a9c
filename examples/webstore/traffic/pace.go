package traffic

import (
	"context"
	"time"
)

// pace has requests fall due at a rate, which may change with time. Who wants to
// send one waits for a turn.
type pace struct {
	turns chan struct{} // without a buffer: a turn is taken at once, or gone
	rate  rate
}

// rate is how many requests fall due per second, some time after the beginning.
type rate func(elapsed time.Duration) float64

// The least and the most time between two looks at what has fallen due. The first
// bounds what that costs, the second how much the beginning of a rush is late.
const minTick, maxTick = time.Millisecond, 100 * time.Millisecond

func newPace(r rate) *pace { return &pace{make(chan struct{}), r} }

// run gives turns until ctx is done, and tells unsent how many nobody took.
func (p *pace) run(ctx context.Context, unsent func(int)) {
	var (
		begin = time.Now()
		last  = begin
		due   = 0.0
		timer = time.NewTimer(p.tick(0))
	)
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return
		}
		now := time.Now()
		due += now.Sub(last).Seconds() * p.rate(last.Sub(begin))
		last = now
		lost := 0
		for ; due >= 1; due-- {
			select {
			case p.turns <- struct{}{}:
			default:
				lost++
			}
		}
		if lost > 0 && ctx.Err() == nil { // at the end, who waited for turns has gone
			unsent(lost)
		}
		timer.Reset(p.tick(now.Sub(begin)))
	}
}

// tick is how long to wait for the next request to fall due, within limits.
func (p *pace) tick(elapsed time.Duration) time.Duration {
	return min(max(time.Duration(float64(time.Second)/p.rate(elapsed)), minTick), maxTick)
}

// wait waits for a turn, or until ctx is done.
func (p *pace) wait(ctx context.Context) error {
	select {
	case <-p.turns:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
