package logs

import (
	"context"
	"log/slog"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/trace"
)

// Handler is a slog.Handler in front of both sinks. Make one with [NewHandler],
// or take it from a logger that [New] made: logger.Handler().(*logs.Handler). All
// handlers and loggers that are derived from one share its output and its counts.
// It is safe for concurrent use.
type Handler struct {
	*core
	logger log.Logger // nil: lines only
	root   *Handler   // the handler before With and WithGroup

	hide bool // a group is open whose name is a secret's

	// The attributes of the logger are written once and for all: formatted, in
	// which so many groups are opened. Those pending follow when there is something
	// to put into them. In the text format groups are a prefix of keys instead.
	formatted []byte
	opened    int
	pending   []string
	prefix    string

	// They are converted once and for all, too: attrs outside all groups, the others in
	// theirs, and the exception among them.
	attrs     []attribute.KeyValue
	groups    []openGroup
	exception exception
}

// core is what all handlers derived from one have in common.
type core struct {
	level       slog.Leveler
	exportLevel slog.Leveler
	text        bool
	source      bool
	secrets     *secrets
	repeats     *repeats // nil: everything is logged
	out         *output
}

// Enabled reports whether either sink wants records of a level. It costs some
// 10 ns and no allocation (BenchmarkDisabled).
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.level.Level() || h.exports(ctx, level)
}

// exports reports whether records of a level are exported.
func (h *Handler) exports(ctx context.Context, level slog.Level) bool {
	return h.logger != nil && level >= h.exportLevel.Level() &&
		h.logger.Enabled(ctx, log.EnabledParameters{Severity: severity(level)})
}

// Handle writes the line, then exports the record. It returns nil: lines that are
// lost are counted, see [Handler.Dropped], and what is lost on the way to a
// collector is the exporter's to report.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	if h.repeats == nil || h.repeats.admit(h.root, r) {
		h.deliver(ctx, r)
	}
	return nil
}

// deliver gives a record to the sinks that want it.
func (h *Handler) deliver(ctx context.Context, r slog.Record) {
	if r.Level >= h.level.Level() {
		h.write(ctx, r)
	}
	if h.exports(ctx, r.Level) {
		h.emit(ctx, r)
	}
}

// write writes the line.
func (h *Handler) write(ctx context.Context, r slog.Record) {
	l := h.newLine()
	defer l.free()
	var source *slog.Source
	if h.source {
		source = r.Source()
	}
	l.begin(r.Time, r.Level, r.Message, source)
	l.buf = append(l.buf, h.formatted...)
	before := len(l.buf)
	empty := h.open(l)
	r.Attrs(func(a slog.Attr) bool {
		l.attr(a, h.hide)
		return true
	})
	opened := h.opened + len(h.pending)
	if len(l.buf) == empty {
		l.buf, opened = l.buf[:before], h.opened
	}
	for range opened {
		l.buf = append(l.buf, '}')
	}
	l.prefix = l.prefix[:0]
	l.end(trace.SpanContextFromContext(ctx))
	h.out.write(l.buf)
}

// open opens the groups that attributes belong into, and returns how long the
// line is if there are none.
func (h *Handler) open(l *line) int {
	l.prefix = append(l.prefix, h.prefix...)
	for _, name := range h.pending {
		l.open(name)
	}
	return len(l.buf)
}

// WithAttrs returns a handler that adds attrs, within the open groups, to each
// record. Their values are taken now.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	with := *h
	with.formatAttrs(attrs)
	if h.logger != nil {
		with.convertAttrs(attrs)
	}
	return &with
}

// formatAttrs adds attrs to the beginning of lines.
func (h *Handler) formatAttrs(attrs []slog.Attr) {
	l := h.newLine()
	defer l.free()
	l.buf = append(l.buf, ' ') // in place of what comes before, so that keys are told apart from it
	l.buf = append(l.buf, h.formatted...)
	empty := h.open(l)
	for _, a := range attrs {
		l.attr(a, h.hide)
	}
	if len(l.buf) == empty {
		return
	}
	h.formatted = slices.Clone(l.buf[1:])
	h.opened += len(h.pending)
	h.pending = nil
}

// convertAttrs adds attrs to what is exported.
func (h *Handler) convertAttrs(attrs []slog.Attr) {
	c := conversion{secrets: h.secrets, exception: h.exception}
	var converted []attribute.KeyValue
	for _, a := range attrs {
		converted = c.attr(converted, a, h.hide)
	}
	h.exception = c.exception
	if len(h.groups) == 0 {
		h.attrs = slices.Concat(h.attrs, converted)
		return
	}
	h.groups = slices.Clone(h.groups)
	innermost := &h.groups[len(h.groups)-1]
	innermost.attrs = slices.Concat(innermost.attrs, converted)
}

// WithGroup returns a handler that puts what follows into a group.
func (h *Handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	with := *h
	with.hide = h.hide || h.secrets.hide(name)
	if h.text {
		with.prefix = h.prefix + name + "."
	} else {
		with.pending = append(slices.Clip(h.pending), name)
	}
	with.groups = append(slices.Clip(h.groups), openGroup{name: name})
	return &with
}
