// Package ratelimit limits how much a user, a client or anybody may do in a time,
// across all instances of a service.
//
//	limiter, err := ratelimit.New(ratelimit.Config{
//		Limits:    []ratelimit.Limit{{Name: "login", Rate: 5, Per: time.Minute}},
//		Redis:     client,
//		Instances: 3,
//	})
//	...
//	result, err := limiter.Allow(ctx, "login", userID)
//	if err != nil {
//		return err // the program is wrong, such as in the limit's name
//	}
//	if !result.Allowed {
//		return tooManyRequests(result.RetryAfter)
//	}
//
// A limit lets units pass evenly, Rate of them per Per, and Burst at once after a
// rest. It is GCRA, in whole numbers, in a script on Redis' own clock. Several limits
// are asked together by [Limiter.Take], in one round trip: all let pass, or nothing
// is taken. [Middleware] puts limits in front of an http.Handler.
//
// A decision asks the nearest that can answer:
//
//	this instance's memory   the key is known to be over its limit    cache
//	                         units were taken ahead (Limit.Lease)     lease
//	Redis                                                             redis
//	if it does not answer in Config.Wait, by Config.OnError:
//	                         this instance's share of the limit       local
//	                         everything passes, or nothing            policy
//
// Redis never holds a decision up for longer than Config.Wait, whatever the options
// of its client are. After five failures in a row it is asked once a second, until it
// answers. New does not ask it, so a service starts without it. Without a
// Config.Redis, all is decided in memory.
//
// Limits that are asked together are kept on one server if their Key is the same;
// with Redis Cluster, other keys are on others. Nothing can be taken from several
// servers at once there: what one let pass although another denied is given back in a
// second round trip.
//
// In Redis, a key is Config.Prefix{Key}name and ends by itself when the limit is at
// rest. If the Key is a user's id or an address, it is personal data for as long.
// Redis 5 and newer on 64 bits will do, and whatever runs its scripts.
package ratelimit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/redis/go-redis/v9"
)

// Kit is what a Limiter needs of a *otelkit.Kit.
type Kit interface {
	Recorder() *metrics.Recorder
	Logger() *slog.Logger
}

// Config configures a Limiter. The zero value of every field but Limits is useful.
type Config struct {
	Limits []Limit // required: those that can be asked

	// Redis keeps the limits for all instances; nil means that each keeps its own. It
	// stays the caller's to close. A *redis.Client with ContextTimeoutEnabled, such as
	// redisdb.Open returns, is called directly, and its hooks must not block; any other
	// needs a goroutine for each call, so that the call can be left behind.
	Redis redis.UniversalClient

	// Instances is how many instances of the service there are. What is decided in
	// memory gets a share of Rate and Burst by it, so that all together keep to them;
	// an instance always lets one ask pass after a rest, however small its share.
	// Required with Redis and FailLocal, where a wrong guess would show in an outage
	// only; else 0 means 1. At most 1024.
	Instances int

	OnError Policy           // what to do while Redis does not answer; 0 means FailLocal
	Wait    time.Duration    // longest wait for Redis, a new connection included; 0 means 20 ms
	MaxKeys int              // most keys that are remembered of each: used up, leased, limited in memory; 0 means 50,000, some MB each
	Prefix  string           // of keys in Redis; "" means "ratelimit:"
	Kit     Kit              // where telemetry goes; nil means the default recorder and slog.Default
	Now     func() time.Time // the clock, for tests: it is Redis' as well then; nil means time.Now, and Redis its own
}

// Limiter decides what passes. It is safe for concurrent use, has no goroutine of its
// own and need not be closed.
type Limiter struct {
	limits  map[string]*limit
	onError Policy
	kit     Kit
	now     func() time.Time
	start   time.Time

	local memory

	// These are nil without Redis.
	shared    *shared
	overLimit overLimit
	leases    *leases
	circuit   *circuit
}

// limit is a Limit, ready to be counted with.
type limit struct {
	Limit
	whole  bucket
	share  bucket // of one instance
	rest   int64  // how long the whole takes to be at rest, in microseconds
	script *script
}

// New returns a limiter, or says what is wrong with cfg.
func New(cfg Config) (*Limiter, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	cfg.Instances = cmp.Or(cfg.Instances, 1)
	cfg.Wait = cmp.Or(cfg.Wait, 20*time.Millisecond)
	cfg.MaxKeys = cmp.Or(cfg.MaxKeys, 50_000)
	cfg.Prefix = cmp.Or(cfg.Prefix, "ratelimit:")
	l := &Limiter{
		limits:  map[string]*limit{},
		onError: cfg.OnError,
		kit:     cfg.Kit,
		now:     cfg.Now,
		local:   memory{newLevels(cfg.MaxKeys)},
	}
	if l.now == nil {
		l.now = time.Now
	}
	l.start = l.now()
	for _, given := range cfg.Limits {
		l.limits[given.Name] = newLimit(given, cfg.Instances)
	}
	if cfg.Redis != nil {
		l.shared = newShared(cfg)
		l.overLimit = overLimit{newLevels(cfg.MaxKeys)}
		l.leases = newLeases(cfg.MaxKeys, cfg.Wait)
		l.circuit = &circuit{}
	}
	return l, nil
}

func newLimit(given Limit, instances int) *limit {
	given.Burst = given.burst()
	lim := &limit{Limit: given, whole: given.bucket(1), share: given.bucket(instances)}
	lim.rest = ceilDiv(lim.whole.depth, lim.whole.rate)
	lim.script = oneScript(lim.whole)
	return lim
}

func (c Config) validate() error {
	if len(c.Limits) == 0 {
		return errors.New("ratelimit: Config.Limits is empty; name the limits that are to be asked")
	}
	seen := map[string]bool{}
	for _, given := range c.Limits {
		if err := given.validate(); err != nil {
			return err
		}
		if seen[given.Name] {
			return fmt.Errorf("ratelimit: limit %q stands twice in Config.Limits", given.Name)
		}
		seen[given.Name] = true
	}
	switch {
	case c.Instances < 0 || c.Instances > maxInstances:
		return fmt.Errorf("ratelimit: Config.Instances is %d; it has to be 1 to %d", c.Instances, maxInstances)
	case c.Redis != nil && c.OnError == FailLocal && c.Instances == 0:
		return errors.New("ratelimit: Config.Instances is missing: say how many instances share the limits, so that each knows its share while Redis does not answer (1 if there is one), or choose FailOpen or FailClosed as Config.OnError")
	case c.OnError < FailLocal || c.OnError > FailClosed:
		return fmt.Errorf("ratelimit: Config.OnError is %d; it has to be FailLocal, FailOpen or FailClosed", c.OnError)
	case c.Wait < 0:
		return fmt.Errorf("ratelimit: Config.Wait is %v; it has to be more than 0, or 0 for 20 ms", c.Wait)
	case c.MaxKeys < 0:
		return fmt.Errorf("ratelimit: Config.MaxKeys is %d; it has to be 1 or more, or 0 for 50,000", c.MaxKeys)
	default:
		return nil
	}
}

// Allow takes one unit of a limit, if there is one. Its error is that of
// [Limiter.Take].
func (l *Limiter) Allow(ctx context.Context, limit, key string) (Result, error) {
	var results [1]Result
	err := l.take(ctx, []Ask{{Limit: limit, Key: key}}, results[:])
	return results[0], err
}

// Take takes what is asked for, all or nothing: either every limit that is not in
// shadow mode lets its ask pass, or no unit is taken.
//
// An error says that the program is wrong, never that Redis is: the limit is unknown,
// there is no key, one limit is asked twice about one key, the cost is negative, or
// it is more than can ever pass (ErrTooCostly). Nothing passes then.
func (l *Limiter) Take(ctx context.Context, asks ...Ask) (Decision, error) {
	d := Decision{Results: make([]Result, len(asks))}
	if err := l.take(ctx, asks, d.Results); err != nil {
		return Decision{}, err
	}
	d.Allowed = true
	for i := range d.Results {
		if r := &d.Results[i]; !r.Allowed {
			d.Allowed = false
			d.RetryAfter = max(d.RetryAfter, r.RetryAfter)
		}
	}
	return d, nil
}

// micros is the time in microseconds since the limiter was made. It does not jump
// when the machine's clock is set.
func (l *Limiter) micros() int64 { return l.now().Sub(l.start).Microseconds() }

// recording returns a context in which measurements go to the kit.
func (l *Limiter) recording(ctx context.Context) context.Context {
	if l.kit == nil {
		return ctx
	}
	if recorder := l.kit.Recorder(); recorder != metrics.FromContext(ctx) {
		return metrics.NewContext(ctx, recorder)
	}
	return ctx
}

func (l *Limiter) logger() *slog.Logger {
	if l.kit == nil {
		return slog.Default()
	}
	return l.kit.Logger()
}
