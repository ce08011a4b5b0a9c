// Package health answers "can this instance take traffic, and if not, why".
//
// Checks run in the background, each on its own interval with its own timeout;
// probes read the last result and never wait. However many probes come, and
// however impatient, they reach no database and change no result. A check is
// critical (its failure makes the instance not ready), noncritical (it makes it
// degraded, which stays ready) or informational (it is reported, no more):
//
//	starting ──first pass──> ready <──> degraded
//	    │                     │  ^
//	 StartTimeout             │  └── all critical checks pass again (twice)
//	    v                     └────> not ready: a critical check fails (twice)
//	 failed ──first pass──> ready
//	                                 any ──Drain──> draining
//
// The smallest use:
//
//	checks, err := health.New(health.Config{Kit: kit, Checks: []health.Check{
//		{Name: "postgres", Layer: health.Datastore, Criticality: health.Critical, Run: pool.Ping},
//		{Name: "redis", Layer: health.Datastore, Run: func(ctx context.Context) error { return client.Ping(ctx).Err() }},
//	}})
//	go checks.Run(ctx)
//	mux.Handle("GET /healthz/live", checks.Live())
//	mux.Handle("GET /healthz/startup", checks.Startup())
//	mux.Handle("GET /healthz/ready", checks.Ready())
//
// A check is a plain function, so the pool that serves requests is what is
// asked: no check opens connections of its own. A single failure changes
// nothing, since one lost packet should not move traffic, and a single pass does
// not end a failure; see FailAfter and PassAfter of [Check].
//
// Liveness holds no check at all. A dependency that is away is no reason to
// restart what depends on it, and restarting every instance at once is a worse
// outage than the one that began it.
//
// Answers have the form of draft-inadarei-api-health-check-06
// (application/health+json). The three probes tell the state and nothing else,
// so that strangers may ask. [Checker.Details] tells the checks, their layers,
// errors and what they affect, and is for whoever operates the service;
// [Checker.Overview] tells the same without the errors. Errors have secrets
// blacked out, there and in the log: those that Config lists for certain, others
// where they look like passwords, tokens or keys.
//
// At the end, call [Checker.Drain], give the load balancer the time to see it,
// and only then stop taking connections. The package does not do that wait: how
// long it has to be is known to whoever configured the load balancer.
package health

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/otelkit/kit/otelkit/metrics"
)

// Kit is what New needs of a *otelkit.Kit.
type Kit interface {
	Recorder() *metrics.Recorder
	Logger() *slog.Logger
}

// Config configures New. The zero value of every field is useful.
type Config struct {
	Checks       []Check       // at most 50; without a critical one, the instance is ready once Run runs
	Kit          Kit           // where telemetry goes; nil means the default recorder and slog.Default
	StartTimeout time.Duration // how long starting may take until it counts as failed; 0 means 1 min
	Secrets      []string      // values that no output may hold, such as the database's password

	// These three stand in what Details answers, if they are set.
	Service string // identifies the service: serviceId
	Version string // of its API: version
	Release string // of its code: releaseId
}

const startTimeout = time.Minute

// Checker runs checks and answers probes from their results. Make one with
// [New]. It is safe for concurrent use.
type Checker struct {
	cfg    Config
	graph  graph
	redact redactor
	log    *slog.Logger

	// snapshot is what probes read. It is replaced whole, and never changed.
	snapshot atomic.Pointer[snapshot]

	mu       sync.Mutex // guards what follows, and is never held while something may block
	running  bool       // Run was called
	started  bool       // every critical check has passed
	late     bool       // StartTimeout was over before that
	draining bool
	state    State
	since    time.Time // when the state began
	tallies  []tally   // one a check, in the same order
}

// New returns a Checker whose checks do not run yet: see [Checker.Run]. It
// returns everything that is wrong with the configuration.
func New(cfg Config) (*Checker, error) {
	checks, graph, err := prepare(cfg.Checks)
	if err != nil {
		return nil, err
	}
	if cfg.StartTimeout < 0 {
		return nil, fmt.Errorf("health: StartTimeout %v is negative; leave it out for %v", cfg.StartTimeout, startTimeout)
	}
	cfg.Checks = checks
	cfg.StartTimeout = cmp.Or(cfg.StartTimeout, startTimeout)
	c := &Checker{
		cfg:    cfg,
		graph:  graph,
		redact: newRedactor(cfg.Secrets),
		log:    slog.Default(),
		state:  Starting,
		since:  time.Now(),
	}
	if cfg.Kit != nil {
		c.log = cfg.Kit.Logger()
	}
	for _, check := range checks {
		c.tallies = append(c.tallies, tally{check: check})
	}
	c.snapshot.Store(c.picture())
	return c, nil
}

// Run runs the checks until ctx is done. Then it drains, waits for the checks
// that are running, and returns nil; or an error that names the checks that do
// not end though their context has, and are left behind. It may be called once.
func (c *Checker) Run(ctx context.Context) error {
	var again bool
	c.update(func() { again, c.running = c.running, true })
	if again {
		return errors.New("health: Run was called before; a Checker runs once, make another")
	}
	defer c.observe()()

	stuck := make([]bool, len(c.cfg.Checks))
	var watchers sync.WaitGroup
	for i, check := range c.cfg.Checks {
		watchers.Go(func() { stuck[i] = c.watch(c.recording(ctx), i, &runner{check: check}) })
	}
	select {
	case <-time.After(c.cfg.StartTimeout):
		c.update(func() { c.late = true })
		<-ctx.Done()
	case <-ctx.Done():
	}
	c.Drain()
	watchers.Wait()

	var names []string
	for i, check := range c.cfg.Checks {
		if stuck[i] {
			names = append(names, check.Name)
		}
	}
	if len(names) > 0 {
		return fmt.Errorf("health: left behind, since they do not end when their context does: %s", strings.Join(names, ", "))
	}
	return nil
}

// Drain makes the instance not ready for good, so that no more traffic is sent
// to it, while what it has is still served. It returns at once; further calls
// do nothing.
func (c *Checker) Drain() {
	c.update(func() { c.draining = true })
}

// watch runs one check until ctx is done, and returns whether its last run is
// stuck.
func (c *Checker) watch(ctx context.Context, i int, r *runner) (stuck bool) {
	ticker := time.NewTicker(r.check.Interval)
	defer ticker.Stop()
	for {
		result := r.run(ctx)
		if ctx.Err() != nil { // the result tells of the end, and not of what is checked
			return r.isStuck()
		}
		c.take(i, result)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return r.isStuck()
		}
	}
}

// take takes the result of a run of check i.
func (c *Checker) take(i int, r result) {
	if r.outcome != stillRunning {
		CheckDuration.Record(c.telemetry(), r.took.Seconds(), CheckRunAttrs{c.cfg.Checks[i].Name, r.outcome})
	}
	if r.err != nil {
		r.output = c.redact.text(fmt.Sprint(r.err)) // unlike Error, it survives an Error that panics
	}
	var turned bool
	report := c.update(func() { turned = c.tallies[i].add(r) })
	if turned {
		c.tellCheck(report.Checks[i], r.err)
	}
}

// update makes a change, publishes what follows from it, and then tells of it:
// where the log goes may block, and must not keep others from changing the
// state.
func (c *Checker) update(change func()) Report {
	c.mu.Lock()
	change()
	before := c.state
	if c.state = c.next(); c.state != before {
		c.since = time.Now()
	}
	next := c.picture()
	c.snapshot.Store(next)
	c.mu.Unlock()

	if next.report.State != before {
		c.tellState(before, next.report)
	}
	return next.report
}

// next returns the state that follows from the results.
func (c *Checker) next() State {
	failing, missing := map[Criticality]bool{}, false
	for _, t := range c.tallies {
		failing[t.check.Criticality] = failing[t.check.Criticality] || t.verdict == Fail
		missing = missing || t.check.Criticality == Critical && t.verdict != Pass
	}
	c.started = c.started || c.running && !missing
	switch {
	case c.draining:
		return Draining
	case !c.started && c.late:
		return Failed
	case !c.started:
		return Starting
	case failing[Critical]:
		return NotReady
	case failing[Noncritical]:
		return Degraded
	default:
		return Ready
	}
}

// recording returns a context in which measurements go to the kit.
func (c *Checker) recording(ctx context.Context) context.Context {
	if c.cfg.Kit == nil {
		return ctx
	}
	return metrics.NewContext(ctx, c.cfg.Kit.Recorder())
}

// telemetry returns the context that the checker itself records and logs in,
// which outlives Run's.
func (c *Checker) telemetry() context.Context { return c.recording(context.Background()) }

func (c *Checker) tellState(before State, now Report) {
	ctx := c.telemetry()
	Transitions.Add(ctx, 1, StateAttrs{now.State})
	level := slog.LevelInfo
	switch now.State {
	case Degraded:
		level = slog.LevelWarn
	case NotReady, Failed:
		level = slog.LevelError
	}
	attrs := []slog.Attr{slog.String("otelkit.health.previous_state", string(before)), slog.String("otelkit.health.state", string(now.State))}
	if now.Output != "" && level > slog.LevelInfo { // else it is what does not matter
		attrs = append(attrs, slog.String("otelkit.health.output", now.Output))
	}
	c.log.LogAttrs(ctx, level, "health state changed", attrs...)
}

func (c *Checker) tellCheck(check CheckReport, err error) {
	ctx := c.telemetry()
	CheckTransitions.Add(ctx, 1, CheckTransitionAttrs{check.Name, check.Status})
	attrs := []slog.Attr{
		slog.String("otelkit.health.check.name", check.Name),
		slog.String("otelkit.health.check.layer", string(check.Layer)),
		slog.String("otelkit.health.check.criticality", string(check.Criticality)),
	}
	if err == nil {
		c.log.LogAttrs(ctx, slog.LevelInfo, "health check passes", attrs...)
		return
	}
	attrs = append(attrs, slog.String("exception.message", check.Output))
	if len(check.CausedBy) > 0 {
		attrs = append(attrs, slog.Any("otelkit.health.check.caused_by", check.CausedBy))
	}
	if crash, ok := errors.AsType[*crashError](err); ok {
		attrs = append(attrs, slog.String("exception.stacktrace", crash.stack))
	}
	c.log.LogAttrs(ctx, slog.LevelWarn, "health check fails", attrs...)
}
