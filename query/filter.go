package query

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/slo"
)

// Filter keeps the series whose attribute has certain values. Keys are in
// OpenTelemetry form, or "job" and "instance".
type Filter struct {
	key      string
	operator string   // of PromQL
	values   []string // of = and !=: one; of In: any; of =~ and !~: the pattern
	list     bool     // whether values are literal values that =~ offers
	variable string   // name of the dashboard variable that gives the values
}

// Equal keeps the series whose attribute has that value: a string, an integer,
// a bool, or a type made of one. The value "" keeps those without an optional
// attribute.
func Equal(key string, value any) Filter {
	return Filter{key: key, operator: "=", values: []string{fmt.Sprint(value)}}
}

// NotEqual keeps the series whose attribute has another value.
func NotEqual(key string, value any) Filter {
	return Filter{key: key, operator: "!=", values: []string{fmt.Sprint(value)}}
}

// In keeps the series whose attribute has one of the values.
func In[V any](key string, values ...V) Filter {
	f := Filter{key: key, operator: "=~", list: true}
	for _, v := range values {
		f.values = append(f.values, fmt.Sprint(v))
	}
	return f
}

// Matches keeps the series whose attribute's whole value matches a regular
// expression (RE2).
func Matches(key, pattern string) Filter {
	return Filter{key: key, operator: "=~", values: []string{pattern}}
}

// NotMatches keeps the series whose attribute's whole value does not match a
// regular expression (RE2).
func NotMatches(key, pattern string) Filter {
	return Filter{key: key, operator: "!~", values: []string{pattern}}
}

// Service keeps the series of one service, by its service.name.
func Service(name string) Filter {
	return Equal("service.name", name)
}

// Variable keeps the series whose attribute has a value that is chosen in a
// dashboard's variable of that name. Series that do not have the attribute stay
// as they are, so that a dashboard can apply it to everything on it.
func Variable(key, name string) Filter {
	return Filter{key: key, operator: "=~", values: []string{"$" + name}, variable: name}
}

// matchers writes filters as label matchers of series that have those
// attributes, and those of a resource beside them. explain says of a fault where
// it is.
func matchers(w *writer, filters []Filter, attributes []metrics.Attribute, resource []string, explain func(error) error) []string {
	var list []string
	for _, f := range filters {
		if f.variable != "" && !known(f.key, attributes, resource) {
			continue
		}
		if err := f.check(attributes, resource); err != nil {
			w.fault(explain(err))
			continue
		}
		m, err := f.matcher(w.Target)
		w.fault(explain(err))
		list = append(list, m)
	}
	return list
}

// known returns whether series have an attribute.
func known(key string, attributes []metrics.Attribute, resource []string) bool {
	return slices.Contains(resource, key) ||
		slices.ContainsFunc(attributes, func(a metrics.Attribute) bool { return a.Key == key })
}

// matcher writes the filter as a label matcher.
func (f Filter) matcher(t Target) (string, error) {
	label, err := t.labelName(f.key)
	if err != nil {
		return "", err
	}
	if f.variable != "" && t.Rule {
		return "", fmt.Errorf("variable $%s exists on dashboards only; leave it out of rules", f.variable)
	}
	value := f.values[0]
	if f.list {
		alternatives := make([]string, len(f.values))
		for i, v := range f.values {
			alternatives[i] = regexp.QuoteMeta(v)
		}
		value = strings.Join(alternatives, "|")
	}
	return quoted(label) + f.operator + quote(value), nil
}

// check returns why the filter makes no sense for series with those attributes.
// resource are the keys that series have beside them.
func (f Filter) check(attributes []metrics.Attribute, resource []string) error {
	if len(f.values) == 0 {
		return fmt.Errorf("attribute %s is to be in an empty set; give at least one value", f.key)
	}
	i := slices.IndexFunc(attributes, func(a metrics.Attribute) bool { return a.Key == f.key })
	switch {
	case f.variable != "":
		return nil
	case i < 0 && !slices.Contains(resource, f.key):
		return unknownKey(f.key, attributes, resource)
	case f.operator == "=~" && !f.list || f.operator == "!~":
		return f.checkPattern(attributes, i)
	case i < 0:
		return nil
	}
	for _, v := range f.values {
		if err := checkValue(attributes[i], v); err != nil {
			return err
		}
	}
	return nil
}

func (f Filter) checkPattern(attributes []metrics.Attribute, i int) error {
	if i >= 0 {
		return slo.Match{Key: f.key, Pattern: f.values[0]}.Check(metrics.Metric{Attributes: attributes})
	}
	if _, err := regexp.Compile(f.values[0]); err != nil {
		return fmt.Errorf("attribute %s: pattern %q: %w", f.key, f.values[0], err)
	}
	return nil
}

func checkValue(a metrics.Attribute, value string) error {
	switch {
	case value == "" && a.Optional:
		return nil
	case a.Values != nil && value != metrics.Other && !slices.Contains(a.Values, value):
		return fmt.Errorf("attribute %s is never %q; it is one of %s", a.Key, value, strings.Join(a.Values, ", "))
	case a.Type == metrics.TypeInt:
		if _, err := strconv.ParseInt(value, 10, 64); err != nil {
			return fmt.Errorf("attribute %s is never %q; it is an integer", a.Key, value)
		}
	}
	return nil
}

// checkKeys returns why series cannot be grouped by keys.
func checkKeys(keys []string, attributes []metrics.Attribute, resource []string) error {
	var faults []error
	for i, key := range keys {
		switch {
		case !known(key, attributes, resource):
			faults = append(faults, unknownKey(key, attributes, resource))
		case slices.Contains(keys[:i], key):
			faults = append(faults, fmt.Errorf("grouped by %q twice", key))
		}
	}
	return errors.Join(faults...)
}

func unknownKey(key string, attributes []metrics.Attribute, resource []string) error {
	var list []string
	for _, a := range attributes {
		list = append(list, a.Key)
	}
	return fmt.Errorf("no attribute %q; there are %s", key, strings.Join(append(list, resource...), ", "))
}
