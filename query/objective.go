package query

import (
	"time"

	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/slo"
)

// Events is how many events of an objective happen per second. Of a latency
// objective these are the events that did not fail, in histograms that have a
// bucket for the threshold: where there is none there is no answer, rather than a
// wrong one.
func Events(s slo.SLO) Expr { return events(s, "Events", growing) }

// BadEvents is how many bad events of an objective happen per second.
func BadEvents(s slo.SLO) Expr { return badEvents(s, "BadEvents", growing) }

// EventTotal is how many events of an objective there were since the instances of
// the service started: Events as a counter, for whatever takes the growth itself.
func EventTotal(s slo.SLO) Expr { return events(s, "EventTotal", standing) }

// BadEventTotal is how many bad events of an objective there were since the
// instances of the service started.
func BadEventTotal(s slo.SLO) Expr { return badEvents(s, "BadEventTotal", standing) }

// EventQuantile is the time within which a share q of the events of a latency
// objective ended.
func EventQuantile(q float64, s slo.SLO) Expr {
	return Quantile(q, s.Events).Where(valid(s)...)
}

// How events are counted: by how they grow, or as they stand.
const (
	growing  = "rate"
	standing = ""
)

func events(s slo.SLO, caller, function string) Expr {
	counted := countOf(s.Events, caller, function).where(valid(s))
	if le, ok := s.Boundary(); ok {
		return Expr{latency{op: "and", all: counted.(series), fast: fastest(s, le, caller, function)}}
	}
	return Expr{counted}
}

func badEvents(s slo.SLO, caller, function string) Expr {
	if le, ok := s.Boundary(); ok {
		counted := countOf(s.Events, caller, function).where(valid(s))
		return Expr{latency{op: "-", all: counted.(series), fast: fastest(s, le, caller, function)}}
	}
	return events(s, caller, function).Where(filters(s.Bad, Matches)...)
}

// countOf is how many events a counter or histogram has counted.
func countOf(m metrics.Defined, caller, function string) series {
	s := of(m, caller)
	s.function, s.aggregation, s.unit = function, "sum", "{event}"
	switch s.metric.Kind {
	case metrics.KindHistogram:
		s.part = count
	case metrics.KindCounter:
	default:
		s.wrong("goes up and down, so it counts no events")
	}
	if function == growing {
		s.unit = perSecond(s.unit)
	}
	return s
}

// fastest is how many of the events that count took at most le.
func fastest(s slo.SLO, le float64, caller, function string) series {
	fast := bucketsOf(s.Events, caller)
	fast.function, fast.bucket = function, bucketMatcher(le)
	return fast.where(valid(s)).(series)
}

// valid keeps the events that count.
func valid(s slo.SLO) []Filter {
	list := append([]Filter{Service(s.Service)}, filters(s.Where, Matches)...)
	if _, ok := s.Boundary(); ok {
		list = append(list, filters(s.Bad, NotMatches)...)
	}
	return list
}

func filters(matches []slo.Match, keep func(key, pattern string) Filter) []Filter {
	var list []Filter
	for _, m := range matches {
		list = append(list, keep(m.Key, m.Pattern))
	}
	return list
}

// latency is an aggregation over the series of a histogram that have a bucket for
// a threshold: all their measurements (and), or those above it (-). It pairs each
// series with its own bucket before it sums, so that a series without one is left
// out of both, and drops of several instances do not meet in one sum.
type latency struct {
	op        string
	all, fast series
}

func (l latency) where(filters []Filter) node {
	return l.both(func(s series) node { return s.where(filters) })
}

func (l latency) over(window time.Duration) node {
	return l.both(func(s series) node { return s.over(window) })
}

func (l latency) by(keys []string) node {
	l.all.keys = keys
	return l
}

func (l latency) both(f func(series) node) node {
	l.all, l.fast = f(l.all).(series), f(l.fast).(series)
	return l
}

func (l latency) result() result { return l.all.result() }

func (l latency) write(w *writer) string {
	// Without le a bucket pairs with the number of measurements, and the two
	// spellings of a boundary become one.
	return l.all.aggregate(w, l.all.each(w)+" "+l.op+" sum without (le) ("+l.fast.each(w)+")")
}
