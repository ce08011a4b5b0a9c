package metrics

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// maxZeroSeries is the most series of one counter that Recorder.Zero starts.
const maxZeroSeries = 256

// limitReached is the cause of a report that a metric has as many attribute sets as
// it may have.
const limitReached = "limit"

// definition is what the instruments have in common: what was defined, what the
// attribute struct says, and the last recorder that was used, which is nearly
// always the only one.
type definition[A comparable] struct {
	metric Metric
	schema schema
	err    error // why it is wrong; then it records nothing
	create func(metric.Meter, *bound[A]) error
	last   atomic.Pointer[bound[A]]
}

// define enters a definition into its catalog.
func (d *definition[A]) define(c *Catalog, def Definition, kind Kind, observable bool, source string, zero func(*Recorder)) {
	var errs []error
	d.schema, errs = schemaOf(reflect.TypeFor[A]())
	if def.Limit == 0 {
		def.Limit = DefaultLimit
	}
	d.metric = Metric{
		Name: def.Name, Unit: def.Unit, Help: def.Help, Kind: kind, Observable: observable,
		Buckets: def.Buckets, Attributes: d.schema.attributes(), Limit: def.Limit,
		Scope: c.scope, Source: source,
	}
	d.err = c.add(d.metric, errs, zero)
}

// Metric describes the definition.
func (d *definition[A]) Metric() Metric { return d.metric }

// bind returns the instrument in recorder r.
func (d *definition[A]) bind(r *Recorder) *bound[A] {
	if b := d.last.Load(); b != nil && b.recorder == r {
		return b
	}
	v, ok := r.bound.Load(d)
	if !ok {
		v, _ = r.bound.LoadOrStore(d, newBound(d, r))
	}
	b := v.(*bound[A])
	d.last.Store(b)
	return b
}

// bound is an instrument of one recorder and the series that it has. One of the
// five instruments is set, by the definition's kind; none when it is wrong, or
// observable.
type bound[A comparable] struct {
	recorder *Recorder
	def      *definition[A]

	counter       metric.Int64Counter
	floatCounter  metric.Float64Counter
	upDownCounter metric.Int64ObservableUpDownCounter
	histogram     metric.Float64Histogram
	gauge         metric.Float64Gauge

	// known maps the attribute structs that were seen to their series. Through
	// it Add takes 151 ns and no allocation; building the option each time it
	// takes 440 ns and 4 (BenchmarkCounter, in bench/metrics). It is copied to be written,
	// which ends once the service has seen its series.
	known atomic.Pointer[map[A]*series]

	mu       sync.Mutex
	sets     map[attribute.Distinct]*series
	values   map[string]map[any]bool // of open attributes, by key
	overflow *series
	reported map[string]bool
	faults   []error // to be reported once mu is free
}

// series is an attribute set as the options that the API takes, made once.
type series struct {
	sum     atomic.Int64 // of an up-down counter
	add     []metric.AddOption
	record  []metric.RecordOption
	observe []metric.ObserveOption
}

func newSeries(set attribute.Set) *series {
	option := metric.WithAttributeSet(set)
	return &series{
		add:     []metric.AddOption{option},
		record:  []metric.RecordOption{option},
		observe: []metric.ObserveOption{option},
	}
}

func newBound[A comparable](d *definition[A], r *Recorder) *bound[A] {
	b := &bound[A]{
		recorder: r,
		def:      d,
		sets:     map[attribute.Distinct]*series{},
		values:   map[string]map[any]bool{},
		overflow: newSeries(attribute.NewSet(attribute.Bool("otel.metric.overflow", true))),
		reported: map[string]bool{},
	}
	b.known.Store(&map[A]*series{})
	err := d.err
	if err == nil && d.create != nil {
		err = d.create(r.provider.Meter(d.metric.Scope), b)
	}
	if err != nil {
		otel.Handle(fmt.Errorf("%w; nothing is recorded for it", err))
	}
	return b
}

// series returns the series of an attribute struct.
func (b *bound[A]) series(attrs A) *series {
	if s, ok := (*b.known.Load())[attrs]; ok {
		return s
	}
	return b.admit(attrs)
}

// admit finds or makes the series of an attribute struct that was not seen
// before, or that is not worth remembering since it is out of bounds.
func (b *bound[A]) admit(attrs A) *series {
	b.mu.Lock()
	defer b.unlock()
	set, exact := b.attributeSet(reflect.ValueOf(attrs))
	s, ok := b.sets[set.Equivalent()]
	if !ok {
		if len(b.sets) >= b.def.metric.Limit {
			b.report(limitReached, "has more than %d attribute sets; further ones are recorded as otel.metric.overflow", b.def.metric.Limit)
			return b.overflow
		}
		s = newSeries(set)
		b.sets[set.Equivalent()] = s
	}
	if exact {
		known := maps.Clone(*b.known.Load())
		known[attrs] = s
		b.known.Store(&known)
	}
	return s
}

// observeSums tells the sums of an up-down counter.
func (b *bound[A]) observeSums(_ context.Context, o metric.Observer) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.sets {
		o.ObserveInt64(b.upDownCounter, s.sum.Load(), s.observe...)
	}
	if b.reported[limitReached] {
		o.ObserveInt64(b.upDownCounter, b.overflow.sum.Load(), b.overflow.observe...)
	}
	return nil
}

// attributeSet builds the attributes of a struct and says whether they are
// exactly what the struct holds: then no other struct has this set, and there
// are only so many of them.
func (b *bound[A]) attributeSet(attrs reflect.Value) (set attribute.Set, exact bool) {
	kvs := make([]attribute.KeyValue, 0, len(b.def.schema))
	exact = true
	for i := range b.def.schema {
		f := &b.def.schema[i]
		held := attrs.Field(f.index)
		if f.Optional && held.IsZero() {
			continue
		}
		v := f.value(held)
		if text, ok := v.(string); ok && !utf8.ValidString(text) {
			// One string that is not UTF-8 makes a whole OTLP message invalid.
			v, exact = strings.ToValidUTF8(text, "\uFFFD"), false
		}
		switch {
		case b.allows(f, v):
			kvs = append(kvs, f.keyValue(v))
		case f.Type == TypeString:
			exact = false
			kvs = append(kvs, f.keyValue(Other))
		default:
			exact = false // an int cannot say "other" without changing its type: it is left out
		}
	}
	return attribute.NewSet(kvs...), exact
}

// allows says whether a field may be recorded with a value: one of its set, one
// of the first Limit that were seen, or Other, which a caller may choose itself.
func (b *bound[A]) allows(f *field, v any) bool {
	if v == Other {
		return true
	}
	if f.closed != nil {
		if !f.closed[v] {
			b.report(f.Key, "attribute %s has a value that is not in its set; it is recorded as %s", f.Key, Other)
		}
		return f.closed[v]
	}
	seen := b.values[f.Key]
	if seen == nil {
		seen = map[any]bool{}
		b.values[f.Key] = seen
	}
	if !seen[v] && len(seen) >= f.Limit {
		b.report(f.Key, "attribute %s has more than %d values; further ones are recorded as %s", f.Key, f.Limit, Other)
		return false
	}
	seen[v] = true
	return true
}

// refuse reports a measurement that would spoil the metric, once a recorder.
func (b *bound[A]) refuse(cause string, value any) {
	b.mu.Lock()
	defer b.unlock()
	b.report(cause, cause+" (%v); it and any further ones are dropped", value)
}

func (b *bound[A]) callbackFailed(err error) {
	b.mu.Lock()
	defer b.unlock()
	b.report("a callback failed", "a callback failed (%v); what it did not observe is missing, and further failures are not told", err)
}

// report notes a fault, each cause once, for unlock to tell. The value that caused it
// stays out of the message: it may be anybody's.
func (b *bound[A]) report(cause, format string, args ...any) {
	if b.reported[cause] {
		return
	}
	b.reported[cause] = true
	m := b.def.metric
	b.faults = append(b.faults, fmt.Errorf("metrics: %q (%s): %s", m.Name, m.Source, fmt.Sprintf(format, args...)))
}

// unlock frees mu, and then hands new faults to OpenTelemetry's error handler. That may
// log, and so record, or wait for a collection, which waits for mu.
func (b *bound[A]) unlock() {
	faults := b.faults
	b.faults = nil
	b.mu.Unlock()
	for _, err := range faults {
		otel.Handle(err)
	}
}
