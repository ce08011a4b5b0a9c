package logs_test

import (
	"bytes"
	"context"
	"log/slog"
	"os"

	"github.com/otelkit/kit/otelkit/logs"
	"go.opentelemetry.io/otel/trace"
)

func Example() {
	logger := logs.New(logs.Config{Format: logs.Text, Output: withoutTime{os.Stdout}}, nil)

	// The context of a request that is being served holds its span.
	ctx := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0x0a, 0xf7}, SpanID: trace.SpanID{0xb7}, TraceFlags: trace.FlagsSampled,
	}))
	logger.WithGroup("order").InfoContext(ctx, "placed", slog.Int("items", 3))
	// Output:
	// level=INFO msg=placed trace_id=0af70000000000000000000000000000 span_id=b700000000000000 trace_flags=01 order.items=3
}

// withoutTime drops the time from lines, which no example can foresee.
type withoutTime struct{ out *os.File }

func (w withoutTime) Write(line []byte) (int, error) {
	_, rest, _ := bytes.Cut(line, []byte(" "))
	_, err := w.out.Write(rest)
	return len(line), err
}
