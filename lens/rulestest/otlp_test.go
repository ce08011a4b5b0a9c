package rulestest

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/otelkit/kit/lens"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/slo"
	"github.com/otelkit/kit/query"
)

// The thresholds of an objective each, over histograms in two units, none of which
// is a boundary by definition. Boundaries that are whole or large are spelt
// differently by Prometheus' two ways in.
var (
	thresholds = []time.Duration{
		300 * time.Millisecond, 1500 * time.Microsecond, time.Second, 2 * time.Minute, 40 * 24 * time.Hour,
	}
	catalog  = metrics.NewCatalog("github.com/otelkit/kit/lens/rulestest")
	timings  = []*metrics.Histogram[metrics.None]{timing("test.wait", "s"), timing("test.work", "ms")}
	promises = promised()
)

func timing(name, unit string) *metrics.Histogram[metrics.None] {
	return metrics.NewHistogram[metrics.None](catalog, metrics.Definition{Name: name, Unit: unit, Help: "Time.", Buckets: []float64{0.25}})
}

func promised() []slo.SLO {
	var list []slo.SLO
	for i, h := range timings {
		for j, threshold := range thresholds {
			list = append(list, slo.New(slo.SLO{
				Name: fmt.Sprintf("h%d-t%d", i, j), Help: "Quick.", Service: "shop", Objective: 0.99, Events: h, Threshold: threshold,
			}))
		}
	}
	return list
}

// What is recorded through the library, exported by OTLP and translated by
// Prometheus is counted exactly by the expressions of its objectives.
func TestABucketIsFoundByWhateverNamePrometheusGivesIt(t *testing.T) {
	const free = "127.0.0.1:0"
	server, err := lens.Start(t.Context(), lens.Config{Ephemeral: true, Addr: free, OTLPGRPCAddr: free, OTLPHTTPAddr: free, PrometheusAddr: free})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	exporter, err := otlpmetrichttp.New(t.Context(), otlpmetrichttp.WithEndpoint(server.OTLPHTTPAddr()), otlpmetrichttp.WithInsecure())
	if err != nil {
		t.Fatal(err)
	}
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(exporter)),
		sdkmetric.WithResource(resource.NewSchemaless(attribute.String("service.name", "shop"), attribute.String("service.instance.id", "1"))))
	ctx := metrics.NewContext(t.Context(), metrics.NewRecorder(provider))
	units := map[string]time.Duration{"s": time.Second, "ms": time.Millisecond}
	for _, h := range timings {
		unit := float64(units[h.Metric().Unit])
		for _, threshold := range thresholds { // one that is just quick enough, and one that is not
			h.Record(ctx, float64(threshold)/unit, metrics.None{})
			h.Record(ctx, math.Nextafter(float64(threshold)/unit, math.Inf(1)), metrics.None{})
		}
	}
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}

	for _, s := range promises {
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		slower := 1.0 // the one just above this threshold, and both of each longer one
		for _, other := range thresholds {
			if other > s.Threshold {
				slower += 2
			}
		}
		for what, tc := range map[string]struct {
			expr query.Expr
			want float64
		}{
			"events": {query.EventTotal(s), float64(2 * len(thresholds))},
			"bad":    {query.BadEventTotal(s), slower},
		} {
			text, err := tc.expr.PromQL(query.Target{Rule: true})
			if err != nil {
				t.Fatal(err)
			}
			if got := ask(t, server, text); got != tc.want {
				t.Errorf("%s of %v of %s: got %v, want %v, by %s", what, s.Threshold, s.Events.Metric().Name, got, tc.want, text)
			}
		}
	}
}

// ask has Prometheus' API of lens evaluate an expression that has one result.
func ask(t *testing.T, server *lens.Server, expr string) float64 {
	t.Helper()
	res, err := http.Get("http://" + server.PrometheusAddr() + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct {
		Data struct {
			Result []struct{ Value [2]any }
		}
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Data.Result) != 1 {
		t.Errorf("%s has %d results, want one", expr, len(answer.Data.Result))
		return math.NaN()
	}
	value, err := strconv.ParseFloat(fmt.Sprint(answer.Data.Result[0].Value[1]), 64)
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func TestABucketThatWasScrapedIsFoundToo(t *testing.T) {
	for _, s := range promises {
		le, _ := s.Boundary()
		text, err := query.BadEventTotal(s).PromQL(query.Target{Rule: true})
		if err != nil {
			t.Fatal(err)
		}
		expr, err := parser.NewParser(parser.Options{}).ParseExpr(text)
		if err != nil {
			t.Fatal(err)
		}
		scraped, found := labels.FormatOpenMetricsFloat(le), false
		for _, selector := range parser.ExtractSelectors(expr) {
			found = found || slices.ContainsFunc(selector, func(m *labels.Matcher) bool { return m.Name == labels.BucketLabel && m.Matches(scraped) })
		}
		if !found {
			t.Errorf("le=%q, as Prometheus writes %v of what it scrapes, is not found by %s", scraped, le, text)
		}
	}
}
