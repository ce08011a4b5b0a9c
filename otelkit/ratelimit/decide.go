package ratelimit

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
)

// ask is an Ask on its way.
type ask struct {
	index  int // in what was asked and in the results
	limit  *limit
	key    key
	cost   int
	extra  int  // units to take ahead
	leased bool // whether its units came from a lease
	goes   bool // whether it is the one that goes to Redis for a lease
	waited bool // whether it waited for one that went before
	known  bool // whether overLimit knows of a backlog

	// What Redis or this instance's memory says.
	backlog int64 // before
	taken   int   // units, those ahead included
}

// denied says whether a limit denies, from a backlog that was found.
func (a *ask) denied(b bucket) bool { return !a.limit.Shadow && !b.fits(a.backlog, a.cost) }

// result is what a limit says, counted by b. What was taken ahead remains.
func (a *ask) result(b bucket, from Source) Result {
	backlog := a.backlog
	if a.taken > 0 {
		backlog += int64(a.cost) * b.unit
	}
	wait := b.untilFits(a.backlog, a.cost)
	return Result{
		Limit:      a.limit.Limit,
		Allowed:    wait == 0 || a.limit.Shadow,
		WouldDeny:  wait > 0,
		Remaining:  b.remaining(backlog),
		RetryAfter: wait,
		ResetAfter: b.duration(backlog),
		Source:     from,
	}
}

func (l *Limiter) take(ctx context.Context, given []Ask, results []Result) error {
	var space [4]ask // so that few asks need no allocation
	asks := space[:0]
	for i := range given {
		a, err := l.resolve(given[i], i)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(asks, func(b ask) bool { return a.key == b.key }) {
			return fmt.Errorf("ratelimit: limit %q is asked twice about one key; ask once, with the sum as Cost", a.limit.Name)
		}
		asks = append(asks, a)
	}
	ctx = l.recording(ctx)
	l.decide(ctx, asks, results)
	observe(ctx, results)
	return nil
}

func (l *Limiter) resolve(given Ask, index int) (ask, error) {
	lim, ok := l.limits[given.Limit]
	cost := cmp.Or(given.Cost, 1)
	switch {
	case !ok:
		return ask{}, fmt.Errorf("ratelimit: there is no limit %q; Config.Limits has %s", given.Limit, l.names())
	case given.Key == "":
		return ask{}, fmt.Errorf("ratelimit: limit %q is asked without a Key; say whose units are to be taken", given.Limit)
	case cost < 0:
		return ask{}, fmt.Errorf("ratelimit: limit %q is asked for %d units; it has to be 1 or more", given.Limit, cost)
	case cost > lim.Burst:
		return ask{}, fmt.Errorf("ratelimit: limit %q lets at most %d units pass at once; %d %w", given.Limit, lim.Burst, cost, ErrTooCostly)
	default:
		return ask{index: index, limit: lim, key: key{lim, given.Key}, cost: cost}, nil
	}
}

func (l *Limiter) names() string {
	var names []string
	for name := range l.limits {
		names = append(names, fmt.Sprintf("%q", name))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// decide asks the nearest that can answer.
func (l *Limiter) decide(ctx context.Context, asks []ask, results []Result) {
	now := l.micros()
	switch {
	case l.shared == nil:
		l.askMemory(ctx, asks, results, now)
		return
	case l.isKnown(asks, results, now):
	case l.circuit.allows(now) && l.askRedis(ctx, asks, results):
	case l.onError == FailLocal:
		l.askMemory(ctx, asks, results, l.micros())
	default:
		l.followPolicy(asks, results)
	}
	if slices.ContainsFunc(results, func(r Result) bool { return !r.Allowed && r.Source != "" }) {
		l.returnLeases(asks, now)
	}
}

// isKnown says whether Redis need not be asked.
func (l *Limiter) isKnown(asks []ask, results []Result, now int64) bool {
	return l.isOverLimit(asks, results, now) || l.useLeases(asks, results, now)
}

// isOverLimit says whether some limit is known to deny.
func (l *Limiter) isOverLimit(asks []ask, results []Result, now int64) bool {
	known := false
	for i := range asks {
		a := &asks[i]
		results[i].Limit = a.limit.Limit
		if !a.limit.Shadow && l.overLimit.denies(a, now) {
			known = true
			results[i] = a.result(a.limit.whole, FromCache)
		}
	}
	return known
}

// knowsDenied says whether some ask is going to be denied, as far as this instance knows,
// and takes nothing.
func (l *Limiter) knowsDenied(given []Ask) bool {
	now := l.micros()
	local := l.shared == nil || l.onError == FailLocal && l.circuit.isOpen()
	for i := range given {
		a, err := l.resolve(given[i], i)
		switch {
		case err != nil || a.limit.Shadow:
		case l.shared != nil && l.overLimit.denies(&a, now), local && l.local.denies(&a, now):
			return true
		}
	}
	return false
}

// useLeases takes from leases what it can, and says whether that was all.
func (l *Limiter) useLeases(asks []ask, results []Result, now int64) bool {
	all := true
	for i := range asks {
		a := &asks[i]
		if a.limit.Lease > 1 && !a.leased {
			results[i], a.leased = l.leases.use(a, now)
		}
		all = all && a.leased
	}
	return all
}

func (l *Limiter) returnLeases(asks []ask, now int64) {
	for i := range asks {
		if a := &asks[i]; a.leased {
			l.leases.giveBack(a, now)
		}
	}
}

// askRedis says whether Redis answered, be it to another ask.
func (l *Limiter) askRedis(ctx context.Context, asks []ask, results []Result) (answered bool) {
	bounded := l.shared.waits.begin(ctx)
	switch l.awaitLeases(ctx, bounded, asks, results) {
	case newsLent:
		return true
	case newsDenied:
		if l.isKnown(asks, results, l.micros()) {
			return true
		}
	case newsFailed:
		return false
	}
	return l.goToRedis(ctx, bounded, asks, results)
}

// awaitLeases waits for the leases that others fetch, if nothing else is missing.
func (l *Limiter) awaitLeases(ctx, bounded context.Context, asks []ask, results []Result) news {
	if slices.ContainsFunc(asks, func(a ask) bool { return !a.leased && a.limit.Lease <= 1 }) {
		return newsGo
	}
	for i := range asks {
		a := &asks[i]
		if a.leased {
			continue
		}
		var n news
		if results[i], n = l.leases.await(ctx, bounded, a, l.micros()); n != newsLent {
			return n
		}
		a.leased = true
	}
	return newsLent
}

// goToRedis says whether Redis answered.
func (l *Limiter) goToRedis(ctx, bounded context.Context, asks []ask, results []Result) (answered bool) {
	start := l.micros()
	waited := false
	for i := range asks {
		a := &asks[i]
		waited = waited || a.waited
		if a.limit.Lease <= 1 || a.leased {
			continue
		}
		if l.leases.tryGo(a); a.goes {
			a.extra = l.leases.depart(a, start)
		}
	}
	answers, err := l.shared.take(ctx, bounded, asks)
	took := l.micros() - start
	telling := l.report(ctx, took, err, waited)
	if err != nil {
		for i := range asks {
			if a := &asks[i]; a.goes {
				l.leases.fail(a, telling)
			}
		}
		return false
	}
	for i := range answers {
		a := &answers[i]
		results[a.index] = a.result(a.limit.whole, FromRedis)
		if a.known || a.denied(a.limit.whole) { // what is known would become too little
			l.overLimit.learn(a, start)
		}
		if a.goes {
			l.leases.arrive(a, start, took)
		}
	}
	return true
}

// report records how a call of Redis ended, and opens or closes the circuit by it. It
// says whether the end says something about Redis: not if who asked has left, nor a
// timeout if it waited for another's call first, and less than Config.Wait was left.
func (l *Limiter) report(ctx context.Context, took int64, err error, waited bool) (telling bool) {
	cause := errorType(ctx, err)
	RedisDuration.Record(ctx, time.Duration(took*int64(time.Microsecond)).Seconds(), RedisAttrs{cause})
	if err == nil {
		if l.circuit.answered() {
			CircuitTransitions.Add(ctx, 1, CircuitAttrs{CircuitClosed})
			l.logger().InfoContext(ctx, "rate limits: Redis answers again")
		}
		return true
	}
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.AddEvent("otelkit.ratelimit.redis_failed", trace.WithAttributes(attribute.String("error.type", string(cause))))
	}
	if cause == ErrorCanceled || cause == ErrorTimeout && waited {
		return false
	}
	if l.circuit.failed(l.micros()) {
		CircuitTransitions.Add(ctx, 1, CircuitAttrs{CircuitOpen})
		l.logger().WarnContext(ctx, "rate limits: Redis does not answer; it is asked once a second until it does, and "+l.onError.String(), "error", err)
	}
	return true
}

// askMemory decides in this instance's memory.
func (l *Limiter) askMemory(ctx context.Context, asks []ask, results []Result, now int64) {
	if evicted := l.local.take(asks, results, now); evicted > 0 {
		Evictions.Add(ctx, evicted, metrics.None{})
	}
}

// followPolicy lets everything pass, or nothing.
func (l *Limiter) followPolicy(asks []ask, results []Result) {
	for i := range asks {
		a := &asks[i]
		if a.leased {
			continue
		}
		r := Result{Limit: a.limit.Limit, Allowed: l.onError == FailOpen || a.limit.Shadow, Source: FromPolicy}
		if !r.Allowed {
			r.WouldDeny, r.RetryAfter = true, retryEvery
		}
		results[i] = r
	}
}
