package logs_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"testing"

	"github.com/otelkit/kit/otelkit/logs"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/log/embedded"
	"go.opentelemetry.io/otel/trace"
)

func benchContext() context.Context {
	return trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled,
	}))
}

func BenchmarkLine(b *testing.B) {
	grouped := func(l *slog.Logger) *slog.Logger { return l.With("a", 1).WithGroup("request").With("b", 2) }
	plain := func(l *slog.Logger) *slog.Logger { return l }
	for _, c := range []struct {
		name   string
		ctx    context.Context
		derive func(*slog.Logger) *slog.Logger
		config logs.Config
	}{
		{"no span", context.Background(), plain, logs.Config{}},
		{"span", benchContext(), plain, logs.Config{}},
		{"span and group", benchContext(), grouped, logs.Config{}},
		{"span, nothing hidden", benchContext(), plain, logs.Config{Redact: []string{}}},
		{"span, repeats counted", benchContext(), plain, logs.Config{Repeats: logs.Repeats{Max: 1 << 40}}},
		{"span, text", benchContext(), plain, logs.Config{Format: logs.Text}},
	} {
		b.Run(c.name, func(b *testing.B) {
			c.config.Output = io.Discard
			logger := c.derive(logs.New(c.config, nil))
			b.ReportAllocs()
			for b.Loop() {
				logger.InfoContext(c.ctx, "order placed", "order.id", "o-17", "market", "DE", "items", 3)
			}
		})
	}
}

// BenchmarkOutput shows what handing a line over costs beside writing it in the
// call, which is what memory gets.
func BenchmarkOutput(b *testing.B) {
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	read, write, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	defer read.Close()
	defer write.Close()
	go func() { _, _ = io.Copy(io.Discard, read) }()
	for _, out := range []struct {
		name string
		to   io.Writer
	}{{"memory", io.Discard}, {"null", null}, {"pipe", write}} {
		b.Run(out.name, func(b *testing.B) {
			for _, h := range []struct {
				name    string
				handler slog.Handler
			}{{"otelkit", logs.NewHandler(logs.Config{Output: out.to})}, {"slog", slog.NewJSONHandler(out.to, nil)}} {
				logger := slog.New(h.handler)
				b.Run(h.name, func(b *testing.B) {
					b.ReportAllocs()
					for b.Loop() {
						logger.InfoContext(b.Context(), "order placed", "order.id", "o-17", "market", "DE", "items", 3)
					}
				})
				b.Run(h.name+" in parallel", func(b *testing.B) {
					b.RunParallel(func(pb *testing.PB) {
						for pb.Next() {
							logger.InfoContext(b.Context(), "order placed", "order.id", "o-17", "market", "DE", "items", 3)
						}
					})
				})
			}
		})
	}
}

func TestALineInASpanAllocatesNothing(t *testing.T) { // 2 with the ids added by hand, 5 before
	plain := logs.New(logs.Config{Output: io.Discard}, nil)
	for name, logger := range map[string]*slog.Logger{"plain": plain, "groups": plain.With("a", 1).WithGroup("g").With("b", 2).WithGroup("h")} {
		ctx := benchContext()
		if got := testing.AllocsPerRun(1000, func() {
			logger.InfoContext(ctx, "order placed", "order.id", "o-17", "market", "DE", "items", 3)
		}); got > 0 {
			t.Errorf("%s: %v allocations", name, got)
		}
	}
}

// nowhere is a LoggerProvider that takes records and does nothing with them.
type nowhere struct{ embedded.LoggerProvider }

func (nowhere) Logger(string, ...log.LoggerOption) log.Logger { return taker{} }

type taker struct{ embedded.Logger }

func (taker) Emit(context.Context, log.Record)                    {}
func (taker) Enabled(context.Context, log.EnabledParameters) bool { return true }

func TestARecordAllocatesNothingBeforeTheSDKHasIt(t *testing.T) { // otelslog v0.21: 1, and 4 with 8 attributes
	logger := slog.New(logs.NewHandler(logs.Config{Level: slog.LevelError, ExportLevel: slog.LevelInfo}).Exporting(nowhere{}))
	ctx := benchContext()
	if got := testing.AllocsPerRun(1000, func() {
		logger.InfoContext(ctx, "order placed", "order.id", "o-17", "market", "DE", "items", 3)
	}); got > 0 {
		t.Errorf("%v allocations", got)
	}
}

// BenchmarkDisabled has to stay below 60 ns.
func BenchmarkDisabled(b *testing.B) {
	logger := logs.New(logs.Config{Output: io.Discard}, provider(&exported{}))
	ctx := benchContext()
	b.ReportAllocs()
	for b.Loop() {
		logger.DebugContext(ctx, "order placed", "order.id", "o-17", "market", "DE", "items", 3)
	}
}
