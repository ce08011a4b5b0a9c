package health_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelkit/kit/otelkit/health"
	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// series returns a metric's series that are not 0, as "value,value" in the order
// of their keys: counters with their value, histograms with their count.
func (k *kit) series(t *testing.T, m metrics.Defined) map[string]float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := k.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	put := func(set attribute.Set, v float64) {
		var values []string
		for _, kv := range set.ToSlice() {
			values = append(values, kv.Value.AsString())
		}
		if v != 0 {
			got[strings.Join(values, ",")] = v
		}
	}
	for _, scope := range all.ScopeMetrics {
		for _, data := range scope.Metrics {
			if data.Name != m.Metric().Name {
				continue
			}
			switch data := data.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					put(p.Attributes, float64(p.Value))
				}
			case metricdata.Sum[float64]:
				for _, p := range data.DataPoints {
					put(p.Attributes, p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					put(p.Attributes, float64(p.Count))
				}
			default:
				t.Fatalf("%s is a %T", m.Metric().Name, data)
			}
		}
	}
	return got
}

func wantSeries(t *testing.T, k *kit, m metrics.Defined, want map[string]float64) {
	t.Helper()
	if got := k.series(t, m); !maps.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", m.Metric().Name, got, want)
	}
}

func TestTheCatalogIsRight(t *testing.T) {
	if err := health.Catalog.Err(); err != nil {
		t.Error(err)
	}
	if n := len(health.Catalog.Metrics()); n != 5 {
		t.Errorf("it holds %d metrics, want 5", n)
	}
}

func TestMetricsTellStateChecksRunsAndTransitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit()
		postgres, redis := &dependency{}, &dependency{}
		c := start(t, health.Config{Kit: k, Checks: []health.Check{
			{Name: "postgres", Layer: health.Datastore, Criticality: health.Critical, Run: postgres.check},
			{Name: "redis", Layer: health.Datastore, Run: redis.check},
		}})
		after(time.Second)
		wantSeries(t, k, health.Instances, map[string]float64{"ready": 1})
		wantSeries(t, k, health.Checks, map[string]float64{"critical,datastore,postgres,pass": 1, "noncritical,datastore,redis,pass": 1})
		wantSeries(t, k, health.Transitions, map[string]float64{"ready": 1})
		wantSeries(t, k, health.CheckTransitions, map[string]float64{})

		redis.set(errAway)
		after(10 * time.Second)
		redis.set(nil)
		after(10 * time.Second)
		postgres.set(errAway)
		after(10 * time.Second)
		wantSeries(t, k, health.Instances, map[string]float64{"not_ready": 1})
		wantSeries(t, k, health.Checks, map[string]float64{"critical,datastore,postgres,fail": 1, "noncritical,datastore,redis,pass": 1})
		wantSeries(t, k, health.Transitions, map[string]float64{"ready": 2, "degraded": 1, "not_ready": 1})
		wantSeries(t, k, health.CheckTransitions, map[string]float64{"redis,fail": 1, "redis,pass": 1, "postgres,fail": 1})
		wantSeries(t, k, health.CheckDuration, map[string]float64{
			"postgres,pass": 5, "postgres,fail": 2, "redis,pass": 5, "redis,fail": 2,
		})

		c.Drain()
		wantSeries(t, k, health.Instances, map[string]float64{"draining": 1})
	})
}

func TestMetricsTellHowARunEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit()
		release := make(chan struct{})
		start(t, health.Config{Kit: k, Checks: []health.Check{
			{Name: "a", Run: (&dependency{}).check},
			{Name: "b", Run: (&dependency{err: errAway}).check},
			{Name: "c", Run: func(context.Context) error { <-release; return nil }},
			{Name: "d", Run: func(context.Context) error { panic("broken") }},
		}})
		after(8 * time.Second)
		wantSeries(t, k, health.CheckDuration, map[string]float64{
			"a,pass": 2, "b,fail": 2, "c,timeout": 1, "d,panic": 2, // of a run that goes on, the time is not known
		})
		close(release)
	})
}

func TestMetricsEndWithRun(t *testing.T) {
	k := newKit()
	t.Run("while it runs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			start(t, health.Config{Kit: k})
			synctest.Wait()
			wantSeries(t, k, health.Instances, map[string]float64{"ready": 1})
		})
	})
	wantSeries(t, k, health.Instances, map[string]float64{})
}

func TestTheLogHasALineForEachChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKit()
		network, postgres := &dependency{}, &dependency{}
		c := start(t, health.Config{Kit: k, Checks: []health.Check{
			{Name: "network", Layer: health.System, Criticality: health.Informational, Run: network.check},
			{Name: "postgres", Layer: health.Datastore, Criticality: health.Critical, DependsOn: []string{"network"}, Run: postgres.check},
		}})
		after(time.Second)
		step := func(want ...string) {
			t.Helper()
			if got := strings.TrimSuffix(k.logged(), "\n"); got != strings.Join(want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
			}
		}
		step(`level=INFO msg="health state changed" otelkit.health.previous_state=starting otelkit.health.state=ready`)
		network.set(fmt.Errorf("no route: %w", errors.New("token=abc")))
		after(10 * time.Second)
		step(`level=WARN msg="health check fails" otelkit.health.check.name=network otelkit.health.check.layer=system otelkit.health.check.criticality=informational exception.message="no route: token=[redacted]"`)
		postgres.set(errAway)
		after(time.Minute)
		step(`level=ERROR msg="health state changed" otelkit.health.previous_state=ready otelkit.health.state=not_ready otelkit.health.output="network: no route: token=[redacted]"`,
			`level=WARN msg="health check fails" otelkit.health.check.name=postgres otelkit.health.check.layer=datastore otelkit.health.check.criticality=critical exception.message="connection refused" otelkit.health.check.caused_by=[network]`)
		postgres.set(nil)
		after(time.Minute)
		step(`level=INFO msg="health state changed" otelkit.health.previous_state=not_ready otelkit.health.state=ready`,
			`level=INFO msg="health check passes" otelkit.health.check.name=postgres otelkit.health.check.layer=datastore otelkit.health.check.criticality=critical`)
		c.Drain()
		step(`level=INFO msg="health state changed" otelkit.health.previous_state=ready otelkit.health.state=draining`)
	})
}
