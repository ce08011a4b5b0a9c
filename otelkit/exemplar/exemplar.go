// Package exemplar keeps exemplars whose traces a tail sampler keeps.
//
// An exemplar is one measurement with the id of its trace: the dot on a duration
// panel that opens a slow request. A tail sampler keeps a small share of the
// traces and knows nothing of the dots, so with the SDK's own reservoirs most of
// them lead nowhere. The reservoirs of this package tell it: whichever measurement
// they keep, they mark its span with [Mark], otelkit.exemplar=true.
//
//	Record(ctx, 7.3) ──> slot of the bucket 5..7.5 ── its turn? ──> kept ──> exemplar 7.3, trace 4bf9…
//	                                                                 │
//	span in ctx <────────────── otelkit.exemplar=true ───────────────┘
//	     └──> Collector, tail_sampling: "spans with otelkit.exemplar=true" ──> trace 4bf9… is kept
//
// otelkit.Start uses it for every instrument; deploy/otel-collector/tail-sampling.yaml
// has the other half. A MeterProvider of your own takes the [Views].
//
// # What is kept
//
// A histogram keeps one exemplar for each bucket, an exponential histogram up to
// 20, one for each power of two of the value; all else keeps one. That is for each
// series and each collection, whatever the load, and each has marked one span.
// None takes the place of another before that was collected: the span of the other
// would stay marked for nothing.
//
// Which one? Not the first after a collection, or all of a busy service would be of
// the moment when it exports. A slot draws by lot which measurement's turn it is,
// from the first half of as many as the last interval brought. So where there are
// one to three in an interval, as in the buckets of what is slow, it is the first;
// a load that drops to a half misses none; a busy slot that does miss its turn goes
// on showing what it has. With delta temporality the SDK makes new reservoirs for
// each interval, which know of no last one: there it is always the first.
//
// A measurement in a sampled span is kept only if the span can be marked, that is,
// if it is this process's own, has not ended, and has room for an attribute. So
// record before the span ends, with the context that holds it.
//
// # How long it is exported
//
// With cumulative temporality the SDK's reservoirs export an exemplar until another
// takes its place: in a bucket that is hit once a day, for a day, when its trace is
// long gone. Here it is exported again for [Config.Repeat] from its first collection
// on. Not just once, since that export may fail, and since a Prometheus that scrapes
// a Collector sees only what the last export before its scrape had. Prometheus takes
// a repetition of a series' latest exemplar for what it is, and ignores it. With delta
// temporality an exemplar is exported once, like its measurement.
//
// What is marked is not yet kept: a span that is lost on its way is lost here too, and
// one that comes after the sampler has decided about its trace comes too late.
//
// # Which measurements are offered
//
// OTEL_METRICS_EXEMPLAR_FILTER rules, as the specification has it. trace_based, the
// default, offers those in a sampled span. always_off offers none. always_on also
// offers those in no sampled span: they become exemplars without a trace, in slots
// that none with a trace has.
//
// A service that exports no traces has no exemplars at all, if otelkit.Start started it.
//
// Attributes that a view takes off a series do not come back on its exemplars, as
// they do with the SDK's reservoirs: who takes off a user's id wants it nowhere.
package exemplar

import (
	"time"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
)

// Mark is the attribute, a boolean and always true, of spans of which a measurement
// was kept.
const Mark = "otelkit.exemplar"

// defaultRepeat is five exports at the default interval, and within what any back end
// keeps traces for.
const defaultRepeat = 5 * time.Minute

// Config configures exemplars. The zero value is useful.
type Config struct {
	// Repeat is how long an exemplar is exported again after its first collection,
	// unless another takes its place; 0 means 5 minutes, and a negative one means that
	// it is exported once.
	Repeat time.Duration
}

// Views returns views for a MeterProvider that give every instrument the reservoirs of
// this package and change nothing else about it. Views of your own go through it, so
// that their streams have these reservoirs, too, unless they say which: the SDK makes a
// stream for each view that matches, so that beside theirs a view of every instrument
// would bring back what they rename or drop. They are safe for concurrent use.
func Views(cfg Config, yours ...sdkmetric.View) []sdkmetric.View {
	reservoirs := selector(cfg)
	var views []sdkmetric.View
	for _, view := range yours {
		views = append(views, func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
			stream, matches := view(i)
			if stream.ExemplarReservoirProviderSelector == nil {
				stream.ExemplarReservoirProviderSelector = reservoirs
			}
			return stream, matches
		})
	}
	return append(views, func(i sdkmetric.Instrument) (sdkmetric.Stream, bool) {
		for _, view := range yours {
			if _, matches := view(i); matches {
				return sdkmetric.Stream{}, false
			}
		}
		return sdkmetric.Stream{
			Name:                              i.Name,
			Description:                       i.Description,
			Unit:                              i.Unit,
			ExemplarReservoirProviderSelector: reservoirs,
		}, true
	})
}

// selector returns the reservoirs for each kind of aggregation.
func selector(cfg Config) sdkmetric.ExemplarReservoirProviderSelector {
	repeat := cfg.Repeat
	if repeat == 0 {
		repeat = defaultRepeat
	}
	return func(aggregation sdkmetric.Aggregation) exemplar.ReservoirProvider {
		switch a := aggregation.(type) {
		case sdkmetric.AggregationExplicitBucketHistogram:
			return perBucket(a.Boundaries, repeat)
		case sdkmetric.AggregationBase2ExponentialHistogram:
			return perMagnitude(a.MaxSize, repeat)
		default:
			return perSeries(repeat)
		}
	}
}
