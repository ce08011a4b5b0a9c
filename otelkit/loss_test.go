package otelkit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/otelkit/kit/otelkit"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/profiles"
	"go.opentelemetry.io/otel"
)

func TestTheCatalogIsRight(t *testing.T) {
	if err := otelkit.Catalog.Err(); err != nil {
		t.Error(err)
	}
}

// A collector that restarts asks to be tried again: what it is sent then is not lost.
func TestAReceiverThatIsBackInTimeLosesNothing(t *testing.T) {
	for _, status := range []int{http.StatusTooManyRequests, http.StatusServiceUnavailable} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			r := newFaultyReceiver(t, "", none)
			var mu sync.Mutex
			refused := map[string]bool{}
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
				mu.Lock()
				first := !refused[request.URL.Path]
				refused[request.URL.Path] = true
				mu.Unlock()
				if first {
					w.Header().Set("Retry-After", "1")
					w.WriteHeader(status)
					return
				}
				r.handle(w, request)
			}))
			t.Cleanup(front.Close)
			kit, out := start(t, otelkit.Config{Endpoint: front.URL, ShutdownTimeout: time.Minute})
			place(t.Context(), kit)
			if err := kit.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if r.items(otelkit.SignalTraces) != 1 || r.items(otelkit.SignalLogs) != 1 || r.items(otelkit.SignalMetrics) == 0 {
				t.Error("not all arrived")
			}
			if lost := kit.Loss(); len(lost) > 0 || strings.Contains(out.String(), "telemetry was lost") {
				t.Errorf("%v is counted as lost; the lines:\n%s", lost, out)
			}
		})
	}
}

func TestWhatIsLeftWhenTheTimeForShutdownIsOverIsCounted(t *testing.T) {
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			r := newFaultyReceiver(t, protocol, hangs)
			exportsEnd(t, time.Hour)
			kit, out := start(t, otelkit.Config{Endpoint: r.url, Protocol: protocol, ShutdownTimeout: time.Hour})
			const placed = 1000 // more than a batch
			for range placed {
				place(t.Context(), kit)
			}
			ctx, giveUp := context.WithCancel(t.Context())
			defer giveUp()
			result := make(chan error)
			go func() { result <- kit.Shutdown(ctx) }()
			for _, signal := range signals {
				until(t, string(signal)+" had their try", func() bool { return r.requests(signal) > 0 })
			}
			giveUp()
			err := <-result
			for _, signal := range signals {
				if !strings.Contains(fmt.Sprint(err), string(signal)) {
					t.Errorf("the error does not name %s: %v", signal, err)
				}
			}
			points := int64(lost(kit, otelkit.SignalMetrics))
			want := []otelkit.Loss{
				{Signal: otelkit.SignalTraces, Cause: otelkit.CauseShutdown, Items: placed},
				{Signal: otelkit.SignalMetrics, Cause: otelkit.CauseShutdown, Items: points},
				{Signal: otelkit.SignalLogs, Cause: otelkit.CauseShutdown, Items: placed},
			}
			if got := kit.Loss(); !slices.Equal(got, want) || points == 0 {
				t.Errorf("lost %v, want %v", got, want)
			}
			if got, want := logged(t, out), kit.Loss(); !slices.Equal(got, want) {
				t.Errorf("the lines tell of %v; lost were %v", got, want)
			}
		})
	}
}

// The SDK's providers take no notice of what is recorded after their end.
func TestWhatIsRecordedAfterShutdownIsCounted(t *testing.T) {
	r := newFaultyReceiver(t, "", none)
	kit, out := start(t, otelkit.Config{Endpoint: r.url})
	_, span := kit.TracerProvider().Tracer("shop").Start(t.Context(), "outlives the kit")
	if err := kit.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	span.End()
	place(t.Context(), kit)
	place(t.Context(), kit)
	want := []otelkit.Loss{
		{Signal: otelkit.SignalTraces, Cause: otelkit.CauseAlreadyShutdown, Items: 3},
		{Signal: otelkit.SignalLogs, Cause: otelkit.CauseAlreadyShutdown, Items: 2},
	}
	if got := kit.Loss(); !slices.Equal(got, want) {
		t.Errorf("lost %v, want %v", got, want)
	}
	until(t, "the lines tell of it", func() bool { return len(logged(t, out)) == 2 })
}

// The SDK (v1.47) exports nothing of a collection in which one callback failed.
func TestACallbackThatFailsLosesNoOtherMetric(t *testing.T) {
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
	gauge := metrics.NewObservableGauge[metrics.None](metrics.NewCatalog("failing"), metrics.Definition{Name: "shop.stock", Unit: "{item}", Help: "Stock."})
	r := newFaultyReceiver(t, "", none)
	kit, _ := start(t, otelkit.Config{Endpoint: r.url})
	_, err := gauge.Register(kit.Context(t.Context()), func(context.Context, func(float64, metrics.None)) error {
		return errors.New("the database is away")
	})
	if err != nil {
		t.Fatal(err)
	}
	place(t.Context(), kit)
	if err := kit.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if r.items(otelkit.SignalMetrics) == 0 {
		t.Error("no metric arrived")
	}
}

func TestASignalThatIsNotExportedIsNotLost(t *testing.T) {
	kit, _ := start(t, otelkit.Config{})
	place(t.Context(), kit)
	if err := kit.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	place(t.Context(), kit)
	if lost := kit.Loss(); len(lost) > 0 {
		t.Errorf("lost %v", lost)
	}
}

// What OTEL_BSP_* and OTEL_BLRP_* say holds for the kit's own batches.
func TestVariablesSayHowSpansAndRecordsAreBatched(t *testing.T) {
	for prefix, signal := range map[string]otelkit.Signal{"OTEL_BSP": otelkit.SignalTraces, "OTEL_BLRP": otelkit.SignalLogs} {
		t.Run(prefix, func(t *testing.T) {
			t.Run("a full batch is exported at once", func(t *testing.T) {
				t.Setenv(prefix+"_SCHEDULE_DELAY", "3600000")
				t.Setenv(prefix+"_MAX_EXPORT_BATCH_SIZE", "2")
				r := newFaultyReceiver(t, "", none)
				kit, _ := start(t, otelkit.Config{Endpoint: r.url})
				for range 5 {
					place(t.Context(), kit)
				}
				until(t, "two batches arrived", func() bool { return r.items(signal) == 4 })
				if got := r.requests(signal); got != 2 {
					t.Errorf("4 items came in %d requests, want 2", got)
				}
			})
			t.Run("a batch is exported when its time is over", func(t *testing.T) {
				t.Setenv(prefix+"_SCHEDULE_DELAY", "1")
				r := newFaultyReceiver(t, "", none)
				kit, _ := start(t, otelkit.Config{Endpoint: r.url})
				place(t.Context(), kit)
				until(t, "it arrived", func() bool { return r.items(signal) == 1 })
			})
			t.Run("an export ends when its time is over", func(t *testing.T) {
				t.Setenv(prefix+"_SCHEDULE_DELAY", "1")
				t.Setenv(prefix+"_EXPORT_TIMEOUT", "1")
				r := newFaultyReceiver(t, "", hangs)
				kit, _ := start(t, otelkit.Config{Endpoint: r.url, ShutdownTimeout: time.Millisecond})
				place(t.Context(), kit)
				until(t, "it is lost", func() bool { return lost(kit, signal, otelkit.CauseTimeout) == 1 })
			})
			t.Run("a full queue takes no more", func(t *testing.T) {
				t.Setenv(prefix+"_SCHEDULE_DELAY", "3600000")
				t.Setenv(prefix+"_MAX_QUEUE_SIZE", "3")
				t.Setenv(prefix+"_MAX_EXPORT_BATCH_SIZE", "1")
				exportsEnd(t, time.Hour)
				r := newFaultyReceiver(t, "", hangs)
				kit, _ := start(t, otelkit.Config{Endpoint: r.url, ShutdownTimeout: time.Millisecond})
				place(t.Context(), kit)
				until(t, "the first is under way", func() bool { return r.requests(signal) == 1 })
				for range 5 {
					place(t.Context(), kit)
				}
				if got := lost(kit, signal, otelkit.CauseQueueFull); got != 2 {
					t.Errorf("%d of 5 found the queue of 3 full, want 2", got)
				}
			})
		})
	}
}

// fakeProfiler keeps what it was started with.
type fakeProfiler struct {
	service string
	labels  map[string]string
	lost    func(cause string, err error)
	stop    func(context.Context) error
}

func (p *fakeProfiler) StartProfiling(service string, labels map[string]string, _ *metrics.Recorder, _ *slog.Logger, lost func(string, error)) error {
	if service == "refused" {
		return errors.New("refused")
	}
	p.service, p.labels, p.lost = service, labels, lost
	return nil
}

func (p *fakeProfiler) Stop(ctx context.Context) error { return p.stop(ctx) }

func TestProfilesAreTheFourthSignal(t *testing.T) {
	p := &fakeProfiler{stop: func(context.Context) error { return errors.New("no more profiles") }}
	kit, out := start(t, otelkit.Config{Namespace: "town", Version: "v1", Environment: "test", Profiles: p})
	if want := map[string]string{"service_namespace": "town", "service_version": "v1", "deployment_environment_name": "test"}; p.service != "shop" || !reflect.DeepEqual(p.labels, want) {
		t.Errorf("started for %q with %v, want shop with %v", p.service, p.labels, want)
	}
	p.lost("unavailable", errors.New("no route to host"))
	p.lost("bad luck", nil)
	err := kit.Shutdown(t.Context())
	if err == nil || err.Error() != "otelkit: shutting down profiles: no more profiles" {
		t.Errorf("Shutdown returned %v", err)
	}
	want := []otelkit.Loss{
		{Signal: otelkit.SignalProfiles, Cause: otelkit.CauseRejected, Items: 1},
		{Signal: otelkit.SignalProfiles, Cause: otelkit.CauseUnavailable, Items: 1},
	}
	if got := kit.Loss(); !slices.Equal(got, want) {
		t.Errorf("lost %v, want %v", got, want)
	}
	if got := logged(t, out); !slices.Equal(got, want) {
		t.Errorf("the lines tell of %v, want %v", got, want)
	}
}

func TestAHungProfilerTakesNoTimeFromTheOtherSignals(t *testing.T) {
	r := newFaultyReceiver(t, "", none)
	p := &fakeProfiler{stop: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
	kit, _ := start(t, otelkit.Config{Endpoint: r.url, Profiles: p})
	place(t.Context(), kit)
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	result := make(chan error)
	go func() { result <- kit.Shutdown(ctx) }()
	for _, signal := range signals {
		until(t, string(signal)+" arrived", func() bool { return r.items(signal) > 0 })
	}
	giveUp()
	if err := <-result; err == nil || !strings.Contains(err.Error(), "shutting down profiles") {
		t.Errorf("error %v, want it to name profiles", err)
	}
}

func TestADisabledSDKDoesNotProfile(t *testing.T) {
	t.Setenv("OTEL_SDK_DISABLED", "true")
	p := &fakeProfiler{}
	start(t, otelkit.Config{Profiles: p})
	if p.service != "" {
		t.Error("profiling was started")
	}
}

func TestAServiceOnABadProfilerDoesNotStart(t *testing.T) {
	kit, err := otelkit.Start(t.Context(), otelkit.Config{Service: "refused", Profiles: &fakeProfiler{}})
	if err == nil {
		t.Fatal("it started", kit.Shutdown(t.Context()))
	}
	if !strings.Contains(err.Error(), "refused") {
		t.Errorf("error %v", err)
	}
}

// The profiles of otelkit/profiles are lost while Pyroscope is away, and counted.
func TestRealProfilesThatAreLostAreCounted(t *testing.T) {
	pyroscope := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
	}))
	t.Cleanup(pyroscope.Close)
	profiler := profiles.New(profiles.Config{URL: pyroscope.URL, Interval: time.Hour})
	r := newFaultyReceiver(t, "", none)
	kit, out := start(t, otelkit.Config{Endpoint: r.url, Profiles: profiler})
	err := kit.Shutdown(t.Context())
	if err == nil || !strings.Contains(err.Error(), "shutting down profiles") || !strings.Contains(err.Error(), "401") {
		t.Errorf("error %v, want that profiles were answered 401", err)
	}
	if lost(kit, otelkit.SignalProfiles, otelkit.CauseRejected) == 0 {
		t.Errorf("lost %v, want rejected profiles among them", kit.Loss())
	}
	if got, want := logged(t, out), kit.Loss(); !slices.Equal(got, want) {
		t.Errorf("the lines tell of %v; lost were %v", got, want)
	}
	if strings.Contains(out.String(), "profiling failed") {
		t.Errorf("the losses are logged twice:\n%s", out)
	}
}

// Who wants to see what happens without a receiver can have requests refused, and pass.
func TestRequestsThatAreRefusedFailAsIfNobodyWereThere(t *testing.T) {
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			r := newFaultyReceiver(t, protocol, none)
			var refusing atomic.Bool
			refusing.Store(true)
			refused := make(chan bool, 1000)
			kit, _ := start(t, otelkit.Config{Endpoint: r.url, Protocol: protocol, ShutdownTimeout: time.Minute, Refuse: func() error {
				if !refusing.Load() {
					return nil
				}
				refused <- true
				return &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
			}})
			place(t.Context(), kit)
			flushing, stop := context.WithCancel(t.Context()) // gRPC tries until it is told to stop
			go func() {
				for range 3 { // signals
					<-refused
				}
				stop()
			}()
			if err := kit.ForceFlush(flushing); err == nil || r.items(otelkit.SignalTraces)+r.items(otelkit.SignalLogs)+r.items(otelkit.SignalMetrics) > 0 {
				t.Errorf("flushing what is refused: error %v, or something arrived", err)
			}
			stop()
			for _, loss := range kit.Loss() {
				if protocol == "http/protobuf" && loss.Cause != otelkit.CauseUnavailable {
					t.Errorf("lost is %+v, want it lost because nobody is there", loss)
				}
			}
			refusing.Store(false)
			place(t.Context(), kit)
			if err := kit.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if r.items(otelkit.SignalTraces) == 0 || r.items(otelkit.SignalLogs) == 0 || r.items(otelkit.SignalMetrics) == 0 {
				t.Error("not every signal arrived once requests passed")
			}
		})
	}
}
