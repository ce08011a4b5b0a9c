package alerts

import (
	"fmt"
	"maps"
	"math"
	"regexp/syntax"
	"slices"
	"strconv"
	"time"

	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/slo"
	"github.com/otelkit/kit/query"
)

// proveBurn gives a burn-rate alert its cases. They follow from the objective:
// a share of bad events just above the threshold has to fire, one just below
// has to stay quiet, and so has a night with less than MinBad bad events.
func (b BurnRate) proveBurn(a *Alert, w burn, threshold float64) {
	// As many events a minute as make a thousandth of the budget a whole number.
	events := math.Ceil(1000 / b.SLO.Budget())
	above := math.Round(events * min(threshold*1.2, (1+threshold)/2))
	below := math.Round(events * threshold * 0.8)
	at := time.Hour + w.hold

	shown := percent4(above / events)
	firing := Case{
		Name: fmt.Sprintf("%s fires when %s of events are bad", a.Name, shown), At: at,
		Series: b.traffic(at, steady(events-above), steady(above)),
		Labels: b.groupLabels(),
	}
	firing.Summary, firing.Description = b.burnText(w, b.SLO.Service, shown)
	a.Fires = []Case{firing}

	a.Quiet = []Case{{
		Name: fmt.Sprintf("%s stays quiet when %s of events are bad", a.Name, percent4(below/events)), At: at,
		Series: b.traffic(at, steady(events-below), steady(below)),
	}}
	if b.minBad() > 1 {
		a.Quiet = append(a.Quiet, Case{
			Name: a.Name + " stays quiet when one of few events is bad", At: at,
			Series: b.traffic(at, steady(1), once(at-w.hold-2*time.Minute)),
		})
	}
}

func (b BurnRate) proveNoData(a *Alert) {
	const at = time.Hour
	a.Fires = []Case{{
		Name: a.Name + " fires when there is no series", At: at,
		Summary: a.Summary, Description: a.Description,
	}}
	if _, ok := b.SLO.Boundary(); ok {
		a.Fires = append(a.Fires, Case{
			Name: a.Name + " fires when no bucket ends at the threshold", At: at,
			Series:  []Series{{Metric: b.SLO.Events, Attributes: b.sample(false), Values: steady(60)(int(at.Minutes()))}},
			Summary: a.Summary, Description: a.Description,
		})
	}
	a.Quiet = []Case{
		{Name: a.Name + " stays quiet while events arrive", At: at, Series: b.traffic(at, steady(60), steady(0))},
		{Name: a.Name + " stays quiet while the service is idle", At: at, Series: b.traffic(at, steady(0), steady(0))},
	}
}

// steady writes a counter that grows evenly by that much a minute.
func steady(perMinute float64) func(minutes int) string {
	return func(minutes int) string {
		return fmt.Sprintf("0+%sx%d", strconv.FormatFloat(perMinute, 'f', -1, 64), minutes)
	}
}

// once writes a counter that grows by one, at a time.
func once(at time.Duration) func(minutes int) string {
	step := int(at.Minutes())
	return func(minutes int) string { return fmt.Sprintf("0x%d 1x%d", step-1, minutes-step) }
}

// traffic is the series of good and of bad events until a time. Slow events are
// those of a second instance.
func (b BurnRate) traffic(until time.Duration, good, bad func(minutes int) string) []Series {
	minutes := int(until.Minutes())
	if le, ok := b.SLO.Boundary(); ok {
		quick, slow := b.sample(false), b.sample(false)
		slow["instance"] = "2"
		return []Series{
			{Metric: b.SLO.Events, Attributes: quick, Values: good(minutes)},
			{Metric: b.SLO.Events, Attributes: quick, Values: good(minutes), Bucket: le},
			{Metric: b.SLO.Events, Attributes: slow, Values: bad(minutes)},
			{Metric: b.SLO.Events, Attributes: slow, Values: steady(0)(minutes), Bucket: le},
		}
	}
	return []Series{
		{Metric: b.SLO.Events, Attributes: b.sample(false), Values: good(minutes)},
		{Metric: b.SLO.Events, Attributes: b.sample(true), Values: bad(minutes)},
	}
}

// sample is the attributes of a good or a bad event that counts.
func (b BurnRate) sample(bad bool) map[string]string {
	attributes := map[string]string{
		"job": b.SLO.Service, "service.name": b.SLO.Service, "deployment.environment.name": "test", "instance": "1",
	}
	m := b.SLO.Events.Metric()
	for _, key := range b.By {
		if a, ok := m.Attribute(key); ok {
			attributes[key] = value(a, nil, nil)
		}
	}
	matches := slices.Concat(b.SLO.Where, b.SLO.Bad)
	for _, match := range matches {
		var accepted, refused []slo.Match
		for _, other := range matches {
			switch {
			case other.Key != match.Key:
			case !bad && len(b.SLO.Bad) > 0 && other == b.SLO.Bad[0]: // a bad event fulfils all of Bad: one is enough to miss
				refused = append(refused, other)
			default:
				accepted = append(accepted, other)
			}
		}
		a, _ := m.Attribute(match.Key)
		attributes[match.Key] = value(a, accepted, refused)
	}
	return attributes
}

// groupLabels are the labels of an alert that tell it apart.
func (b BurnRate) groupLabels() map[string]string {
	sample := b.sample(true)
	labels := map[string]string{}
	for _, key := range b.keys() {
		if text, ok := sample[key]; ok {
			labels[key] = text
		}
	}
	return labels
}

// value finds a value of an attribute that some matches accept and others
// refuse; "" if it finds none, on which the alert's own test then fails.
func value(a metrics.Attribute, accepted, refused []slo.Match) string {
	for _, candidate := range candidates(a, accepted) {
		ok := !slices.ContainsFunc(accepted, func(m slo.Match) bool { return !m.Accepts(candidate) }) &&
			!slices.ContainsFunc(refused, func(m slo.Match) bool { return m.Accepts(candidate) })
		if ok {
			return candidate
		}
	}
	return ""
}

func candidates(a metrics.Attribute, accepted []slo.Match) []string {
	if a.Values != nil {
		return a.Values
	}
	if a.Type == metrics.TypeInt {
		list := []string{"200"} // what a status code is when nothing is wrong
		for i := range 10000 {
			list = append(list, strconv.Itoa(i))
		}
		return list
	}
	list := []string{"other"}
	for _, m := range accepted {
		if parsed, err := syntax.Parse(m.Pattern, syntax.Perl); err == nil {
			list = append(list, shortest(parsed.Simplify()))
		}
	}
	return list
}

// shortest writes a text that a regular expression matches.
func shortest(e *syntax.Regexp) string {
	switch e.Op {
	case syntax.OpLiteral:
		return string(e.Rune)
	case syntax.OpCharClass:
		return string(e.Rune[:1])
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return "x"
	case syntax.OpAlternate, syntax.OpCapture, syntax.OpPlus:
		return shortest(e.Sub[0])
	case syntax.OpConcat:
		text := ""
		for _, sub := range e.Sub {
			text += shortest(sub)
		}
		return text
	default: // what may be empty
		return ""
	}
}

// percent4 writes a share as Prometheus' humanizePercentage does.
func percent4(share float64) string { return fmt.Sprintf("%.4g%%", share*100) }

// labels are the labels of the alert when it fires on a case.
func (a Alert) labels(c Case, t query.Target) (map[string]string, error) {
	labels := map[string]string{"severity": string(a.Severity), "service": a.Service}
	maps.Copy(labels, a.Labels)
	for key, value := range c.Labels {
		label, err := query.Label(key, t)
		if err != nil {
			return nil, err
		}
		labels[label] = value
	}
	return labels, nil
}
