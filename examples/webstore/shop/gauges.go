package shop

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// Whoever did something within activeFor is active. maxActive is how many are kept in
// mind, of which each takes some 100 bytes: beyond that the gauge stays where it is.
const (
	activeFor = 5 * time.Minute
	maxActive = 50_000
)

// activeUsers is who did something lately, as this instance saw it. It is safe for
// concurrent use; the zero value has seen nobody.
type activeUsers struct {
	mu     sync.Mutex
	last   map[activeUser]time.Time // when each was seen
	forgot time.Time                // when those who are active no longer were removed
}

type activeUser struct {
	id     int64
	market telemetry.Market
}

// saw keeps a user in mind.
func (a *activeUsers) saw(user int64, m telemetry.Market, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.last == nil {
		a.last = map[activeUser]time.Time{}
	}
	who := activeUser{user, m}
	if _, known := a.last[who]; !known && len(a.last) >= maxActive {
		// Looking through all of them for each that comes would cost more than it tells.
		if now.Sub(a.forgot) > activeFor/10 {
			a.forget(now)
		}
		if len(a.last) >= maxActive {
			return
		}
	}
	a.last[who] = now
}

// forget removes who is active no longer.
func (a *activeUsers) forget(now time.Time) {
	a.forgot = now
	for who, at := range a.last {
		if now.Sub(at) > activeFor {
			delete(a.last, who)
		}
	}
}

// count returns how many are active in each market that has some.
func (a *activeUsers) count(now time.Time) map[telemetry.Market]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget(now)
	n := map[telemetry.Market]int{}
	for who := range a.last {
		n[who.market]++
	}
	return n
}

// observeUsers tells how many users are active in each market.
func (s *shop) observeUsers(_ context.Context, observe func(float64, telemetry.MarketAttrs)) error {
	observeEach(s.users.count(time.Now()), observe)
	return nil
}

func observeEach(n map[telemetry.Market]int, observe func(float64, telemetry.MarketAttrs)) {
	for _, m := range telemetry.Market("").Values() {
		observe(float64(n[m]), telemetry.MarketAttrs{Market: m})
	}
}

// countsLast is how long a count is told in the place of one that did not come in time.
const countsLast = 5 * time.Minute

// activeCarts is how many carts were in use in each market when that could last be told.
// It is safe for concurrent use.
type activeCarts struct {
	mu   sync.Mutex
	last map[telemetry.Market]int
	at   time.Time // of last
}

// count returns what query does, or what it returned before if it fails.
func (c *activeCarts) count(query func() (map[telemetry.Market]int, error), now time.Time) (map[telemetry.Market]int, error) {
	n, err := query()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.last, c.at = n, now
	} else if now.Sub(c.at) > countsLast {
		return nil, fmt.Errorf("counting carts: %w", err)
	}
	return c.last, nil
}

// observeCarts tells how many carts are in use in each market. A database that is slow
// is not waited for.
func (s *shop) observeCarts(ctx context.Context, observe func(float64, telemetry.MarketAttrs)) error {
	ctx, cancel := context.WithTimeout(ctx, observeTimeout)
	defer cancel()
	n, err := s.carts.count(func() (map[telemetry.Market]int, error) { return s.store.activeCarts(ctx) }, time.Now())
	if err == nil {
		observeEach(n, observe)
	}
	return err
}
