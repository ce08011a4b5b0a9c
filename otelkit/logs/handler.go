package logs

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	"go.opentelemetry.io/otel/trace"
)

// handler stands in front of both sinks.
//
// Attributes that are added after a group was opened belong into the group, the
// trace's ids never do. So the handler of the lines is kept twice: nested has
// every group and attribute formatted already and serves records without a
// span; flat has only what came before the first group, and records with a span
// bring the groups along as attributes.
type handler struct {
	level  slog.Leveler
	flat   slog.Handler
	nested slog.Handler
	groups []group      // that are open, outermost first
	export slog.Handler // nil: lines only
}

// group is an open group and what was added in it.
type group struct {
	name  string
	attrs []slog.Attr
}

// Enabled reports whether either sink wants records of a level.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

// Handle writes the line, then exports the record. Its error joins what went
// wrong with either.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	err := h.write(ctx, r)
	if h.export == nil || !h.export.Enabled(ctx, r.Level) {
		return err
	}
	return errors.Join(err, h.export.Handle(ctx, forBridge(r)))
}

func (h *handler) write(ctx context.Context, r slog.Record) error {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return h.nested.Handle(ctx, r)
	}
	line := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	line.AddAttrs(
		slog.String("trace_id", span.TraceID().String()),
		slog.String("span_id", span.SpanID().String()),
		slog.String("trace_flags", span.TraceFlags().String()),
	)
	line.AddAttrs(h.inGroups(attrsOf(r))...)
	return h.flat.Handle(ctx, line)
}

// inGroups puts a record's attributes into the open groups.
func (h *handler) inGroups(attrs []slog.Attr) []slog.Attr {
	for _, g := range slices.Backward(h.groups) {
		attrs = []slog.Attr{{Key: g.name, Value: slog.GroupValue(slices.Concat(g.attrs, attrs)...)}}
	}
	return attrs
}

// WithAttrs returns a handler that adds attrs, within the open groups, to each
// record.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	with := *h
	with.nested = h.nested.WithAttrs(attrs)
	if len(h.groups) == 0 {
		with.flat = with.nested
	} else {
		with.groups = slices.Clone(h.groups)
		innermost := &with.groups[len(with.groups)-1]
		innermost.attrs = slices.Concat(innermost.attrs, attrs)
	}
	if h.export != nil {
		with.export = h.export.WithAttrs(attrsForBridge(attrs))
	}
	return &with
}

// WithGroup returns a handler that puts what follows into a group.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	with := *h
	with.nested = h.nested.WithGroup(name)
	with.groups = append(slices.Clone(h.groups), group{name: name})
	if h.export != nil {
		with.export = h.export.WithGroup(name)
	}
	return &with
}

func attrsOf(r slog.Record) []slog.Attr {
	attrs := make([]slog.Attr, 0, r.NumAttrs())
	r.Attrs(func(a slog.Attr) bool {
		attrs = append(attrs, a)
		return true
	})
	return attrs
}
