// Package slog_test measures otelkit/logs beside slog's JSON handler, alone and with the
// trace ids that one adds to it by hand, beside slog-otel v1.3.4, zap v1.27.1 behind its
// slog handler, the otelslog bridge v0.21.0, and slog and otelslog joined by
// slog.NewMultiHandler.
//
//	go test -run '^$' -bench . -benchmem ./slog
//
// Each call is in a sampled span. Lines go to a pipe that is read; records go through a
// batch processor to an exporter that throws them away.
package slog_test

import (
	"context"
	"io"
	"log/slog"
	"os"
	"testing"

	"github.com/otelkit/kit/otelkit/logs"
	slogotel "github.com/remychantenay/slog-otel"
	"go.opentelemetry.io/contrib/bridges/otelslog"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/zap"
	"go.uber.org/zap/exp/zapslog"
	"go.uber.org/zap/zapcore"
)

// BenchmarkLines writes lines only.
func BenchmarkLines(b *testing.B) {
	out := stdout(b)
	compare(b, []peer{
		{"otelkit", logs.NewHandler(logs.Config{Output: out})},
		{"slog", slog.NewJSONHandler(out, nil)}, // without trace ids
		{"slog+ids", withIDs{slog.NewJSONHandler(out, nil)}},
		{"slog-otel", slogotel.OtelHandler{Next: slog.NewJSONHandler(out, nil), NoTraceEvents: true}},
		{"zap", withIDs{zapslog.NewHandler(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.Lock(out), zap.InfoLevel))}},
	})
}

// BenchmarkRecords exports records only.
func BenchmarkRecords(b *testing.B) {
	never := slog.Level(100)
	compare(b, []peer{
		{"otelkit", logs.NewHandler(logs.Config{Level: never, ExportLevel: slog.LevelInfo}).Exporting(exporting(b))},
		{"otelslog", otelslog.NewHandler("bench", otelslog.WithLoggerProvider(exporting(b)))},
	})
}

// BenchmarkBoth writes lines and exports records.
func BenchmarkBoth(b *testing.B) {
	out := stdout(b)
	compare(b, []peer{
		{"otelkit", logs.NewHandler(logs.Config{Output: out}).Exporting(exporting(b))},
		{"slog+otelslog", slog.NewMultiHandler(
			withIDs{slog.NewJSONHandler(out, nil)},
			otelslog.NewHandler("bench", otelslog.WithLoggerProvider(exporting(b))),
		)},
	})
}

// peer is a handler to measure.
type peer struct {
	name    string
	handler slog.Handler
}

// compare runs the cases, handlers side by side in each.
func compare(b *testing.B, peers []peer) {
	ctx, span := sdktrace.NewTracerProvider().Tracer("bench").Start(context.Background(), "request")
	defer span.End()
	for _, c := range []struct {
		name string
		log  func(*slog.Logger)
	}{
		{"3attrs", func(l *slog.Logger) {
			l.InfoContext(ctx, "order placed", "order.id", "o-17", "market", "DE", "items", 3)
		}},
		{"8attrs", func(l *slog.Logger) {
			l.LogAttrs(ctx, slog.LevelInfo, "order placed", slog.String("order.id", "o-17"), slog.String("market", "DE"),
				slog.Int("items", 3), slog.Float64("total", 59.9), slog.String("currency", "EUR"),
				slog.Bool("gift", false), slog.String("customer.id", "c-4711"), slog.Int("attempt", 1))
		}},
		{"disabled", func(l *slog.Logger) {
			l.DebugContext(ctx, "order placed", "order.id", "o-17", "market", "DE", "items", 3)
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for _, p := range peers {
				b.Run(p.name, func(b *testing.B) {
					logger := slog.New(p.handler)
					b.ReportAllocs()
					for b.Loop() {
						c.log(logger)
					}
				})
			}
		})
	}
}

// withIDs adds the trace's ids as one writes it by hand: they end up in the group, if one
// is open.
type withIDs struct{ slog.Handler }

func (h withIDs) Handle(ctx context.Context, r slog.Record) error {
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		r.AddAttrs(slog.String("trace_id", span.TraceID().String()), slog.String("span_id", span.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

// stdout is a pipe that is read, as the standard output of a container is.
func stdout(b *testing.B) *os.File {
	read, write, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	write.Fd() // makes it blocking, as standard output is
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(io.Discard, read)
	}()
	b.Cleanup(func() {
		_ = write.Close()
		<-done
		_ = read.Close()
	})
	return write
}

func exporting(b *testing.B) *sdklog.LoggerProvider {
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(nowhere{})))
	b.Cleanup(func() { _ = provider.Shutdown(context.Background()) })
	return provider
}

// nowhere is an exporter.
type nowhere struct{}

func (nowhere) Export(context.Context, []sdklog.Record) error { return nil }
func (nowhere) Shutdown(context.Context) error                { return nil }
func (nowhere) ForceFlush(context.Context) error              { return nil }
