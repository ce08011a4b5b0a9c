package otelkittest

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
)

// Level is how bad a finding is.
type Level string

// The levels of OpenTelemetry Weaver's live check.
const (
	Violation   Level = "violation"   // breaks the conventions
	Improvement Level = "improvement" // could be better
	Information Level = "information" // asks for nothing
)

// Finding is what Lint found in one attribute or metric, told once however often
// it was recorded.
type Finding struct {
	ID        string // of Weaver's live check, such as "type_mismatch"
	Level     Level  // that Weaver's live check gives it
	Signal    string // "span", "metric", "log" or "resource"
	Name      string // of the span or metric, or the log record's message; "" of the resource
	Attribute string // key; "" when it is about the metric itself
	Message   string // what is wrong, and what would be right
}

// String returns the finding as one line.
func (f Finding) String() string {
	text := fmt.Sprintf("%s %s: %s", f.Level, f.ID, f.Signal)
	if f.Name != "" {
		text += fmt.Sprintf(" %q", f.Name)
	}
	if f.Attribute != "" {
		text += ": attribute " + f.Attribute
	}
	return text + " " + f.Message
}

// Lint compares what was recorded with OpenTelemetry's semantic conventions
// v1.43.0 and with the service's own definitions. It returns findings as those
// of `weaver registry live-check`, with its ids and levels, worst first.
//
// Of attributes, wherever they stand: missing_attribute, deprecated,
// type_mismatch, not_stable, undefined_enum_variant, template_attribute,
// missing_namespace, invalid_format, illegal_namespace, extends_namespace. Of
// metrics: missing_metric, deprecated, unit_mismatch, unexpected_instrument,
// required_attribute_not_present, invalid_format.
//
// The conventions come from the package go.opentelemetry.io/otel/semconv, which
// tells less than Weaver's registry. So Lint does not find missing_event, the
// recommended_, opt_in_ and conditionally_required_attribute_not_present,
// nothing of entities, not_stable of a metric or of an enum's value, and nothing
// about which attributes a span should have. It calls deprecated what an earlier
// version of that package had and v1.43.0 has not; what took its place has to be
// looked up.
//
// illegal_namespace and extends_namespace are about attributes that nothing
// defines, and compare them with the semantic conventions alone. Metrics of the
// OpenTelemetry SDK about itself (otel.sdk.…) are as any others.
func (k *Kit) Lint(r Registry) []Finding {
	k.t.Helper()
	l := linter{known: semanticConventions().with(r), found: map[Finding]bool{}}
	l.attributes("resource", "", k.resource.Attributes())
	for _, s := range k.Spans() {
		l.attributes("span", s.Name(), s.Attributes())
		for _, e := range s.Events() {
			l.attributes("span", s.Name(), e.Attributes)
		}
		for _, link := range s.Links() {
			l.attributes("span", s.Name(), link.Attributes)
		}
	}
	for _, p := range k.collect() {
		l.point(p)
		l.attributes("metric", p.metric.Name, p.attrs)
	}
	for _, record := range k.Logs() {
		l.attributes("log", record.Message(), record.Attributes())
	}
	return l.findings()
}

// NoViolations asserts that Lint finds no violation. Each exception is the id of
// a finding and the attribute's key, or the metric's name when it is about the
// metric itself, as in "missing_attribute:error".
func (k *Kit) NoViolations(r Registry, exceptions ...string) {
	k.t.Helper()
	var lines []string
	for _, f := range k.Lint(r) {
		if f.Level == Violation && !slices.Contains(exceptions, f.ID+":"+cmp.Or(f.Attribute, f.Name)) {
			lines = append(lines, f.String())
		}
	}
	if len(lines) > 0 {
		k.t.Errorf("otelkittest: %s of the conventions:\n%s", count(len(lines), "violation"), indented(strings.Join(lines, "\n")))
	}
}

// linter collects findings.
type linter struct {
	known conventions
	found map[Finding]bool
}

func (l *linter) findings() []Finding {
	worst := []Level{Violation, Improvement, Information}
	list := make([]Finding, 0, len(l.found))
	for f := range l.found {
		list = append(list, f)
	}
	slices.SortFunc(list, func(a, b Finding) int {
		return cmp.Or(
			cmp.Compare(slices.Index(worst, a.Level), slices.Index(worst, b.Level)),
			cmp.Compare(a.String(), b.String()),
		)
	})
	return list
}

// nameFormat is that of Weaver's default policy.
var nameFormat = regexp.MustCompile(`^[a-z][a-z0-9]*([._][a-z0-9]+)*$`)

const wrongFormat = "has to be lower case, its words and namespaces separated by _ and ."

func (l *linter) attributes(signal, name string, list []attribute.KeyValue) {
	for _, a := range list {
		l.attribute(a, func(id string, level Level, format string, args ...any) {
			l.found[Finding{id, level, signal, name, string(a.Key), fmt.Sprintf(format, args...)}] = true
		})
	}
}

func (l *linter) attribute(a attribute.KeyValue, find func(id string, level Level, format string, args ...any)) {
	key := string(a.Key)
	if !nameFormat.MatchString(key) {
		find("invalid_format", Violation, wrongFormat)
	}
	if !strings.Contains(key, ".") {
		find("missing_namespace", Improvement, "has no namespace; begin it with the service's or the company's, and a dot")
	}
	def, ok := l.known.attribute(key)
	if !ok {
		l.undefined(key, find)
		return
	}
	if def.template {
		find("template_attribute", Information, "is one of a template of the semantic conventions")
	}
	if def.unstable != "" {
		find("not_stable", Improvement, "is not stable in the semantic conventions, but %s", def.unstable)
	}
	if wrong := def.mismatch(a.Value); wrong != "" {
		find("type_mismatch", Violation, "%s", wrong)
	} else if def.values != nil && !slices.Contains(def.values, a.Value.String()) {
		find("undefined_enum_variant", Information, "is %s, which is none of its values: %s", shown(a.Value), strings.Join(def.values, ", "))
	}
}

// undefined finds what there is to say of an attribute that nothing defines.
func (l *linter) undefined(key string, find func(id string, level Level, format string, args ...any)) {
	if last, ok := l.known.oldAttributes[key]; ok {
		find("deprecated", Violation, "is not in the semantic conventions since %s; look up what took its place", last)
		return
	}
	find("missing_attribute", Violation, "is neither in the semantic conventions nor in the Registry")
	extended := ""
	for namespace := range namespacesOf(key) {
		if _, ok := l.known.attributes[namespace]; ok {
			find("illegal_namespace", Violation, "has the attribute %s for a namespace", namespace)
		}
		if l.known.namespaces[namespace] {
			extended = namespace
		}
	}
	if extended != "" {
		find("extends_namespace", Information, "extends %s of the semantic conventions: is it misspelt?", extended)
	}
}

// point finds what there is to say of a series' metric.
func (l *linter) point(p point) {
	m := p.metric
	find := func(id, attribute, format string, args ...any) {
		l.found[Finding{id, Violation, "metric", m.Name, attribute, fmt.Sprintf(format, args...)}] = true
	}
	if !nameFormat.MatchString(m.Name) {
		find("invalid_format", "", wrongFormat)
	}
	def, ok := l.known.metrics[m.Name]
	if !ok {
		if last, ok := l.known.oldMetrics[m.Name]; ok {
			find("deprecated", "", "is not in the semantic conventions since %s; look up what took its place", last)
			return
		}
		find("missing_metric", "", "is neither in the semantic conventions nor in a catalog of the Registry")
		return
	}
	if m.Unit != def.unit {
		find("unit_mismatch", "", "has the unit %q; it has to be %q", m.Unit, def.unit)
	}
	if string(p.kind) != def.kind {
		find("unexpected_instrument", "", "is of kind %s; it has to be of kind %s", p.kind, def.kind)
	}
	for _, key := range def.required {
		if _, ok := p.attrs.value(attribute.Key(key)); !ok {
			find("required_attribute_not_present", key, "is required, and a series has it not")
		}
	}
}
