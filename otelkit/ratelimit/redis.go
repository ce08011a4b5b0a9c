package ratelimit

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// shared is the limits' state in Redis.
type shared struct {
	client redis.UniversalClient
	prefix string
	waits  waits
	clock  func() time.Time // nil means the server's

	// prompt says that the client keeps to a context's deadline.
	prompt bool

	// spread says that keys may be on different servers, and what one script call
	// touches has to be on one: each key is a call then, all of them in one pipeline.
	// With one server it is one call for all, which is atomic.
	spread atomic.Bool
}

func newShared(cfg Config) *shared {
	s := &shared{client: cfg.Redis, prefix: cfg.Prefix, waits: waits{wait: cfg.Wait}, clock: cfg.Now}
	client, single := cfg.Redis.(*redis.Client)
	s.prompt = single && isPrompt(client.Options())
	s.spread.Store(!single)
	return s
}

// isPrompt says whether a client with these options keeps to a context's deadline. By
// default go-redis' does not, and a server that drops packets holds a call up for 5 s. What
// is called to set up a connection may not either.
func isPrompt(o *redis.Options) bool {
	return o.ContextTimeoutEnabled && o.OnConnect == nil && o.Limiter == nil &&
		o.CredentialsProvider == nil && o.CredentialsProviderContext == nil && o.StreamingCredentialsProvider == nil
}

// take takes what is asked for and is not leased, all or nothing, until ctx or bounded,
// which s.waits began, ends. It returns those asks, in any order, with what Redis said of
// them.
//
// A client that may not keep to the deadline works in a goroutine of its own, which ends
// when the client gives up. Handing over costs 3 to 10 µs beside 14
// (BenchmarkDecisionDefaultOptions, in bench/ratelimit).
func (s *shared) take(ctx, bounded context.Context, asks []ask) ([]ask, error) {
	pending := make([]ask, 0, len(asks)) // not the caller's, which the goroutine may outlive
	for _, a := range asks {
		if !a.leased {
			pending = append(pending, a)
		}
	}
	if s.prompt {
		return pending, s.run(bounded, pending)
	}
	answered := make(chan error, 1)
	go func() { answered <- s.run(bounded, pending) }()
	select {
	case err := <-answered:
		return pending, err
	case <-bounded.Done():
		return nil, bounded.Err()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// run asks the servers.
func (s *shared) run(ctx context.Context, asks []ask) (err error) {
	defer func() {
		if p := recover(); p != nil { // a hook of the client's did
			err = fmt.Errorf("the Redis client panicked: %v", p)
		}
	}()
	if !s.spread.Load() {
		err := s.send(ctx, asks)
		if err == nil || !redis.HasErrorPrefix(err, "CROSSSLOT") {
			return err
		}
		s.spread.Store(true) // a cluster behind a single address
	}
	if err := s.sendTogether(ctx, byKey(asks)); err != nil {
		return err
	}
	return s.giveBack(ctx, asks)
}

// send takes what is asked for with one script.
func (s *shared) send(ctx context.Context, asks []ask) error {
	c := s.newCall(ctx, asks)
	err := s.client.Process(ctx, c.command)
	if c.isUnknown() {
		c.withSource(ctx)
		err = s.client.Process(ctx, c.command)
	}
	if err != nil {
		return err
	}
	return c.read()
}

// sendTogether runs a script for each group, all in one round trip.
func (s *shared) sendTogether(ctx context.Context, groups [][]ask) error {
	calls := make([]*call, len(groups))
	for i, group := range groups {
		c := s.newCall(ctx, group)
		calls[i] = &c
	}
	err := s.pipeline(ctx, calls)
	var unknown []*call
	for _, c := range calls {
		if c.isUnknown() {
			c.withSource(ctx)
			unknown = append(unknown, c)
		}
	}
	if len(unknown) > 0 {
		err = s.pipeline(ctx, unknown)
	}
	if err != nil {
		return err
	}
	for _, c := range calls {
		if err := c.read(); err != nil {
			return err
		}
	}
	return nil
}

func (s *shared) pipeline(ctx context.Context, calls []*call) error {
	pipeline := s.client.Pipeline()
	for _, c := range calls {
		if err := pipeline.Process(ctx, c.command); err != nil {
			return err
		}
	}
	_, err := pipeline.Exec(ctx)
	return err
}

// byKey sorts asks into groups of one key each.
func byKey(asks []ask) [][]ask {
	slices.SortFunc(asks, func(a, b ask) int { return strings.Compare(a.key.key, b.key.key) })
	var groups [][]ask
	for first := 0; first < len(asks); {
		next := first + 1
		for next < len(asks) && asks[next].key.key == asks[first].key.key {
			next++
		}
		groups = append(groups, asks[first:next])
		first = next
	}
	return groups
}

// giveBack gives back what some groups took if another denied.
func (s *shared) giveBack(ctx context.Context, asks []ask) error {
	if !slices.ContainsFunc(asks, func(a ask) bool { return a.denied(a.limit.whole) }) {
		return nil
	}
	var back []ask
	for i := range asks {
		if taken := asks[i].taken; taken > 0 {
			b := asks[i]
			b.cost, b.extra = -taken, 0 // the script puts less than nothing on the backlog
			back = append(back, b)
			asks[i].taken = 0
		}
	}
	if len(back) == 0 {
		return nil
	}
	return s.sendTogether(ctx, byKey(back))
}

// keyOf is the key in Redis. What is in braces decides on which server of a cluster
// it is, so that all limits of one key are on one.
func (s *shared) keyOf(a *ask) string {
	return s.prefix + "{" + tag(a.key.key) + "}" + a.limit.Name
}

// longestKey is the longest key that is written as it is.
const longestKey = 64

// tag is a key as it can stand in braces: what is long or unusual is hashed, so that
// a stranger neither fills Redis nor chooses a server.
func tag(key string) string {
	if len(key) <= longestKey && !strings.ContainsFunc(key, unusual) {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return "#" + base64.RawURLEncoding.EncodeToString(sum[:18])
}

// unusual says whether a character stands for itself in no key; "#" marks a hash.
func unusual(r rune) bool {
	return r <= ' ' || r == '{' || r == '}' || r == '#' || r > '~'
}

// errorType says why Redis gave no answer.
func errorType(ctx context.Context, err error) ErrorType {
	if err == nil {
		return ""
	}
	_, isAnswer := errors.AsType[redis.Error](err)
	failure, isFailure := errors.AsType[net.Error](err)
	switch {
	case ctx.Err() != nil || isOver(ctx):
		return ErrorCanceled
	case isFailure && failure.Timeout(): // context.DeadlineExceeded is one too
		return ErrorTimeout
	case isAnswer:
		return ErrorServer
	default:
		return ErrorClient
	}
}

// isOver says whether the deadline of a context has passed. Its Err may not say so yet,
// while a connection that keeps to the deadline does.
func isOver(ctx context.Context) bool {
	deadline, ok := ctx.Deadline()
	return ok && !time.Now().Before(deadline)
}
