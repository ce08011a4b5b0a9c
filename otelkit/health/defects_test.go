package health_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/otelkit/kit/internal/pgserver/pgtest"
	"github.com/otelkit/kit/internal/testlimit"
	"github.com/otelkit/kit/otelkit/health"
	"github.com/redis/go-redis/v9"
)

// The tests in this file are defects of other libraries, at the versions named.

// alexliesenfeld/health v0.8.1: a probe whose client left after 10 ms stored
// "down" for the next, patient one, since checks ran on the request's context.
func TestAnImpatientProbeDoesNotPoisonTheResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dependency{}
		c := start(t, health.Config{Checks: []health.Check{{
			Name: "slow", Criticality: health.Critical, FailAfter: 1,
			Run: func(ctx context.Context) error {
				select {
				case <-time.After(500 * time.Millisecond):
					return d.check(ctx)
				case <-ctx.Done():
					return ctx.Err()
				}
			},
		}}})
		after(500 * time.Millisecond)
		for range 1000 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			get := httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
			c.Ready().ServeHTTP(httptest.NewRecorder(), get)
			cancel()
			c.Ready().ServeHTTP(httptest.NewRecorder(), get)
			after(10 * time.Millisecond)
			wantProbes(t, c, "after an impatient probe", isReady)
		}
	})
}

// alexliesenfeld/health v0.8.1: three probes with one hung check all waited 3 s
// on one mutex, and so did the other checks.
func TestOneHungCheckBlocksNeitherProbesNorOtherChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		sound := &dependency{}
		c := start(t, health.Config{Checks: []health.Check{
			{Name: "hung", Run: func(context.Context) error { <-release; return nil }},
			{Name: "sound", Criticality: health.Critical, Run: sound.check},
		}})
		synctest.Wait()
		began := time.Now()
		var probers sync.WaitGroup
		for range 3 {
			probers.Go(func() { wantProbes(t, c, "while a check hangs", isReady) })
		}
		probers.Wait()
		if waited := time.Since(began); waited != 0 {
			t.Errorf("probes waited %v", waited)
		}
		after(time.Minute)
		if got := sound.count(); got != 13 {
			t.Errorf("the other check ran %d times in a minute, want 13", got)
		}
	})
}

// hellofresh/health-go v5.5.5 and gofr before #3496: each probe reached every
// dependency, so that probes could take them down.
func TestProbesDoNotStampedeDependencies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dependency{}
		c := start(t, health.Config{Checks: []health.Check{{Name: "d", Criticality: health.Critical, Run: d.check}}})
		synctest.Wait()
		before := d.count()
		for range 10_000 {
			get(c.Ready())
			get(c.Details())
		}
		if runs := d.count() - before; runs != 0 {
			t.Errorf("20,000 probes made %d runs", runs)
		}
	})
}

// hellofresh/health-go before #225: each interval left another goroutine behind
// in a check that hung.
func TestAHungCheckIsNotRunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		var calls atomic.Int32
		c := start(t, health.Config{Checks: []health.Check{{
			Name: "deaf", Criticality: health.Critical,
			Run: func(context.Context) error { calls.Add(1); <-release; return nil },
		}}})
		after(time.Hour)
		if n := calls.Load(); n != 1 {
			t.Errorf("%d runs hang at once", n)
		}
		if got := c.Report().Checks[0].Output; got != "the run before has not ended yet" {
			t.Errorf("the report says %q", got)
		}
		close(release)
		after(5 * time.Second)
		wantProbes(t, c, "after the check came back", isReady)
		if n := calls.Load(); n < 2 {
			t.Error("it is not run any more")
		}
	})
}

// A check that hangs has to fail even if it may fail any number of times.
func TestACheckThatHasNotEndedForThreeIntervalsFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		var hang atomic.Bool
		c := start(t, health.Config{Checks: []health.Check{{
			Name: "deaf", Criticality: health.Critical, FailAfter: 1000,
			Run: func(context.Context) error {
				if hang.Load() {
					<-release
				}
				return nil
			},
		}}})
		after(time.Second)
		hang.Store(true)
		after(15 * time.Second)
		wantProbes(t, c, "two intervals after it hung", isReady)
		after(5 * time.Second)
		wantProbes(t, c, "three intervals after it hung", isNotReady)
	})
}

// hellofresh/health-go v5.5.5: the context of a check had no deadline.
func TestACheckAlwaysHasADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var left time.Duration
		c := start(t, health.Config{Checks: []health.Check{{
			Name: "dial", Interval: 3 * time.Second, Timeout: 2 * time.Second,
			Run: func(ctx context.Context) error {
				deadline, _ := ctx.Deadline()
				left = time.Until(deadline)
				<-ctx.Done()
				return &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
			},
		}}})
		after(2 * time.Second)
		if left != 2*time.Second {
			t.Errorf("the check had %v, want 2 s", left)
		}
		if got, want := c.Report().Checks[0].Output, "no answer within 2s: dial tcp: context deadline exceeded"; got != want {
			t.Errorf("got output %q, want %q", got, want)
		}
	})
}

// A pass that comes after the deadline is none: whoever calls would have given up.
func TestAPassThatComesTooLateIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, health.Config{Checks: []health.Check{{
			Name: "late", Run: func(context.Context) error { <-time.After(1050 * time.Millisecond); return nil },
		}}})
		after(2 * time.Second)
		if got := c.Report().Checks[0]; got.Status != health.Fail || got.Output != "no answer within 1s" {
			t.Errorf("got %s %q", got.Status, got.Output)
		}
	})
}

// heptiolabs/healthcheck, dimiro1/health and gofr before #3496: checks ran one
// after the other, so that the answer took as long as all of them.
func TestChecksRunBesideEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var checks []health.Check
		for i := range 20 {
			checks = append(checks, health.Check{
				Name: fmt.Sprint("check ", i), Criticality: health.Critical, Timeout: 2 * time.Second,
				Run: func(context.Context) error { <-time.After(time.Second); return nil },
			})
		}
		c := start(t, health.Config{Checks: checks})
		after(time.Second)
		wantProbes(t, c, "after the time of one check", isReady)
	})
}

// All of them: the raw error was written into the answer, addresses with
// passwords included.
func TestNoDSNInAnyOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit()
		c := start(t, health.Config{Kit: k, Checks: []health.Check{
			{Name: "a", Criticality: health.Critical, Run: func(context.Context) error {
				return fmt.Errorf("cannot connect to postgres://webstore:hunter2@db:5432/webstore?sslmode=disable: %w", errAway)
			}},
			{Name: "b", Run: func(context.Context) error { panic("dsn root:hunter2@tcp(db:3306)/shop") }},
		}})
		after(time.Minute)
		report := fmt.Sprintf("%+v", c.Report())
		for where, text := range map[string]string{
			"report": report, "log": k.logged(),
			"details": get(c.Details()).Body.String(), "probe": get(c.Ready()).Body.String(),
		} {
			if strings.Contains(text, "hunter2") {
				t.Errorf("the %s tells the password: %s", where, text)
			}
		}
		if !strings.Contains(report, "postgres://[redacted]@db:5432/webstore?sslmode=disable: connection refused") {
			t.Errorf("too little is left: %s", report)
		}
	})
}

// No library had it: an instance that ends kept its traffic until its
// connections were refused.
func TestADrainingInstanceIsNotReadyWhileItStillServes(t *testing.T) {
	d := &dependency{}
	c := start(t, health.Config{Checks: []health.Check{{Name: "d", Criticality: health.Critical, Run: d.check}}})
	mux := http.NewServeMux()
	mux.Handle("/ready", c.Ready())
	mux.HandleFunc("/orders", func(http.ResponseWriter, *http.Request) {})
	server := httptest.NewServer(mux)
	defer server.Close()
	client := server.Client()
	until(t, "ready", func() bool { return status(t, client, server.URL+"/ready") == http.StatusOK })
	c.Drain()
	if got := status(t, client, server.URL+"/ready"); got != http.StatusServiceUnavailable {
		t.Errorf("ready answers %d, want 503", got)
	}
	if got := status(t, client, server.URL+"/orders"); got != http.StatusOK {
		t.Errorf("a request is answered with %d, want 200", got)
	}
}

// hellofresh/health-go v5.5.5: the built-in checks of pgx and Redis opened a
// connection for each probe.
func TestProbesOfPostgresOpenNoConnections(t *testing.T) {
	pool, err := pgxpool.New(t.Context(), pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	probeOften(t, pool.Ping)
	if n := pool.Stat().NewConnsCount(); n != 1 {
		t.Errorf("the pool made %d connections, want the 1 of the first run", n)
	}
}

func TestProbesOfRedisOpenNoConnections(t *testing.T) {
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	t.Cleanup(func() { client.Close() })
	probeOften(t, func(ctx context.Context) error { return client.Ping(ctx).Err() })
	if n := server.TotalConnectionCount(); n != 1 {
		t.Errorf("the server got %d connections, want the 1 of the first run", n)
	}
}

// probeOften runs a check and probes it, once it has passed, a thousand times.
func probeOften(t *testing.T, run func(context.Context) error) {
	t.Helper()
	c := start(t, health.Config{Checks: []health.Check{
		{Name: "d", Criticality: health.Critical, Run: run, Interval: time.Minute, Timeout: 30 * time.Second},
	}})
	until(t, "ready", func() bool { return get(c.Ready()).Code == http.StatusOK })
	for range 1000 {
		get(c.Ready())
	}
}

// until waits for a condition.
func until(t testing.TB, what string, condition func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	ctx := testlimit.Context(t)
	for !condition() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

func status(t *testing.T, client *http.Client, url string) int {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Error(err)
	}
	return response.StatusCode
}
