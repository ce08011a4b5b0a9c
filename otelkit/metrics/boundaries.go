package metrics

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"go.opentelemetry.io/otel"
)

// boundaries are the upper boundaries of a histogram's buckets. They can grow
// until an instrument is made of them; then what was counted is counted.
type boundaries struct {
	mu   sync.Mutex
	list []float64 // replaced to be changed, so that what was returned stays as it was
	used bool      // an instrument has them
}

// current returns the boundaries as they are now.
func (b *boundaries) current() []float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.list
}

// use returns the boundaries for an instrument. They do not change afterwards.
func (b *boundaries) use() []float64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.used = true
	return b.list
}

// add inserts a boundary unless it is there.
func (b *boundaries) add(le float64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !finite(le) {
		return errors.New("it is not finite")
	}
	i, found := slices.BinarySearch(b.list, le)
	if found {
		return nil
	}
	if b.used {
		return errors.New("it comes too late, since the histogram records already; ask while packages are initialised, as the value of a package variable does")
	}
	b.list = slices.Insert(slices.Clone(b.list), i, le)
	return nil
}

// AddBoundary makes le, in the histogram's unit, an upper boundary of a bucket,
// unless it is one: how many measurements were at or below a number is known at
// boundaries only, and elsewhere guessed. Package slo asks so for the threshold of
// a latency objective. source is who asks, as file:line.
//
// The histogram gets the bucket in the whole process, whichever package defines
// it, and [Metric.Buckets] shows it. Each costs a series an attribute set. A
// boundary that is asked for once the histogram has recorded is refused; the error
// is returned, handed to OpenTelemetry's error handler and found in
// [Catalog.Err].
func (h *Histogram[A]) AddBoundary(le float64, source string) error {
	if h.err != nil {
		return h.err // the catalog has it already
	}
	err := h.boundaries.add(le)
	if err == nil {
		return nil
	}
	err = fmt.Errorf("metrics: %q (%s): boundary %v, asked for at %s: %w", h.metric.Name, h.metric.Source, le, source, err)
	h.catalog.fault(err)
	otel.Handle(err)
	return err
}

// Metric describes the definition, with the boundaries that it has got so far.
func (h *Histogram[A]) Metric() Metric {
	m := h.metric
	m.Buckets = h.boundaries.current()
	return m
}
