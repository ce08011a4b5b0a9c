package slo_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/slo"
)

// fixture is a kit of its own with what was recorded into it.
type fixture struct {
	t      *testing.T
	ctx    context.Context // counts in the kit
	reader *sdkmetric.ManualReader
	rec    *metrics.Recorder
}

func newFixture(t *testing.T) *fixture {
	reader := sdkmetric.NewManualReader()
	rec := metrics.NewRecorder(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	return &fixture{t: t, ctx: metrics.NewContext(t.Context(), rec), reader: reader, rec: rec}
}

func (f *fixture) Recorder() *metrics.Recorder { return f.rec }

// points returns the series of slo.Counted by objective and outcome.
func (f *fixture) points() map[string]metricdata.DataPoint[int64] {
	f.t.Helper()
	var rm metricdata.ResourceMetrics
	if err := f.reader.Collect(f.t.Context(), &rm); err != nil {
		f.t.Fatal(err)
	}
	points := map[string]metricdata.DataPoint[int64]{}
	for _, scope := range rm.ScopeMetrics {
		for _, m := range scope.Metrics {
			if m.Name != "otelkit.slo.events" {
				continue
			}
			for _, p := range m.Data.(metricdata.Sum[int64]).DataPoints {
				name, _ := p.Attributes.Value("otelkit.slo.name")
				outcome, _ := p.Attributes.Value("otelkit.slo.outcome")
				points[name.AsString()+" "+outcome.AsString()] = p
			}
		}
	}
	return points
}

// counted checks how many good and bad events there are.
func (f *fixture) counted(good, bad int64) {
	f.t.Helper()
	points := f.points()
	for outcome, want := range map[string]int64{"good": good, "bad": bad} {
		point, ok := points["speed "+outcome]
		if !ok || point.Value != want {
			f.t.Errorf("%d events are %s (there: %v), want %d", point.Value, outcome, ok, want)
		}
	}
}

var speed = slo.New(slo.SLO{
	Name: "speed", Help: "Orders are quick.", Service: "shop", Objective: 0.99,
	Events: slo.Counted, Threshold: time.Second,
})

func (f *fixture) recorder() *slo.Recorder {
	f.t.Helper()
	r, err := slo.NewRecorder(slo.RecorderConfig{SLO: speed, Kit: f})
	if err != nil {
		f.t.Fatal(err)
	}
	return r
}

func TestTheCatalogIsRight(t *testing.T) {
	if err := slo.Catalog.Err(); err != nil {
		t.Error(err)
	}
}

func TestARecorderStartsBothSeriesAtZero(t *testing.T) { // a counter that is born at 1 loses its first event to increase()
	f := newFixture(t)
	f.recorder()
	f.counted(0, 0)
}

func TestARecorderCountsGoodAndBad(t *testing.T) {
	for name, tc := range map[string]struct {
		record    func(context.Context, *slo.Recorder)
		good, bad int64
	}{
		"good":             {func(ctx context.Context, r *slo.Recorder) { r.Record(ctx, true) }, 1, 0},
		"bad":              {func(ctx context.Context, r *slo.Recorder) { r.Record(ctx, false) }, 0, 1},
		"at the threshold": {func(ctx context.Context, r *slo.Recorder) { r.Latency(ctx, time.Second) }, 1, 0},
		"above it":         {func(ctx context.Context, r *slo.Recorder) { r.Latency(ctx, time.Second+1) }, 0, 1},
		"done in time":     {func(ctx context.Context, r *slo.Recorder) { r.Done(ctx, time.Second, nil) }, 1, 0},
		"done late":        {func(ctx context.Context, r *slo.Recorder) { r.Done(ctx, time.Minute, nil) }, 0, 1},
		"failed soon":      {func(ctx context.Context, r *slo.Recorder) { r.Done(ctx, 0, errors.New("no")) }, 0, 1},
		"out of time":      {func(ctx context.Context, r *slo.Recorder) { r.Done(ctx, 0, context.DeadlineExceeded) }, 0, 1},
		"cancelled": {func(ctx context.Context, r *slo.Recorder) {
			r.Done(ctx, time.Minute, fmt.Errorf("asking: %w", context.Canceled))
		}, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t)
			tc.record(t.Context(), f.recorder()) // of no kit: the recorder's own is used
			f.counted(tc.good, tc.bad)
		})
	}
}

func TestWithoutAKitEventsGoWhereTheContextSays(t *testing.T) {
	r, err := slo.NewRecorder(slo.RecorderConfig{SLO: speed})
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t)
	r.Record(f.ctx, true)
	r.Record(f.ctx, false)
	f.counted(1, 1)
}

func TestBadEventsLeadToTheirTraceAndGoodOnesDoNot(t *testing.T) {
	f := newFixture(t)
	r := f.recorder()
	id := trace.TraceID{1, 2, 3}
	ctx := trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: id, SpanID: trace.SpanID{4}, TraceFlags: trace.FlagsSampled,
	}))
	r.Record(ctx, true)
	r.Record(ctx, false)
	points := f.points()
	if got := points["speed good"].Exemplars; len(got) != 0 {
		t.Errorf("a good event has the exemplars %v", got)
	}
	if got := points["speed bad"].Exemplars; len(got) != 1 || trace.TraceID(got[0].TraceID) != id {
		t.Errorf("the bad event has the exemplars %v, want one of trace %s", got, id)
	}
}

func TestOnlyCountedObjectivesHaveARecorder(t *testing.T) {
	for name, tc := range map[string]struct {
		slo  slo.SLO
		want string
	}{
		"of another metric":  {valid(func(*slo.SLO) {}), "takes an objective with Events: slo.Counted"},
		"wrong":              {valid(func(s *slo.SLO) { s.Help = "" }), "no Help"},
		"with Where":         {slo.New(valid(func(s *slo.SLO) { s.Events = slo.Counted })), "leave them out"},
		"not made by New":    {slo.SLO{Name: "speed", Help: "Quick.", Service: "shop", Objective: 0.99, Events: slo.Counted}, "make this one by slo.New"},
		"negative threshold": {slo.New(slo.SLO{Name: "speed", Help: "Quick.", Service: "shop", Objective: 0.99, Events: slo.Counted, Threshold: -1}), "is negative"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := slo.NewRecorder(slo.RecorderConfig{SLO: tc.slo}); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("NewRecorder() = %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestRecordingDoesNotAllocate(t *testing.T) {
	f := newFixture(t)
	r := f.recorder()
	for name, record := range map[string]func(){
		"good": func() { r.Record(f.ctx, true) },
		"bad":  func() { r.Record(f.ctx, false) },
		"fast": func() { r.Latency(f.ctx, time.Millisecond) },
	} {
		if n := testing.AllocsPerRun(1000, record); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
