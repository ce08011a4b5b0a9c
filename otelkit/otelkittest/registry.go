package otelkittest

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelkit/kit/otelkit/metrics"
)

// Registry is what a service defines besides OpenTelemetry's semantic
// conventions. The zero value is nothing.
type Registry struct {
	Catalogs   []*metrics.Catalog // metrics with their attributes: its own, and those of packages that it uses, such as health.Catalog
	Attributes []attribute.Key    // what else stands on its spans, logs and resource, of any type
}

//go:embed semconv.txt
var semconvText string

// conventions are definitions to compare what was recorded with.
type conventions struct {
	attributes map[string]attributeDef
	metrics    map[string]metricDef
	namespaces map[string]bool // every "a" and "a.b" of an attribute "a.b.c"

	// Those of earlier versions of the semantic conventions, with the last
	// version that had them.
	oldAttributes map[string]string
	oldMetrics    map[string]string
}

type attributeDef struct {
	kind     string   // "string", "int[]", …; "" is any
	values   []string // of an enum
	unstable string   // how far from stable; "" is stable
	template bool     // the key is a prefix
}

type metricDef struct {
	kind     string
	unit     string
	required []string // keys
}

// semanticConventions returns the semantic conventions.
var semanticConventions = sync.OnceValue(func() conventions {
	c := conventions{
		attributes: map[string]attributeDef{}, metrics: map[string]metricDef{}, namespaces: map[string]bool{},
		oldAttributes: map[string]string{}, oldMetrics: map[string]string{},
	}
	for line := range strings.Lines(semconvText) {
		switch fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t"); fields[0] {
		case "attribute":
			def := attributeDef{kind: fields[2], values: split(fields[4])}
			if fields[3] != "stable" {
				def.unstable = fields[3]
			}
			c.define(fields[1], def)
		case "template":
			c.define(fields[1], attributeDef{kind: fields[2], template: true})
		case "metric":
			c.metrics[fields[1]] = metricDef{kind: fields[2], unit: fields[3], required: split(fields[4])}
		case "deprecated attribute":
			c.oldAttributes[fields[1]] = fields[2]
		case "deprecated metric":
			c.oldMetrics[fields[1]] = fields[2]
		}
	}
	return c
})

func split(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, "|")
}

func (c *conventions) define(key string, def attributeDef) {
	c.attributes[key] = def
	for namespace := range namespacesOf(key) {
		c.namespaces[namespace] = true
	}
}

// namespacesOf yields "a" and "a.b" of "a.b.c".
func namespacesOf(key string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for i, r := range key {
			if r == '.' && !yield(key[:i]) {
				return
			}
		}
	}
}

// with returns the conventions extended by those of a service.
func (c conventions) with(r Registry) conventions {
	extended := conventions{
		attributes: map[string]attributeDef{}, metrics: map[string]metricDef{}, namespaces: c.namespaces,
		oldAttributes: c.oldAttributes, oldMetrics: c.oldMetrics,
	}
	for _, key := range r.Attributes {
		extended.attributes[string(key)] = attributeDef{}
	}
	for _, catalog := range r.Catalogs {
		for _, m := range catalog.Metrics() {
			def := metricDef{kind: string(m.Kind), unit: m.Unit}
			for _, a := range m.Attributes {
				extended.attributes[a.Key] = attributeDef{kind: string(a.Type), values: closed(a)}
				if !a.Optional {
					def.required = append(def.required, a.Key)
				}
			}
			extended.metrics[m.Name] = def
		}
	}
	// What both define is the semantic conventions' to say.
	for key, def := range c.attributes {
		extended.attributes[key] = def
	}
	for name, def := range c.metrics {
		extended.metrics[name] = def
	}
	return extended
}

// closed returns the values that a closed attribute can be recorded with, nil
// when it is open.
func closed(a metrics.Attribute) []string {
	if a.Values == nil {
		return nil
	}
	return append(slices.Clone(a.Values), metrics.Other)
}

// attribute returns the definition of a key, by its own name or by the template
// that it begins with.
func (c conventions) attribute(key string) (attributeDef, bool) {
	if def, ok := c.attributes[key]; ok {
		return def, true
	}
	for namespace := range namespacesOf(key) {
		if def := c.attributes[namespace]; def.template {
			return def, true
		}
	}
	return attributeDef{}, false
}

// typeOf names the type of a value as the semantic conventions do.
func typeOf(v attribute.Value) string {
	switch v.Type() {
	case attribute.BOOL:
		return "boolean"
	case attribute.INT64:
		return "int"
	case attribute.FLOAT64:
		return "double"
	case attribute.STRING:
		return "string"
	case attribute.BOOLSLICE:
		return "boolean[]"
	case attribute.INT64SLICE:
		return "int[]"
	case attribute.FLOAT64SLICE:
		return "double[]"
	case attribute.STRINGSLICE:
		return "string[]"
	default:
		return strings.ToLower(v.Type().String())
	}
}

// mismatch says what is wrong about the type of a value; "" if nothing is. An
// integer will do for a double, and an enum is of strings or integers.
func (d attributeDef) mismatch(v attribute.Value) string {
	var allowed []string
	switch d.kind {
	case "", "any":
		return ""
	case "enum":
		allowed = []string{"string", "int"}
	case "double", "double[]":
		allowed = []string{d.kind, strings.Replace(d.kind, "double", "int", 1)}
	default:
		allowed = []string{d.kind}
	}
	if got := typeOf(v); !slices.Contains(allowed, got) {
		return fmt.Sprintf("has the type %s; it has to be %s", got, strings.Join(allowed, " or "))
	}
	return ""
}
