package exemplar

import (
	"context"
	"math"
	"slices"
	"sort"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
)

// reservoir is a series' slots. The SDK holds a lock around each of its methods, as it
// does for every reservoir but its own; what Collect hands out is read after that.
type reservoir struct {
	slots  []slot
	slotOf func(value float64) int
	repeat time.Duration
	byTime bool // whether exports are in the order of time, not of the slots
}

// Offer keeps a measurement if it is its turn. What a view took off it is dropped.
func (r *reservoir) Offer(ctx context.Context, at time.Time, value exemplar.Value, _ []attribute.KeyValue) {
	r.slots[r.slotOf(number(value))].offer(ctx, at, value)
}

func number(value exemplar.Value) float64 {
	if value.Type() == exemplar.Int64ValueType {
		return float64(value.Int64())
	}
	return value.Float64()
}

// Collect returns what is to be exported, and begins an interval.
func (r *reservoir) Collect(dest *[]exemplar.Exemplar) {
	now := time.Now()
	*dest = (*dest)[:0]
	for i := range r.slots {
		k := r.slots[i].collect(now, r.repeat)
		if k == nil {
			continue
		}
		e := exemplar.Exemplar{Time: k.at, Value: k.value}
		if k.traced() {
			e.TraceID, e.SpanID = k.trace[:], k.span[:]
		}
		*dest = append(*dest, e)
	}
	if r.byTime {
		slices.SortFunc(*dest, func(a, b exemplar.Exemplar) int { return a.Time.Compare(b.Time) })
	}
}

// perBucket has a slot for each bucket of an explicit histogram. Prometheus, which
// has a series for each, assigns exemplars to them in ascending order, as the slots
// are.
func perBucket(boundaries []float64, repeat time.Duration) exemplar.ReservoirProvider {
	bounds := slices.Sorted(slices.Values(boundaries))
	slotOf := func(value float64) int { return sort.SearchFloat64s(bounds, value) }
	return func(attribute.Set) exemplar.Reservoir {
		return &reservoir{slots: make([]slot, len(bounds)+1), slotOf: slotOf, repeat: repeat}
	}
}

// mostMagnitudes is the specification's limit for exponential histograms.
const mostMagnitudes = 20

// perMagnitude has a slot for each power of two of the value, and begins again with
// the first after the last: 20 of them tell apart what lies between a millisecond and
// a quarter of an hour. So what is rare has its slot here too. Prometheus has one
// series for all, and wants its exemplars in the order of time.
func perMagnitude(maxBuckets int32, repeat time.Duration) exemplar.ReservoirProvider {
	slots := uint32(max(1, min(maxBuckets, mostMagnitudes)))
	slotOf := func(value float64) int {
		exponent := uint32(math.Float64bits(value)>>52) & 0x7ff // of an IEEE 754 number
		return int(exponent % slots)
	}
	return func(attribute.Set) exemplar.Reservoir {
		return &reservoir{slots: make([]slot, slots), slotOf: slotOf, repeat: repeat, byTime: true}
	}
}

// perSeries has one slot: to one series Prometheus takes exemplars in the order of
// time only, so that a second, older one would be lost at each repetition.
func perSeries(repeat time.Duration) exemplar.ReservoirProvider {
	slotOf := func(float64) int { return 0 }
	return func(attribute.Set) exemplar.Reservoir {
		return &reservoir{slots: make([]slot, 1), slotOf: slotOf, repeat: repeat}
	}
}
