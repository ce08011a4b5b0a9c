package health_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelkit/kit/internal/pgserver/pgtest"
	"github.com/otelkit/kit/otelkit/health"
	"github.com/otelkit/kit/otelkit/metrics"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Runner{M: m}) }

// dependency is something to check, which can be broken and mended.
type dependency struct {
	mu    sync.Mutex
	err   error
	calls int
}

func (d *dependency) check(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.calls++
	return d.err
}

func (d *dependency) set(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.err = err
}

func (d *dependency) count() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.calls
}

var errAway = errors.New("connection refused")

// kit keeps what a checker under test records and logs.
type kit struct {
	reader   *sdkmetric.ManualReader
	recorder *metrics.Recorder
	mu       sync.Mutex
	lines    bytes.Buffer
}

func newKit() *kit {
	k := &kit{reader: sdkmetric.NewManualReader()}
	k.recorder = metrics.NewRecorder(sdkmetric.NewMeterProvider(sdkmetric.WithReader(k.reader)))
	return k
}

func (k *kit) Recorder() *metrics.Recorder { return k.recorder }

func (k *kit) Logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(k, &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}

func (k *kit) Write(line []byte) (int, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.lines.Write(line)
}

// logged returns what was logged since the last call.
func (k *kit) logged() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	defer k.lines.Reset()
	return k.lines.String()
}

// start runs checks until the test ends. In a bubble of synctest it returns once
// each check has run.
func start(t testing.TB, cfg health.Config) *health.Checker {
	t.Helper()
	if cfg.Kit == nil {
		cfg.Kit = newKit()
	}
	c, err := health.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
	return c
}

// after lets time pass, and what is due in it be done.
func after(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func get(h http.Handler) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	return w
}

// probes is what the three probes and the report say, such as
// "ready: live 200, startup 200, ready 200".
func probes(c *health.Checker) string {
	return fmt.Sprintf("%s: live %d, startup %d, ready %d", c.Report().State, get(c.Live()).Code, get(c.Startup()).Code, get(c.Ready()).Code)
}

func wantProbes(t *testing.T, c *health.Checker, when, want string) {
	t.Helper()
	if got := probes(c); got != want {
		t.Errorf("%s: got %s, want %s", when, got, want)
	}
}

const (
	isStarting = "starting: live 200, startup 503, ready 503"
	isReady    = "ready: live 200, startup 200, ready 200"
	isDegraded = "degraded: live 200, startup 200, ready 200"
	isNotReady = "not_ready: live 200, startup 200, ready 503"
	isFailed   = "failed: live 200, startup 503, ready 503"
	isDraining = "draining: live 200, startup 200, ready 503"
)

func TestAnInstanceIsReadyAfterTheFirstPassOfItsCriticalChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		postgres, redis := &dependency{err: errAway}, &dependency{}
		c := start(t, health.Config{Checks: []health.Check{
			{Name: "postgres", Criticality: health.Critical, Run: postgres.check},
			{Name: "redis", Criticality: health.Critical, Run: redis.check},
		}})
		synctest.Wait()
		wantProbes(t, c, "without postgres", isStarting)
		postgres.set(nil)
		after(5 * time.Second)
		wantProbes(t, c, "after its first pass", isReady)
	})
}

func TestBeforeItRunsAnInstanceIsStarting(t *testing.T) {
	c, err := health.New(health.Config{})
	if err != nil {
		t.Fatal(err)
	}
	wantProbes(t, c, "before Run", isStarting)
}

func TestWithoutCriticalChecksAnInstanceIsReadyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := start(t, health.Config{})
		synctest.Wait()
		wantProbes(t, c, "without checks", isReady)
	})
}

func TestAStartThatTakesTooLongHasFailedUntilTheFirstPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		postgres := &dependency{err: errAway}
		c := start(t, health.Config{StartTimeout: 12 * time.Second, Checks: []health.Check{
			{Name: "postgres", Criticality: health.Critical, Run: postgres.check},
		}})
		after(12*time.Second - 1)
		wantProbes(t, c, "just before StartTimeout", isStarting)
		after(1)
		wantProbes(t, c, "after StartTimeout", isFailed)
		postgres.set(nil)
		after(3 * time.Second)
		wantProbes(t, c, "after the first pass", isReady)
	})
}

func TestCriticalitySaysWhatAFailureMeans(t *testing.T) {
	for criticality, want := range map[health.Criticality]string{
		health.Critical:      isNotReady,
		health.Noncritical:   isDegraded,
		"":                   isDegraded,
		health.Informational: isReady,
	} {
		t.Run(string(criticality), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &dependency{}
				c := start(t, health.Config{Checks: []health.Check{{Name: "d", Criticality: criticality, Run: d.check}}})
				synctest.Wait()
				wantProbes(t, c, "while it passes", isReady)
				d.set(errAway)
				after(10 * time.Second)
				wantProbes(t, c, "while it fails", want)
			})
		})
	}
}

func TestFlappingIsDamped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dependency{}
		k := newKit()
		c := start(t, health.Config{Kit: k, Checks: []health.Check{{Name: "d", Criticality: health.Critical, Run: d.check}}})
		after(time.Second)
		k.logged()
		for range 20 {
			d.set(errAway)
			after(5 * time.Second)
			wantProbes(t, c, "after one failure", isReady)
			if got := c.Report().Checks[0]; got.Status != health.Warn || got.Output != errAway.Error() {
				t.Fatalf("after one failure the report says %s %q, want warn and the error", got.Status, got.Output)
			}
			d.set(nil)
			after(5 * time.Second)
		}
		if got := k.logged(); got != "" {
			t.Errorf("flapping was logged: %s", got)
		}
		d.set(errAway)
		after(10 * time.Second)
		wantProbes(t, c, "after two failures", isNotReady)
		for range 20 {
			d.set(nil)
			after(5 * time.Second)
			wantProbes(t, c, "after one pass", isNotReady)
			if got := c.Report().Checks[0].Output; got != "failed, and passes again: 1 of 2 times" {
				t.Fatalf("after one pass the report says %q", got)
			}
			d.set(errAway)
			after(5 * time.Second)
		}
		d.set(nil)
		after(10 * time.Second)
		wantProbes(t, c, "after two passes", isReady)
	})
}

func TestHowOftenCountsIsTheChecksChoice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dependency{}
		c := start(t, health.Config{Checks: []health.Check{
			{Name: "d", Criticality: health.Critical, Run: d.check, Interval: time.Second, FailAfter: 1, PassAfter: 3},
		}})
		after(time.Second / 2)
		d.set(errAway)
		after(time.Second)
		wantProbes(t, c, "after 1 failure", isNotReady)
		d.set(nil)
		after(2 * time.Second)
		wantProbes(t, c, "after 2 passes", isNotReady)
		after(time.Second)
		wantProbes(t, c, "after 3 passes", isReady)
	})
}

func TestChecksRunAtTheirOwnIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		often, seldom := &dependency{}, &dependency{}
		start(t, health.Config{Checks: []health.Check{
			{Name: "often", Run: often.check, Interval: time.Second},
			{Name: "seldom", Run: seldom.check, Interval: time.Minute},
		}})
		after(2 * time.Minute)
		if got, want := [2]int{often.count(), seldom.count()}, [2]int{121, 3}; got != want {
			t.Errorf("in two minutes the checks ran %v times, want %v", got, want)
		}
	})
}

func TestLivenessHoldsNoCheck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dependency{err: errAway}
		c := start(t, health.Config{Checks: []health.Check{{Name: "d", Criticality: health.Critical, Run: d.check}}})
		for range 10 {
			after(time.Minute)
			if code := get(c.Live()).Code; code != http.StatusOK {
				t.Errorf("live answers %d in state %s", code, c.Report().State)
			}
		}
	})
}

func TestDrainIsForGood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dependency{}
		c := start(t, health.Config{Checks: []health.Check{{Name: "d", Criticality: health.Critical, Run: d.check}}})
		synctest.Wait()
		c.Drain()
		wantProbes(t, c, "after Drain", isDraining)
		runs := d.count()
		after(time.Minute)
		c.Drain()
		wantProbes(t, c, "a minute of passes and a second Drain later", isDraining)
		if d.count() == runs {
			t.Error("checks do not run while what is left is served")
		}
	})
}

func TestTheEndOfRunDrains(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dependency{}
		c, err := health.New(health.Config{Kit: newKit(), Checks: []health.Check{{Name: "d", Criticality: health.Critical, Run: d.check}}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := c.Run(ctx); err != nil {
			t.Fatal(err)
		}
		wantProbes(t, c, "after Run", isDraining)
		if err := c.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "make another") {
			t.Errorf("a second Run returned %v", err)
		}
	})
}

func TestARunThatEndsWithTheServiceIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit()
		c, err := health.New(health.Config{Kit: k, Checks: []health.Check{{
			Name: "d", Criticality: health.Critical, FailAfter: 1,
			Run: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() },
		}}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		if err := c.Run(ctx); err != nil {
			t.Error(err)
		}
		if got := k.logged(); strings.Contains(got, "fails") {
			t.Errorf("logged %s", got)
		}
	})
}

func TestRunNamesTheChecksThatItLeavesBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		defer close(release)
		c, err := health.New(health.Config{Kit: newKit(), Checks: []health.Check{
			{Name: "deaf", Run: func(context.Context) error { <-release; return nil }},
			{Name: "polite", Run: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }},
		}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		began := time.Now()
		err = c.Run(ctx)
		if err == nil || !strings.HasSuffix(err.Error(), ": deaf") {
			t.Errorf("Run returned %v, want deaf named and nothing else", err)
		}
		if took := time.Since(began); took > 21*time.Second {
			t.Errorf("Run took %v, want hardly longer than its context", took)
		}
	})
}

func TestACheckThatBreaksDownFailsAndSparesTheService(t *testing.T) {
	for name, test := range map[string]struct {
		run  func(context.Context) error
		want string
	}{
		"panic":                    {func(context.Context) error { panic("no such table") }, "the check panicked: no such table"},
		"goexit":                   {func(context.Context) error { runtime.Goexit(); return nil }, "the check ended its goroutine without returning"},
		"an error that panics":     {func(context.Context) error { return brokenError{} }, "%!v(PANIC=Error method: broken)"},
		"an error that is nothing": {func(context.Context) error { return (*nilError)(nil) }, "<nil>"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := &dependency{}
				k := newKit()
				c := start(t, health.Config{Kit: k, Checks: []health.Check{
					{Name: "broken", Run: test.run},
					{Name: "sound", Criticality: health.Critical, Run: d.check},
				}})
				after(time.Minute)
				wantProbes(t, c, "with a broken check", isDegraded)
				if got := c.Report().Checks[0].Output; got != test.want {
					t.Errorf("got output %q, want %q", got, test.want)
				}
				if got := k.logged(); name == "panic" && !strings.Contains(got, "health_test.go") {
					t.Errorf("the log does not say where it panicked: %s", got)
				}
			})
		})
	}
}

type brokenError struct{}

func (brokenError) Error() string { panic("broken") }

type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

func TestWhatChecksSaidIsNotBelievedForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &dependency{}
		blocked := make(chan struct{})
		c := start(t, health.Config{Kit: blockedKit{newKit(), blocked}, Checks: []health.Check{
			{Name: "d", Criticality: health.Critical, Run: d.check},
		}})
		after(15 * time.Second)
		wantProbes(t, c, "three intervals after the last result", isReady)
		after(time.Second)
		wantProbes(t, c, "later", isNotReady)
		if got := c.Report().Output; !strings.Contains(got, "not believed") {
			t.Errorf("the report says %q", got)
		}
		close(blocked)
		after(5 * time.Second)
		wantProbes(t, c, "when results come again", isReady)
	})
}

// blockedKit has a log that blocks, so that the checks stand still.
type blockedKit struct {
	*kit
	until chan struct{}
}

func (k blockedKit) Logger() *slog.Logger { return slog.New(slog.NewTextHandler(k, nil)) }

func (k blockedKit) Write(line []byte) (int, error) {
	<-k.until
	return k.kit.Write(line)
}

func TestProbesReportsAndDrainAreSafeConcurrently(t *testing.T) {
	d := &dependency{}
	c := start(t, health.Config{Checks: []health.Check{{Name: "d", Criticality: health.Critical, Run: d.check, Interval: time.Millisecond}}})
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 200 {
				get(c.Ready())
				get(c.Details())
				report := c.Report()
				report.Checks[0].Name = "mine to change"
				d.set([]error{nil, errAway}[n%2])
				if i == 0 && n == 100 {
					c.Drain()
				}
			}
		})
	}
	all.Wait()
	if got := c.Report().Checks[0].Name; got != "d" {
		t.Errorf("who got a report changed the checker's: %q", got)
	}
}
