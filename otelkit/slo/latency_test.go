package slo_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel"

	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/slo"
)

var (
	durations = metrics.NewHistogram[attrs](catalog, metrics.Definition{
		Name: "shop.order.duration", Unit: "s", Help: "How long orders took.", Buckets: []float64{0.25, 0.5},
	})
	sizes = metrics.NewHistogram[attrs](catalog, metrics.Definition{
		Name: "shop.order.size", Unit: "By", Help: "How large orders were.", Buckets: []float64{1000},
	})
)

// latency returns a latency objective with nothing wrong, after change.
func latency(change func(*slo.SLO)) slo.SLO {
	return valid(func(s *slo.SLO) {
		s.Events, s.Bad, s.Threshold = durations, nil, 300*time.Millisecond
		change(s)
	})
}

func TestTheThresholdBecomesABoundaryByItself(t *testing.T) { // an objective at 300 ms on buckets of 250 and 500 is the commonest mistake
	s := slo.New(latency(func(*slo.SLO) {}))
	if err := s.Validate(); err != nil {
		t.Error(err)
	}
	if got := durations.Metric().Buckets; !slices.Contains(got, 0.3) {
		t.Errorf("the histogram has the boundaries %v, 0.3 is not among them", got)
	}
	if le, ok := s.Boundary(); le != 0.3 || !ok {
		t.Errorf("the boundary is %v, %v", le, ok)
	}
}

func TestAThresholdBeyondAllBucketsIsABoundaryToo(t *testing.T) {
	if err := slo.New(latency(func(s *slo.SLO) { s.Threshold = time.Hour })).Validate(); err != nil {
		t.Error(err)
	}
}

func TestTheBoundaryIsInTheUnitOfTheHistogram(t *testing.T) {
	for unit, want := range map[string]float64{"ns": 3e8, "us": 300000, "ms": 300, "s": 0.3, "min": 0.005} {
		h := metrics.NewHistogram[metrics.None](metrics.NewCatalog("test"), metrics.Definition{
			Name: "shop.time", Unit: unit, Help: "Time.", Buckets: []float64{1},
		})
		s := slo.New(latency(func(s *slo.SLO) { s.Events = h }))
		if le, ok := s.Boundary(); le != want || !ok {
			t.Errorf("300 ms in %s is %v, %v, want %v", unit, le, ok, want)
		}
		if got := h.Metric().Buckets; !slices.Contains(got, want) {
			t.Errorf("300 ms in %s: boundaries %v lack %v", unit, got, want)
		}
	}
}

func TestTheBoundaryHasNoDustOfBinaryFractions(t *testing.T) {
	for ms := range 100_000 {
		threshold := time.Duration(ms+1) * time.Millisecond
		le, _ := latency(func(s *slo.SLO) { s.Threshold = threshold }).Boundary()
		if text := fmt.Sprint(le); len(text) > len("100.000") {
			t.Fatalf("%v is written %s", threshold, text)
		}
	}
}

func TestAWrongThresholdIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*slo.SLO)
		want   string
	}{
		"negative":     {func(s *slo.SLO) { s.Threshold = -time.Second }, "threshold -1s is negative"},
		"of a counter": {func(s *slo.SLO) { s.Events = orders }, "is a counter, which does not know how long anything took"},
		"of bytes":     {func(s *slo.SLO) { s.Events = sizes }, `unit "By" is not a time`},
		"two kinds of failure": {func(s *slo.SLO) {
			s.Bad = []slo.Match{{Key: "shop.outcome", Pattern: "failed"}, {Key: "http.response.status_code", Pattern: "5.."}}
		}, "more than one Match in Bad beside a Threshold"},
		"neither bad nor slow": {func(s *slo.SLO) { s.Threshold = 0 }, "no Bad and no Threshold"},
	} {
		t.Run(name, func(t *testing.T) {
			err := slo.New(latency(tc.change)).Validate()
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "_test.go:") {
				t.Errorf("Validate() = %v, want an error with %q and the line of the definition", err, tc.want)
			}
		})
	}
}

func TestAnObjectiveThatNoBucketAnswersIsRefused(t *testing.T) {
	s := latency(func(s *slo.SLO) { s.Threshold = 123 * time.Millisecond }) // not made by New
	if err := s.Validate(); err == nil || !strings.Contains(err.Error(), "no bucket ends at 0.123 (123ms)") || !strings.Contains(err.Error(), "slo.New") {
		t.Errorf("Validate() = %v, want an error that names slo.New", err)
	}
}

func TestAnObjectiveThatComesTooLateIsRefusedByLine(t *testing.T) {
	before := otel.GetErrorHandler()
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(error) {}))
	t.Cleanup(func() { otel.SetErrorHandler(before) })

	h := metrics.NewHistogram[metrics.None](metrics.NewCatalog("test"), metrics.Definition{
		Name: "shop.time", Unit: "s", Help: "Time.", Buckets: []float64{1},
	})
	h.Record(newFixture(t).ctx, 0.1, metrics.None{})
	err := slo.New(latency(func(s *slo.SLO) { s.Events = h })).Validate()
	for _, want := range []string{"slo/latency_test.go:", "boundary 0.3, asked for at slo/latency_test.go:", "too late"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Validate() = %v, want an error with %q", err, want)
		}
	}
}
