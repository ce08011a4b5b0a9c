package slo

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/otelkit/kit/otelkit/metrics"
)

// Match matches events by one attribute.
type Match struct {
	// Key of the attribute, in OpenTelemetry form.
	Key string
	// Pattern that the attribute's whole value has to match, as Prometheus
	// matches: RE2, anchored at both ends. "5.." matches 503 and not 1503.
	Pattern string
}

// Check returns why the match cannot match any event of metric m: an attribute
// that m does not have, a pattern that is no regular expression, or one that
// matches none of a closed set's values.
func (m Match) Check(metric metrics.Metric) error {
	attribute, ok := metric.Attribute(m.Key)
	if !ok {
		return fmt.Errorf("no attribute %q; it has %s", m.Key, keys(metric))
	}
	pattern, err := m.compile()
	if err != nil {
		return fmt.Errorf("attribute %s: pattern %q: %w", m.Key, m.Pattern, err)
	}
	if attribute.Values == nil {
		return nil
	}
	values := append(attribute.Values[:len(attribute.Values):len(attribute.Values)], metrics.Other)
	if attribute.Optional {
		values = append(values, "")
	}
	if !slices.ContainsFunc(values, pattern.MatchString) {
		return fmt.Errorf("attribute %s: pattern %q matches none of its values: %s", m.Key, m.Pattern, strings.Join(attribute.Values, ", "))
	}
	return nil
}

// Accepts returns whether the attribute's value matches. A pattern that is no
// regular expression accepts nothing.
func (m Match) Accepts(value string) bool {
	pattern, err := m.compile()
	return err == nil && pattern.MatchString(value)
}

func (m Match) compile() (*regexp.Regexp, error) {
	return regexp.Compile("^(?s:" + m.Pattern + ")$")
}

// keys lists a metric's attributes for whoever misspelt one.
func keys(m metrics.Metric) string {
	if len(m.Attributes) == 0 {
		return "none"
	}
	var list []string
	for _, a := range m.Attributes {
		list = append(list, a.Key)
	}
	return strings.Join(list, ", ")
}
