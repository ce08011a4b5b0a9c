package otelkittest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	otellog "go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/otelkit/metrics"
)

// The weights of the specification's impact levels.
const (
	critical  = 40
	important = 30
	normal    = 20
	low       = 10
)

// The bounds of the specification's rules.
const (
	mostInternalSpans   = 10 // of one service in one trace
	mostShortSpans      = 20 // in one trace
	short               = 5 * time.Millisecond
	mostAttributeValues = 10_000 // of one key of one metric; this many are too many
)

// evidence is what the rules judge: what one service recorded.
type evidence struct {
	resources  []*resource.Resource // one an instance
	spans      []*Span
	points     []point
	logs       []*Log
	everywhere []*Span // spans of all services that took part
	others     bool    // whether others took part
}

// rule is one rule of the specification. check returns whether there is anything
// that it is about, and what is wrong.
type rule struct {
	id     string
	weight int
	asks   string
	check  func(*evidence) (applies bool, faults []string)
}

// rules are those of v0.1, in the order of their ids.
var rules = []rule{
	{"LOG-001", important, "no DEBUG records in production", noDebugInProduction},
	{"LOG-002", important, "log records have a severity", everySeverity},
	{"MET-001", important, "fewer than 10,000 values of an attribute of a metric", fewValues},
	{"MET-002", important, "metrics have a unit in UCUM", everyUnit},
	{"MET-003", important, "a metric has one unit", oneUnit},
	{"MET-004", normal, "a histogram has the same buckets everywhere", sameBuckets},
	{"MET-005", normal, "the name of a metric does not contain its unit", noUnitInName},
	{"MET-006", important, "no metric is named like an attribute of the semantic conventions", noAttributeAsName},
	{"RES-001", normal, "service.instance.id is present", instanceID},
	{"RES-002", important, "service.instance.id is unique", uniqueInstanceID},
	{"RES-003", important, "Kubernetes pods have k8s.pod.uid", podUID},
	{"RES-004", important, "attributes are at the level that the semantic conventions say", rightLevel},
	{"RES-005", critical, "service.name is present", serviceName},
	{"SDK-001", low, "the SDK supports the release of the language", supportedLanguage},
	{"SPA-001", normal, "at most 10 INTERNAL spans of a service in a trace", fewInternalSpans},
	{"SPA-002", normal, "the parents of spans are in the trace", noOrphans},
	{"SPA-003", important, "names of spans are bounded", nil}, // no criterion yet
	{"SPA-004", important, "no root span is of kind CLIENT", noClientRoots},
	{"SPA-005", important, "at most 20 spans of less than 5 ms in a trace", fewShortSpans},
}

func (r rule) apply(e *evidence) Result {
	result := Result{ID: r.id, Rule: r.asks, Weight: r.weight, Outcome: Passed}
	if r.check == nil {
		result.Outcome = NotScorable
		return result
	}
	applies, faults := r.check(e)
	switch {
	case !applies:
		result.Outcome = NotApplicable
	case len(faults) > 0:
		result.Outcome = Failed
		result.Faults = distinct(faults)
	}
	return result
}

func noDebugInProduction(e *evidence) (bool, []string) {
	production := slices.ContainsFunc(e.resources, func(r *resource.Resource) bool {
		return textOf(r, semconv.DeploymentEnvironmentNameKey) == "production"
	})
	var faults []string
	for _, l := range e.logs {
		if s := l.Severity(); s >= otellog.SeverityDebug && s <= otellog.SeverityDebug4 {
			faults = append(faults, fmt.Sprintf("%q is logged at %s", l.Message(), s))
		}
	}
	return production && len(e.logs) > 0, faults
}

func everySeverity(e *evidence) (bool, []string) {
	var faults []string
	for _, l := range e.logs {
		if l.Severity() == otellog.SeverityUndefined {
			faults = append(faults, fmt.Sprintf("%q is logged without a severity", l.Message()))
		}
	}
	return len(e.logs) > 0, faults
}

func fewValues(e *evidence) (bool, []string) {
	type attributeOf struct{ metric, key string }
	values := map[attributeOf]map[string]bool{}
	for _, p := range e.points {
		for _, a := range p.attrs {
			of := attributeOf{p.metric.Name, string(a.Key)}
			if values[of] == nil {
				values[of] = map[string]bool{}
			}
			values[of][shown(a.Value)] = true
		}
	}
	var faults []string
	for of, set := range values {
		if len(set) >= mostAttributeValues {
			faults = append(faults, fmt.Sprintf("%s has %d values of %s", of.metric, len(set), of.key))
		}
	}
	return len(e.points) > 0, faults
}

func everyUnit(e *evidence) (bool, []string) {
	var faults []string
	for _, p := range e.points {
		if p.metric.Unit == "" {
			faults = append(faults, p.metric.Name+" has no unit")
		} else if !isUCUM(p.metric.Unit) {
			faults = append(faults, fmt.Sprintf("%s has the unit %q, which is not UCUM", p.metric.Name, p.metric.Unit))
		}
	}
	return len(e.points) > 0, faults
}

// isUCUM asks the package metrics, which refuses a definition whose unit is not.
func isUCUM(unit string) bool {
	catalog := metrics.NewCatalog("otelkittest")
	metrics.NewCounter[metrics.None](catalog, metrics.Definition{Name: "otelkittest.unit", Unit: unit, Help: "To ask about a unit."})
	return catalog.Err() == nil
}

func oneUnit(e *evidence) (bool, []string) {
	return len(e.points) > 0, differing(e.points, "the units", func(p point) string { return fmt.Sprintf("%q", p.metric.Unit) })
}

func sameBuckets(e *evidence) (bool, []string) {
	histograms := slices.DeleteFunc(slices.Clone(e.points), func(p point) bool { return p.kind != metrics.KindHistogram })
	return len(histograms) > 0, differing(histograms, "the buckets", func(p point) string { return fmt.Sprint(p.bounds) })
}

// differing tells of metrics that have several of what should be one.
func differing(points []point, what string, of func(point) string) []string {
	seen := map[string][]string{}
	for _, p := range points {
		if value := of(p); !slices.Contains(seen[p.metric.Name], value) {
			seen[p.metric.Name] = append(seen[p.metric.Name], value)
		}
	}
	var faults []string
	for name, values := range seen {
		if len(values) > 1 {
			slices.Sort(values)
			faults = append(faults, fmt.Sprintf("%s has %s %s", name, what, strings.Join(values, " and ")))
		}
	}
	return faults
}

// words are units as people write them into names.
var words = map[string][]string{
	"s":   {"s", "sec", "second", "seconds"},
	"ms":  {"ms", "millis", "millisecond", "milliseconds"},
	"us":  {"us", "micros", "microsecond", "microseconds"},
	"ns":  {"ns", "nanos", "nanosecond", "nanoseconds"},
	"min": {"min", "minute", "minutes"},
	"h":   {"h", "hour", "hours"},
	"d":   {"d", "day", "days"},
	"By":  {"by", "byte", "bytes"},
	"kBy": {"kb", "kilobyte", "kilobytes"},
	"MBy": {"mb", "megabyte", "megabytes"},
	"bit": {"bit", "bits"},
	"%":   {"percent"},
	"Cel": {"celsius"},
	"Hz":  {"hz", "hertz"},
}

func noUnitInName(e *evidence) (bool, []string) {
	var faults []string
	for _, p := range e.points {
		for word := range strings.FieldsFuncSeq(strings.ToLower(p.metric.Name), func(r rune) bool { return r == '.' || r == '_' }) {
			if slices.Contains(words[p.metric.Unit], word) {
				faults = append(faults, fmt.Sprintf("%s has %q in its name, its unit being %q", p.metric.Name, word, p.metric.Unit))
			}
		}
	}
	return len(e.points) > 0, faults
}

func noAttributeAsName(e *evidence) (bool, []string) {
	var faults []string
	for _, p := range e.points {
		if _, ok := semanticConventions().attributes[p.metric.Name]; ok {
			faults = append(faults, p.metric.Name+" is an attribute")
		}
	}
	return len(e.points) > 0, faults
}

func instanceID(e *evidence) (bool, []string) {
	return true, without(e.resources, semconv.ServiceInstanceIDKey)
}

// without tells of resources that lack an attribute.
func without(resources []*resource.Resource, key attribute.Key) []string {
	var faults []string
	for _, r := range resources {
		if textOf(r, key) == "" {
			faults = append(faults, fmt.Sprintf("no %s in %s", key, attributes(r.Attributes())))
		}
	}
	return faults
}

func uniqueInstanceID(e *evidence) (bool, []string) {
	seen := map[string]bool{}
	var faults []string
	for _, r := range e.resources {
		id := textOf(r, semconv.ServiceInstanceIDKey)
		if seen[id] {
			faults = append(faults, fmt.Sprintf("two instances are %q", id))
		}
		seen[id] = true
	}
	return len(e.resources) > 1, faults
}

func podUID(e *evidence) (bool, []string) {
	pods := slices.DeleteFunc(slices.Clone(e.resources), func(r *resource.Resource) bool {
		return !slices.ContainsFunc(r.Attributes(), func(a attribute.KeyValue) bool {
			return strings.HasPrefix(string(a.Key), "k8s.pod.")
		})
	})
	return len(pods) > 0, without(pods, semconv.K8SPodUIDKey)
}

var (
	// resourceKeys are keys, and with a dot at the end namespaces, that describe
	// what recorded, never what was done. Those that are for both are left out:
	// service.peer.*, process.* (spans of commands), cloud.* (spans of calls to one).
	resourceKeys = []string{
		"service.name", "service.namespace", "service.version", "service.instance.id",
		"telemetry.", "host.", "os.", "container.", "k8s.", "deployment.environment.name",
	}
	// activityKeys describe what was done, never what recorded. A browser's
	// user_agent.* and a phone's network.* do both.
	activityKeys = []string{
		"http.", "url.", "db.", "rpc.", "messaging.", "exception.", "code.", "error.type",
		"server.", "client.",
	}
)

func rightLevel(e *evidence) (bool, []string) {
	var faults []string
	misplaced := func(keys []string, where string, list []attribute.KeyValue) {
		for _, a := range list {
			if isSemconv(string(a.Key)) && belongs(string(a.Key), keys) {
				faults = append(faults, fmt.Sprintf("%s is on %s", a.Key, where))
			}
		}
	}
	for _, r := range e.resources {
		misplaced(activityKeys, "the resource", r.Attributes())
	}
	for _, s := range e.spans {
		misplaced(resourceKeys, fmt.Sprintf("span %q", s.Name()), s.Attributes())
	}
	for _, l := range e.logs {
		misplaced(resourceKeys, fmt.Sprintf("log record %q", l.Message()), l.Attributes())
	}
	return true, faults
}

// isSemconv says whether a key is in the semantic conventions or once was.
func isSemconv(key string) bool {
	_, now := semanticConventions().attribute(key)
	_, once := semanticConventions().oldAttributes[key]
	return now || once
}

func belongs(key string, keys []string) bool {
	return slices.ContainsFunc(keys, func(k string) bool {
		return key == k || strings.HasSuffix(k, ".") && strings.HasPrefix(key, k)
	})
}

func serviceName(e *evidence) (bool, []string) {
	faults := without(e.resources, semconv.ServiceNameKey)
	for _, r := range e.resources {
		v, ok := r.Set().Value(semconv.ServiceNameKey)
		if ok && v.Type() != attribute.STRING {
			faults = append(faults, fmt.Sprintf("service.name is of type %s", typeOf(v)))
		}
		if name := v.String(); name == "unknown_service" || strings.HasPrefix(name, "unknown_service:") {
			faults = append(faults, fmt.Sprintf("service.name is %q", name))
		}
	}
	return true, faults
}

func supportedLanguage(*evidence) (bool, []string) { return true, nil }

func fewInternalSpans(e *evidence) (bool, []string) {
	return len(e.spans) > 0, crowded(e.spans, mostInternalSpans, "INTERNAL spans", func(s *Span) bool {
		return s.SpanKind() == trace.SpanKindInternal
	})
}

func fewShortSpans(e *evidence) (bool, []string) {
	var ours []*Span // all spans of the traces that the service is in
	in := map[trace.TraceID]bool{}
	for _, s := range e.spans {
		in[s.SpanContext().TraceID()] = true
	}
	for _, s := range e.everywhere {
		if in[s.SpanContext().TraceID()] {
			ours = append(ours, s)
		}
	}
	return len(e.spans) > 0, crowded(ours, mostShortSpans, "spans of less than 5 ms", func(s *Span) bool {
		return s.EndTime().Sub(s.StartTime()) < short
	})
}

// crowded tells of traces that have too many of some spans.
func crowded(spans []*Span, most int, what string, counts func(*Span) bool) []string {
	n := map[trace.TraceID]int{}
	first := map[trace.TraceID]string{}
	for _, s := range spans {
		id := s.SpanContext().TraceID()
		if counts(s) {
			n[id]++
		}
		if first[id] == "" || !s.Parent().IsValid() {
			first[id] = s.Name()
		}
	}
	var faults []string
	for id, count := range n {
		if count > most {
			faults = append(faults, fmt.Sprintf("the trace of %q has %d %s", first[id], count, what))
		}
	}
	return faults
}

func noOrphans(e *evidence) (bool, []string) {
	type id struct {
		trace trace.TraceID
		span  trace.SpanID
	}
	recorded := map[id]bool{}
	for _, s := range e.everywhere {
		recorded[id{s.SpanContext().TraceID(), s.SpanContext().SpanID()}] = true
	}
	var faults []string
	for _, s := range e.spans {
		parent := s.Parent()
		if !parent.IsValid() || parent.IsRemote() && !e.others {
			continue
		}
		if !recorded[id{s.SpanContext().TraceID(), parent.SpanID()}] {
			faults = append(faults, fmt.Sprintf("the parent of span %q is not in the trace", s.Name()))
		}
	}
	return len(e.spans) > 0, faults
}

func noClientRoots(e *evidence) (bool, []string) {
	var faults []string
	for _, s := range e.spans {
		if !s.Parent().IsValid() && s.SpanKind() == trace.SpanKindClient {
			faults = append(faults, fmt.Sprintf("span %q is a root and of kind CLIENT", s.Name()))
		}
	}
	return len(e.spans) > 0, faults
}
