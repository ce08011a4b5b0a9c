package metrics

import (
	"context"
	"errors"
	"sync"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/metric"
)

// Callback observes values when metrics are collected. It calls observe once
// for each attribute set; it must be quick, since collection waits for it, and
// must not block beyond ctx.
type Callback[A comparable] func(ctx context.Context, observe func(v float64, attrs A)) error

// ObservableCounter is a counter whose total is kept elsewhere and read when
// metrics are collected.
type ObservableCounter[A comparable] struct{ definition[A] }

// NewObservableCounter defines an observable counter in catalog c.
func NewObservableCounter[A comparable](c *Catalog, def Definition) *ObservableCounter[A] {
	counter := &ObservableCounter[A]{}
	counter.define(c, def, KindCounter, true, caller(), nil)
	return counter
}

// Register has callback observe the counter's totals from now on, for the
// recorder in ctx or else the process default, whichever that will be.
func (c *ObservableCounter[A]) Register(ctx context.Context, callback Callback[A]) (*Registration, error) {
	return register(ctx, &c.definition, callback, func(m metric.Meter, d Metric) (metric.Float64Observable, error) {
		return m.Float64ObservableCounter(d.Name, metric.WithUnit(d.Unit), metric.WithDescription(d.Help))
	})
}

// ObservableUpDownCounter is an up-down counter whose value is kept elsewhere
// and read when metrics are collected, such as the connections of a pool.
type ObservableUpDownCounter[A comparable] struct{ definition[A] }

// NewObservableUpDownCounter defines an observable up-down counter in catalog c.
func NewObservableUpDownCounter[A comparable](c *Catalog, def Definition) *ObservableUpDownCounter[A] {
	counter := &ObservableUpDownCounter[A]{}
	counter.define(c, def, KindUpDownCounter, true, caller(), nil)
	return counter
}

// Register has callback observe the counter's values from now on, for the
// recorder in ctx or else the process default, whichever that will be.
func (c *ObservableUpDownCounter[A]) Register(ctx context.Context, callback Callback[A]) (*Registration, error) {
	return register(ctx, &c.definition, callback, func(m metric.Meter, d Metric) (metric.Float64Observable, error) {
		return m.Float64ObservableUpDownCounter(d.Name, metric.WithUnit(d.Unit), metric.WithDescription(d.Help))
	})
}

// ObservableGauge is a gauge that is read when metrics are collected.
type ObservableGauge[A comparable] struct{ definition[A] }

// NewObservableGauge defines an observable gauge in catalog c.
func NewObservableGauge[A comparable](c *Catalog, def Definition) *ObservableGauge[A] {
	gauge := &ObservableGauge[A]{}
	gauge.define(c, def, KindGauge, true, caller(), nil)
	return gauge
}

// Register has callback observe the gauge's values from now on, for the
// recorder in ctx or else the process default, whichever that will be.
func (g *ObservableGauge[A]) Register(ctx context.Context, callback Callback[A]) (*Registration, error) {
	return register(ctx, &g.definition, callback, func(m metric.Meter, d Metric) (metric.Float64Observable, error) {
		return m.Float64ObservableGauge(d.Name, metric.WithUnit(d.Unit), metric.WithDescription(d.Help))
	})
}

// Registration is a callback at work. It is safe for concurrent use.
type Registration struct {
	attach func(*Recorder) (metric.Registration, error)

	mu      sync.Mutex
	current metric.Registration
	ended   bool
}

// Unregister ends the callback: it is not called any more once Unregister has
// returned. Further calls do nothing.
func (r *Registration) Unregister() error {
	floating.Delete(r)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	return r.detach()
}

// detach takes the callback from its recorder.
func (r *Registration) detach() error {
	if r.current == nil {
		return nil
	}
	err := r.current.Unregister()
	r.current = nil
	return err
}

// move takes the callback to another recorder.
func (r *Registration) move(to *Recorder) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return nil
	}
	err := r.detach()
	current, attachErr := r.attach(to)
	r.current = current
	return errors.Join(err, attachErr)
}

// floating holds the registrations that follow the process default.
var floating sync.Map // *Registration to nil

func moveCallbacks(to *Recorder) {
	floating.Range(func(r, _ any) bool {
		if err := r.(*Registration).move(to); err != nil {
			otel.Handle(err)
		}
		return true
	})
}

func register[A comparable](ctx context.Context, d *definition[A], callback Callback[A],
	create func(metric.Meter, Metric) (metric.Float64Observable, error),
) (*Registration, error) {
	if d.err != nil {
		return nil, d.err
	}
	r := &Registration{}
	r.attach = func(to *Recorder) (metric.Registration, error) {
		b := d.bind(to)
		meter := to.provider.Meter(d.metric.Scope)
		instrument, err := create(meter, d.metric)
		if err != nil {
			return nil, err
		}
		return meter.RegisterCallback(func(ctx context.Context, o metric.Observer) error {
			err := callback(ctx, func(v float64, attrs A) {
				if !finite(v) {
					b.refuse("a callback observed a number that is not finite", v)
					return
				}
				o.ObserveFloat64(instrument, v, b.series(attrs).observe...)
			})
			if err != nil {
				b.callbackFailed(err)
			}
			return nil // or the SDK (v1.47) would export nothing of this collection, of no metric
		}, instrument)
	}
	to := heldBy(ctx)
	if to == nil {
		to = Default()
		floating.Store(r, nil)
	}
	if err := r.move(to); err != nil {
		floating.Delete(r)
		return nil, err
	}
	return r, nil
}
