package profiles_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/otelkit/kit/otelkit/profiles"
)

// losses keeps what a profiler tells its kit.
type losses struct {
	mu     sync.Mutex
	causes map[string]int
	last   error
}

func (l *losses) add(cause string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.causes == nil {
		l.causes = map[string]int{}
	}
	l.causes[cause]++
	l.last = err
}

func (l *losses) of(cause string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.causes[cause]
}

// startInKit starts a profiler as otelkit.Start does.
func startInKit(t *testing.T, cfg profiles.Config, labels map[string]string) (*profiles.Profiler, *kit, *losses) {
	t.Helper()
	k, l := newKit(), &losses{}
	p := profiles.New(cfg)
	if err := p.StartProfiling("payments", labels, k.Recorder(), k.Logger(), l.add); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop(context.Background()) })
	return p, k, l
}

func TestAKitSaysWhatTheConfigLeavesOut(t *testing.T) {
	server := newPyroscope(t)
	p, k, _ := startInKit(t, profiles.Config{URL: server.URL, Interval: time.Hour, Labels: map[string]string{"service_version": "v2"}},
		map[string]string{"service_version": "v1", "service_namespace": "shop"})
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	pushes := server.got()
	if len(pushes) == 0 {
		t.Fatal("no profiles came")
	}
	for _, want := range []string{"payments{", "service_version=v2", "service_namespace=shop"} {
		if name := pushes[0].name; !strings.Contains(name, want) {
			t.Errorf("profiles came for %q, want %q in it", name, want)
		}
	}
	if got := k.uploads(t)["uploaded"]; got != int64(len(pushes)) {
		t.Errorf("the kit was told of %d uploads, want %d", got, len(pushes))
	}
}

func TestAVariableSaysWherePyroscopeIs(t *testing.T) {
	server := newPyroscope(t)
	t.Setenv("PYROSCOPE_SERVER_ADDRESS", server.URL)
	p, _, _ := startInKit(t, profiles.Config{URL: "http://192.0.2.1", Interval: time.Hour}, nil)
	if err := p.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(server.got()) == 0 {
		t.Error("profiles went elsewhere")
	}
}

func TestAKitIsToldOfEachProfileThatIsLost(t *testing.T) {
	server := newPyroscope(t)
	server.answer = func(w http.ResponseWriter, _ int) { w.WriteHeader(http.StatusUnauthorized) }
	p, k, l := startInKit(t, profiles.Config{URL: server.URL, Interval: time.Hour}, nil)
	if err := p.Stop(t.Context()); err == nil || !strings.Contains(err.Error(), "401") {
		t.Errorf("Stop returned %v, want what Pyroscope answered", err)
	}
	if got, want := l.of("rejected"), server.called(); got != want || want == 0 {
		t.Errorf("told of %d lost profiles, want %d", got, want)
	}
	if l.last == nil || !strings.Contains(l.last.Error(), "401") {
		t.Errorf("told of %v, want what Pyroscope answered", l.last)
	}
	if lines := k.logged(t); len(lines) > 0 {
		t.Errorf("what the kit logs is logged here too: %v", lines)
	}
}

func TestAKitIsToldOfProfilesThatWereLeftWhenTheTimeWasOver(t *testing.T) {
	server := newPyroscope(t)
	server.hanging(t)
	p, _, l := startInKit(t, profiles.Config{URL: server.URL, Interval: time.Hour}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	ctx, cancelDeadline := context.WithTimeout(ctx, time.Hour)
	defer cancelDeadline()
	stopped := make(chan error)
	go func() { stopped <- p.Stop(ctx) }()
	until(t, "an upload hangs", func() bool { return server.called() > 0 })
	cancel()
	if err := <-stopped; err == nil {
		t.Error("Stop says nothing of it")
	}
	until(t, "all were counted", func() bool { return l.of("shutdown") >= 5 })
}

func TestAProfilerThatWasNotStartedStops(t *testing.T) {
	if err := profiles.New(profiles.Config{URL: "http://localhost:4040"}).Stop(t.Context()); err != nil {
		t.Error(err)
	}
}
