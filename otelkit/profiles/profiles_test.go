package profiles_test

import (
	"net/http"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelkit/kit/otelkit/profiles"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

func TestTheCatalogIsRight(t *testing.T) {
	if err := profiles.Catalog.Err(); err != nil {
		t.Error(err)
	}
}

func TestProfilesSayWhoseTheyAre(t *testing.T) {
	server := newPyroscope(t)
	p := start(t, profiles.Config{
		Service:  "payments",
		URL:      strings.Replace(server.URL, "http://", "http://user:secret@", 1),
		Labels:   map[string]string{"service_version": "v1.2"},
		Headers:  map[string]string{"X-Scope-OrgID": "shop"},
		Interval: time.Hour,
	})
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, push := range server.got() {
		if !strings.HasPrefix(push.name, "payments{") || !strings.Contains(push.name, "service_version=v1.2") {
			t.Errorf("got the name %q", push.name)
		}
		user, password, _ := (&http.Request{Header: push.header}).BasicAuth()
		if got := user + " " + password + " " + push.header.Get("X-Scope-OrgID"); got != "user secret shop" {
			t.Errorf("got user, password and tenant %q", got)
		}
	}
}

func TestStartTellsEverythingThatIsWrong(t *testing.T) {
	_, err := profiles.Start(profiles.Config{
		URL:      "localhost:4040",
		Labels:   map[string]string{"team": "a,b"},
		Interval: -1,
	})
	for _, want := range []string{"set Service", "http://localhost:4040", `label "team" has the value "a,b"`, "Interval -1ns is negative"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want it to say %q", err, want)
		}
	}
	if _, err := profiles.Start(profiles.Config{URL: "http://localhost:4040", Service: "a service"}); err == nil || !strings.Contains(err.Error(), "a service") {
		t.Errorf("got %v, want it to name the service", err)
	}
}

func TestAnErrorDoesNotTellThePassword(t *testing.T) {
	_, err := profiles.Start(profiles.Config{URL: "ftp://user:s3cret@host", Service: "payments"})
	if err == nil || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("got %v", err)
	}
}

func TestAProcessIsProfiledOnceAtATime(t *testing.T) {
	server := newPyroscope(t)
	cfg := profiles.Config{Service: "payments", URL: server.URL, Interval: time.Hour}
	first := start(t, cfg)
	if _, err := profiles.Start(cfg); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("got %v, want that it is being profiled already", err)
	}
	for range 2 { // the second does nothing
		if err := first.Stop(t.Context()); err != nil {
			t.Error(err)
		}
	}
	start(t, cfg)
}

func TestMutexesAreSampledOnlyWhileProfilingRuns(t *testing.T) {
	before := runtime.SetMutexProfileFraction(7)
	defer runtime.SetMutexProfileFraction(before)
	server := newPyroscope(t)
	for mutex, want := range map[int]int{0: 100, 20: 20, -1: 7} {
		p := start(t, profiles.Config{URL: server.URL, Mutex: mutex, Interval: time.Hour})
		if got := runtime.SetMutexProfileFraction(-1); got != want {
			t.Errorf("Mutex %d: one in %d is sampled, want %d", mutex, got, want)
		}
		if err := p.Stop(t.Context()); err != nil {
			t.Error(err)
		}
		if got := runtime.SetMutexProfileFraction(-1); got != 7 {
			t.Errorf("Mutex %d: one in %d is sampled afterwards, want 7 as before", mutex, got)
		}
	}
}

func TestWhatIsTurnedOffIsNotSent(t *testing.T) {
	server := newPyroscope(t)
	p := start(t, profiles.Config{URL: server.URL, Mutex: -1, Block: -1, Interval: time.Hour})
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, push := range server.got() {
		if push.types() == "contentions delay" {
			t.Error("a profile of mutexes or blocking was sent")
		}
	}
}

func TestBlockingIsSampled(t *testing.T) {
	server := newPyroscope(t)
	p := start(t, profiles.Config{URL: server.URL, Block: 1, Mutex: -1, Interval: time.Hour})
	until(t, "a wait was sampled", func() bool {
		waitForTheOther()
		var text strings.Builder
		return pprof.Lookup("block").WriteTo(&text, 1) == nil && strings.Contains(text.String(), "waitForTheOther")
	})
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, push := range server.got() {
		if push.types() == "contentions delay" && strings.Contains(push.profile.String(), "waitForTheOther") {
			return
		}
	}
	t.Error("no profile shows where a channel was waited for")
}

// waitForTheOther blocks until another goroutine has run, unless that was quicker.
//
//go:noinline
func waitForTheOther() {
	done := make(chan struct{})
	go func() {
		runtime.Gosched()
		close(done)
	}()
	<-done
}

func TestOffCostsNothing(t *testing.T) {
	var p *profiles.Profiler
	synctest.Test(t, func(t *testing.T) { // fails if a goroutine runs
		var err error
		if p, err = profiles.Start(profiles.Config{}); err != nil {
			t.Fatal(err)
		}
	})
	if never := (*profiles.Profiler)(nil); p.On() || never.On() {
		t.Error("it says that it is on")
	}
	ctx, span := newTraced(sdktrace.AlwaysSample()).tracers.Tracer("test").Start(t.Context(), "request")
	if n := testing.AllocsPerRun(1000, func() { p.Label(ctx, span, "/orders/{id}") }); n != 0 {
		t.Errorf("Label allocates %v times", n)
	}
	if err := p.Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
