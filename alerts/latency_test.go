package alerts_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/otelkit/kit/alerts"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/slo"
)

var durations = metrics.NewHistogram[orderAttrs](catalog, metrics.Definition{
	Name: "shop.order.duration", Unit: "s", Help: "How long orders took.", Buckets: []float64{0.25, 0.5},
})

// quick keeps a small latency objective, after changes.
func quick(changes ...func(*slo.SLO)) alerts.BurnRate {
	return objective(func(b *alerts.BurnRate) {
		b.SLO.Name, b.SLO.Events, b.SLO.Bad, b.SLO.Threshold = "shop-speed", durations, nil, 300*time.Millisecond
		for _, change := range changes {
			change(&b.SLO)
		}
		b.SLO = slo.New(b.SLO)
	})
}

func TestBurnRateWritesTheRulesOfALatencyObjective(t *testing.T) {
	const (
		all  = `rate(shop_order_duration_seconds_count{service_name="shop"}[5m])`
		fast = `sum without (le) (rate(shop_order_duration_seconds_bucket{service_name="shop",le="0.3"}[5m]))`
		by   = `sum by (job, deployment_environment_name) (`
	)
	text := rules(t, quick())
	for _, want := range []string{
		"expr: " + by + all + " and " + fast + ")\n",
		"expr: " + by + all + " - " + fast + ")\n", // never absent where there are events, so no "or 0 *"
		"expr: " + by + all + " - " + fast + ") / (" + by + all + " and " + fast + ") > 0)\n",
		`alert: ShopSpeedFastBurn`,
		`expr: absent_over_time(slo:events:rate5m{slo="shop-speed"}[15m])`,
		"was built without this objective, so that shop.order.duration has no bucket that ends at 0.3 s, or its telemetry",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
}

func TestALatencyObjectiveThatNoBucketAnswersHasNoRules(t *testing.T) {
	b := quick()
	b.SLO.Threshold = 123 * time.Millisecond
	if _, err := b.Groups(); err == nil || !strings.Contains(err.Error(), "no bucket ends at 0.123") {
		t.Errorf("error %v, want one about the bucket", err)
	}
}

func TestTestsOfALatencyObjectiveHaveBuckets(t *testing.T) {
	b := quick(func(s *slo.SLO) { s.Bad = []slo.Match{{Key: "shop.outcome", Pattern: "failed"}} })
	text, err := file(t, b).Tests("rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const attributes = `{deployment_environment_name="test",instance="2",job="shop",service_name="shop",shop_outcome="completed"`
	for _, want := range []string{
		`shop_order_duration_seconds_count` + attributes + `}`,
		`shop_order_duration_seconds_bucket` + attributes + `,le="0.3"}`,
		"ShopSpeedNoData fires when no bucket ends at the threshold",
	} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("no %q in:\n%s", want, text)
		}
	}
	if bytes.Contains(text, []byte(`shop_outcome="failed"`)) {
		t.Error("a failure is among the events")
	}
}

func TestTheRunbookOfALatencyObjectiveLooksForSlowTraces(t *testing.T) {
	pages, err := file(t, quick()).Runbooks()
	if err != nil {
		t.Fatal(err)
	}
	for page, want := range map[string]string{
		"ShopSpeedFastBurn.md": `{ resource.service.name = "shop" && duration > 300ms }`,
		"ShopSpeedSlowBurn.md": `histogram_quantile(0.99, `,
		"ShopSpeedNoData.md":   "import the package that states it by slo.New",
	} {
		if !bytes.Contains(pages[page], []byte(want)) {
			t.Errorf("%s has no %q:\n%s", page, want, pages[page])
		}
	}
}

func TestACountedObjectiveHasRulesAndTests(t *testing.T) {
	b := quick(func(s *slo.SLO) { s.Events = slo.Counted })
	if text := rules(t, b); !strings.Contains(text, `otelkit_slo_events_total{service_name="shop",otelkit_slo_name=~"shop-speed",otelkit_slo_outcome=~"bad"}`) {
		t.Errorf("no bad events in:\n%s", text)
	}
	text, err := file(t, b).Tests("rules.yaml")
	if want := `otelkit_slo_name="shop-speed",otelkit_slo_outcome="good"`; err != nil || !bytes.Contains(text, []byte(want)) {
		t.Errorf("no %q (%v) in:\n%s", want, err, text)
	}
}
