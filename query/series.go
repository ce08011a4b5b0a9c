package query

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/otelkit/kit/otelkit/metrics"
)

// Rate is how much a counter grows per second, or how many measurements of a
// histogram are taken per second. It is summed over all series unless By says
// by what to tell them apart.
func Rate(m metrics.Defined) Expr {
	return growth(m, "Rate", "rate")
}

// Increase is how much a counter grew, or how many measurements of a histogram
// were taken, within the window. It is extrapolated to the window's edges, so
// it need not be whole.
func Increase(m metrics.Defined) Expr {
	return growth(m, "Increase", "increase")
}

func growth(m metrics.Defined, caller, function string) Expr {
	s := of(m, caller)
	s.function, s.aggregation = function, "sum"
	switch s.metric.Kind {
	case metrics.KindHistogram:
		s.part, s.unit = count, "{measurement}"
	case metrics.KindCounter:
		s.unit = s.metric.Unit
	default:
		s.wrong("goes up and down, so it has no %s; take its last value by Sum, Avg, Min or Max", function)
	}
	if function == "rate" {
		s.unit = perSecond(s.unit)
	}
	return Expr{s}
}

// RateOfSum is how much the sum of a histogram's measurements grows per second:
// money per second of a histogram of amounts.
func RateOfSum(m metrics.Defined) Expr {
	s := of(m, "RateOfSum")
	s.function, s.aggregation, s.part, s.unit = "rate", "sum", sum, perSecond(s.metric.Unit)
	if s.metric.Kind != metrics.KindHistogram {
		s.wrong("is no histogram, so it has no sum; a counter has a Rate")
	}
	return Expr{s}
}

// Quantile is the size below which a share q of a histogram's measurements
// lies, between 0 and 1: 0.95 for the 95th percentile. It is interpolated within
// a bucket, so it is as exact as the buckets are fine.
func Quantile(q float64, m metrics.Defined) Expr {
	s := bucketsOf(m, "Quantile")
	s.quantile = &q
	if !(q > 0 && q < 1) {
		s.wrong("quantile %v is not between 0 and 1; write 0.95 for the 95th percentile", q)
	}
	return Expr{s}
}

// Buckets is how many measurements of a histogram fall into each bucket per
// second: what a heatmap draws. Its unit is that of what is measured, which is
// on the heatmap's axis.
func Buckets(m metrics.Defined) Expr {
	return Expr{bucketsOf(m, "Buckets")}
}

func bucketsOf(m metrics.Defined, caller string) series {
	s := of(m, caller)
	s.function, s.aggregation, s.part, s.unit = "rate", "sum", buckets, s.metric.Unit
	if s.metric.Kind != metrics.KindHistogram {
		s.wrong("is no histogram, so it has no buckets; define it by metrics.NewHistogram, or take its Rate")
	}
	return s
}

// Sum is the sum of the last values of a gauge or an up-down counter.
func Sum(m metrics.Defined) Expr { return last(m, "Sum", "sum") }

// Avg is the mean of the last values of a gauge or an up-down counter.
func Avg(m metrics.Defined) Expr { return last(m, "Avg", "avg") }

// Min is the smallest of the last values of a gauge or an up-down counter.
func Min(m metrics.Defined) Expr { return last(m, "Min", "min") }

// Max is the largest of the last values of a gauge or an up-down counter.
func Max(m metrics.Defined) Expr { return last(m, "Max", "max") }

func last(m metrics.Defined, caller, aggregation string) Expr {
	s := of(m, caller)
	s.aggregation, s.unit = aggregation, s.metric.Unit
	switch s.metric.Kind {
	case metrics.KindCounter:
		s.wrong("only grows, and starts anew with the process, so its value says nothing; take its Rate or Increase")
	case metrics.KindHistogram:
		s.wrong("has no single value; take a Quantile or the Rate of its measurements")
	}
	return Expr{s}
}

// series is an aggregation over the series of one metric.
type series struct {
	caller      string // function of this package that made it
	metric      metrics.Metric
	part        part
	function    string // over a window; "" for the last value
	aggregation string
	quantile    *float64
	unit        string
	filters     []Filter
	keys        []string
	bucket      string        // label matcher of the one bucket that is meant; "" for all
	window      time.Duration // 0 for the dashboard's
	faults      []error
}

// of describes the metric that is to be queried.
func of(m metrics.Defined, caller string) series {
	s := series{caller: caller}
	if v := reflect.ValueOf(m); !v.IsValid() || v.Kind() == reflect.Pointer && v.IsNil() {
		s.faults = append(s.faults, fmt.Errorf("query: %s of nil; give a metric's definition", caller))
		return s
	}
	s.metric = m.Metric()
	return s
}

func (s *series) wrong(format string, args ...any) {
	if len(s.faults) == 0 {
		s.faults = append(s.faults, s.explain(fmt.Errorf(format, args...)))
	}
}

// explain says of a fault where it is.
func (s series) explain(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("query: %s of %s %q (%s): %w", s.caller, s.metric.Kind, s.metric.Name, s.metric.Source, err)
}

func (s series) where(filters []Filter) node {
	s.filters = append(s.filters[:len(s.filters):len(s.filters)], filters...)
	return s
}

func (s series) by(keys []string) node {
	s.keys = keys
	return s
}

func (s series) over(window time.Duration) node {
	s.window = window
	if s.function == "" {
		s.faults = append(s.faults[:len(s.faults):len(s.faults)], s.explain(fmt.Errorf("is the last value, which has no window; leave Over out")))
	}
	return s
}

func (s series) result() result {
	keys := s.keys
	if s.part == buckets && s.quantile == nil {
		keys = append(keys[:len(keys):len(keys)], "le")
	}
	return result{keys: keys, unit: s.unit, metrics: []metrics.Metric{s.metric}, exemplars: s.part == buckets}
}

func (s series) write(w *writer) string {
	text := s.aggregate(w, s.each(w))
	if s.quantile != nil {
		text = "histogram_quantile(" + number(*s.quantile) + ", " + text + ")"
	}
	return text
}

// each writes the series before they are aggregated.
func (s series) each(w *writer) string {
	if s.function == "" {
		return s.selector(w)
	}
	return s.function + "(" + s.selector(w) + s.lookback(w) + ")"
}

// selector writes the series before anything is done with them.
func (s series) selector(w *writer) string {
	if len(s.faults) > 0 {
		w.fault(s.faults...)
		return ""
	}
	w.fault(s.explain(checkKeys(s.keys, s.metric.Attributes, resourceKeys)))
	name, err := w.metricName(s.metric, s.part)
	w.fault(s.explain(err))
	return selector(name, s.matchers(w))
}

// bare writes the series only.
func (s series) bare(t Target) (string, error) {
	return Expr{bareSeries{s}}.PromQL(t)
}

// bareSeries is the series of a metric with nothing done to them.
type bareSeries struct{ series }

func (s bareSeries) write(w *writer) string { return s.selector(w) }

func (s series) matchers(w *writer) []string {
	list := matchers(w, s.filters, s.metric.Attributes, resourceKeys, s.explain)
	if s.bucket != "" {
		list = append(list, s.bucket)
	}
	return list
}

// lookback writes the window.
func (s series) lookback(w *writer) string {
	text, err := window(s.window, w.Target)
	w.fault(s.explain(err))
	return text
}

func (s series) aggregate(w *writer, text string) string {
	var labels []string
	if s.part == buckets {
		labels = append(labels, "le")
	}
	for _, key := range s.keys {
		label, err := w.labelName(key)
		w.fault(s.explain(err))
		labels = append(labels, quoted(label))
	}
	if len(labels) == 0 {
		return s.aggregation + "(" + text + ")"
	}
	return s.aggregation + " by (" + strings.Join(labels, ", ") + ") (" + text + ")"
}

// window writes how far a function looks back.
func window(d time.Duration, t Target) (string, error) {
	switch {
	case d == 0 && t.Window != "":
		return "[" + t.Window + "]", nil
	case d == 0 && t.Rule:
		return "", fmt.Errorf("has no window, which a rule needs; state it by Over")
	case d == 0:
		return "[$__rate_interval]", nil
	case d < 0 || d%time.Second != 0:
		return "", fmt.Errorf("window %v is not whole seconds", d)
	}
	return "[" + Duration(d) + "]", nil
}

// Duration writes a duration of whole seconds as Prometheus does, in its
// largest whole unit up to days: 5m, 36h, 30d.
func Duration(d time.Duration) string {
	for _, unit := range []struct {
		length time.Duration
		symbol string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if d >= unit.length && d%unit.length == 0 {
			return strconv.Itoa(int(d/unit.length)) + unit.symbol
		}
	}
	return strconv.Itoa(int(d/time.Second)) + "s"
}

// perSecond is the unit of what grows per second.
func perSecond(unit string) string {
	if unit == "s" {
		return "1"
	}
	return unit + "/s"
}
