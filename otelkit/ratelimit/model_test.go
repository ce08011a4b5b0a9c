package ratelimit_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/otelkit/kit/otelkit/ratelimit"
)

// model is GCRA as the literature has it: each key has a theoretical arrival time, a
// unit is due when that is at most the burst's time ahead. Times are in 1/Rate
// microseconds, so that they are whole. The limiter counts backlogs instead, so the two
// have nothing in common but the answers.
type model struct{ arrival map[string]int64 }

type verdict struct {
	fits       bool
	remaining  int
	retryAfter time.Duration
	resetAfter time.Duration
}

func (m model) take(limits map[string]ratelimit.Limit, asks []ratelimit.Ask, elapsed time.Duration) (allowed bool, verdicts []verdict) {
	arrivals := make([]int64, len(asks))
	allowed = true
	for i, a := range asks {
		l := limits[a.Limit]
		now, interval := elapsed.Microseconds()*int64(l.Rate), l.Per.Microseconds()
		arrivals[i] = max(m.arrival[a.Limit+a.Key], now)
		due := arrivals[i] + int64(a.Cost)*interval - int64(l.Burst)*interval
		v := verdict{fits: due <= now}
		if !v.fits {
			v.retryAfter = whole(due-now, l)
			allowed = allowed && l.Shadow
		}
		verdicts = append(verdicts, v)
	}
	for i, a := range asks {
		l := limits[a.Limit]
		now, interval := elapsed.Microseconds()*int64(l.Rate), l.Per.Microseconds()
		if allowed && verdicts[i].fits {
			arrivals[i] += int64(a.Cost) * interval
			m.arrival[a.Limit+a.Key] = arrivals[i]
		}
		verdicts[i].remaining = int((int64(l.Burst)*interval - (arrivals[i] - now)) / interval)
		verdicts[i].resetAfter = whole(arrivals[i]-now, l)
	}
	return allowed, verdicts
}

// whole is a time in microseconds, rounded up.
func whole(t int64, l ratelimit.Limit) time.Duration {
	return time.Duration((t+int64(l.Rate)-1)/int64(l.Rate)) * time.Microsecond
}

func TestEveryAnswerIsThatOfTheModel(t *testing.T) {
	backends(t, func(t *testing.T, b backend) {
		scenarios := 20
		if b.client == nil {
			scenarios = 500
		}
		for seed := range uint64(scenarios) {
			compare(t, b, seed)
			if t.Failed() {
				return
			}
		}
	})
}

// compare asks a limiter and the model the same at random.
func compare(t *testing.T, b backend, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	limits := map[string]ratelimit.Limit{}
	var list []ratelimit.Limit
	for i := range 1 + random.IntN(3) {
		// A backlog takes more than a minute of real time, so a server does not forget
		// a key whose clock stands still.
		l := ratelimit.Limit{
			Name:   fmt.Sprint("l", i),
			Rate:   1 + random.IntN(20),
			Per:    20*time.Minute + time.Duration(random.Int64N(int64(time.Hour)/1000))*1000,
			Burst:  1 + random.IntN(30),
			Shadow: random.IntN(4) == 0,
		}
		limits[l.Name], list = l, append(list, l)
	}
	clock := newClock()
	start := clock.now
	l := b.limiter(t, ratelimit.Config{Limits: list, Now: clock.Now, Prefix: fmt.Sprint(t.Name(), seed, ":")})
	m := model{arrival: map[string]int64{}}
	for step := range 60 {
		clock.advance(time.Duration(random.Int64N(int64(10*time.Minute)/1000)) * 1000 * time.Duration(random.IntN(3)))
		var asks []ratelimit.Ask
		for _, limit := range list {
			if len(asks) == 0 || random.IntN(3) > 0 {
				asks = append(asks, ratelimit.Ask{Limit: limit.Name, Key: fmt.Sprint(random.IntN(2)), Cost: 1 + random.IntN(limit.Burst)})
			}
		}
		got := take(t, l, asks...)
		allowed, want := m.take(limits, asks, clock.now.Sub(start))
		if got.Allowed != allowed {
			t.Fatalf("seed %d, step %d: %+v\nallowed %v, want %v: %+v", seed, step, asks, got.Allowed, allowed, want)
		}
		for i, r := range got.Results {
			if r.Source == "" { // not asked, since another is known to deny
				continue
			}
			v := verdict{!r.WouldDeny, r.Remaining, r.RetryAfter, r.ResetAfter}
			if v != want[i] {
				t.Fatalf("seed %d, step %d: %+v of %+v, by %s\n%+v, want\n%+v", seed, step, asks[i], limits[asks[i].Limit], r.Source, v, want[i])
			}
		}
	}
}
