package otelkit_test

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/otelkit/kit/otelkit"
	"github.com/otelkit/kit/otelkit/logs"
)

// stuck is a standard output that takes nothing until it is released.
type stuck struct{ released chan struct{} }

func (s stuck) Write(p []byte) (int, error) {
	<-s.released
	return len(p), nil
}

func TestAStalledStandardOutputStopsNeitherTheServiceNorItsShutdown(t *testing.T) {
	t.Setenv("OTEL_METRICS_EXPORTER", "none") // whose last export is left for Shutdown
	out := stuck{make(chan struct{})}
	defer close(out.released)
	collector := newCollector(t, "http/protobuf")
	kit, err := otelkit.Start(t.Context(), otelkit.Config{
		Service: "shop", Endpoint: collector.url, Logs: logs.Config{Output: out}, ShutdownTimeout: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		place(t.Context(), kit)
	}
	if err := kit.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	// Nothing but the lines is left for Shutdown, whose time is over when their turn comes.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := kit.Shutdown(ctx); err == nil || !strings.Contains(err.Error(), "3 lines are not written") {
		t.Errorf("Shutdown returned %v, want that 3 lines are not written", err)
	}
	if got := collector.logBodies(); len(got) != 3 {
		t.Errorf("%d records arrived, want 3", len(got))
	}
}

func TestConsoleExportersAndTheLoggerShareAnOutputThatOneMayUseAtATime(t *testing.T) {
	for _, signal := range []string{"TRACES", "METRICS", "LOGS"} {
		t.Setenv("OTEL_"+signal+"_EXPORTER", "console")
	}
	var out bytes.Buffer // the race detector looks
	kit, err := otelkit.Start(t.Context(), otelkit.Config{Service: "shop", Logs: logs.Config{Output: &out}})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				ctx, span := kit.TracerProvider().Tracer("shop").Start(t.Context(), "place order")
				kit.Logger().InfoContext(ctx, "order placed")
				span.End()
			}
			if err := kit.ForceFlush(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := kit.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(out.String(), `"msg":"order placed"`); got != 200 {
		t.Errorf("%d of 200 lines are written", got)
	}
}

// Lines about losses are alike but for their attributes.
func TestEachLossIsSaidHoweverFewRepeatsAreLogged(t *testing.T) {
	receiver := httptest.NewServer(http.NotFoundHandler())
	defer receiver.Close()
	kit, out := start(t, otelkit.Config{Endpoint: receiver.URL, Logs: logs.Config{Repeats: logs.Repeats{Max: 1}}})
	place(t.Context(), kit)
	if err := kit.ForceFlush(t.Context()); err == nil {
		t.Error("ForceFlush returned no error")
	}
	if got, want := logged(t, out), kit.Loss(); len(want) < 3 || !slices.Equal(got, want) {
		t.Errorf("the lines tell of %v, want %v", got, want)
	}
}

func TestWhatRepeatsIsExportedAsANumberAtShutdown(t *testing.T) {
	collector := newCollector(t, "http/protobuf")
	kit, _ := start(t, otelkit.Config{Endpoint: collector.url, Logs: logs.Config{Repeats: logs.Repeats{Max: 1}}})
	for range 5 {
		place(t.Context(), kit)
	}
	if err := kit.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := collector.logBodies(); !slices.Equal(got, []string{"order placed", "repeats of a log message were suppressed"}) {
		t.Errorf("records %q", got)
	}
	for _, name := range []string{"otelkit.logs.dropped", "otelkit.logs.suppressed"} {
		if collector.metric(name) == nil {
			t.Errorf("metric %s did not arrive", name)
		}
	}
}
