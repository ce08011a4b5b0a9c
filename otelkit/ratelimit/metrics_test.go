package ratelimit_test

import (
	"context"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/ratelimit"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

func TestTheCatalogIsRight(t *testing.T) {
	if err := ratelimit.Catalog.Err(); err != nil {
		t.Error(err)
	}
}

func TestDecisionsAreCountedByWhoDecided(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	defer client.Close()
	kit, clock := newKit(), newClock()
	l := backend{"miniredis", client}.limiter(t, ratelimit.Config{Kit: kit, Now: clock.Now, Limits: []ratelimit.Limit{
		{Name: "api", Rate: 2, Per: time.Hour},
		{Name: "new", Rate: 1, Per: time.Hour, Shadow: true},
		{Name: "busy", Rate: 100, Per: time.Hour, Lease: 10},
	}})
	for range 4 {
		allow(t, l, "api", "k")
		allow(t, l, "new", "k")
		allow(t, l, "busy", "k")
	}
	got := kit.series(t, "otelkit.ratelimit.decisions")
	want := map[string]int64{
		"limit=api outcome=allowed source=redis":    2,
		"limit=api outcome=denied source=redis":     1,
		"limit=api outcome=denied source=cache":     1,
		"limit=new outcome=allowed source=redis":    1,
		"limit=new outcome=would_deny source=redis": 3,
		"limit=busy outcome=allowed source=redis":   3,
		"limit=busy outcome=allowed source=lease":   1,
	}
	if len(got) != len(want) {
		t.Errorf("%d series, want %d: %v", len(got), len(want), got)
	}
	for series, n := range want {
		if got[series] != n {
			t.Errorf("%s: %d, want %d", series, got[series], n)
		}
	}
}

func TestTheKitInTheContextIsUsedWithoutOneInTheConfig(t *testing.T) {
	kit := newKit()
	l := newLimiter(t, ratelimit.Config{Limits: []ratelimit.Limit{{Name: "api", Rate: 1, Per: time.Hour}}})
	if _, err := l.Allow(metrics.NewContext(t.Context(), kit.recorder), "api", "k"); err != nil {
		t.Fatal(err)
	}
	if got := kit.series(t, "otelkit.ratelimit.decisions"); got["limit=api outcome=allowed source=local"] != 1 {
		t.Errorf("decisions %v, want one", got)
	}
}

// From a slow decision to its trace.
func TestHowLongRedisTookHasTheTraceAsExemplar(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	defer client.Close()
	kit := newKit()
	l := backend{"miniredis", client}.limiter(t, ratelimit.Config{Kit: kit, Limits: []ratelimit.Limit{{Name: "api", Rate: 1, Per: time.Hour}}})
	ctx, span := sdktrace.NewTracerProvider().Tracer("test").Start(t.Context(), "request")
	defer span.End()
	if _, err := l.Allow(ctx, "api", "k"); err != nil {
		t.Fatal(err)
	}
	var all metricdata.ResourceMetrics
	if err := kit.reader.Collect(context.Background(), &all); err != nil {
		t.Fatal(err)
	}
	for _, m := range all.ScopeMetrics[0].Metrics {
		if data, ok := m.Data.(metricdata.Histogram[float64]); ok {
			exemplars := data.DataPoints[0].Exemplars
			trace := span.SpanContext().TraceID()
			if len(exemplars) != 1 || string(exemplars[0].TraceID) != string(trace[:]) {
				t.Errorf("exemplars %v, want trace %s", exemplars, trace)
			}
			return
		}
	}
	t.Error("no histogram")
}

func TestADenialIsAnEventOfTheSpanAndNoSpan(t *testing.T) {
	spans := tracetest.NewSpanRecorder()
	ctx, span := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans)).Tracer("test").Start(t.Context(), "request")
	clock := newClock()
	l := newLimiter(t, ratelimit.Config{Now: clock.Now, Limits: []ratelimit.Limit{
		{Name: "api", Rate: 1, Per: time.Hour},
		{Name: "new", Rate: 1, Per: time.Hour, Shadow: true},
	}})
	for _, limit := range []string{"api", "api", "new", "new"} {
		if _, err := l.Allow(ctx, limit, "k"); err != nil {
			t.Fatal(err)
		}
	}
	span.End()
	if n := len(spans.Ended()); n != 1 {
		t.Errorf("%d spans, want that of the request alone", n)
	}
	var got []string
	for _, e := range spans.Ended()[0].Events() {
		got = append(got, e.Name+" "+text(attribute.NewSet(e.Attributes...)))
	}
	if len(got) != 2 || got[0] != "otelkit.ratelimit.denied limit=api source=local" || got[1] != "otelkit.ratelimit.would_deny limit=new source=local" {
		t.Errorf("events %q, want a denial of api and one that would be of new", got)
	}
}
