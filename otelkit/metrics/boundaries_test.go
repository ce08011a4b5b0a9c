package metrics_test

import (
	"errors"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/otelkit/kit/otelkit/metrics"
)

func newDurations(c *metrics.Catalog) *metrics.Histogram[metrics.None] {
	return metrics.NewHistogram[metrics.None](c, metrics.Definition{
		Name: "webstore.payment.duration", Unit: "s", Help: "How long payments took.", Buckets: []float64{0.25, 0.5},
	})
}

func TestABoundaryThatIsAskedForIsRecordedAndShown(t *testing.T) {
	catalog := metrics.NewCatalog("example.com/shop")
	h := newDurations(catalog)
	before := h.Metric()
	for _, le := range []float64{0.3, 1, 0.1, 0.3, 0.25} {
		if err := h.AddBoundary(le, "shop/objectives.go:7"); err != nil {
			t.Error(err)
		}
	}
	want := []float64{0.1, 0.25, 0.3, 0.5, 1}
	if got := h.Metric().Buckets; !slices.Equal(got, want) {
		t.Errorf("the definition has the boundaries %v, want %v", got, want)
	}
	if got := catalog.Metrics()[0].Buckets; !slices.Equal(got, want) {
		t.Errorf("the catalog has the boundaries %v, want %v", got, want)
	}
	if got := catalog.Series(); got != len(want)+3 {
		t.Errorf("the catalog counts %d series, want %d", got, len(want)+3)
	}
	if want := []float64{0.25, 0.5}; !slices.Equal(before.Buckets, want) {
		t.Errorf("what was returned before became %v, want %v", before.Buckets, want)
	}
	f := newFixture(t)
	h.Record(f.ctx, 0.28, metrics.None{})
	point := f.collect()["webstore.payment.duration"].Data.(metricdata.Histogram[float64]).DataPoints[0]
	if !slices.Equal(point.Bounds, want) || point.BucketCounts[2] != 1 {
		t.Errorf("280 ms was recorded as %v in %v", point.BucketCounts, point.Bounds)
	}
}

func TestABoundaryThatComesTooLateIsRefusedByLine(t *testing.T) {
	reports := reported(t)
	catalog := metrics.NewCatalog("example.com/shop")
	h := newDurations(catalog)
	h.Record(newFixture(t).ctx, 0.2, metrics.None{})
	err := h.AddBoundary(0.3, "shop/objectives.go:7")
	for where, got := range map[string]error{"returned": err, "in the catalog": catalog.Err(), "reported": errors.New(strings.Join(reports(), "\n"))} {
		for _, want := range []string{`"webstore.payment.duration"`, "boundaries_test.go:", "shop/objectives.go:7", "boundary 0.3", "too late"} {
			if got == nil || !strings.Contains(got.Error(), want) {
				t.Errorf("the error %s is %v; it lacks %q", where, got, want)
			}
		}
	}
	if err := h.AddBoundary(0.5, "shop/objectives.go:8"); err != nil {
		t.Errorf("a boundary that is there was refused: %v", err)
	}
	if got, want := h.Metric().Buckets, []float64{0.25, 0.5}; !slices.Equal(got, want) {
		t.Errorf("the definition shows %v, which is not what it records: %v", got, want)
	}
}

func TestABoundaryThatIsNoNumberIsRefused(t *testing.T) {
	reported(t)
	for _, le := range []float64{math.NaN(), math.Inf(1)} {
		if err := newDurations(metrics.NewCatalog("example.com/shop")).AddBoundary(le, "shop/objectives.go:7"); err == nil {
			t.Errorf("boundary %v was taken", le)
		}
	}
}

func TestAWrongDefinitionTakesNoBoundary(t *testing.T) {
	catalog := metrics.NewCatalog("example.com/shop")
	newDurations(catalog)
	second := newDurations(catalog)
	if err := second.AddBoundary(0.3, "shop/objectives.go:7"); err == nil {
		t.Error("a definition that is wrong took a boundary")
	}
	if got, want := catalog.Metrics()[0].Buckets, []float64{0.25, 0.5}; !slices.Equal(got, want) {
		t.Errorf("the first definition has %v, want %v", got, want)
	}
}

func TestHistogramsThatShareASliceOfBoundariesKeepTheirOwn(t *testing.T) {
	shared := make([]float64, 2, 10)
	copy(shared, []float64{0.25, 0.5})
	catalog := metrics.NewCatalog("example.com/shop")
	define := func(name string) *metrics.Histogram[metrics.None] {
		return metrics.NewHistogram[metrics.None](catalog, metrics.Definition{Name: name, Unit: "s", Help: "Time.", Buckets: shared})
	}
	one, other := define("shop.one"), define("shop.other")
	if err := one.AddBoundary(0.3, "here"); err != nil {
		t.Fatal(err)
	}
	if got := other.Metric().Buckets; !slices.Equal(got, []float64{0.25, 0.5}) {
		t.Errorf("the boundary of one histogram went to the other: %v", got)
	}
}

func TestBoundariesMayBeAskedForConcurrently(t *testing.T) {
	reported(t)
	catalog := metrics.NewCatalog("example.com/shop")
	h, f := newDurations(catalog), newFixture(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			_ = h.AddBoundary(float64(i)/10, "here") // may be too late
			h.Record(f.ctx, 0.1, metrics.None{})
			_ = catalog.Metrics()
		})
	}
	wg.Wait()
	point := f.collect()["webstore.payment.duration"].Data.(metricdata.Histogram[float64]).DataPoints[0]
	if got := h.Metric().Buckets; !slices.Equal(got, point.Bounds) {
		t.Errorf("the definition shows %v, and %v is recorded", got, point.Bounds)
	}
}
