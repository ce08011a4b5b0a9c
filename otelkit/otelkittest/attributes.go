package otelkittest

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// attributes are those of one span, record or series.
type attributes []attribute.KeyValue

func (as attributes) value(key attribute.Key) (attribute.Value, bool) {
	for _, a := range as {
		if a.Key == key {
			return a.Value, true
		}
	}
	return attribute.Value{}, false
}

// faults says which of the wanted attributes are not there, or are otherwise.
func (as attributes) faults(wanted []attribute.KeyValue) []string {
	var faults []string
	for _, want := range wanted {
		switch got, ok := as.value(want.Key); {
		case !ok:
			faults = append(faults, fmt.Sprintf("no attribute %s, want %s", want.Key, shown(want.Value)))
		case !equal(got, want.Value):
			faults = append(faults, fmt.Sprintf("attribute %s is %s, want %s", want.Key, shown(got), shown(want.Value)))
		}
	}
	return faults
}

// surplus says which attributes are there that are not wanted.
func (as attributes) surplus(wanted []attribute.KeyValue) []string {
	var faults []string
	for _, a := range as {
		if _, ok := attributes(wanted).value(a.Key); !ok {
			faults = append(faults, fmt.Sprintf("attribute %s is %s, want none", a.Key, shown(a.Value)))
		}
	}
	return faults
}

// present says which of the keys are there.
func (as attributes) present(keys []attribute.Key) []string {
	var faults []string
	for _, key := range keys {
		if got, ok := as.value(key); ok {
			faults = append(faults, fmt.Sprintf("attribute %s is %s, want none", key, shown(got)))
		}
	}
	return faults
}

// String returns the attributes in braces, sorted by key; "" if there are none.
func (as attributes) String() string {
	if len(as) == 0 {
		return ""
	}
	list := make([]string, len(as))
	for i, a := range as {
		list[i] = string(a.Key) + "=" + shown(a.Value)
	}
	slices.Sort(list)
	return "{" + strings.Join(list, ", ") + "}"
}

// shown is a value with its type to be seen: "5" is a string, 5 an integer, 5.0
// a float.
func shown(v attribute.Value) string {
	switch v.Type() {
	case attribute.STRING:
		return strconv.Quote(v.AsString())
	case attribute.FLOAT64:
		text := v.String()
		if !strings.ContainsAny(text, ".eIN") {
			text += ".0"
		}
		return text
	case attribute.MAP:
		return attributes(v.AsMap()).String()
	default:
		return v.String()
	}
}

// equal compares types too: AsInterface gives each its own.
func equal(a, b attribute.Value) bool {
	return reflect.DeepEqual(a.AsInterface(), b.AsInterface())
}

// with writes " with {…}" where there is something to write.
func with(wanted []attribute.KeyValue) string {
	if len(wanted) == 0 {
		return ""
	}
	return " with " + attributes(wanted).String()
}

// indented indents every line.
func indented(text string) string {
	return "  " + strings.ReplaceAll(text, "\n", "\n  ")
}

// count writes a number of things.
func count(n int, of string) string {
	if n == 1 {
		return "1 " + of
	}
	return fmt.Sprintf("%d %ss", n, of)
}

// distinct returns texts sorted, each once.
func distinct(texts []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(texts)))
}
