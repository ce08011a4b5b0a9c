package metrics

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"runtime"
	"strings"

	"go.opentelemetry.io/otel/metric"
)

// Counter counts what happens, in whole numbers. It is safe for concurrent use.
type Counter[A comparable] struct{ definition[A] }

// NewCounter defines a counter in catalog c.
func NewCounter[A comparable](c *Catalog, def Definition) *Counter[A] {
	counter := &Counter[A]{}
	counter.create = func(m metric.Meter, b *bound[A]) (err error) {
		b.counter, err = m.Int64Counter(def.Name, metric.WithUnit(def.Unit), metric.WithDescription(def.Help))
		return err
	}
	counter.define(c, def, KindCounter, false, caller(), counter.zero)
	return counter
}

// Add counts n more under attrs. A negative n is refused and reported.
func (c *Counter[A]) Add(ctx context.Context, n int64, attrs A) {
	b := c.bind(FromContext(ctx))
	if b.counter == nil {
		return
	}
	if n < 0 {
		b.refuse("a counter was given a negative number", n)
		return
	}
	b.counter.Add(ctx, n, b.series(attrs).add...)
}

// zero starts every closed series at 0 in recorder r.
func (c *Counter[A]) zero(r *Recorder) {
	b := c.bind(r)
	for _, set := range c.schema.closedSets(maxZeroSeries) {
		if b.counter != nil {
			b.counter.Add(context.Background(), 0, metric.WithAttributeSet(set))
		}
	}
}

// FloatCounter sums what only grows and is not whole: seconds, money. It is
// safe for concurrent use.
type FloatCounter[A comparable] struct{ definition[A] }

// NewFloatCounter defines a counter of fractions in catalog c.
func NewFloatCounter[A comparable](c *Catalog, def Definition) *FloatCounter[A] {
	counter := &FloatCounter[A]{}
	counter.create = func(m metric.Meter, b *bound[A]) (err error) {
		b.floatCounter, err = m.Float64Counter(def.Name, metric.WithUnit(def.Unit), metric.WithDescription(def.Help))
		return err
	}
	counter.define(c, def, KindCounter, false, caller(), counter.zero)
	return counter
}

// Add adds v under attrs. What is negative, infinite or not a number is refused
// and reported.
func (c *FloatCounter[A]) Add(ctx context.Context, v float64, attrs A) {
	b := c.bind(FromContext(ctx))
	if b.floatCounter == nil {
		return
	}
	if v < 0 || !finite(v) {
		b.refuse("a counter was given a number that is negative or not finite", v)
		return
	}
	b.floatCounter.Add(ctx, v, b.series(attrs).add...)
}

// zero starts every closed series at 0 in recorder r.
func (c *FloatCounter[A]) zero(r *Recorder) {
	b := c.bind(r)
	for _, set := range c.schema.closedSets(maxZeroSeries) {
		if b.floatCounter != nil {
			b.floatCounter.Add(context.Background(), 0, metric.WithAttributeSet(set))
		}
	}
}

// UpDownCounter counts what comes and goes, such as requests in flight. It is
// safe for concurrent use.
//
// The sums are kept here and read when metrics are collected: what is exported
// is the same, and Add takes 37 ns. To hand each change to the SDK takes 223 ns,
// and more within a sampled span, for exemplars that no back end keeps of such a
// counter (BenchmarkUpDownCounterAdd).
type UpDownCounter[A comparable] struct{ definition[A] }

// NewUpDownCounter defines an up-down counter in catalog c.
func NewUpDownCounter[A comparable](c *Catalog, def Definition) *UpDownCounter[A] {
	counter := &UpDownCounter[A]{}
	counter.create = func(m metric.Meter, b *bound[A]) (err error) {
		b.upDownCounter, err = m.Int64ObservableUpDownCounter(def.Name, metric.WithUnit(def.Unit), metric.WithDescription(def.Help))
		if err != nil {
			return err
		}
		// With WithInt64Callback the SDK would drop all but the first of one instrument.
		_, err = m.RegisterCallback(b.observeSums, b.upDownCounter)
		return err
	}
	counter.define(c, def, KindUpDownCounter, false, caller(), nil)
	return counter
}

// Add adds n, which may be negative, under attrs.
func (c *UpDownCounter[A]) Add(ctx context.Context, n int64, attrs A) {
	b := c.bind(FromContext(ctx))
	if b.upDownCounter == nil {
		return
	}
	b.series(attrs).sum.Add(n)
}

// Histogram counts measurements by size. It is safe for concurrent use.
type Histogram[A comparable] struct {
	definition[A]
	catalog    *Catalog
	boundaries *boundaries
}

// NewHistogram defines a histogram in catalog c.
func NewHistogram[A comparable](c *Catalog, def Definition) *Histogram[A] {
	histogram := &Histogram[A]{catalog: c, boundaries: &boundaries{list: def.Buckets}}
	histogram.create = func(m metric.Meter, b *bound[A]) (err error) {
		b.histogram, err = m.Float64Histogram(def.Name, metric.WithUnit(def.Unit), metric.WithDescription(def.Help),
			metric.WithExplicitBucketBoundaries(histogram.boundaries.use()...))
		return err
	}
	histogram.define(c, def, KindHistogram, false, caller(), nil)
	if histogram.err == nil {
		c.grow(def.Name, histogram.boundaries)
	}
	return histogram
}

// Record records v under attrs, with an exemplar when ctx holds a sampled span
// and the MeterProvider keeps exemplars. What is infinite or not a number is
// refused and reported: one NaN would spoil the sum for ever.
func (h *Histogram[A]) Record(ctx context.Context, v float64, attrs A) {
	b := h.bind(FromContext(ctx))
	if b.histogram == nil {
		return
	}
	if !finite(v) {
		b.refuse("a histogram was given a number that is not finite", v)
		return
	}
	b.histogram.Record(ctx, v, b.series(attrs).record...)
}

// Gauge holds the last value of something, set when it changes. It is safe for
// concurrent use.
type Gauge[A comparable] struct{ definition[A] }

// NewGauge defines a gauge in catalog c.
func NewGauge[A comparable](c *Catalog, def Definition) *Gauge[A] {
	gauge := &Gauge[A]{}
	gauge.create = func(m metric.Meter, b *bound[A]) (err error) {
		b.gauge, err = m.Float64Gauge(def.Name, metric.WithUnit(def.Unit), metric.WithDescription(def.Help))
		return err
	}
	gauge.define(c, def, KindGauge, false, caller(), nil)
	return gauge
}

// Record sets the value under attrs to v.
func (g *Gauge[A]) Record(ctx context.Context, v float64, attrs A) {
	b := g.bind(FromContext(ctx))
	if b.gauge == nil {
		return
	}
	b.gauge.Record(ctx, v, b.series(attrs).record...)
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// caller returns the line of the definition: the first frame outside this
// package, as the last folder and file of its path.
func caller() string {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs[:])])
	for {
		frame, more := frames.Next()
		if !strings.HasPrefix(frame.Function, "github.com/otelkit/kit/otelkit/metrics.") {
			dir, file := filepath.Split(frame.File)
			return fmt.Sprintf("%s/%s:%d", filepath.Base(dir), file, frame.Line)
		}
		if !more {
			return "unknown"
		}
	}
}
