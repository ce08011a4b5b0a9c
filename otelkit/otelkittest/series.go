package otelkittest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/otelkit/metrics"
)

// Name is a metric that somebody else defines, for Series and Total:
//
//	tel.Series(otelkittest.Name("go.goroutine.count"))
type Name string

// Metric describes a metric of which only the name is known.
func (n Name) Metric() metrics.Metric { return metrics.Metric{Name: string(n)} }

// Series is one series of a metric, or all that have some attributes. Its value
// is a counter's or gauge's number, and the number of measurements of a
// histogram; a series that is not there yet has the value 0. Its assertions
// return it, so that they chain.
type Series struct {
	k     *Kit
	def   metrics.Metric
	attrs []attribute.KeyValue
	total bool
	start float64
}

// Series returns the one series of a metric that has, among others, those
// attributes. It need not be there yet. Several end the test, when there are, and
// so does an attribute that no series of the definition can have: its value would
// be 0 for ever.
func (k *Kit) Series(of metrics.Defined, attrs ...attribute.KeyValue) *Series {
	k.t.Helper()
	return k.series(of, attrs, false)
}

// Total returns the sum over all series of a metric that have, among others,
// those attributes.
func (k *Kit) Total(of metrics.Defined, attrs ...attribute.KeyValue) *Series {
	k.t.Helper()
	return k.series(of, attrs, true)
}

func (k *Kit) series(of metrics.Defined, attrs []attribute.KeyValue, total bool) *Series {
	k.t.Helper()
	s := &Series{k: k, def: of.Metric(), attrs: attrs, total: total}
	for _, a := range attrs {
		if fault := s.impossible(a); fault != "" {
			k.t.Fatalf("otelkittest: %s: %s", s, fault)
		}
	}
	s.start = s.Value()
	return s
}

// impossible says why no series of the definition can have an attribute; "" if
// one can.
func (s *Series) impossible(a attribute.KeyValue) string {
	if !s.defined() {
		return ""
	}
	def, ok := s.def.Attribute(string(a.Key))
	if !ok {
		var keys []string
		for _, other := range s.def.Attributes {
			keys = append(keys, other.Key)
		}
		return fmt.Sprintf("the definition has no attribute %s; it has: %s", a.Key, orNone(keys))
	}
	if wrong := (attributeDef{kind: string(def.Type)}).mismatch(a.Value); wrong != "" {
		return fmt.Sprintf("attribute %s %s", a.Key, wrong)
	}
	if text := a.Value.String(); def.Values != nil && text != metrics.Other && !slices.Contains(def.Values, text) {
		return fmt.Sprintf("attribute %s is never %s; it is one of: %s", a.Key, shown(a.Value), strings.Join(def.Values, ", "))
	}
	return ""
}

// defined says whether more is known of the metric than its name.
func (s *Series) defined() bool { return s.def.Kind != "" }

// Value returns the value now.
func (s *Series) Value() float64 {
	s.k.t.Helper()
	var value float64
	for _, p := range s.points() {
		value += p.value
	}
	return value
}

// Sum returns the sum of a histogram's measurements now; 0 of other kinds.
func (s *Series) Sum() float64 {
	s.k.t.Helper()
	var sum float64
	for _, p := range s.points() {
		sum += p.sum
	}
	return sum
}

// Is asserts the value. It waits until the value is as wanted.
func (s *Series) Is(value float64) *Series {
	s.k.t.Helper()
	if !s.becomes(value) {
		s.k.t.Errorf("otelkittest: %s is %v, want %v; %s", s, s.Value(), value, s.k.recordedSeries(s.def.Name))
	}
	return s
}

// Grew asserts by how much the value has grown since the Series was made or Grew
// was last called. It waits until it has.
func (s *Series) Grew(by float64) *Series {
	s.k.t.Helper()
	if !s.becomes(s.start + by) {
		s.k.t.Errorf("otelkittest: %s grew by %v, want %v; %s", s, s.Value()-s.start, by, s.k.recordedSeries(s.def.Name))
	}
	s.start = s.Value()
	return s
}

// becomes says whether the value is as wanted, now or soon. What has only a name
// has to be recorded: else a misspelt name would be 0, as wanted.
func (s *Series) becomes(value float64) bool {
	s.k.t.Helper()
	return eventually(func() bool {
		return s.Value() == value && (s.defined() || s.k.hasMetric(s.def.Name))
	})
}

// ExemplarOf asserts that a measurement was made in that span, so that the
// series leads to its trace. It waits for it.
func (s *Series) ExemplarOf(span *Span) *Series {
	s.k.t.Helper()
	var seen []string
	if !eventually(func() bool {
		seen = nil
		for _, p := range s.points() {
			for _, e := range p.exemplars {
				if e.traceID == span.SpanContext().TraceID() && e.spanID == span.SpanContext().SpanID() {
					return true
				}
				seen = append(seen, s.k.nameOf(e.traceID, e.spanID))
			}
		}
		return false
	}) {
		s.k.t.Errorf("otelkittest: %s has no exemplar of span %q; it has exemplars of: %s; %s", s, span.Name(), orNone(distinct(seen)), s.k.recordedSeries(s.def.Name))
	}
	return s
}

// ExemplarsResolve asserts that every exemplar of every metric points to a span
// that has ended: that no link from a panel is dead. It waits until it is so.
func (k *Kit) ExemplarsResolve() {
	k.t.Helper()
	var dead []string
	if !eventually(func() bool {
		dead = nil
		for _, p := range k.collect() {
			for _, e := range p.exemplars {
				if k.spanOf(e.traceID, e.spanID) == nil {
					dead = append(dead, fmt.Sprintf("%s: %s", p, k.nameOf(e.traceID, e.spanID)))
				}
			}
		}
		return len(dead) == 0
	}) {
		k.t.Errorf("otelkittest: exemplars point to spans that were not recorded:\n%s\n%s", indented(strings.Join(distinct(dead), "\n")), k.recordedSpans())
	}
}

// String returns the metric and the attributes.
func (s *Series) String() string {
	text := s.def.Name + attributes(s.attrs).String()
	if s.total {
		return "the total of " + text
	}
	return text
}

// points returns the data of the series, at most one unless it is a total.
func (s *Series) points() []point {
	s.k.t.Helper()
	points := slices.DeleteFunc(s.k.collect(), func(p point) bool {
		return p.metric.Name != s.def.Name || len(p.attrs.faults(s.attrs)) > 0
	})
	if len(points) > 1 && !s.total {
		s.k.t.Fatalf("otelkittest: %d series are %s; name attributes that only one has, or use Total; %s", len(points), s, s.k.recordedSeries(s.def.Name))
	}
	return points
}

// point is the state of one series.
type point struct {
	metric    metricdata.Metrics
	kind      metrics.Kind
	attrs     attributes
	value     float64 // of a histogram the number of measurements
	sum       float64 // of a histogram
	bounds    []float64
	exemplars []link
}

// link is the span that an exemplar points to.
type link struct {
	traceID trace.TraceID
	spanID  trace.SpanID
}

// String returns the series with its value.
func (p point) String() string {
	text := fmt.Sprintf("%s%s", p.metric.Name, p.attrs)
	if p.kind == metrics.KindHistogram {
		return fmt.Sprintf("%s %s, sum %v %s", text, count(int(p.value), "measurement"), p.sum, p.metric.Unit)
	}
	return fmt.Sprintf("%s %v %s", text, p.value, p.metric.Unit)
}

// collect returns the state of every series, in no order.
func (k *Kit) collect() []point {
	k.t.Helper()
	var all metricdata.ResourceMetrics
	if err := k.reader.Collect(context.Background(), &all); err != nil {
		k.t.Fatalf("otelkittest: collecting metrics: %v", err)
	}
	var points []point
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			for _, p := range pointsOf(m) {
				p.metric = m
				points = append(points, p)
			}
		}
	}
	return points
}

func pointsOf(m metricdata.Metrics) []point {
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		return numbers(data.DataPoints, kindOfSum(data.IsMonotonic))
	case metricdata.Sum[float64]:
		return numbers(data.DataPoints, kindOfSum(data.IsMonotonic))
	case metricdata.Gauge[int64]:
		return numbers(data.DataPoints, metrics.KindGauge)
	case metricdata.Gauge[float64]:
		return numbers(data.DataPoints, metrics.KindGauge)
	case metricdata.Histogram[int64]:
		return histograms(data.DataPoints)
	case metricdata.Histogram[float64]:
		return histograms(data.DataPoints)
	default:
		return nil // the kit's provider has no views that make other kinds
	}
}

func kindOfSum(monotonic bool) metrics.Kind {
	if monotonic {
		return metrics.KindCounter
	}
	return metrics.KindUpDownCounter
}

func numbers[N int64 | float64](data []metricdata.DataPoint[N], kind metrics.Kind) []point {
	points := make([]point, len(data))
	for i, d := range data {
		points[i] = point{kind: kind, attrs: d.Attributes.ToSlice(), value: float64(d.Value), exemplars: links(d.Exemplars)}
	}
	return points
}

func histograms[N int64 | float64](data []metricdata.HistogramDataPoint[N]) []point {
	points := make([]point, len(data))
	for i, d := range data {
		points[i] = point{
			kind: metrics.KindHistogram, attrs: d.Attributes.ToSlice(),
			value: float64(d.Count), sum: float64(d.Sum), bounds: d.Bounds, exemplars: links(d.Exemplars),
		}
	}
	return points
}

func links[N int64 | float64](exemplars []metricdata.Exemplar[N]) []link {
	list := make([]link, len(exemplars))
	for i, e := range exemplars {
		copy(list[i].traceID[:], e.TraceID)
		copy(list[i].spanID[:], e.SpanID)
	}
	return list
}

// hasMetric says whether a metric of that name was recorded.
func (k *Kit) hasMetric(name string) bool {
	return slices.ContainsFunc(k.collect(), func(p point) bool { return p.metric.Name == name })
}

// recordedSeries writes the series of a metric, or what else was recorded if
// there are none.
func (k *Kit) recordedSeries(name string) string {
	points := k.collect()
	if len(points) == 0 {
		return "no metric was recorded: does the code under test measure in this Kit's Context?"
	}
	var series, names []string
	for _, p := range points {
		if p.metric.Name == name {
			series = append(series, p.String())
		}
		names = append(names, fmt.Sprintf("%s (%s)", p.metric.Name, p.metric.Unit))
	}
	slices.Sort(series)
	if len(series) > 0 {
		return "its series:\n" + indented(strings.Join(series, "\n"))
	}
	return "no metric of that name was recorded, but:\n" + indented(strings.Join(distinct(names), "\n"))
}
