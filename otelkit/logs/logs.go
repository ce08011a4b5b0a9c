// Package logs makes a *slog.Logger that writes each record twice, correlated
// with its trace: as a line to standard output and as an OpenTelemetry log
// record to the collector.
//
//	                        ┌─> stdout: one line, trace_id and span_id in it
//	slog.Logger ──> level ──┤
//	                        └─> LoggerProvider: a record that carries its span
//
// The level stands in front of both, so that what is too low for standard
// output is not exported either. It may be a *slog.LevelVar, changed while the
// service runs.
//
// trace_id, span_id and trace_flags stand at the top level of a line whatever
// groups the logger has, as OpenTelemetry's "Trace Context in non-OTLP Log
// Formats" asks for: that is where log back ends look for them. They are there
// when the context of the call holds a span, so log with the Context variants:
//
//	logger.InfoContext(ctx, "order placed", "order.id", id)
//
// The line is written first, and whatever becomes of the export cannot keep it
// from being written.
//
// otelkit.Start makes such a logger; see [otelkit.Kit.Logger]. By itself the
// package serves programs that want the lines without a collector.
//
// [otelkit.Kit.Logger]: https://pkg.go.dev/github.com/otelkit/kit/otelkit#Kit.Logger
package logs

import (
	"io"
	"log/slog"
	"os"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/otel/log"
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
// standard output.
type Config struct {
	Level     slog.Leveler // least level that is logged, by both sinks; nil means slog.LevelInfo
	Format    Format       // of the lines
	Output    io.Writer    // where lines go; nil means os.Stdout; writes to it are serialised
	AddSource bool         // add file, line and function of the call
}

// New returns a logger that writes to cfg.Output and to provider. A nil provider
// means lines only. The logger is safe for concurrent use.
func New(cfg Config, provider log.LoggerProvider) *slog.Logger {
	if cfg.Level == nil {
		cfg.Level = slog.LevelInfo
	}
	if cfg.Output == nil {
		cfg.Output = os.Stdout
	}
	lines := cfg.lines()
	h := &handler{level: cfg.Level, flat: lines, nested: lines}
	if provider != nil {
		h.export = otelslog.NewHandler(scope, otelslog.WithLoggerProvider(provider), otelslog.WithSource(cfg.AddSource))
	}
	return slog.New(h)
}

// lines returns the handler of the output.
func (cfg Config) lines() slog.Handler {
	options := &slog.HandlerOptions{Level: cfg.Level, AddSource: cfg.AddSource}
	if cfg.Format == Text {
		return slog.NewTextHandler(cfg.Output, options)
	}
	return slog.NewJSONHandler(cfg.Output, options)
}
