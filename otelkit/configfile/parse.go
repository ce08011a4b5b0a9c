package configfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/otelkit/kit/internal/spelling"
	"go.opentelemetry.io/contrib/otelconf"
	"go.yaml.in/yaml/v3"
)

// file is a configuration file that was read.
type file struct {
	model   otelconf.OpenTelemetryConfiguration
	ignored []setting
}

// setting is a line of a file that otelconf reads and does nothing with.
type setting struct {
	line     int
	key, why string
}

// formats are the values of file_format that otelconf v0.27.0 implements: the
// schema that its model was generated from, and the release that followed it.
var formats = []string{"1.0", "1.0-rc.3"}

// parse reads a file strictly. otelconf's own parser takes misspelt keys, any
// file_format, and substitutes variables before it knows what is a key.
func parse(text []byte) (*file, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	if err := decoder.Decode(&document); err != nil {
		if err == io.EOF {
			return nil, errors.New("the file is empty; the least is file_format: \"1.0\"")
		}
		return nil, err
	}
	if err := decoder.Decode(new(yaml.Node)); err != io.EOF {
		return nil, errors.New("the file has more than one document (---)")
	}
	f := &file{}
	c := checker{file: f}
	c.check(document.Content[0], reflect.TypeFor[otelconf.OpenTelemetryConfiguration](), "")
	if err := errors.Join(c.errs...); err != nil {
		return nil, err
	}
	if err := document.Decode(&f.model); err != nil {
		return nil, err
	}
	if !slices.Contains(formats, f.model.FileFormat) {
		return nil, fmt.Errorf("file_format is %q; it can be %s", f.model.FileFormat, strings.Join(formats, " or "))
	}
	if filter := f.meterProvider().ExemplarFilter; filter != nil && exemplarFilters[*filter] == nil {
		return nil, fmt.Errorf("meter_provider.exemplar_filter is %q; it can be trace_based, always_on or always_off", *filter)
	}
	return f, nil
}

func (f *file) meterProvider() otelconf.MeterProvider {
	if f.model.MeterProvider == nil {
		return otelconf.MeterProvider{}
	}
	return *f.model.MeterProvider
}

// checker walks a file beside the types of otelconf's model, puts variables into
// the values and collects what is wrong.
type checker struct {
	file *file
	errs []error
}

func (c *checker) wrong(n *yaml.Node, format string, args ...any) {
	c.errs = append(c.errs, fmt.Errorf("line %d: "+format, append([]any{n.Line}, args...)...))
}

// check checks a node that stands where the model has a type. path is that of the
// node, such as "tracer_provider.processors".
func (c *checker) check(n *yaml.Node, t reflect.Type, path string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch n.Kind {
	case yaml.AliasNode:
		c.wrong(n, "%s is an alias (*%s); write it out", path, n.Value)
	case yaml.ScalarNode:
		if err := substitute(n); err != nil {
			c.wrong(n, "%s: %w", path, err)
		}
	case yaml.SequenceNode:
		item := reflect.TypeFor[any]()
		if t.Kind() == reflect.Slice {
			item = t.Elem()
		}
		for i, child := range n.Content {
			c.check(child, item, fmt.Sprintf("%s[%d]", path, i))
		}
	case yaml.MappingNode:
		c.checkMapping(n, t, path)
	}
}

func (c *checker) checkMapping(n *yaml.Node, t reflect.Type, path string) {
	if t.Kind() == reflect.Interface || t == reflect.TypeFor[otelconf.Distribution]() {
		for i := 1; i < len(n.Content); i += 2 {
			c.check(n.Content[i], reflect.TypeFor[any](), path)
		}
		return
	}
	fields := fieldsOf(t)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := strings.TrimPrefix(path+"."+key.Value, ".")
		field, ok := fields[key.Value]
		if key.Kind != yaml.ScalarNode || !ok {
			c.wrong(key, "unknown key %s%s", at, suggest(key.Value, fields))
			continue
		}
		if why, ok := ineffective[t.Name()+"."+key.Value]; ok {
			c.file.ignored = append(c.file.ignored, setting{key.Line, at, why})
		}
		c.check(value, field, at)
		if oneOf[t] && value.Kind == yaml.ScalarNode && value.ShortTag() == "!!null" {
			// "drop:" means "drop: {}"; otelconf knows it of some types only.
			*value = yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: value.Line, Column: value.Column}
		}
	}
	if oneOf[t] && len(n.Content) > 2 {
		c.wrong(n, "%s has %d keys; it has to have one", path, len(n.Content)/2)
	}
}

// suggest says which key was meant.
func suggest(key string, fields map[string]reflect.Type) string {
	var known []string
	for name := range fields {
		known = append(known, name)
	}
	slices.Sort(known)
	switch near := spelling.Nearest(key, known); {
	case near != "":
		return fmt.Sprintf(" (did you mean %s?)", near)
	case strings.HasSuffix(key, "/development"):
		return "; what is in development is not supported"
	case len(known) == 0:
		return "; there are none here"
	default:
		return "; there are " + strings.Join(known, ", ")
	}
}

// fieldsOf returns the keys of a type of the model, and the types of their
// values. A type that is a map has none: those are markers, such as always_on.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	fields := map[string]reflect.Type{}
	if t.Kind() != reflect.Struct {
		return fields
	}
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if name != "" { // else what otelconf keeps and does nothing with
			fields[name] = t.Field(i).Type
		}
	}
	return fields
}

// oneOf are the types of which a file names one alternative. otelconf takes one
// of several samplers, by an order of its own.
var oneOf = map[reflect.Type]bool{
	reflect.TypeFor[otelconf.Aggregation]():        true,
	reflect.TypeFor[otelconf.LogRecordExporter]():  true,
	reflect.TypeFor[otelconf.LogRecordProcessor](): true,
	reflect.TypeFor[otelconf.MetricReader]():       true,
	reflect.TypeFor[otelconf.PushMetricExporter](): true,
	reflect.TypeFor[otelconf.Sampler]():            true,
	reflect.TypeFor[otelconf.SpanExporter]():       true,
	reflect.TypeFor[otelconf.SpanProcessor]():      true,
	reflect.TypeFor[otelconf.TextMapPropagator]():  true,
}

// ineffective are the settings, by type and key, that otelconf v0.27.0 reads and
// does nothing with, nor we.
var ineffective = map[string]string{
	"OpenTelemetryConfiguration.log_level":    "the SDK's own log is not the kit's; what goes wrong with the telemetry is always logged",
	"OpenTelemetryConfiguration.distribution": "it is for other distributions of OpenTelemetry",

	"PeriodicMetricReader.producers":                       "there are no metric producers for Go",
	"PullMetricReader.producers":                           "there are no metric producers for Go",
	"OTLPHttpMetricExporter.default_histogram_aggregation": "otelconf v0.27 does not apply it; a view can choose the aggregation",
	"OTLPGrpcMetricExporter.default_histogram_aggregation": "otelconf v0.27 does not apply it; a view can choose the aggregation",
	"ConsoleMetricExporter.default_histogram_aggregation":  "otelconf v0.27 does not apply it; a view can choose the aggregation",
	"ConsoleMetricExporter.temporality_preference":         "otelconf v0.27 does not apply it",
	"ViewStream.aggregation_cardinality_limit":             "otelconf v0.27 does not apply it; the reader's cardinality_limits hold",
}

// reference matches what stands for a variable, and the $$ that stands for $.
var reference = regexp.MustCompile(`\$\$|\$\{[^}\n]*\}?`)

// inReference takes ${NAME}, ${env:NAME} and ${NAME:-default} apart.
var inReference = regexp.MustCompile(`^\$\{(?:env:)?([a-zA-Z_][a-zA-Z0-9_]*)(:-([^}\n]*))?\}$`)

// substitute puts variables into a value as the specification has it: after YAML
// is read, so that a variable can bring no keys along. One that is not set is
// empty. What is not quoted gets its type from what was put in.
func substitute(n *yaml.Node) error {
	if !strings.Contains(n.Value, "$") {
		return nil
	}
	var errs []error
	n.Value = reference.ReplaceAllStringFunc(n.Value, func(found string) string {
		if found == "$$" {
			return "$"
		}
		parts := inReference.FindStringSubmatch(found)
		if parts == nil {
			errs = append(errs, fmt.Errorf("%s names no variable; it has to be ${NAME} or ${NAME:-default}, and $$ stands for $", found))
			return ""
		}
		if value := os.Getenv(parts[1]); value != "" {
			return value
		}
		return parts[3]
	})
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.LiteralStyle|yaml.FoldedStyle|yaml.TaggedStyle) == 0 {
		n.Tag = ""
	}
	return errors.Join(errs...)
}
