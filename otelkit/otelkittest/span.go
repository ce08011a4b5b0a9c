package otelkittest

import (
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Span is a span that has ended. Its assertions return it, so that they chain.
type Span struct {
	sdktrace.ReadOnlySpan
	k *Kit
}

// Span returns the one span that has ended with that name and, among others,
// those attributes. It waits for it. No span and several spans end the test.
func (k *Kit) Span(name string, attrs ...attribute.KeyValue) *Span {
	k.t.Helper()
	var found []*Span
	eventually(func() bool {
		found = k.matching(name, attrs)
		return len(found) > 0
	})
	switch len(found) {
	case 1:
		return found[0]
	case 0:
		k.t.Fatalf("otelkittest: no span %q%s; %s", name, with(attrs), k.recordedSpans())
	default:
		k.t.Fatalf("otelkittest: %s %q%s; name attributes that only one has, or use Spans; %s", count(len(found), "span"), name, with(attrs), k.recordedSpans())
	}
	return nil
}

// Spans returns the spans that have ended, in the order in which they did. With
// names, only those of these names.
func (k *Kit) Spans(names ...string) []*Span {
	_, ended := k.spans.snapshot()
	var list []*Span
	for _, s := range ended {
		if len(names) == 0 || slices.Contains(names, s.Name()) {
			list = append(list, &Span{s, k})
		}
	}
	return list
}

// NoSpan asserts that no span has ended with that name and, among others, those
// attributes. It does not wait.
func (k *Kit) NoSpan(name string, attrs ...attribute.KeyValue) {
	k.t.Helper()
	if n := len(k.matching(name, attrs)); n > 0 {
		k.t.Errorf("otelkittest: %s %q%s, want none; %s", count(n, "span"), name, with(attrs), k.recordedSpans())
	}
}

// NoOpenSpans asserts that every span that was started has ended. It waits for
// them. A span that never ends is never exported.
func (k *Kit) NoOpenSpans() {
	k.t.Helper()
	if !eventually(func() bool {
		open, _ := k.spans.snapshot()
		return len(open) == 0
	}) {
		k.t.Errorf("otelkittest: spans were started and not ended, which exports them never; %s", k.recordedSpans())
	}
}

func (k *Kit) matching(name string, attrs []attribute.KeyValue) []*Span {
	return slices.DeleteFunc(k.Spans(name), func(s *Span) bool {
		return len(attributes(s.Attributes()).faults(attrs)) > 0
	})
}

// Has asserts that the span has these attributes, among others.
func (s *Span) Has(attrs ...attribute.KeyValue) *Span {
	s.k.t.Helper()
	s.report(attributes(s.Attributes()).faults(attrs))
	return s
}

// HasOnly asserts that the span has these attributes and no others.
func (s *Span) HasOnly(attrs ...attribute.KeyValue) *Span {
	s.k.t.Helper()
	held := attributes(s.Attributes())
	s.report(append(held.faults(attrs), held.surplus(attrs)...))
	return s
}

// Lacks asserts that the span has no attributes of these keys.
func (s *Span) Lacks(keys ...attribute.Key) *Span {
	s.k.t.Helper()
	s.report(attributes(s.Attributes()).present(keys))
	return s
}

// HasKind asserts the span's kind.
func (s *Span) HasKind(kind trace.SpanKind) *Span {
	s.k.t.Helper()
	if s.SpanKind() != kind {
		s.report([]string{fmt.Sprintf("kind is %s, want %s", s.SpanKind(), kind)})
	}
	return s
}

// HasStatus asserts the span's status: codes.Unset for what succeeded, in
// general, and codes.Error for what failed.
func (s *Span) HasStatus(code codes.Code) *Span {
	s.k.t.Helper()
	if got := s.Status(); got.Code != code {
		s.report([]string{fmt.Sprintf("status is %s %q, want %s", got.Code, got.Description, code)})
	}
	return s
}

// HasEvent asserts that the span has an event with that name and, among others,
// those attributes.
func (s *Span) HasEvent(name string, attrs ...attribute.KeyValue) *Span {
	s.k.t.Helper()
	var events []string
	for _, e := range s.Events() {
		if e.Name == name && len(attributes(e.Attributes).faults(attrs)) == 0 {
			return s
		}
		events = append(events, fmt.Sprintf("%q%s", e.Name, attributes(e.Attributes)))
	}
	s.report([]string{fmt.Sprintf("no event %q%s; it has: %s", name, with(attrs), orNone(events))})
	return s
}

// LinksTo asserts that the span has a link to another.
func (s *Span) LinksTo(other *Span) *Span {
	s.k.t.Helper()
	if !slices.ContainsFunc(s.Links(), func(l sdktrace.Link) bool { return same(l.SpanContext, other.SpanContext()) }) {
		s.report([]string{fmt.Sprintf("no link to %q; it has %s", other.Name(), count(len(s.Links()), "link"))})
	}
	return s
}

// ChildOf asserts that the span is a child of parent, in its process or another.
func (s *Span) ChildOf(parent *Span) *Span {
	s.k.t.Helper()
	if !same(s.Parent(), parent.SpanContext()) {
		s.report([]string{fmt.Sprintf("its parent is %s, want %q", s.parentName(), parent.Name())})
	}
	return s
}

// IsRoot asserts that the span has no parent.
func (s *Span) IsRoot() *Span {
	s.k.t.Helper()
	if s.Parent().IsValid() {
		s.report([]string{fmt.Sprintf("its parent is %s, want none", s.parentName())})
	}
	return s
}

// Children returns the span's children that have ended, by their start.
func (s *Span) Children() []*Span {
	return slices.DeleteFunc(s.k.byStart(), func(c *Span) bool { return !same(c.Parent(), s.SpanContext()) })
}

func (s *Span) parentName() string {
	if !s.Parent().IsValid() {
		return "none: it is a root"
	}
	return s.k.nameOf(s.Parent().TraceID(), s.Parent().SpanID())
}

// spanOf returns the span with these ids, nil if none has ended.
func (k *Kit) spanOf(traceID trace.TraceID, spanID trace.SpanID) *Span {
	for _, s := range k.Spans() {
		if s.SpanContext().TraceID() == traceID && s.SpanContext().SpanID() == spanID {
			return s
		}
	}
	return nil
}

// nameOf tells which span has these ids.
func (k *Kit) nameOf(traceID trace.TraceID, spanID trace.SpanID) string {
	if s := k.spanOf(traceID, spanID); s != nil {
		return fmt.Sprintf("%q", s.Name())
	}
	return fmt.Sprintf("a span that was not recorded or has not ended (%s)", spanID)
}

// report fails the test with what is wrong about the span.
func (s *Span) report(faults []string) {
	s.k.t.Helper()
	if len(faults) > 0 {
		s.k.t.Errorf("otelkittest: span %q: %s; %s", s.Name(), strings.Join(faults, "; "), s.k.recordedSpans())
	}
}

// same says whether two contexts are of one span, whichever of them is remote.
func same(a, b trace.SpanContext) bool {
	return a.TraceID() == b.TraceID() && a.SpanID() == b.SpanID()
}

// byStart returns the spans that have ended, by their start.
func (k *Kit) byStart() []*Span {
	list := k.Spans()
	slices.SortStableFunc(list, func(a, b *Span) int { return a.StartTime().Compare(b.StartTime()) })
	return list
}

// recordedSpans writes every span below its parent, and those that are open.
func (k *Kit) recordedSpans() string {
	open, ended := k.spans.snapshot()
	if len(open)+len(ended) == 0 {
		return "nothing was recorded: does the code under test get this Kit?"
	}
	known := map[trace.SpanID]bool{}
	for _, s := range ended {
		known[s.SpanContext().SpanID()] = true
	}
	var b strings.Builder
	b.WriteString("recorded:")
	for _, s := range k.byStart() {
		if !known[s.Parent().SpanID()] {
			s.write(&b, 1)
		}
	}
	for _, s := range open {
		fmt.Fprintf(&b, "\n  %q has not ended", s.Name())
	}
	return b.String()
}

// write writes a line about the span and, below it, about its children.
func (s *Span) write(b *strings.Builder, depth int) {
	fmt.Fprintf(b, "\n%s%q %s", strings.Repeat("  ", depth), s.Name(), s.SpanKind())
	if status := s.Status(); status.Code != codes.Unset {
		fmt.Fprintf(b, " %s %q", status.Code, status.Description)
	}
	if held := attributes(s.Attributes()); len(held) > 0 {
		fmt.Fprintf(b, " %s", held)
	}
	for _, child := range s.Children() {
		child.write(b, depth+1)
	}
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}
