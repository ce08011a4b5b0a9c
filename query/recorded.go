package query

import (
	"errors"
	"fmt"
	"time"
)

// Record names what a recording rule writes.
type Record struct {
	Name string   // of the series, level:metric:operation: "slo:error_ratio:1h"
	Unit string   // in UCUM
	Keys []string // attributes and labels that its series have, in OpenTelemetry form where they have one
}

// Recorded is the last value of recorded series.
func Recorded(r Record) Expr { return Expr{recorded{record: r}} }

// SumOverTime is the sum of a recorded series' values within the window.
func SumOverTime(r Record) Expr { return Expr{recorded{record: r, function: "sum_over_time"}} }

// AbsentOverTime is 1 when there was no value of a recorded series within the
// window, and has no value otherwise. Its labels are those that Equal asks for.
func AbsentOverTime(r Record) Expr { return Expr{recorded{record: r, function: "absent_over_time"}} }

// recorded is the series of a recording rule. They are aggregated already.
type recorded struct {
	record   Record
	function string // over a window; "" for the last value
	filters  []Filter
	window   time.Duration
	faults   []error
}

func (r recorded) where(filters []Filter) node {
	r.filters = append(r.filters[:len(r.filters):len(r.filters)], filters...)
	return r
}

func (r recorded) by([]string) node {
	return r.wrong(errors.New("is aggregated when it is recorded; leave By out, or let its rule keep the attribute"))
}

func (r recorded) over(window time.Duration) node {
	if r.function == "" {
		return r.wrong(errors.New("is the last value, which has no window; leave Over out"))
	}
	r.window = window
	return r
}

func (r recorded) wrong(err error) recorded {
	r.faults = append(r.faults[:len(r.faults):len(r.faults)], r.explain(err))
	return r
}

func (r recorded) explain(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("query: recorded %q: %w", r.record.Name, err)
}

func (r recorded) result() result {
	if r.function != "absent_over_time" {
		return result{keys: r.record.Keys, unit: r.record.Unit}
	}
	var keys []string
	for _, f := range r.filters {
		if f.operator == "=" {
			keys = append(keys, f.key)
		}
	}
	return result{keys: keys, unit: "1"}
}

func (r recorded) write(w *writer) string {
	w.fault(r.faults...)
	text := selector(r.record.Name, matchers(w, r.filters, nil, r.record.Keys, r.explain))
	if r.function == "" {
		return text
	}
	span, err := window(r.window, w.Target)
	w.fault(r.explain(err))
	return r.function + "(" + text + span + ")"
}
