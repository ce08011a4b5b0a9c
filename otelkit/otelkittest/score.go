package otelkittest

import (
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// Outcome is what became of one rule.
type Outcome string

// The outcomes of a rule.
const (
	Passed        Outcome = "passed"
	Failed        Outcome = "failed"
	NotApplicable Outcome = "not applicable" // nothing was recorded that the rule is about
	NotScorable   Outcome = "not scorable"   // the specification does not say how
)

// Result is one rule of the Instrumentation Score, applied.
type Result struct {
	ID      string
	Rule    string // what it asks for
	Weight  int    // critical 40, important 30, normal 20, low 10
	Outcome Outcome
	Faults  []string // why it failed, one each, each told once
}

// Report is an Instrumentation Score with its reasons.
type Report struct {
	Service  string   // service.name
	Score    float64  // 0 to 100
	Category string   // "Excellent" from 90, "Good" from 75, "Needs Improvement" from 50, "Poor"
	Results  []Result // all 19 rules of v0.1, in the order of their ids
}

// Score returns the Instrumentation Score (instrumentation-score/spec, v0.1) of
// what the kit's service recorded: the weights of the rules that passed, over
// those of the rules that apply, of 100.
//
// others are the kits of what else took part. Those with the same service.name
// are further instances and are scored with it; the spans of all count as parents
// and as part of a trace.
//
// Where the specification leaves a choice, it is this:
//
//   - A rule about something that was not recorded counts neither as passed nor
//     in the total. The score of a test of one signal says nothing of the others.
//   - SPA-003 has no criterion yet, so it is never scored, and the score may be
//     incomplete, as the specification wants users to be told.
//   - The windows of 1 hour, 14 days and 30 days are what was recorded. One DEBUG
//     record (DEBUG to DEBUG4, not TRACE) is enough to fail LOG-001, and MET-003
//     and MET-004 see the scopes and instances of one test.
//   - RES-002 applies to two instances and more. RES-003 applies to resources
//     with an attribute k8s.pod.….
//   - RES-004 judges keys of the semantic conventions, past ones too, that can
//     stand at one level only. A resource's, not on spans and logs: service.name,
//     .namespace, .version and .instance.id, telemetry.*, host.*, os.*,
//     container.*, k8s.*, deployment.environment.name. Not on a resource: http.*,
//     url.*, db.*, rpc.*, messaging.*, exception.*, code.*, error.type, server.*,
//     client.*.
//   - RES-005 fails for unknown_service, which is how an SDK writes that there is
//     no name.
//   - SPA-002 looks for a parent in another process only if there are other kits.
//   - SPA-005 counts spans of every kind, as its criterion says, though its
//     rationale speaks of internal ones.
//   - MET-002 fails without a unit; "1" is one.
//   - MET-005 knows units by the words that people write: a metric in "s" has none
//     of s, sec, second, seconds in its name.
//   - LOG-001 applies where deployment.environment.name is "production".
//   - SDK-001 passes: a Go program does not build with a release of Go that its
//     OpenTelemetry SDK does not support.
func (k *Kit) Score(others ...*Kit) Report {
	k.t.Helper()
	e := evidence{others: len(others) > 0}
	service := textOf(k.resource, semconv.ServiceNameKey)
	for _, kit := range append([]*Kit{k}, others...) {
		e.everywhere = append(e.everywhere, kit.Spans()...)
		if kit != k && textOf(kit.resource, semconv.ServiceNameKey) != service {
			continue
		}
		e.resources = append(e.resources, kit.resource)
		e.spans = append(e.spans, kit.Spans()...)
		e.points = append(e.points, kit.collect()...)
		e.logs = append(e.logs, kit.Logs()...)
	}
	report := Report{Service: service}
	passed, total := 0, 0
	for _, r := range rules {
		result := r.apply(&e)
		report.Results = append(report.Results, result)
		switch result.Outcome {
		case Passed:
			passed += r.weight
			total += r.weight
		case Failed:
			total += r.weight
		}
	}
	report.Score = 100 * float64(passed) / float64(total) // RES-005 applies always
	report.Category = category(report.Score)
	return report
}

// ScoresAtLeast asserts the kit's Score.
func (k *Kit) ScoresAtLeast(score float64, others ...*Kit) {
	k.t.Helper()
	if r := k.Score(others...); r.Score < score {
		k.t.Errorf("otelkittest: want a score of at least %v; %s", score, r)
	}
}

// Result returns that of one rule, such as "SPA-004"; the zero value if there is
// no such rule.
func (r Report) Result(id string) Result {
	i := slices.IndexFunc(r.Results, func(result Result) bool { return result.ID == id })
	if i < 0 {
		return Result{}
	}
	return r.Results[i]
}

// String returns the report as a table, with the faults below their rules.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Instrumentation Score of %s: %.1f, %s (may be incomplete: SPA-003 has no criterion yet)", r.Service, r.Score, r.Category)
	for _, result := range r.Results {
		fmt.Fprintf(&b, "\n  %s  %-14s  %2d  %s", result.ID, result.Outcome, result.Weight, result.Rule)
		for _, fault := range result.Faults {
			fmt.Fprintf(&b, "\n           %s", fault)
		}
	}
	return b.String()
}

func category(score float64) string {
	switch {
	case score >= 90:
		return "Excellent"
	case score >= 75:
		return "Good"
	case score >= 50:
		return "Needs Improvement"
	default:
		return "Poor"
	}
}

// textOf returns an attribute of a resource as text; "" if it has none.
func textOf(r *resource.Resource, key attribute.Key) string {
	v, _ := r.Set().Value(key)
	return v.String()
}
