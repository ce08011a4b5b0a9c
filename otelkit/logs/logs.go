// Package logs makes a *slog.Logger that writes each record twice, correlated
// with its trace: as a line to standard output and as an OpenTelemetry log
// record to the collector.
//
//	                          ┌─ level ────────> line: trace_id and span_id in it ──> stdout
//	slog.Logger ──> repeats ──┤
//	                          └─ export level ─> record that carries its span ──> LoggerProvider
//
// Each sink has a level of its own, which may be a *slog.LevelVar and so change
// while the service runs. What both refuse costs a few nanoseconds.
//
// # Trace ids
//
// trace_id, span_id and trace_flags stand at the top level of a line whatever
// groups the logger has, as OpenTelemetry's "Trace Context in non-OTLP Log
// Formats" asks for: that is where log back ends look for them. They are there
// when the context of the call holds a span, so log with the Context variants:
//
//	logger.InfoContext(ctx, "order placed", "order.id", id)
//
// # Attributes
//
// Both sinks show a value the same way, with its type: an error as its text, a
// duration in nanoseconds (in [Text] as 1.5s), a time in RFC 3339, a string or
// number of a named type as what it is or as its String method has it, a map or
// slice by its parts, a struct as encoding/json has it. All errors are kept under
// their keys. The record also has exception.type and exception.message, of the
// first error under the key "err" or "error", else of the first under any key, a
// record's own before its logger's. A method of a value that panics costs the
// value, not the line.
//
// Values under the keys of [Secrets] are replaced by [Redacted], in both sinks:
// attributes, groups and everything in them, attributes of With, what a LogValuer
// returns, and keys within maps, structs and json.Marshalers at any depth. Not
// looked into are texts: the message, errors, strings, and what a type makes of
// itself with MarshalText.
//
// # What a stalled output costs
//
// A call returns when its line is written, so a crash loses none of the lines
// before it. But a reader of standard output that stalls does not stall the
// service: a call waits 10 ms for it at most, and while the output does not
// recover no further call waits. Lines then queue up to [Config.Buffer] bytes;
// what is beyond is dropped, counted by [Handler.Dropped] and otelkit.logs.dropped,
// and a line says how many once the output takes lines again. Only a service that
// exits while its output is stalled loses what is queued: before os.Exit, call
// [Handler.Close] (otelkit.Kit.Shutdown does), which waits for it as long as its
// context allows.
//
// otelkit.Start makes such a logger; see [otelkit.Kit.Logger]. By itself the
// package serves programs that want the lines without a collector. It does not
// touch slog.Default.
//
// [otelkit.Kit.Logger]: https://pkg.go.dev/github.com/otelkit/kit/otelkit#Kit.Logger
package logs

import (
	"context"
	"io"
	"log/slog"
	"os"
	"time"

	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/trace"
)

// scope is the instrumentation scope of the exported records.
const scope = "github.com/otelkit/kit/otelkit/logs"

// Format is how lines are written to the output.
type Format int

// The formats of lines.
const (
	JSON Format = iota // one JSON object a line
	Text               // key=value pairs, for people
)

// Config configures a logger. The zero value writes JSON at level info to
// standard output, hides [Secrets], and logs every record.
type Config struct {
	Level       slog.Leveler // least level of lines; nil means slog.LevelInfo
	ExportLevel slog.Leveler // least level of exported records; nil means Level

	Format    Format    // of the lines
	Output    io.Writer // where lines go; nil means os.Stdout; it is written whole lines, one write at a time
	Buffer    int       // bytes of lines that wait for an output that stalls; 0 means 1 MiB
	Sync      bool      // write a line in the call however long Output takes, as is always done to a *bytes.Buffer, a *strings.Builder and io.Discard
	AddSource bool      // add file, line and function of the call

	Redact  []string // names of what is hidden in place of Secrets(); nil means those, an empty list hides nothing
	Repeats Repeats  // how many records alike are logged; the zero value means all
}

// New returns a logger that writes to cfg.Output and to provider. A nil provider
// means lines only. The logger is safe for concurrent use.
func New(cfg Config, provider log.LoggerProvider) *slog.Logger {
	return slog.New(NewHandler(cfg).Exporting(provider))
}

// NewHandler returns a handler that writes lines to cfg.Output; see
// [Handler.Exporting] for the other sink.
func NewHandler(cfg Config) *Handler {
	c := &core{
		level:   cfg.Level,
		text:    cfg.Format == Text,
		source:  cfg.AddSource,
		repeats: newRepeats(cfg.Repeats),
	}
	if c.level == nil {
		c.level = slog.LevelInfo
	}
	if c.exportLevel = cfg.ExportLevel; c.exportLevel == nil {
		c.exportLevel = c.level
	}
	if cfg.Redact == nil {
		cfg.Redact = Secrets()
	}
	c.secrets = newSecrets(cfg.Redact)
	if cfg.Output == nil {
		cfg.Output = os.Stdout
	}
	if cfg.Buffer <= 0 {
		cfg.Buffer = defaultBuffer
	}
	c.out = newOutput(cfg, c.notice)
	h := &Handler{core: c}
	h.root = h
	return h
}

// Exporting returns a handler that also exports records, to provider. It has the
// same output, and none of the attributes and groups of h. A nil provider means
// lines only.
func (h *Handler) Exporting(provider log.LoggerProvider) *Handler {
	with := &Handler{core: h.core}
	with.root = with
	if provider != nil {
		with.logger = provider.Logger(scope)
	}
	return with
}

// All returns a handler that writes lines to the same output, of all records alike
// too. It has none of the attributes and groups of h.
func (h *Handler) All() *Handler {
	all := *h.core
	all.repeats = nil
	with := &Handler{core: &all}
	with.root = with
	return with
}

// notice appends the line that tells of lost lines.
func (c *core) notice(dst []byte, lost uint64) []byte {
	l := c.newLine()
	defer l.free()
	l.begin(time.Now(), slog.LevelWarn, "log lines were lost: the output stalled or failed", nil)
	l.attr(slog.Uint64("lost", lost), false)
	l.end(trace.SpanContext{})
	return append(dst, l.buf...)
}

// Dropped returns how many lines were lost so far, because the output stalled and
// the queue was full, or because it returned an error.
func (h *Handler) Dropped() uint64 {
	lost := h.out.losses()
	return lost.stalled + lost.failed
}

// StopRepeats logs how many records were suppressed since the last report, and
// suppresses none from now on. Call it before the LoggerProvider is shut down;
// [Handler.Close] does it too.
func (h *Handler) StopRepeats() {
	if h.repeats != nil {
		h.repeats.stop()
	}
}

// Close waits until the lines of before are written or ctx ends, which is an error
// that says how many are not; though ctx has ended, it waits 10 ms. The handler works
// on: what is logged afterwards is still written.
func (h *Handler) Close(ctx context.Context) error {
	h.StopRepeats()
	if ctx.Err() != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer cancel()
	}
	return h.out.flush(ctx)
}
