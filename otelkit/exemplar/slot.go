package exemplar

import (
	"context"
	"math"
	"math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/exemplar"
	"go.opentelemetry.io/otel/trace"
)

// slot holds at most one exemplar. The zero slot waits for its first offer.
type slot struct {
	offers int64 // since the last collection
	turn   int64 // the number of the first offer to be kept, or closed
	kept   *kept // nil if none
}

// closed is the turn of a slot that has its exemplar of this interval.
const closed = math.MaxInt64

// kept is an exemplar. Its ids are never written again: exports read them while the
// slot takes the next.
type kept struct {
	at    time.Time
	value exemplar.Value
	until time.Time // the end of its repetition; zero until it is collected
	trace trace.TraceID
	span  trace.SpanID
}

// traced says whether the exemplar leads to a trace.
func (k *kept) traced() bool { return k.trace.IsValid() }

// offer keeps a measurement if it is its turn.
func (s *slot) offer(ctx context.Context, at time.Time, value exemplar.Value) {
	s.offers++
	if s.offers < s.turn {
		return
	}
	span := trace.SpanFromContext(ctx)
	if span.SpanContext().IsSampled() {
		s.keepTraced(span, at, value)
	} else {
		s.keepUntraced(at, value)
	}
}

// keepTraced keeps a measurement and marks its span, both or neither.
func (s *slot) keepTraced(span trace.Span, at time.Time, value exemplar.Value) {
	if !mark(span) {
		return // of another process, ended, or full
	}
	of := span.SpanContext()
	s.kept = &kept{at: at, value: value, trace: of.TraceID(), span: of.SpanID()}
	s.turn = closed
}

// keepUntraced keeps a measurement in no sampled span, which the filter always_on
// offers, unless the slot has one that leads to a trace; to such it stays open. The ids
// of a span that was not sampled lead nowhere, and are left out.
func (s *slot) keepUntraced(at time.Time, value exemplar.Value) {
	if s.kept != nil && (s.kept.traced() || s.kept.until.IsZero()) {
		return
	}
	s.kept = &kept{at: at, value: value}
}

var marks = []attribute.KeyValue{attribute.Bool(Mark, true)}

// mark marks a span, and says whether the mark will be exported with it. A span that
// ends meanwhile takes no attribute, nor does one that has as many as the SDK's limit
// lets it have.
func mark(span trace.Span) bool {
	before := droppedAttributes(span)
	span.SetAttributes(marks...)
	return span.IsRecording() && droppedAttributes(span) == before
}

// droppedAttributes counts what found no room in a span of the SDK.
func droppedAttributes(span trace.Span) int {
	if s, ok := span.(interface{ DroppedAttributes() int }); ok {
		return s.DroppedAttributes()
	}
	return 0
}

// collect returns what is to be exported, nil for nothing, and begins an interval.
func (s *slot) collect(now time.Time, repeat time.Duration) *kept {
	s.turn, s.offers = draw(s.offers), 0
	switch {
	case s.kept == nil:
	case s.kept.until.IsZero():
		s.kept.until = now.Add(repeat)
	case !now.Before(s.kept.until):
		s.kept = nil
	}
	return s.kept
}

// draw draws whose turn it is, after an interval with that many offers.
func draw(offers int64) int64 {
	if offers < 4 {
		return 1
	}
	return 1 + rand.Int64N(offers/2)
}
