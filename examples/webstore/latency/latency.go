// Package latency makes the store's parts take the time that real ones take.
//
// A simulated shop that answers in a millisecond has nothing to observe: no
// slow tail, no timeouts, no exemplar worth a click. So each part that stands
// for real work has a [Delay] in a table of its package, and waits for it.
package latency

import (
	"context"
	"math/rand/v2"
	"time"
)

// Delay is how long something takes: evenly spread between Min and Max, and
// now and then an extra time between SlowMin and SlowMax. The zero Delay takes
// no time.
type Delay struct {
	Min, Max         time.Duration
	SlowChance       float64 // 0 to 1
	SlowMin, SlowMax time.Duration
}

// Wait waits for a duration drawn from d and multiplied by scale; scale 0 does
// not wait. It reports whether the extra time was drawn, and returns ctx's
// error if ctx is done first.
func (d Delay) Wait(ctx context.Context, scale float64) (slow bool, err error) {
	duration, slow := d.Draw(rand.Float64)
	duration = time.Duration(float64(duration) * scale)
	if duration <= 0 {
		return false, ctx.Err()
	}
	return slow, Sleep(ctx, duration)
}

// Draw draws a duration from d, and reports whether the extra time is in it. What
// is drawn is decided by random, whose numbers are at least 0 and below 1.
func (d Delay) Draw(random func() float64) (duration time.Duration, slow bool) {
	duration = between(d.Min, d.Max, random)
	if slow = random() < d.SlowChance; slow {
		duration += between(d.SlowMin, d.SlowMax, random)
	}
	return duration, slow
}

// Sleep waits for a duration, and returns ctx's error if ctx is done first. It
// does not wait for a duration of 0 or less.
func Sleep(ctx context.Context, duration time.Duration) error {
	if duration <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(duration)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func between(low, high time.Duration, random func() float64) time.Duration {
	if high <= low {
		return low
	}
	return low + time.Duration(random()*float64(high-low+1))
}
