package faults

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Board is the faults that one service can have. A nil Board has none on; asking is
// then as cheap as it is while none is. It is safe for concurrent use.
type Board struct {
	service string
	key     string
	on      atomic.Int32    // how many are
	states  map[Name]*state // of each that the service has; the map is never written again

	mu     sync.Mutex // held while a fault is started or stopped
	closed bool
}

// state is a fault of a board.
type state struct {
	Fault
	now   atomic.Pointer[Active]
	while []func(context.Context, Active)
	end   func() // stops what runs while it is on and waits for it; nil while it is off
}

// Active is a fault that is on.
type Active struct {
	Name      Name
	Since     time.Time
	Ends      time.Time
	Market    string  // "" is all
	Intensity float64 // 0 for a fault that has none

	over <-chan struct{}
}

func (a *Active) in(market string) bool { return a.Market == "" || a.Market == market }

// NewBoard makes the board of a service, guarded by a key. Without a key it returns
// nil. Close the board when done.
func NewBoard(service, key string) *Board {
	if key == "" {
		return nil
	}
	b := &Board{service: service, key: key, states: map[Name]*state{}}
	for _, f := range All {
		if slices.Contains(f.Services, service) {
			b.states[f.Name] = &state{Fault: f}
		}
	}
	return b
}

// On reports whether a fault is on. While none is, it costs an atomic read.
func (b *Board) On(name Name) bool { return b.now(name) != nil }

// OnIn reports whether a fault is on in a market.
func (b *Board) OnIn(name Name, market string) bool {
	now := b.now(name)
	return now != nil && now.in(market)
}

// Hits reports whether a fault whose intensity is a share strikes this time in a market;
// "" is where markets do not matter.
func (b *Board) Hits(name Name, market string) bool {
	now := b.now(name)
	return now != nil && now.in(market) && rand.Float64() < now.Intensity
}

// Intensity returns how bad a fault is, 0 while it is off.
func (b *Board) Intensity(name Name) float64 {
	now := b.now(name)
	if now == nil {
		return 0
	}
	return now.Intensity
}

// Wait waits for as long as a fault whose intensity is seconds says for a market, or until
// the fault is over, and returns the context's error if that is done first. While the fault
// is off it does not wait.
func (b *Board) Wait(ctx context.Context, name Name, market string) error {
	now := b.now(name)
	if now == nil || !now.in(market) {
		return nil
	}
	timer := time.NewTimer(time.Duration(now.Intensity * float64(time.Second)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-now.over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Hang waits until a fault is over that is on in a market, and returns the context's
// error if that is done first.
func (b *Board) Hang(ctx context.Context, name Name, market string) error {
	now := b.now(name)
	if now == nil || !now.in(market) {
		return nil
	}
	select {
	case <-now.over:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (b *Board) now(name Name) *Active {
	if b == nil || b.on.Load() == 0 {
		return nil
	}
	s := b.states[name]
	if s == nil {
		return nil
	}
	return s.now.Load()
}

// Active returns the faults that are on, in the order of [All].
func (b *Board) Active() []Active {
	var list []Active
	for _, f := range All {
		if now := b.now(f.Name); now != nil {
			list = append(list, *now)
		}
	}
	return list
}

// While has do run whenever a fault is on. Its context is done when the fault ends;
// do has to return then, and may return before. Call it before the fault can be
// started.
func (b *Board) While(name Name, do func(context.Context, Active)) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.states[name]
	if s == nil {
		panic(fmt.Sprintf("faults: %s does not have %s", b.service, name)) // a mistake in the program
	}
	s.while = append(s.while, do)
}

// Why a fault cannot be started or stopped.
var (
	ErrUnknown = errors.New("no such fault")
	ErrOptions = errors.New("the fault cannot be like that")
	ErrAway    = errors.New("the service that has the fault cannot be told")
)

// Start starts a fault, or starts one that is on anew. The error is ErrUnknown or
// ErrOptions, with what would be right.
func (b *Board) Start(name Name, o Options) (Active, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.states[name]
	if s == nil {
		return Active{}, fmt.Errorf("%w: %s does not have %q", ErrUnknown, b.service, name)
	}
	if err := s.check(o); err != nil {
		return Active{}, err
	}
	if b.closed {
		return Active{}, fmt.Errorf("%w: %s is ending", ErrAway, b.service)
	}
	b.end(s)

	ctx, cancel := context.WithCancel(context.Background())
	began := time.Now()
	lasts := cmp.Or(o.For, DefaultFor)
	now := &Active{
		Name: name, Since: began.UTC(), Ends: began.Add(lasts).UTC(),
		Market: o.Market, Intensity: cmp.Or(o.Intensity, s.Fault.Intensity.Default),
		over: ctx.Done(),
	}
	var running sync.WaitGroup
	timer := time.AfterFunc(lasts, func() { b.expire(s, now) })
	s.end = func() {
		timer.Stop()
		cancel()
		running.Wait()
	}
	s.now.Store(now)
	b.on.Add(1)
	for _, do := range s.while {
		running.Go(func() { do(ctx, *now) })
	}
	return *now, nil
}

// check explains what is wrong with o for this fault.
func (f Fault) check(o Options) error {
	switch {
	case o.For < 0 || o.For > LongestFor:
		return fmt.Errorf("%w: %v is not between 0 and %v", ErrOptions, o.For, LongestFor)
	case o.Market != "" && !f.ByMarket:
		return fmt.Errorf("%w: %s cannot be limited to a market", ErrOptions, f.Name)
	case o.Market != "" && !slices.Contains(Markets, o.Market):
		return fmt.Errorf("%w: market %q is not one of %v", ErrOptions, o.Market, Markets)
	case o.Intensity != 0 && f.Intensity.Means == "":
		return fmt.Errorf("%w: %s has no intensity", ErrOptions, f.Name)
	case o.Intensity != 0 && !(o.Intensity >= f.Intensity.Min && o.Intensity <= f.Intensity.Max):
		return fmt.Errorf("%w: the intensity of %s is %s from %v to %v, not %v",
			ErrOptions, f.Name, f.Intensity.Means, f.Intensity.Min, f.Intensity.Max, o.Intensity)
	}
	return nil
}

// Stop stops a fault, and returns when what it did is over. One that is off stays off.
// The error is ErrUnknown.
func (b *Board) Stop(name Name) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.states[name]
	if s == nil {
		return fmt.Errorf("%w: %s does not have %q", ErrUnknown, b.service, name)
	}
	b.end(s)
	return nil
}

// expire stops a fault whose time is over, unless it was stopped or started anew.
func (b *Board) expire(s *state, which *Active) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.now.Load() == which {
		b.end(s)
	}
}

// end stops a fault. The lock is held.
func (b *Board) end(s *state) {
	if s.end == nil {
		return
	}
	s.now.Store(nil)
	b.on.Add(-1)
	s.end()
	s.end = nil
}

// Close stops all faults; none can be started any more.
func (b *Board) Close() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for _, s := range b.states {
		b.end(s)
	}
}
