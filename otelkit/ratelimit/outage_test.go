package ratelimit_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/otelkit/kit/internal/reserved"
	"github.com/otelkit/kit/otelkit/ratelimit"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// redis_rate v10.0.1 with go-redis' default options: 1.8 s a call when the connection is
// refused, 5 s when nobody answers, and a context of 50 ms does not help. Here are hours,
// and a decision that waited for the client would wait for them.
func TestNoDecisionWaitsForTheClientWhateverItsOptions(t *testing.T) {
	patient := redis.Options{
		DialTimeout: time.Hour, ReadTimeout: time.Hour, WriteTimeout: time.Hour, PoolTimeout: time.Hour,
		PoolSize: 1, MaxRetries: 1000, MinRetryBackoff: time.Hour, MaxRetryBackoff: time.Hour,
	}
	for name, change := range map[string]func(*testing.T, *redis.Options){
		"nobody answers": func(t *testing.T, o *redis.Options) { o.Addr = blackHole(t) },
		"refused":        func(t *testing.T, o *redis.Options) { o.Addr = refused(t) },
		"the connection cannot be made": func(t *testing.T, o *redis.Options) {
			release := make(chan struct{})
			t.Cleanup(func() { close(release) })
			o.Dialer = func(context.Context, string, string) (net.Conn, error) {
				<-release
				return nil, net.ErrClosed
			}
		},
		"what sets up a connection blocks": func(t *testing.T, o *redis.Options) {
			o.Addr = miniredis.RunT(t).Addr()
			release := make(chan struct{})
			t.Cleanup(func() { close(release) })
			o.OnConnect = func(context.Context, *redis.Conn) error {
				<-release
				return net.ErrClosed
			}
		},
	} {
		for _, prompt := range []bool{false, true} {
			t.Run(fmt.Sprint(name, ", ContextTimeoutEnabled ", prompt), func(t *testing.T) {
				options := patient
				options.ContextTimeoutEnabled = prompt
				change(t, &options)
				client := redis.NewClient(&options)
				t.Cleanup(func() { client.Close() })
				l := newLimiter(t, ratelimit.Config{Redis: client, Instances: 1, Wait: time.Millisecond, Limits: oneAMinute(), Kit: newKit()})
				for i := range 10 {
					if r := allow(t, l, "api", "k"); r.Allowed != (i == 0) || r.Source != ratelimit.FromLocal {
						t.Errorf("decision %d: %+v, want this instance's memory to let only the first pass", i, r)
					}
				}
			})
		}
	}
}

func TestADecisionDoesNotOutlastTheDeadlineOfWhoAsks(t *testing.T) {
	for _, prompt := range []bool{false, true} {
		client := redis.NewClient(&redis.Options{Addr: blackHole(t), ContextTimeoutEnabled: prompt, ReadTimeout: time.Hour})
		t.Cleanup(func() { client.Close() })
		l := newLimiter(t, ratelimit.Config{Redis: client, Instances: 1, Wait: time.Hour, Limits: oneAMinute(), Kit: newKit()})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if r, err := l.Allow(ctx, "api", "k"); err != nil || r.Source != ratelimit.FromLocal {
			t.Errorf("ContextTimeoutEnabled %v: %+v, %v", prompt, r, err)
		}
	}
}

// refused is an address at which nobody listens.
func refused(t *testing.T) string {
	address, _ := reserved.Port(t)
	return address
}

// blackHole is an address that accepts connections and never answers.
func blackHole(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
		for _, conn := range conns {
			conn.Close()
		}
	})
	return l.Addr().String()
}

func TestNoDecisionWaitsForAHookThatBlocks(t *testing.T) {
	release := make(chan struct{})
	tap := &tap{before: func() error { <-release; return nil }}
	client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	defer client.Close()
	client.AddHook(tap)
	l := newLimiter(t, ratelimit.Config{
		Redis: client, Instances: 1, Wait: time.Millisecond, Now: newClock().Now,
		Limits: []ratelimit.Limit{{Name: "api", Rate: 100, Per: time.Hour}},
	})
	for range 20 {
		allow(t, l, "api", "k")
	}
	for tap.running.Load() < 5 { // a call that nobody waits for any more may not have begun
		runtime.Gosched()
	}
	if got := tap.running.Load(); got != 5 {
		t.Errorf("%d calls wait, want the 5 that opened the circuit", got)
	}
	close(release)
}

// ulule/limiter v3.11.2 loads its script when it is made: without Redis, no service.
func TestALimiterStartsWithoutRedis(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: blackHole(t)})
	defer client.Close()
	tap := &tap{}
	client.AddHook(tap)
	if _, err := ratelimit.New(ratelimit.Config{Redis: client, Instances: 1, Limits: []ratelimit.Limit{{Name: "api", Rate: 1, Per: time.Second}}}); err != nil {
		t.Error(err)
	}
	if tap.trips.Load() > 0 {
		t.Error("New asked Redis")
	}
}

// ulule/limiter v3.11.2 panics by default when Redis fails.
func TestAFailureIsADecisionAndNeverAPanic(t *testing.T) {
	for name, before := range map[string]func() error{
		"an error": func() error { return errors.New("down") },
		"a panic":  func() error { panic("down") },
	} {
		t.Run(name, func(t *testing.T) {
			client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
			defer client.Close()
			client.AddHook(&tap{before: before})
			l := newLimiter(t, ratelimit.Config{Redis: client, Instances: 1, Limits: []ratelimit.Limit{{Name: "api", Rate: 1, Per: time.Second}}, Wait: time.Minute})
			if r := allow(t, l, "api", "k"); !r.Allowed || r.Source != ratelimit.FromLocal {
				t.Errorf("%+v, want this instance's memory to let it pass", r)
			}
		})
	}
}

// outage is a limiter whose Redis fails and comes back as told, and what it tells.
type outage struct {
	*ratelimit.Limiter
	redis *miniredis.Miniredis
	tap   *tap
	clock *clock
	kit   *kit
}

func newOutage(t *testing.T, cfg ratelimit.Config) *outage {
	o := &outage{redis: miniredis.RunT(t), tap: &tap{}, clock: newClock(), kit: newKit()}
	client := redis.NewClient(&redis.Options{Addr: o.redis.Addr()})
	t.Cleanup(func() { client.Close() })
	client.AddHook(o.tap)
	cfg.Redis, cfg.Now, cfg.Kit, cfg.Wait = client, o.clock.Now, o.kit, time.Minute
	o.Limiter = newLimiter(t, cfg)
	return o
}

func (o *outage) fail() { o.redis.SetError("OOM command not allowed") }
func (o *outage) end()  { o.redis.SetError("") }

func TestARedisThatFailsIsAskedOnceASecondUntilItAnswers(t *testing.T) {
	o := newOutage(t, ratelimit.Config{Instances: 1, Limits: []ratelimit.Limit{{Name: "api", Rate: 1000, Per: time.Second}}})
	asks := func(n int) (trips int64) {
		before := o.tap.trips.Load()
		for range n {
			allow(t, o.Limiter, "api", "k")
		}
		return o.tap.trips.Load() - before
	}
	asks(1)
	o.fail()
	if got := asks(50); got != 5 {
		t.Errorf("%d of 50 decisions asked Redis, want the 5 until the circuit opened", got)
	}
	for range 3 {
		o.clock.advance(time.Second)
		if got := asks(50); got != 1 {
			t.Errorf("a second later %d of 50 asked, want 1", got)
		}
	}
	o.end()
	if got := asks(50); got != 0 {
		t.Errorf("%d of 50 asked before the second was over, want 0", got)
	}
	o.clock.advance(time.Second)
	if got := asks(50); got != 50 {
		t.Errorf("%d of 50 asked once Redis is back, want all", got)
	}

	log := o.kit.log.all()
	if len(log) != 2 || !strings.Contains(log[0], "level=WARN") || !strings.Contains(log[0], "OOM") || !strings.Contains(log[0], "share of the limits") || !strings.Contains(log[1], "answers again") {
		t.Errorf("log has %d lines, want one that Redis is away and one that it is back:\n%s", len(log), strings.Join(log, "\n"))
	}
	if got := o.kit.series(t, "otelkit.ratelimit.circuit.transitions"); got["circuit.state=open"] != 1 || got["circuit.state=closed"] != 1 {
		t.Errorf("transitions %v, want one to open and one to closed", got)
	}
	if got := o.kit.series(t, "otelkit.ratelimit.redis.duration"); got["error.type=server"] != 8 || got[""] != 51 {
		t.Errorf("durations %v, want 8 of error.type=server and 51 without", got)
	}
}

func TestASingleFailureOpensNothing(t *testing.T) {
	o := newOutage(t, ratelimit.Config{Instances: 1, Limits: []ratelimit.Limit{{Name: "api", Rate: 1000, Per: time.Second}}})
	for range 20 {
		o.fail()
		for range 4 {
			allow(t, o.Limiter, "api", "k")
		}
		o.end()
		allow(t, o.Limiter, "api", "k")
	}
	if got := o.tap.trips.Load(); got != 101 { // one twice, with the script
		t.Errorf("%d round trips for 100 decisions, want 101: never five failed in a row", got)
	}
}

func TestAClientThatLeavesSaysNothingAboutRedis(t *testing.T) {
	o := newOutage(t, ratelimit.Config{Instances: 1, Limits: []ratelimit.Limit{{Name: "api", Rate: 1000, Per: time.Second}}})
	var leaving atomic.Bool
	leaving.Store(true)
	o.tap.before = func() error {
		if leaving.Load() {
			return context.Canceled
		}
		return nil
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 20 {
		if r, err := o.Allow(gone, "api", "k"); err != nil || !r.Allowed {
			t.Fatalf("%+v, %v", r, err)
		}
	}
	leaving.Store(false)
	if r := allow(t, o.Limiter, "api", "k"); r.Source != ratelimit.FromRedis {
		t.Errorf("%+v, want Redis to be asked", r)
	}
	if got := o.kit.series(t, "otelkit.ratelimit.redis.duration"); got["error.type=canceled"] != 20 {
		t.Errorf("durations %v, want 20 of error.type=canceled", got)
	}
}

// go-chi/httprate-redis v0.6: in an outage each of N instances lets the whole limit pass.
func TestInAnOutageAllInstancesTogetherKeepToTheLimit(t *testing.T) {
	for _, tt := range []struct{ burst, instances, atOnce, inTenMinutes int }{
		{burst: 20, instances: 4, atOnce: 20, inTenMinutes: 120},
		{burst: 10, instances: 4, atOnce: 8, inTenMinutes: 108}, // shares of 2
		{burst: 2, instances: 4, atOnce: 4, inTenMinutes: 104},  // an instance always lets one pass
		{burst: 10, instances: 1, atOnce: 10, inTenMinutes: 110},
	} {
		var all []*outage
		for range tt.instances {
			o := newOutage(t, ratelimit.Config{
				Instances: tt.instances,
				Limits:    []ratelimit.Limit{{Name: "api", Rate: 10, Per: time.Minute, Burst: tt.burst}},
			})
			o.fail()
			all = append(all, o)
		}
		passed := 0
		ask := func() {
			for _, o := range all {
				for range 30 {
					if allow(t, o.Limiter, "api", "k").Allowed {
						passed++
					}
				}
			}
		}
		ask()
		if passed != tt.atOnce {
			t.Errorf("%+v: %d passed at once", tt, passed)
		}
		for range 600 {
			for _, o := range all {
				o.clock.advance(time.Second)
			}
			ask()
		}
		if passed != tt.inTenMinutes {
			t.Errorf("%+v: %d passed in ten minutes", tt, passed)
		}
	}
}

func TestInAnOutageACostAboveAnInstancesShareStillPassesAfterARest(t *testing.T) {
	o := newOutage(t, ratelimit.Config{Instances: 5, Limits: []ratelimit.Limit{{Name: "api", Rate: 10, Per: time.Minute}}})
	o.fail()
	ask := ratelimit.Ask{Limit: "api", Key: "k", Cost: 8} // the share is 2
	if d := take(t, o.Limiter, ask); !d.Allowed {
		t.Fatalf("%+v, want it to pass", d)
	}
	d := take(t, o.Limiter, ask)
	if d.Allowed || d.RetryAfter != 8*6*5*time.Second {
		t.Fatalf("%+v, want a denial until all is back at a fifth of the rate, 4m0s", d)
	}
	o.clock.advance(d.RetryAfter)
	if d := take(t, o.Limiter, ask); !d.Allowed {
		t.Errorf("%+v, want it to pass", d)
	}
}

func TestThePolicyDecidesInAnOutage(t *testing.T) {
	limits := []ratelimit.Limit{{Name: "api", Rate: 1, Per: time.Hour}, {Name: "new", Rate: 1, Per: time.Hour, Shadow: true}}
	for _, tt := range []struct {
		policy  ratelimit.Policy
		allowed bool
		says    string
	}{
		{ratelimit.FailOpen, true, "everything is let through"},
		{ratelimit.FailClosed, false, "nothing is let through"},
	} {
		o := newOutage(t, ratelimit.Config{OnError: tt.policy, Limits: limits})
		o.fail()
		for range 10 {
			if r := allow(t, o.Limiter, "api", "k"); r.Allowed != tt.allowed || r.Source != ratelimit.FromPolicy || r.Allowed != (r.RetryAfter == 0) {
				t.Fatalf("policy %v: %+v", tt.policy, r)
			}
			if r := allow(t, o.Limiter, "new", "k"); !r.Allowed {
				t.Fatalf("policy %v: %+v, want a limit in shadow mode to let it pass", tt.policy, r)
			}
		}
		if log := o.kit.log.all(); len(log) != 1 || !strings.Contains(log[0], tt.says) {
			t.Errorf("policy %v: log %q, want one line that says that %s", tt.policy, log, tt.says)
		}
	}
}

// The span that waited says why, for the trace of a slow request.
func TestAFailureIsAnEventOfTheSpan(t *testing.T) {
	o := newOutage(t, ratelimit.Config{Instances: 1, Limits: []ratelimit.Limit{{Name: "api", Rate: 1, Per: time.Hour}}})
	o.fail()
	spans := tracetest.NewSpanRecorder()
	ctx, span := trace.NewTracerProvider(trace.WithSpanProcessor(spans)).Tracer("test").Start(t.Context(), "request")
	for range 2 {
		if _, err := o.Allow(ctx, "api", "k"); err != nil {
			t.Fatal(err)
		}
	}
	span.End()
	var got []string
	for _, e := range spans.Ended()[0].Events() {
		got = append(got, e.Name+" "+text(attribute.NewSet(e.Attributes...)))
	}
	want := "otelkit.ratelimit.redis_failed error.type=server; otelkit.ratelimit.redis_failed error.type=server; otelkit.ratelimit.denied limit=api source=local"
	if strings.Join(got, "; ") != want {
		t.Errorf("events\n%s, want\n%s", strings.Join(got, "; "), want)
	}
}
