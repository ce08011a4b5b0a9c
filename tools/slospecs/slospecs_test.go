package slospecs

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/OpenSLO/go-sdk/pkg/openslo"
	openslov1 "github.com/OpenSLO/go-sdk/pkg/openslo/v1"
	"github.com/OpenSLO/go-sdk/pkg/openslosdk"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/slok/sloth/pkg/common/model"
	slothdata "github.com/slok/sloth/pkg/common/utils/data"
	sloth "github.com/slok/sloth/pkg/lib"
	slothv1 "github.com/slok/sloth/pkg/prometheus/api/v1"
	"sigs.k8s.io/yaml"

	"github.com/otelkit/kit/alerts"
	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/slo"
	"github.com/otelkit/kit/query"
)

// The store's objectives, as they are generated, through a link: of files that a
// test opens outside its module, `go test` does not notice that they changed.
const (
	openSLOFile = "testdata/alerts/openslo.yaml"
	slothFile   = "testdata/alerts/sloth.yaml"
)

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestOpenSLOTakesTheObjectives(t *testing.T) {
	data := read(t, openSLOFile)
	objects, err := openslosdk.Decode(bytes.NewReader(data), openslosdk.FormatYAML)
	if err != nil {
		t.Fatal(err)
	}
	if err := openslosdk.Validate(objects...); err != nil {
		t.Error(err)
	}
	for _, want := range []string{"main-availability", "main-browsing-latency", "main-checkout-latency"} {
		if !slices.ContainsFunc(objects, func(o openslo.Object) bool { return o.GetKind() == openslo.KindSLO && o.GetName() == want }) {
			t.Errorf("there is no SLO %s", want)
		}
	}
	// The SDK overlooks fields that it does not know.
	for i, document := range slothdata.SplitYAML(data) {
		var into any = &openslov1.SLO{}
		if objects[i].GetKind() == openslo.KindService {
			into = &openslov1.Service{}
		}
		if err := yaml.UnmarshalStrict([]byte(document), into); err != nil {
			t.Errorf("document %d: %v", i, err)
		}
	}
	for _, object := range objects {
		if s, ok := object.(openslov1.SLO); ok {
			for _, metric := range []*openslov1.SLIMetricSpec{s.Spec.Indicator.Spec.RatioMetric.Bad, s.Spec.Indicator.Spec.RatioMetric.Total} {
				parse(t, fmt.Sprint(metric.MetricSource.Spec["query"]))
			}
		}
	}
}

func parse(t *testing.T, expr string) {
	t.Helper()
	if _, err := parser.ParseExpr(expr); err != nil {
		t.Errorf("%s: %v", expr, err)
	}
}

// generate has Sloth generate the rules of specifications.
func generate(t *testing.T, period time.Duration, data []byte) []model.PromSLOResult {
	t.Helper()
	generator, err := sloth.NewPrometheusSLOGenerator(sloth.PrometheusSLOGeneratorConfig{DefaultSLOPeriod: period})
	if err != nil {
		t.Fatal(err)
	}
	var list []model.PromSLOResult
	for _, document := range slothdata.SplitYAML(data) {
		if err := yaml.UnmarshalStrict([]byte(document), &slothv1.Spec{}); err != nil {
			t.Fatal(err)
		}
		result, err := generator.GenerateFromRaw(t.Context(), []byte(document))
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, result.SLOResults...)
	}
	return list
}

func TestSlothMakesRulesOfTheObjectives(t *testing.T) {
	results := generate(t, 30*24*time.Hour, read(t, slothFile))
	if len(results) != 3 {
		t.Errorf("Sloth found %d objectives, want 3", len(results))
	}
	for _, result := range results {
		rules := slices.Concat(result.PrometheusRules.SLIErrorRecRules.Rules, result.PrometheusRules.MetadataRecRules.Rules, result.PrometheusRules.AlertRules.Rules)
		if len(rules) < 17 { // 8 windows, 7 of metadata, 2 alerts
			t.Errorf("%s has %d rules", result.SLO.Name, len(rules))
		}
		for _, rule := range rules {
			parse(t, rule.Expr)
		}
	}
}

var (
	slothCondition = regexp.MustCompile(`ratio_rate(\w+)\{[^}]*\} > \(([\d.e-]+) \* ([\d.e-]+)\)`)
	ourCondition   = regexp.MustCompile(`slo:error_ratio:(\w+)\{[^}]*\} > ([\d.e-]+)`)
)

// condition is a window with the error ratio that an alert asks for in it.
type condition struct {
	window    string
	threshold float64
}

// conditions finds what alerts ask for, sorted.
func conditions(t *testing.T, pattern *regexp.Regexp, exprs []string) []condition {
	t.Helper()
	var list []condition
	for _, match := range pattern.FindAllStringSubmatch(strings.Join(exprs, "\n"), -1) {
		threshold := 1.0
		for _, factor := range match[2:] {
			value, err := strconv.ParseFloat(factor, 64)
			if err != nil {
				t.Fatal(err)
			}
			threshold *= value
		}
		list = append(list, condition{match[1], threshold})
	}
	slices.SortFunc(list, func(a, b condition) int {
		return cmp.Or(strings.Compare(a.window, b.window), cmp.Compare(a.threshold, b.threshold))
	})
	return list
}

func TestOurBurnRatesAreThoseOfSlothsTables(t *testing.T) {
	for _, days := range []int{28, 30} {
		t.Run(fmt.Sprintf("%d days", days), func(t *testing.T) {
			period := time.Duration(days) * 24 * time.Hour
			objective := alerts.BurnRate{
				SLO: slo.New(slo.SLO{
					Name: "shop-availability", Help: "Requests are answered.", Service: "shop", Objective: 0.999, Window: period,
					Events: httpserver.RequestDuration, Bad: []slo.Match{{Key: "http.response.status_code", Pattern: "5.."}},
				}),
				Dashboard: "/d/shop", Runbooks: "https://example.com",
			}
			spec, err := alerts.Specs{Objectives: []alerts.BurnRate{objective}}.Sloth()
			if err != nil {
				t.Fatal(err)
			}
			var theirs, ours []string
			for _, rule := range generate(t, period, spec)[0].PrometheusRules.AlertRules.Rules {
				theirs = append(theirs, rule.Expr)
			}
			groups, err := objective.Groups()
			if err != nil {
				t.Fatal(err)
			}
			for _, group := range groups {
				for _, alert := range group.Alerts {
					expr, err := alert.Expr.PromQL(query.Target{Rule: true})
					if err != nil {
						t.Fatal(err)
					}
					ours = append(ours, expr)
				}
			}
			want, got := conditions(t, slothCondition, theirs), conditions(t, ourCondition, ours)
			if len(want) != 8 || len(got) != len(want) {
				t.Fatalf("Sloth asks for %v, we for %v; each should have 8 conditions", want, got)
			}
			for i, want := range want {
				if got := got[i]; got.window != want.window || math.Abs(got.threshold-want.threshold) > 1e-9*want.threshold {
					t.Errorf("we ask for %v, Sloth for %v", got, want)
				}
			}
		})
	}
}
