package shop

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/otelkit/kit/examples/webstore/faults"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit/redisdb"
)

// cachePatience is how long who asks Redis waits.
type cachePatience struct {
	connection time.Duration // for one, and for each of its answers, at most; 0 means redisdb's own
	wait       time.Duration // that a request waits for Redis at most, for all that it asks together
	rest       time.Duration // that nobody asks the cache after Redis has failed, at most
}

var usualCachePatience = cachePatience{wait: 40 * time.Millisecond, rest: time.Second}

// cache keeps in Redis what PostgreSQL need not be asked for each time.
//
// It is never needed. A request waits for Redis for 40 ms at most, whatever all it
// asks: its session, its limits, what is sold. When Redis fails or is slower,
// for a while, up to a second, nobody asks the cache: PostgreSQL answers. That
// Redis is away is logged once, and once that it is back. It is safe for
// concurrent use.
type cache struct {
	log *slog.Logger
	off bool // there is no Redis
	cachePatience

	client     atomic.Pointer[redis.Client] // nil keeps nothing
	stop       context.CancelFunc           // of the connecting
	connecting sync.WaitGroup

	mu      sync.Mutex
	restsTo time.Time // when Redis is asked again
	slow    int       // how often in a row it was slow, up to 3
	away    bool
}

// openCache connects to Redis. That Redis is away is no error: it is connected
// to once it is there. Without a URL the cache keeps nothing.
func openCache(ctx context.Context, cfg Config, kit telemetryKit) (*cache, error) {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	url, patience := cfg.RedisURL, cmp.Or(cfg.cachePatience, usualCachePatience)
	c := &cache{log: kit.Logger(), off: url == "", cachePatience: patience, stop: stop}
	if c.off {
		return c, nil
	}
	if _, err := redis.ParseURL(url); err != nil {
		// The cause may hold the password.
		return nil, errors.New("shop: this is no URL of Redis, such as redis://:password@127.0.0.1:6379/0")
	}
	dial := cfg.Faults.Dialer(faults.RedisAway)
	connect := func() bool {
		client, err := redisdb.Open(ctx, redisdb.Config{URL: url, Timeout: patience.connection, Kit: kit, Dial: dial})
		if err == nil {
			client.AddHook(hook{c})
			c.client.Store(client)
		}
		if ctx.Err() == nil {
			c.note(ctx, err)
		}
		return err == nil
	}
	if connect() {
		return c, nil
	}
	c.connecting.Go(func() {
		tick := time.NewTicker(c.rest)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if connect() {
				return
			}
		}
	})
	return c, nil
}

func (c *cache) close() {
	c.stop()
	c.connecting.Wait()
	if client := c.client.Load(); client != nil {
		_ = client.Close()
	}
}

// get returns what is kept under a key.
func (c *cache) get(ctx context.Context, which telemetry.Cache, key string) ([]byte, bool) {
	if c.off {
		return nil, false
	}
	var text []byte
	outcome := telemetry.CacheUnavailable
	err := c.ask(ctx, func(ctx context.Context, client *redis.Client) (err error) {
		text, err = client.Get(ctx, key).Bytes()
		if errors.Is(err, redis.Nil) {
			outcome = telemetry.CacheMiss
			return nil
		}
		outcome = telemetry.CacheHit
		return err
	})
	if err != nil {
		outcome = telemetry.CacheUnavailable
	}
	telemetry.CacheLookups.Add(ctx, 1, telemetry.CacheAttrs{Cache: which, Outcome: outcome})
	return text, outcome == telemetry.CacheHit
}

// set keeps something under a key for a while. The error says that it could not.
func (c *cache) set(ctx context.Context, key string, text []byte, ttl time.Duration) error {
	return c.ask(ctx, func(ctx context.Context, client *redis.Client) error {
		return client.Set(ctx, key, text, ttl).Err()
	})
}

// fill keeps something under a key for a while, if it can and if there is
// nothing yet.
func (c *cache) fill(ctx context.Context, key string, text []byte, ttl time.Duration) {
	_ = c.ask(ctx, func(ctx context.Context, client *redis.Client) error {
		return client.SetNX(ctx, key, text, ttl).Err()
	})
}

// ping asks Redis whether it is there.
func (c *cache) ping(ctx context.Context) error {
	client := c.client.Load()
	if client == nil {
		return errors.New("not connected yet")
	}
	return redisdb.Check(client)(ctx)
}

var (
	errResting = errors.New("redis is not asked at the moment")
	errSlow    = errors.New("redis answers more slowly than a request can wait")
)

// ask has do ask Redis, unless it rests. What is no request has a budget of its
// own.
func (c *cache) ask(ctx context.Context, do func(context.Context, *redis.Client) error) error {
	client := c.client.Load()
	if client == nil || c.rests() {
		return errResting
	}
	if budgetOf(ctx) == nil {
		ctx = c.budgeted(ctx)
	}
	err := do(ctx, client)
	if errors.Is(ctx.Err(), context.Canceled) {
		return err // the request was given up, which says nothing about Redis
	}
	c.note(ctx, err)
	return err
}

// budget is what is left of the time, in nanoseconds, that a request waits for
// Redis.
type budget struct{ left atomic.Int64 }

type budgetKey struct{}

// budgeted returns the context of a request, whose budget is still whole.
func (c *cache) budgeted(ctx context.Context) context.Context {
	b := new(budget)
	b.left.Store(int64(c.wait))
	return context.WithValue(ctx, budgetKey{}, b)
}

func budgetOf(ctx context.Context) *budget {
	b, _ := ctx.Value(budgetKey{}).(*budget)
	return b
}

// await makes a call of Redis, for as long as the budget of the request lasts.
// What is no request, such as a check of health, waits for as long as it says.
func (c *cache) await(ctx context.Context, call func(context.Context) error) error {
	b := budgetOf(ctx)
	if b == nil {
		return call(ctx)
	}
	begin, left := time.Now(), time.Duration(b.left.Load())
	if left <= 0 {
		return errSlow
	}
	if deadline, ok := ctx.Deadline(); !ok || deadline.After(begin.Add(left)) {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, left)
		defer cancel()
	}
	err := call(ctx)
	b.left.Add(-int64(time.Since(begin)))
	return err
}

// hook has all that asks Redis by a client wait as cache.await does, whoever
// calls the client.
type hook struct{ cache *cache }

func (h hook) DialHook(next redis.DialHook) redis.DialHook { return next }

func (h hook) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		if setsUp(cmd) {
			return next(ctx, cmd)
		}
		return h.cache.await(ctx, func(ctx context.Context) error { return next(ctx, cmd) })
	}
}

func (h hook) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		if len(cmds) > 0 && setsUp(cmds[0]) {
			return next(ctx, cmds)
		}
		err := h.cache.await(ctx, func(ctx context.Context) error { return next(ctx, cmds) })
		if errors.Is(err, errSlow) {
			for _, cmd := range cmds {
				cmd.SetErr(err)
			}
		}
		return err
	}
}

// setsUp reports whether a command sets up a connection, within the call that
// needs one.
func setsUp(cmd redis.Cmder) bool {
	switch cmd.Name() {
	case "hello", "auth", "select", "client":
		return true
	}
	return false
}

// rests reports whether Redis failed a moment ago.
func (c *cache) rests() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Before(c.restsTo)
}

// note keeps in mind how Redis is, and logs when that has changed. A Redis that
// cannot be reached rests for as long as can be; one that was slow, first for
// an eighth of that and then for twice as long each time, and is away when that
// is all: on a machine that is busy anything is slow now and then.
func (c *cache) note(ctx context.Context, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	away := false
	if err == nil {
		c.slow = 0
	} else {
		rest := c.rest
		if isSlow(err) {
			rest = min(rest, rest/8<<c.slow)
			c.slow = min(c.slow+1, 3)
		}
		away = c.away || rest == c.rest
		c.restsTo = time.Now().Add(rest)
	}
	if c.away == away {
		return
	}
	c.away = away
	if c.away {
		c.log.WarnContext(ctx, "redis is away: PostgreSQL answers what it would", "exception.message", err.Error())
		return
	}
	c.log.InfoContext(ctx, "redis is back")
}

// isSlow reports whether an error is that an answer did not come in time.
func isSlow(err error) bool {
	var failure net.Error
	return errors.Is(err, errSlow) || errors.As(err, &failure) && failure.Timeout()
}
