package otelkit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/otelkit/kit/internal/testlimit"
	"github.com/otelkit/kit/otelkit"
	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"
)

// The sizes of the queues under test, small, so that they fill.
const (
	queueSize = 64
	batchSize = 16
)

// smallQueues has kits that start later have small queues, for a test. Metrics are
// exported only when they are flushed, so that the test knows how often.
func smallQueues(t *testing.T) {
	for _, prefix := range []string{"OTEL_BSP", "OTEL_BLRP"} {
		t.Setenv(prefix+"_MAX_QUEUE_SIZE", fmt.Sprint(queueSize))
		t.Setenv(prefix+"_MAX_EXPORT_BATCH_SIZE", fmt.Sprint(batchSize))
		t.Setenv(prefix+"_SCHEDULE_DELAY", "10")
	}
	t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "3600000")
}

// exportsEnd has the exports of kits that start later end after a time.
func exportsEnd(t *testing.T, after time.Duration) {
	for _, variable := range []string{"OTEL_BSP_EXPORT_TIMEOUT", "OTEL_BLRP_EXPORT_TIMEOUT", "OTEL_METRIC_EXPORT_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"} {
		t.Setenv(variable, fmt.Sprint(after.Milliseconds()))
	}
}

// observed is a service whose telemetry goes to a receiver.
type observed struct {
	kit      *otelkit.Kit
	out      *lines
	url      string
	client   *http.Client
	receiver *faultyReceiver

	served      atomic.Int64 // requests: each a span, a log record and measurements
	collections atomic.Int64 // of metrics
	live        atomic.Int64 // spans and log records in memory
}

func newObserved(t *testing.T, protocol string, r *faultyReceiver) *observed {
	t.Helper()
	o := &observed{receiver: r}
	o.kit, o.out = start(t, otelkit.Config{
		Endpoint: r.url, Protocol: protocol, Catalogs: []*metrics.Catalog{catalog},
		ShutdownTimeout: time.Hour, // the exports end sooner
	})
	meter := o.kit.MeterProvider().Meter("shop")
	_, err := meter.Int64ObservableGauge("shop.collections", metric.WithInt64Callback(func(_ context.Context, gauge metric.Int64Observer) error {
		gauge.Observe(o.collections.Add(1))
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders", func(w http.ResponseWriter, r *http.Request) {
		o.served.Add(1)
		trace.SpanFromContext(r.Context()).SetAttributes(attribute.String("shop.order.id", o.counted()))
		orders.Add(r.Context(), 1, orderAttrs{"DE"})
		duration.Record(r.Context(), 0.2, metrics.None{})
		o.kit.Logger().InfoContext(r.Context(), "order placed", "order", o.counted())
		w.WriteHeader(http.StatusNoContent)
	})
	server := httptest.NewServer(httpserver.Wrap(mux, httpserver.Config{Kit: o.kit}))
	t.Cleanup(server.Close)
	o.url, o.client = server.URL+"/orders", server.Client()
	return o
}

// counted returns a text that counts as live until the last reference to it is gone.
func (o *observed) counted() string {
	text := make([]byte, 64)
	for i := range text {
		text[i] = 'x'
	}
	o.live.Add(1)
	runtime.AddCleanup(&text[0], func(live *atomic.Int64) { live.Add(-1) }, &o.live)
	return unsafe.String(&text[0], len(text))
}

// load sends requests, from many clients at once, and returns when all were answered.
func (o *observed) load(t *testing.T, requests int) {
	t.Helper()
	const clients = 8
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for range requests / clients {
				response, err := o.client.Get(o.url)
				if err != nil {
					t.Error("a request failed:", err)
					return
				}
				response.Body.Close()
				if response.StatusCode != http.StatusNoContent {
					t.Errorf("a request was answered %s", response.Status)
				}
			}
		})
	}
	wg.Wait()
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx := testlimit.Context(t)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !holds() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			t.Fatal("waited in vain until", what)
		}
	}
}

// lost returns what was lost of a signal, by all causes or some.
func lost(kit *otelkit.Kit, signal otelkit.Signal, causes ...otelkit.Cause) int {
	items := 0
	for _, loss := range kit.Loss() {
		if loss.Signal == signal && (len(causes) == 0 || slices.Contains(causes, loss.Cause)) {
			items += int(loss.Items)
		}
	}
	return items
}

// logged returns what the lines on standard output say was lost.
func logged(t *testing.T, out *lines) []otelkit.Loss {
	t.Helper()
	sum := map[otelkit.LostAttrs]int64{}
	for line := range strings.Lines(out.String()) {
		var record struct {
			Msg, Signal, Cause string
			Items              int64
		}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatal(err)
		}
		if record.Msg == "telemetry was lost" {
			sum[otelkit.LostAttrs{Signal: otelkit.Signal(record.Signal), Cause: otelkit.Cause(record.Cause)}] += record.Items
		}
	}
	var lost []otelkit.Loss
	for _, signal := range otelkit.Signal("").Values() {
		for _, cause := range otelkit.Cause("").Values() {
			if items := sum[otelkit.LostAttrs{Signal: signal, Cause: cause}]; items > 0 {
				lost = append(lost, otelkit.Loss{Signal: signal, Cause: cause, Items: items})
			}
		}
	}
	return lost
}

var signals = []otelkit.Signal{otelkit.SignalTraces, otelkit.SignalMetrics, otelkit.SignalLogs}

// One load under each fault that a receiver can have. No request fails or waits: all
// are answered before the fault ends. What is kept in memory is bounded by the
// queues. And when the receiver is back, what it got and what was lost is what was
// recorded, to the item, and the metric, Kit.Loss and the lines say the same.
func TestAFaultyReceiverCostsTheServiceNothingAndWhatIsLostIsCounted(t *testing.T) {
	smallQueues(t)
	var all sync.WaitGroup // not t.Parallel, which lets few begin: most of the time they wait
	for f, want := range map[fault]otelkit.Cause{
		none:      "",
		refuses:   otelkit.CauseUnavailable,
		hangs:     otelkit.CauseTimeout,
		throttles: otelkit.CauseUnavailable,
		isAway:    otelkit.CauseUnavailable,
		rejects:   otelkit.CauseRejected,
		resets:    otelkit.CauseUnavailable,
		takesPart: otelkit.CausePartialSuccess,
	} {
		// An exporter ends with its time only if it waits or tries again. Otherwise it
		// has all the time that a slow machine may take for it.
		limit := time.Hour
		if f == hangs || f == refuses || f == resets {
			limit = 3 * time.Second
		}
		exportsEnd(t, limit)
		for _, protocol := range []string{"http/protobuf", "grpc"} {
			r := newFaultyReceiver(t, protocol, f)
			o := newObserved(t, protocol, r)
			all.Go(func() {
				t.Run(fmt.Sprintf("%s/%s", f, protocol), func(t *testing.T) {
					requests := 400
					if f == none {
						requests = queueSize // that all fits, were the machine as slow as it may
					}
					o.load(t, 8) // so that there are metrics to flush
					flushed := make(chan struct{})
					go func() {
						defer close(flushed)
						// An export whose whole time went by before its first try tells of no
						// cause but that: then there is another.
						for ended := false; !ended; ended = f == none || lost(o.kit, otelkit.SignalMetrics, want) > 0 {
							_ = o.kit.ForceFlush(context.Background())
						}
					}()
					o.load(t, requests-8)
					for _, signal := range signals {
						until(t, fmt.Sprintf("%s are lost", signal), func() bool { return f == none || lost(o.kit, signal, want) > 0 })
					}
					// Each waiting or exported item has one text; a collected one may have
					// been looked at a moment ago.
					until(t, "no more is in memory than the queues hold", func() bool {
						runtime.GC()
						return o.live.Load() <= 2*(queueSize+batchSize)
					})
					<-flushed
					r.heal()
					until(t, "the receiver is back", func() bool { return o.kit.ForceFlush(t.Context()) == nil })
					if err := o.kit.Shutdown(t.Context()); err != nil {
						t.Fatal(err)
					}
					o.check(t)
					if f == none && len(o.kit.Loss()) > 0 {
						t.Errorf("a loss is counted though all arrived: %v", o.kit.Loss())
					}
					if f == hangs && (lost(o.kit, otelkit.SignalTraces, otelkit.CauseQueueFull) == 0 || lost(o.kit, otelkit.SignalLogs, otelkit.CauseQueueFull) == 0) {
						t.Errorf("the queues were never full: %v", o.kit.Loss())
					}
				})
			})
		}
	}
	all.Wait()
}

// check compares what was recorded with what arrived and what was lost, when all is
// over.
func (o *observed) check(t *testing.T) {
	t.Helper()
	for _, signal := range []otelkit.Signal{otelkit.SignalTraces, otelkit.SignalLogs} {
		arrived, lost := o.receiver.items(signal), lost(o.kit, signal)
		if got, want := arrived+lost, int(o.served.Load()); got != want {
			t.Errorf("%s: %d arrived and %d were lost, together %d; %d were recorded", signal, arrived, lost, got, want)
		}
	}
	arrived, lost := o.receiver.items(otelkit.SignalMetrics), lost(o.kit, otelkit.SignalMetrics)
	collections := int(o.collections.Load())
	if got := arrived + lost; collections == 0 || got%collections != 0 {
		t.Errorf("metrics: %d data points arrived and %d were lost, together %d, which is no multiple of the %d times that they were collected", arrived, lost, got, collections)
	}
	if got, want := logged(t, o.out), o.kit.Loss(); !slices.Equal(got, want) {
		t.Errorf("the lines tell of %v; lost were %v", got, want)
	}
	if got, want := o.receiver.toldLost(), o.kit.Loss(); !slices.Equal(got, want) {
		t.Errorf("the metric tells of %v; lost were %v", got, want)
	}
}
