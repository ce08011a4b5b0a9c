// Package suspicion notices clients that behave as no shopper does.
//
//	client ──request──> shop ──answer──> client
//	                      └─ Saw ──queue──> Run: how many of a kind in five minutes?
//
// What an answer's status tells is counted for each client address, by three
// rules:
//
//	credential stuffing   5 answers with 401
//	endpoint scanning    10 with 404
//	abuse                20 from 400 to 499
//
// An answer that makes a rule's number full within five minutes, and each
// further one while it is, is counted in telemetry.SuspiciousActivity and
// logged with the address. Nobody is blocked: that is up to whoever reads it,
// and to the limits.
//
// The five minutes slide, exactly, and all instances count together in Redis.
// Without Redis each counts what it sees itself, of a bounded number of
// addresses. All of that happens after the answer and off its path: [Watch.Saw]
// looks at nothing but the status unless it is 4xx, and never waits.
//
// In Redis, what is known of an address ends by itself after five minutes. It is
// personal data for as long.
package suspicion

import (
	"cmp"
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/ratelimit"
)

// window is how far back the rules look.
const window = 5 * time.Minute

// rule is what makes a client suspicious: so many answers of a kind in a window.
type rule struct {
	name  telemetry.SuspicionRule
	most  int
	least int // status that counts
	last  int // likewise; all from least on do
}

func (r rule) matches(status int) bool { return status >= r.least && status <= r.last }

var rules = [...]rule{
	{telemetry.RuleCredentialStuffing, 5, 401, 401},
	{telemetry.RuleEndpointScanning, 10, 404, 404},
	{telemetry.RuleAbuse, 20, 400, 499},
}

// Kit is what a Watch needs of a *otelkit.Kit.
type Kit interface {
	Recorder() *metrics.Recorder
	Logger() *slog.Logger
}

// Config configures New. The zero value of every field but Kit is useful.
type Config struct {
	Kit Kit // required: where telemetry goes

	// Ask has do ask Redis, and returns its error, or one of its own if Redis is not to
	// be asked. It bounds how long that takes. nil means that there is no Redis.
	Ask func(ctx context.Context, do func(context.Context, *redis.Client) error) error

	Queue     int              // most answers that wait to be judged; 0 means 1024
	Addresses int              // most addresses that are watched without Redis; 0 means 10,000
	Now       func() time.Time // the clock, for tests; nil means time.Now
}

// Watch watches clients. It is safe for concurrent use.
type Watch struct {
	ask      func(context.Context, func(context.Context, *redis.Client) error) error
	log      *slog.Logger
	recorder *metrics.Recorder
	now      func() time.Time
	queue    chan answer
	local    *local
	suspects suspects
	member   atomic.Uint64 // of the last answer
	instance string        // tells the members of one instance from those of another
}

// answer is what is known of an answer with a status of 4xx.
type answer struct {
	context.Context // of the request, whose trace the log names; it may be over
	at              time.Time
	client          netip.Addr
	status          int
}

// New returns a watch that judges once Run runs.
func New(cfg Config) *Watch {
	w := &Watch{
		ask:      cfg.Ask,
		log:      cfg.Kit.Logger(),
		recorder: cfg.Kit.Recorder(),
		now:      cfg.Now,
		queue:    make(chan answer, cmp.Or(cfg.Queue, 1024)),
		local:    newLocal(cmp.Or(cfg.Addresses, 10_000)),
		instance: newInstance(),
	}
	if w.now == nil {
		w.now = time.Now
	}
	return w
}

// Saw takes note of the status that a client was answered with. It is called
// while the request's span is open: that of a client who is suspicious already
// says so. It never waits; what does not fit into the queue is counted in
// telemetry.UnjudgedAnswers.
func (w *Watch) Saw(ctx context.Context, client netip.Addr, status int) {
	if status < 400 || status > 499 || !client.IsValid() {
		return
	}
	now := w.now()
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		for _, name := range w.suspects.of(ratelimit.AddressKey(client), now) {
			span.AddEvent("webstore.security.suspicious_client", trace.WithAttributes(attribute.String("webstore.security.rule", string(name))))
		}
	}
	select {
	case w.queue <- answer{context.WithoutCancel(ctx), now, client, status}:
	default:
		w.lost(ctx, 1, telemetry.UnjudgedQueueFull)
	}
}

// Run judges answers until ctx is done, and then those that wait already. It is
// called once.
func (w *Watch) Run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case a := <-w.queue:
			w.judge(a)
		case <-ctx.Done():
		}
	}
	for len(w.queue) > 0 {
		w.judge(<-w.queue)
	}
}

// judge counts an answer by the rules that it matches, and tells of those whose
// number is full.
func (w *Watch) judge(a answer) {
	ctx := metrics.NewContext(a.Context, w.recorder)
	var matching []rule
	for _, r := range rules {
		if r.matches(a.status) {
			matching = append(matching, r)
		}
	}
	key := ratelimit.AddressKey(a.client)
	counts, err := w.countInRedis(key, a.at, matching)
	if err != nil {
		var forgotten int
		counts, forgotten = w.local.count(key, a.at, matching)
		if forgotten > 0 {
			w.lost(ctx, int64(forgotten), telemetry.UnjudgedForgotten)
		}
	}
	for i, r := range matching {
		if counts[i] < r.most {
			continue
		}
		w.suspects.add(key, r.name, a.at)
		telemetry.SuspiciousActivity.Add(ctx, 1, telemetry.SuspicionAttrs{Rule: r.name})
		w.log.WarnContext(ctx, "Suspicious activity: "+string(r.name),
			"client.address", a.client.String(), "http.response.status_code", a.status, "webstore.security.answers", r.most, "webstore.security.window", window.String())
	}
}

func (w *Watch) lost(ctx context.Context, answers int64, reason telemetry.UnjudgedReason) {
	telemetry.UnjudgedAnswers.Add(metrics.NewContext(ctx, w.recorder), answers, telemetry.UnjudgedAttrs{Reason: reason})
}

// suspects is the clients that were suspicious within the last window, by what
// rule and until when. It knows of a few, and is a help for readers of traces,
// no verdict. The zero value has none.
type suspects struct {
	any atomic.Bool // else nothing needs the lock

	mu    sync.Mutex
	until map[suspect]time.Time
}

type suspect struct {
	client string
	rule   telemetry.SuspicionRule
}

// maxSuspects is of how many that is known.
const maxSuspects = 1000

func (s *suspects) add(client string, rule telemetry.SuspicionRule, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.until == nil {
		s.until = map[suspect]time.Time{}
		s.any.Store(true)
	}
	key := suspect{client, rule}
	if _, known := s.until[key]; !known && len(s.until) >= maxSuspects {
		for other, until := range s.until {
			if !now.Before(until) {
				delete(s.until, other)
			}
		}
		if len(s.until) >= maxSuspects {
			return
		}
	}
	s.until[key] = now.Add(window)
}

// of returns the rules by which a client is suspicious.
func (s *suspects) of(client string, now time.Time) (names []telemetry.SuspicionRule) {
	if !s.any.Load() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range rules {
		if until, ok := s.until[suspect{client, r.name}]; ok && now.Before(until) {
			names = append(names, r.name)
		}
	}
	return names
}
