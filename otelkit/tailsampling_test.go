package otelkit_test

import (
	"os"
	"testing"

	"github.com/otelkit/kit/otelkit"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.yaml.in/yaml/v3"
)

// tailSampling is what of deploy/otel-collector/tail-sampling.yaml keeps traces for what
// they are marked with. "make tail-sampling" runs all of the file in the Collector's own
// processor, which takes minutes to build.
type tailSampling struct {
	Processors struct {
		TailSampling struct {
			Policies []struct {
				BooleanAttribute struct {
					Key   string `yaml:"key"`
					Value bool   `yaml:"value"`
				} `yaml:"boolean_attribute"`
			} `yaml:"policies"`
		} `yaml:"tail_sampling"`
	} `yaml:"processors"`
}

// keeps says whether the trace of a span is kept for its marks.
func (s tailSampling) keeps(span *tracepb.Span) bool {
	for _, policy := range s.Processors.TailSampling.Policies {
		want := policy.BooleanAttribute
		for _, a := range span.GetAttributes() {
			if a.GetKey() == want.Key && a.GetValue().GetBoolValue() == want.Value {
				return true
			}
		}
	}
	return false
}

func TestWithThePolicyOfDeployEveryExemplarLeadsToATraceThatIsKept(t *testing.T) {
	text, err := os.ReadFile("../deploy/otel-collector/tail-sampling.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var config tailSampling
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}

	collector := newCollector(t, "")
	kit, _ := start(t, otelkit.Config{Endpoint: collector.url})
	for range 10 {
		for range 100 {
			place(t.Context(), kit)
		}
		if err := kit.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	kept := map[string]bool{}
	for _, span := range collector.allSpans() {
		if config.keeps(span) {
			kept[string(span.GetTraceId())] = true
		}
	}
	exemplars := collector.exemplars()
	for _, e := range exemplars {
		if !kept[string(e.GetTraceId())] {
			t.Errorf("an exemplar leads to trace %x, which was not kept", e.GetTraceId())
		}
	}
	// Of a counter and a histogram with one bucket in use, in each of ten intervals.
	if len(exemplars) == 0 || len(kept) > 20 {
		t.Errorf("%d of 1000 traces kept for %d exemplars, want at most 20", len(kept), len(exemplars))
	}
}

// exemplars returns those of all metrics that came.
func (c *collector) exemplars() []*metricspb.Exemplar {
	c.mu.Lock()
	defer c.mu.Unlock()
	var all []*metricspb.Exemplar
	for _, r := range c.metrics {
		for _, s := range r.GetScopeMetrics() {
			for _, m := range s.GetMetrics() {
				for _, p := range m.GetHistogram().GetDataPoints() {
					all = append(all, p.GetExemplars()...)
				}
				for _, p := range m.GetSum().GetDataPoints() {
					all = append(all, p.GetExemplars()...)
				}
			}
		}
	}
	return all
}
