package profiles_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/pprof/profile"
	"github.com/otelkit/kit/otelkit/profiles"
)

// The defects of pyroscope-go v1.4.3, one a test.

// Its Stop uploads nothing, though it says so: 4 s of profiles are gone.
func TestStopSendsTheLastProfiles(t *testing.T) {
	server, k := newPyroscope(t), newKit()
	p := start(t, profiles.Config{URL: server.URL, Kit: k, Interval: time.Hour})
	runtime.GC() // else the runtime has nothing new to tell about memory
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, push := range server.got() {
		got = append(got, push.types())
	}
	for _, want := range []string{
		"samples cpu",
		"alloc_objects alloc_space inuse_objects inuse_space",
		"goroutine",
		"contentions delay", // mutex
		"contentions delay", // block
	} {
		i := slices.Index(got, want)
		if i < 0 {
			t.Fatalf("no profile with %q among what is left of %q", want, got)
		}
		got = slices.Delete(got, i, i+1)
	}
	if sent := k.uploads(t); sent["uploaded"] != int64(len(server.got())) {
		t.Errorf("counted %v, want the %d that came", sent, len(server.got()))
	}
}

// It says of the last profiles that they end before they begin.
func TestTheLastProfilesCoverSomeTime(t *testing.T) {
	server := newPyroscope(t)
	p := start(t, profiles.Config{URL: server.URL, Interval: time.Hour})
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, push := range server.got() {
		if push.covers <= 0 {
			t.Errorf("the profile with %q covers %v", push.types(), push.covers)
		}
	}
}

// Its Stop takes 30 s when Pyroscope hangs, 60 s after a Flush.
func TestStopReturnsWhenItsContextIsDoneThoughPyroscopeHangs(t *testing.T) {
	server, k := newPyroscope(t), newKit()
	server.hanging(t)
	p := start(t, profiles.Config{URL: server.URL, Kit: k, Interval: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error)
	go func() { stopped <- p.Stop(ctx) }()
	until(t, "uploads hang", func() bool { return server.called() > 0 })
	cancel()
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	until(t, "what was lost is counted", func() bool { return k.uploads(t)["abandoned"] >= 4 })
}

func TestStopIsBoundedThoughItsContextIsNot(t *testing.T) {
	server := newPyroscope(t)
	server.hanging(t)
	p := start(t, profiles.Config{URL: server.URL, Interval: time.Hour})
	if err := p.Stop(context.Background()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that its own deadline is over", err)
	}
}

// Its Stop waits for a CPU profile that is being served, which may take minutes.
func TestStopReturnsThoughACPUProfileIsBeingServed(t *testing.T) {
	server := newPyroscope(t)
	p := start(t, profiles.Config{URL: server.URL, Interval: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan *httptest.ResponseRecorder)
	go func() {
		answer := serveCPUProfile(ctx)
		for answer.Code == http.StatusInternalServerError { // the look below was there first
			answer = serveCPUProfile(ctx)
		}
		served <- answer
	}()
	now, cancelNow := context.WithCancel(t.Context())
	cancelNow()
	until(t, "a CPU profile is being served", func() bool { return serveCPUProfile(now).Code == http.StatusInternalServerError })
	if err := p.Stop(now); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	cancel()
	if code := (<-served).Code; code != http.StatusOK {
		t.Errorf("the CPU profile was answered with %d", code)
	}
}

// Its failures go to a logger that does nothing.
func TestUploadsThatFailAreCountedAndLogged(t *testing.T) {
	server, k := newPyroscope(t), newKit()
	server.answer = func(w http.ResponseWriter, _ int) { http.Error(w, "no such tenant", http.StatusUnauthorized) }
	p := start(t, profiles.Config{URL: server.URL, Kit: k, Interval: time.Hour})
	err := p.Stop(t.Context())
	if err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("Stop returned %v, want the status", err)
	}
	lost := k.uploads(t)["rejected"]
	if lost < 4 || int(lost) != server.called() {
		t.Errorf("counted %v, want the %d that were rejected", k.uploads(t), server.called())
	}
	lines, times := k.logged(t), 0
	for _, l := range lines {
		times += l.Times
		if !strings.Contains(l.Err, "no such tenant") {
			t.Errorf("line %+v does not say why", l)
		}
	}
	if times != int(lost) || len(lines) > 2 {
		t.Errorf("got %d lines about %d failures, want at most 2 about %d", len(lines), times, lost)
	}
}

// It does not try again.
func TestUploadsAreTriedAgain(t *testing.T) {
	server, k := newPyroscope(t), newKit()
	server.answer = func(w http.ResponseWriter, call int) {
		if call == 1 {
			http.Error(w, "starting", http.StatusServiceUnavailable)
		}
	}
	start(t, profiles.Config{URL: server.URL, Kit: k, Interval: 2 * time.Second})
	until(t, "everything was uploaded, though one call failed", func() bool { return k.uploads(t)["uploaded"] >= 3 })
	until(t, "the failed call was made again", func() bool { return int(k.uploads(t)["uploaded"]) < server.called() })
	if sent := k.uploads(t); sent["rejected"] != 0 {
		t.Errorf("counted %v, want none rejected", sent)
	}
}

// It drops what is beyond a queue of 20, and says so to nobody.
func TestTheQueueDoesNotFillThoughPyroscopeHangs(t *testing.T) {
	server, k := newPyroscope(t), newKit()
	server.hanging(t)
	start(t, profiles.Config{URL: server.URL, Kit: k, Interval: 100 * time.Millisecond})
	dropped := func() bool {
		return slices.ContainsFunc(k.logged(t), func(l line) bool { return strings.Contains(l.Err, "queue is full") })
	}
	until(t, "more was lost than the queue holds", func() bool { return k.uploads(t)["timeout"] > 40 || dropped() })
	if dropped() {
		t.Errorf("profiles were dropped; counted %v", k.uploads(t))
	}
}

// It forces a garbage collection if there was none since the last profile.
func TestNoGarbageCollectionIsForced(t *testing.T) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	server := newPyroscope(t)
	p := start(t, profiles.Config{URL: server.URL, Interval: 20 * time.Millisecond})
	until(t, "a few profiles came", func() bool { return len(server.got()) > 20 })
	// Whether the last were sent within so short an interval is not the question.
	_ = p.Stop(t.Context())
	runtime.ReadMemStats(&after)
	if forced := after.NumForcedGC - before.NumForcedGC; forced != 0 {
		t.Errorf("%d collections were forced", forced)
	}
}

// The CPU profile of net/http/pprof fails while it runs.
func TestACPUProfileCanBeServedWhileTheProcessIsProfiled(t *testing.T) {
	server := newPyroscope(t)
	start(t, profiles.Config{URL: server.URL, Interval: time.Hour})
	now, cancel := context.WithCancel(t.Context())
	cancel()
	w := serveCPUProfile(now)
	if w.Code != http.StatusOK {
		t.Fatalf("answered %d: %s", w.Code, w.Body)
	}
	if _, err := profile.Parse(w.Body); err != nil {
		t.Error(err)
	}
}

// A client that follows a redirect makes a GET of the POST, and takes the page it
// gets for success.
func TestARedirectIsNotTakenForSuccess(t *testing.T) {
	for name, client := range map[string]*http.Client{"own client": nil, "given client": {Transport: &http.Transport{DisableKeepAlives: true}}} {
		t.Run(name, func(t *testing.T) {
			server, k := newPyroscope(t), newKit()
			page := httptest.NewServer(http.NotFoundHandler())
			defer page.Close()
			page.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {})
			server.answer = func(w http.ResponseWriter, _ int) {
				w.Header().Set("Location", page.URL)
				w.WriteHeader(http.StatusFound)
			}
			p := start(t, profiles.Config{URL: server.URL, Kit: k, Interval: time.Hour, Client: client})
			if err := p.Stop(t.Context()); err == nil {
				t.Error("Stop reports no loss")
			}
			if sent := k.uploads(t); sent["uploaded"] != 0 || sent["rejected"] == 0 {
				t.Errorf("counted %v, want all rejected", sent)
			}
		})
	}
}

func serveCPUProfile(ctx context.Context) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	profiles.ServeCPUProfile(w, httptest.NewRequestWithContext(ctx, http.MethodGet, "/debug/pprof/profile?seconds=60", nil))
	return w
}
