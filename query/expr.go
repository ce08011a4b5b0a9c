package query

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/otelkit/kit/otelkit/metrics"
)

// Expr is an expression over defined metrics. It is an immutable value: its
// methods return changed copies. Its zero value is an error when written out.
type Expr struct{ node node }

// node is a part of an expression.
type node interface {
	where(filters []Filter) node
	by(keys []string) node
	over(window time.Duration) node

	// write returns the part as PromQL and tells w what is wrong with it.
	write(w *writer) string
	// result describes what the part evaluates to.
	result() result
}

// result is what an expression evaluates to.
type result struct {
	scalar    bool     // a number rather than series
	keys      []string // attributes that tell its series apart
	unit      string   // in UCUM
	metrics   []metrics.Metric
	exemplars bool
}

// writer collects what is wrong while an expression is written.
type writer struct {
	Target
	faults []error
}

// fault keeps errors, each text once: a ratio writes its denominator twice.
func (w *writer) fault(errs ...error) {
	for _, err := range errs {
		known := func(e error) bool { return e.Error() == err.Error() }
		if err != nil && !slices.ContainsFunc(w.faults, known) {
			w.faults = append(w.faults, err)
		}
	}
}

// Where keeps, in every metric of the expression, the series that all filters
// keep.
func (e Expr) Where(filters ...Filter) Expr {
	return e.change(func(n node) node { return n.where(filters) })
}

// By tells the expression's series apart by attributes: in every metric of the
// expression, what it sums or otherwise aggregates. Keys are in OpenTelemetry
// form, or "job" and "instance". A second By replaces the first.
func (e Expr) By(keys ...string) Expr {
	return e.change(func(n node) node { return n.by(keys) })
}

// Over sets the time over which every rate, increase and quantile of the
// expression looks back. Without it a dashboard's $__rate_interval is used,
// which follows the zoom and the export interval.
func (e Expr) Over(window time.Duration) Expr {
	return e.change(func(n node) node { return n.over(window) })
}

func (e Expr) change(f func(node) node) Expr {
	if e.node == nil {
		return e
	}
	return Expr{f(e.node)}
}

// PromQL writes the expression out, or returns everything that is wrong with
// it.
func (e Expr) PromQL(t Target) (string, error) {
	if e.node == nil {
		return "", errors.New("query: empty expression; build one with Rate, Quantile, Max or another function of this package")
	}
	if err := t.check(); err != nil {
		return "", err
	}
	w := &writer{Target: t}
	text := e.node.write(w)
	if len(w.faults) > 0 {
		return "", errors.Join(w.faults...)
	}
	return text, nil
}

// Unit returns the unit of the expression's values in UCUM: that of the metric,
// per second for a rate, "1" for a ratio.
func (e Expr) Unit() string { return e.result().unit }

// Keys returns the attributes that tell the expression's series apart, in
// OpenTelemetry form.
func (e Expr) Keys() []string { return e.result().keys }

// Labels returns Prometheus' names of the attributes that tell the expression's
// series apart.
func (e Expr) Labels(t Target) ([]string, error) {
	var labels []string
	for _, key := range e.Keys() {
		label, err := t.labelName(key)
		if err != nil {
			return nil, err
		}
		labels = append(labels, label)
	}
	return labels, nil
}

// Metrics returns the defined metrics that the expression reads, each once.
func (e Expr) Metrics() []metrics.Metric {
	list := e.result().metrics
	slices.SortFunc(list, func(a, b metrics.Metric) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(list, func(a, b metrics.Metric) bool { return a.Name == b.Name })
}

// Exemplars returns whether the expression reads the buckets of a histogram,
// which is where exemplars are kept.
func (e Expr) Exemplars() bool { return e.result().exemplars }

func (e Expr) result() result {
	if e.node == nil {
		return result{}
	}
	return e.node.result()
}
