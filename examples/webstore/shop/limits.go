package shop

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/otelkit/kit/examples/webstore/probes"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit/ratelimit"
)

// The names of the limits, in answers and in metrics.
const (
	perAddress = "address"
	perUser    = "user"
)

// limits is how many requests a minute one address and one user may make, at all
// instances together. While Redis is away each instance lets its share pass.
//
// A user is whom a token has been verified to stand for. That is looked up
// before the limits are asked, and not again afterwards; of an address that is
// known to be over its limit, it is not.
type limits struct {
	cache   *cache
	log     *slog.Logger
	trusted []netip.Prefix
	make    func(*redis.Client) (middleware, error)
	told    told

	mu      sync.Mutex
	current atomic.Pointer[limiting]
}

type middleware = func(http.Handler) http.Handler

// limiting is the limits over one client of Redis, nil for none.
type limiting struct {
	client *redis.Client
	middleware
}

// newLimits returns the limits of cfg. user says who has sent a request, "" for
// nobody.
func newLimits(cfg Config, cache *cache, kit telemetryKit, user func(*http.Request) string) (*limits, error) {
	l := &limits{cache: cache, log: kit.Logger(), trusted: cfg.TrustedProxies}
	var asked []ratelimit.Limit
	var rules []ratelimit.Rule
	if cfg.LimitPerAddress > 0 {
		asked = append(asked, ratelimit.Limit{Name: perAddress, Rate: cfg.LimitPerAddress, Per: time.Minute})
		rules = append(rules, ratelimit.Rule{Limit: perAddress, By: ratelimit.ByClient})
	}
	if cfg.LimitPerUser > 0 {
		asked = append(asked, ratelimit.Limit{Name: perUser, Rate: cfg.LimitPerUser, Per: time.Minute})
		rules = append(rules, ratelimit.Rule{Limit: perUser, By: ratelimit.ByUser})
	}
	l.make = func(client *redis.Client) (middleware, error) {
		if len(rules) == 0 {
			return func(next http.Handler) http.Handler { return next }, nil
		}
		limiter := ratelimit.Config{
			Limits:    asked,
			Instances: max(1, cfg.Instances),
			Wait:      cache.wait / 2, // the session is looked up, too
			Kit:       kit,
			Now:       cfg.limitClock,
		}
		if client != nil { // else the interface would not be nil
			limiter.Redis = client
		}
		decides, err := ratelimit.New(limiter)
		if err != nil {
			return nil, err
		}
		return ratelimit.Middleware(ratelimit.HTTPConfig{
			Limiter:        decides,
			Rules:          rules,
			User:           user,
			TrustedProxies: cfg.TrustedProxies,
			Exempt:         func(r *http.Request) bool { return !probes.Not(r) },
			Deny:           l.deny,
		})
	}
	first, err := l.make(cache.client.Load())
	if err != nil {
		return nil, fmt.Errorf("shop: %w", err)
	}
	l.current.Store(&limiting{cache.client.Load(), first})
	return l, nil
}

// limit puts the limits in front of a handler.
func (l *limits) limit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.over(r.Context()).middleware(next).ServeHTTP(w, r)
	})
}

// over returns the limits over the client of Redis that there is by now: a
// service that started without one has none at first.
func (l *limits) over(ctx context.Context) *limiting {
	client := l.cache.client.Load()
	if current := l.current.Load(); current.client == client {
		return current
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	current := l.current.Load()
	if current.client == client {
		return current
	}
	made, err := l.make(client)
	if err != nil {
		l.log.ErrorContext(ctx, "limits are not shared by Redis", "exception.message", err.Error())
		made = current.middleware
	}
	current = &limiting{client, made}
	l.current.Store(current)
	return current
}

// deny answers a request that is over a limit. It is logged once a minute for
// each whom the limit holds up: a flood of requests is to be no flood of lines.
func (l *limits) deny(w http.ResponseWriter, r *http.Request, d ratelimit.Decision) {
	v := visitorOf(r.Context())
	var limit ratelimit.Limit
	for _, result := range d.Results {
		if result.Allowed || result.Source == "" {
			continue
		}
		limit = result.Limit
		key, log := limit.Name+" "+v.client(), l.log.With("client.address", v.client(), "webstore.limit.per_minute", limit.Rate)
		if limit.Name == perUser {
			key, log = limit.Name+" "+strconv.FormatInt(v.user.ID, 10), log.With("user.id", strconv.FormatInt(v.user.ID, 10))
		}
		if l.told.first(key) {
			log.WarnContext(r.Context(), "Rate limit exceeded for "+limit.Name)
		}
	}
	problem := *TooManyRequests.With("One %s may make %d requests a minute; try again in %s s.",
		limit.Name, limit.Rate, w.Header().Get("Retry-After"))
	problem.More = map[string]any{"limit": limit.Name}
	problem.Write(w, r)
}

// userOf returns who sent a request, for limits.
func (s *shop) userOf(r *http.Request) string {
	v := s.identify(r)
	if v.err != nil || v.outcome != telemetry.AuthSucceeded {
		return ""
	}
	return strconv.FormatInt(v.user.ID, 10)
}

// told is what was told within the last minute. It is safe for concurrent use.
type told struct {
	mu   sync.Mutex
	from time.Time // of the minute
	keys map[string]bool
}

// maxTold is of how many keys that is known. Of those beyond it nothing is told
// in that minute.
const maxTold = 10_000

// first reports whether a key is to be told, which it is once a minute.
func (t *told) first(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if now := time.Now(); t.keys == nil || now.Sub(t.from) >= time.Minute {
		t.from, t.keys = now, map[string]bool{}
	}
	if t.keys[key] || len(t.keys) >= maxTold {
		return false
	}
	t.keys[key] = true
	return true
}
