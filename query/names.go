package query

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/otlptranslator"

	"github.com/otelkit/kit/otelkit/metrics"
)

// Strategy is how Prometheus translates the names of OTLP metrics: its setting
// otlp.translation_strategy.
type Strategy string

// The strategies of Prometheus. Mimir's default is
// UnderscoreEscapingWithoutSuffixes.
const (
	UnderscoreEscapingWithSuffixes    Strategy = "UnderscoreEscapingWithSuffixes"
	UnderscoreEscapingWithoutSuffixes Strategy = "UnderscoreEscapingWithoutSuffixes"
	NoUTF8EscapingWithSuffixes        Strategy = "NoUTF8EscapingWithSuffixes"
	NoTranslation                     Strategy = "NoTranslation"
)

// Target says what an expression is written for. Its zero value is a dashboard
// over a Prometheus with default settings.
type Target struct {
	// Strategy is how names are translated; "" means
	// UnderscoreEscapingWithSuffixes, Prometheus' default.
	Strategy Strategy
	// Rule is true for a recording or alerting rule, which has neither dashboard
	// variables nor $__rate_interval: every window has to be stated by Over.
	Rule bool
	// Window stands for every window that Over does not state: the variable of
	// whatever fills it in, such as Sloth's "{{.window}}". "" means
	// $__rate_interval, and in a rule that there has to be an Over.
	Window string
}

func (t Target) strategy() otlptranslator.TranslationStrategyOption {
	if t.Strategy == "" {
		return otlptranslator.UnderscoreEscapingWithSuffixes
	}
	return otlptranslator.TranslationStrategyOption(t.Strategy)
}

func (t Target) check() error {
	switch Strategy(t.strategy()) {
	case UnderscoreEscapingWithSuffixes, UnderscoreEscapingWithoutSuffixes, NoUTF8EscapingWithSuffixes, NoTranslation:
		return nil
	}
	return fmt.Errorf("query: unknown strategy %q; there are %s, %s, %s and %s", t.Strategy,
		UnderscoreEscapingWithSuffixes, UnderscoreEscapingWithoutSuffixes, NoUTF8EscapingWithSuffixes, NoTranslation)
}

// part is a series of a metric that has several.
type part string

const (
	whole   part = ""
	buckets part = "_bucket"
	count   part = "_count"
	sum     part = "_sum"
)

// metricName is the name of a metric's series in Prometheus.
func (t Target) metricName(m metrics.Metric, p part) (string, error) {
	types := map[metrics.Kind]otlptranslator.MetricType{
		metrics.KindCounter:       otlptranslator.MetricTypeMonotonicCounter,
		metrics.KindUpDownCounter: otlptranslator.MetricTypeNonMonotonicCounter,
		metrics.KindHistogram:     otlptranslator.MetricTypeHistogram,
		metrics.KindGauge:         otlptranslator.MetricTypeGauge,
	}
	namer := otlptranslator.NewMetricNamer("", t.strategy())
	name, err := namer.Build(otlptranslator.Metric{Name: m.Name, Unit: m.Unit, Type: types[m.Kind]})
	if err != nil {
		return "", fmt.Errorf("has no name in Prometheus: %w", err)
	}
	return name + string(p), nil
}

// labelName is the name of an attribute's label in Prometheus.
func (t Target) labelName(key string) (string, error) {
	namer := otlptranslator.LabelNamer{UTF8Allowed: !t.strategy().ShouldEscape()}
	name, err := namer.Build(key)
	if err != nil {
		return "", fmt.Errorf("attribute %q has no name in Prometheus: %w", key, err)
	}
	return name, nil
}

// resourceKeys are the attributes that every series has from its resource.
var resourceKeys = []string{
	"job", "instance",
	"service.name", "service.namespace", "service.version", "service.instance.id", "deployment.environment.name",
}

// quoted writes a label's name as PromQL has it: as it is, or in quotes when
// it holds more than letters, digits and underscores.
func quoted(label string) string {
	if isPlain(label) {
		return label
	}
	return quote(label)
}

// selector writes a vector selector.
func selector(name string, matchers []string) string {
	switch {
	case !isPlain(strings.ReplaceAll(name, ":", "")):
		matchers = append([]string{quote(name)}, matchers...)
		return "{" + strings.Join(matchers, ",") + "}"
	case len(matchers) == 0:
		return name
	default:
		return name + "{" + strings.Join(matchers, ",") + "}"
	}
}

func isPlain(name string) bool {
	for i, c := range name {
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != ""
}

// quote writes a string literal of PromQL.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

// Label returns Prometheus' name of an attribute's label.
func Label(key string, t Target) (string, error) {
	label, err := t.labelName(key)
	if err != nil {
		return "", fmt.Errorf("query: %w", err)
	}
	return label, nil
}

// Series returns the name and labels of one series in Prometheus: that of a
// counter or a gauge, or of a histogram's number of measurements. Attributes are
// the metric's and its resource's, in OpenTelemetry form. It is what a test of
// rules takes as input.
func Series(m metrics.Defined, attributes map[string]string, t Target) (string, error) {
	s := of(m, "Series")
	if s.metric.Kind == metrics.KindHistogram {
		s.part = count
	}
	for _, key := range slices.Sorted(maps.Keys(attributes)) {
		s.filters = append(s.filters, Equal(key, attributes[key]))
	}
	return s.bare(t)
}

// BucketSeries returns the name and labels of one bucket of a histogram in
// Prometheus, that which ends at le, as OTLP has it.
func BucketSeries(m metrics.Defined, le float64, attributes map[string]string, t Target) (string, error) {
	s := bucketsOf(m, "BucketSeries")
	s.function, s.bucket = "", "le="+quote(otlpFloat(le))
	for _, key := range slices.Sorted(maps.Keys(attributes)) {
		s.filters = append(s.filters, Equal(key, attributes[key]))
	}
	return s.bare(t)
}

// LabelValues returns the query of a dashboard's variable: the values that an
// attribute has among a metric's series.
func LabelValues(m metrics.Defined, key string, t Target, filters ...Filter) (string, error) {
	s := of(m, "LabelValues")
	if s.metric.Kind == metrics.KindHistogram {
		s.part = count
	}
	s.filters, s.keys = filters, []string{key}
	text, err := s.bare(t)
	if err != nil {
		return "", err
	}
	label, err := Label(key, t)
	return "label_values(" + text + ", " + label + ")", err
}
