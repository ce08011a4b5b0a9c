package otelkit_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/otelkit/kit/internal/reserved"
	"github.com/otelkit/kit/otelkit"
	"go.opentelemetry.io/otel/metric"
)

// otelconf and others shut down one signal after the other: with a hung
// collector the first ate the whole time and the others had no try.
func TestShutdownGivesEverySignalItsTryWhenTheCollectorHangs(t *testing.T) {
	url, asked := hungCollector(t)
	exportsEnd(t, time.Hour)
	kit, _ := start(t, otelkit.Config{Endpoint: url, ShutdownTimeout: time.Hour})
	place(t.Context(), kit)

	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	result := make(chan error)
	go func() { result <- kit.Shutdown(ctx) }()
	for _, signal := range []string{"traces", "metrics", "logs"} {
		for !strings.Contains(asked(), "/v1/"+signal) {
			runtime.Gosched()
		}
	}
	giveUp()
	err := <-result
	for _, signal := range []string{"traces", "metrics", "logs"} {
		if !strings.Contains(fmt.Sprint(err), signal) {
			t.Errorf("the error does not name %s: %v", signal, err)
		}
	}
	if again := kit.Shutdown(t.Context()); again != err {
		t.Errorf("the second Shutdown returned %v, not the result of the first", again)
	}
}

func TestNothingWaitsForACollectorThatSaysNothing(t *testing.T) {
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0") // whose connections nobody serves
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			kit, _ := start(t, otelkit.Config{Endpoint: "http://" + listener.Addr().String(), Protocol: protocol, ShutdownTimeout: time.Hour})
			for range 10_000 { // more than the queues hold
				place(t.Context(), kit)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if err := kit.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v, want that the deadline passed", err)
			}
		})
	}
}

func TestShutdownEndsThoughACallbackHangs(t *testing.T) {
	collector := newCollector(t, "")
	kit, _ := start(t, otelkit.Config{Endpoint: collector.url, ShutdownTimeout: 100 * time.Millisecond})
	release := make(chan struct{})
	t.Cleanup(func() { close(release) })
	meter := kit.MeterProvider().Meter("shop")
	_, err := meter.Int64ObservableGauge("shop.hung", metric.WithInt64Callback(func(context.Context, metric.Int64Observer) error {
		<-release
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	if err := kit.Shutdown(t.Context()); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "metrics") {
		t.Errorf("error %v, want that the deadline passed for metrics", err)
	}
}

func TestShutdownExportsThoughItsContextWasCancelled(t *testing.T) {
	collector := newCollector(t, "")
	kit, _ := start(t, otelkit.Config{Endpoint: collector.url})
	place(t.Context(), kit)
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // as signal.NotifyContext does on the signal that ends the service
	if err := kit.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	if len(collector.spanNames()) != 1 || len(collector.logBodies()) != 1 {
		t.Errorf("spans %q, records %q; want one each", collector.spanNames(), collector.logBodies())
	}
}

// The SDK's reader gives up the export that is under way when it is shut down,
// then makes its last. That was reported as metrics lost.
func TestShutdownDuringAnExportLosesNoMetrics(t *testing.T) {
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "1")
	exportsEnd(t, time.Hour)
	collector := newCollector(t, "")
	underWay := make(chan struct{})
	var first sync.Once
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hang := false
		if r.URL.Path == "/v1/metrics" {
			first.Do(func() { hang = true })
		}
		if !hang {
			collector.ServeHTTP(w, r)
			return
		}
		_, _ = io.Copy(io.Discard, r.Body)
		close(underWay)
		<-r.Context().Done()
	}))
	t.Cleanup(slow.Close)
	kit, out := start(t, otelkit.Config{Endpoint: slow.URL})
	place(t.Context(), kit)
	<-underWay
	if err := kit.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if collector.metric("shop.orders") == nil {
		t.Error("the last export did not arrive")
	}
	if strings.Contains(out.String(), "telemetry was lost") {
		t.Errorf("a loss is reported:\n%s", out)
	}
}

func TestShutdownConcurrentSafe(t *testing.T) {
	collector := newCollector(t, "")
	kit, _ := start(t, otelkit.Config{Endpoint: collector.url})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { place(t.Context(), kit) })
		wg.Go(func() {
			if err := kit.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() { _ = kit.ForceFlush(t.Context()) })
	}
	wg.Wait()
}

// The SDK hands each failed export to the global error handler, which prints it.
func TestAnAbsentCollectorIsOneLineForEachCause(t *testing.T) {
	address, _ := reserved.Port(t)
	t.Setenv("OTEL_METRICS_EXPORTER", "none")
	t.Setenv("OTEL_LOGS_EXPORTER", "none")
	kit, out := start(t, otelkit.Config{Endpoint: "http://" + address})
	for range 3 {
		place(t.Context(), kit)
		if err := kit.ForceFlush(t.Context()); err == nil || !strings.Contains(err.Error(), "flushing traces") {
			t.Errorf("ForceFlush without a collector: %v", err)
		}
	}
	if got := strings.Count(out.String(), "telemetry was lost"); got != 1 {
		t.Errorf("%d lines about traces, want 1:\n%s", got, out)
	}
	_ = kit.Shutdown(t.Context())
	if got := strings.Count(out.String(), "telemetry was lost"); got != 2 {
		t.Errorf("%d lines about traces after Shutdown, want 2, the second with the rest of the count:\n%s", got, out)
	}
}
