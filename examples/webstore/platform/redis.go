//go:build unix

package platform

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"
	lua "github.com/yuin/gopher-lua"
)

// clockTick is the grain of time in which keys expire. miniredis has no clock;
// its option ClockTTL looks at every key with a TTL on every command, which
// costs 2 ms a command at 20,000 keys, while a tick costs that ten times a
// second.
const clockTick = 100 * time.Millisecond

// How many values and calls a Lua interpreter has room for. miniredis makes one for each
// script that it runs, and the defaults, 5,120 and 256, are some 100 KiB of garbage for
// each rate limit that is asked: half of what the store can stand. Its scripts are small.
const (
	luaValues = 512
	luaCalls  = 32
)

// RedisConfig configures StartRedis.
type RedisConfig struct {
	// URL names a server that is there already, as REDIS_URL does. Empty
	// means a private one.
	URL string

	// Dir holds the private server's snapshot; that of an ephemeral directory
	// is not written. Required unless URL is set.
	Dir *Dir

	// SaveInterval is the time between two snapshots, of which those that
	// would change nothing are left out. 0 means 10 s.
	SaveInterval time.Duration

	// Log is told, a line each, about snapshots that fail and about keys that
	// they cannot hold. Nil discards.
	Log io.Writer
}

// Redis is a server that answers.
//
// A private one is miniredis, in this process, on a port of 127.0.0.1 that the
// kernel picks and with a password that is made for the run. It forgets what
// happened after the last snapshot when this process is killed.
type Redis struct {
	// URL is its address for go-redis. It may hold a password: do not log it.
	URL string

	server *miniredis.Miniredis // nil if the server is somebody else's
	keeper *keeper              // nil if nothing is kept
	now    time.Time            // what the server's clock says
	stop   func() error
}

// StartRedis checks that the named server answers, or starts a private one
// with what the last snapshot holds. A snapshot that cannot be read is an
// error; it is never deleted.
func StartRedis(ctx context.Context, cfg RedisConfig) (*Redis, error) {
	if cfg.URL != "" {
		if err := checkRedis(ctx, cfg.URL); err != nil {
			return nil, err
		}
		return &Redis{URL: cfg.URL, stop: func() error { return nil }}, nil
	}
	lua.RegistrySize, lua.CallStackSize = luaValues, luaCalls
	r := &Redis{server: miniredis.NewMiniRedis(), now: wallClock()}
	if !cfg.Dir.Ephemeral() {
		r.keeper = &keeper{path: filepath.Join(cfg.Dir.Path, "redis.json"), log: cfg.Log}
		if err := r.keeper.load(r.server, r.now); err != nil {
			return nil, fmt.Errorf("redis: %w", err)
		}
	}
	password := rand.Text()
	r.server.RequireAuth(password)
	if err := r.server.StartAddr("127.0.0.1:0"); err != nil {
		return nil, fmt.Errorf("redis: %w", err)
	}
	r.URL = "redis://:" + password + "@" + r.server.Addr() + "/0"

	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		r.run(cmp.Or(cfg.SaveInterval, 10*time.Second), quit)
	}()
	r.stop = sync.OnceValue(func() error {
		close(quit)
		<-done
		r.server.Close()
		return r.save()
	})
	return r, nil
}

// run drives the server's clock and keeps its keys.
func (r *Redis) run(interval time.Duration, quit <-chan struct{}) {
	clock := time.NewTicker(clockTick)
	defer clock.Stop()
	snapshot := time.NewTicker(interval)
	defer snapshot.Stop()
	for {
		select {
		case <-clock.C:
			r.advance()
		case <-snapshot.C:
			if err := r.save(); err != nil {
				r.keeper.report("redis: %v; the next try is in %v", err, interval)
			}
		case <-quit:
			return
		}
	}
}

func (r *Redis) advance() {
	now := wallClock()
	r.server.FastForward(now.Sub(r.now))
	r.now = now
}

// wallClock is the time without its monotonic part, which drifts from the wall
// clock: a key's time of expiry, which the snapshot holds, would drift as well.
func wallClock() time.Time { return time.Now().Round(0) }

func (r *Redis) save() error {
	if r.keeper == nil {
		return nil
	}
	return r.keeper.save(r.server, r.now)
}

// Private reports whether this process runs the server.
func (r *Redis) Private() bool { return r.server != nil }

// Stop ends the private server and writes the last snapshot; a server that is
// somebody else's is left alone. It may be called again.
func (r *Redis) Stop(context.Context) error { return r.stop() }

func checkRedis(ctx context.Context, url string) error {
	options, err := redis.ParseURL(url)
	if err != nil {
		// The cause may quote a password, so it is left out.
		return errors.New("REDIS_URL is not an address of Redis; write redis://user:password@host:6379/0, with special characters in the password percent-encoded")
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if err := ping(ctx, options); err != nil {
		return fmt.Errorf("REDIS_URL: Redis at %s refuses or does not answer: %s; start it or correct REDIS_URL, or unset it to use a private server",
			options.Addr, cause(err, options.Password))
	}
	return nil
}

func ping(ctx context.Context, options *redis.Options) error {
	// go-redis would log that nobody listens, besides saying so.
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, options.Network, options.Addr)
	if err != nil {
		return err
	}
	conn.Close()

	options.MaxRetries = -1
	client := redis.NewClient(options)
	defer client.Close()
	return client.Ping(ctx).Err()
}
