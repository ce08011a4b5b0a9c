package logs_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"

	"github.com/otelkit/kit/otelkit/logs"
	"go.opentelemetry.io/otel/trace"
)

func Example() {
	logger := logs.New(logs.Config{Format: logs.Text, Output: withoutTime{os.Stdout}, Sync: true}, nil)

	// The context of a request that is being served holds its span.
	ctx := trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0x0a, 0xf7}, SpanID: trace.SpanID{0xb7}, TraceFlags: trace.FlagsSampled,
	}))
	logger.WithGroup("order").InfoContext(ctx, "placed", slog.Int("items", 3), slog.String("card_token", "tok_17"))
	// Output:
	// level=INFO msg=placed order.items=3 order.card_token=[REDACTED] trace_id=0af70000000000000000000000000000 span_id=b700000000000000 trace_flags=01
}

// A *slog.LevelVar is a level that changes while the service runs, here by a
// request to a port for administrators. Debug lines go to standard output only:
// what is exported has a level of its own.
func ExampleConfig_level() {
	level := new(slog.LevelVar) // info
	logger := logs.New(logs.Config{
		Level: level, ExportLevel: slog.LevelInfo,
		Format: logs.Text, Output: withoutTime{os.Stdout}, Sync: true,
	}, nil)

	admin := http.NewServeMux()
	admin.HandleFunc("PUT /log-level", func(w http.ResponseWriter, r *http.Request) {
		if err := level.UnmarshalText([]byte(r.FormValue("level"))); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
		}
	})

	logger.Debug("not logged")
	admin.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPut, "/log-level?level=debug", nil))
	logger.Debug("logged")
	// Output:
	// level=DEBUG msg=logged
}

// Of a message that comes over and over a few are enough, if one knows how many
// there were.
func ExampleRepeats() {
	handler := logs.NewHandler(logs.Config{
		Repeats: logs.Repeats{Max: 2}, // in 10 s
		Format:  logs.Text, Output: withoutTime{os.Stdout}, Sync: true,
	})
	logger := slog.New(handler)
	for range 100 {
		logger.Warn("cache is away")
	}
	if err := handler.Close(context.Background()); err != nil { // the 10 s would end, too
		fmt.Println(err)
	}
	// Output:
	// level=WARN msg="cache is away"
	// level=WARN msg="cache is away"
	// level=WARN msg="repeats of a log message were suppressed" repeated="cache is away" suppressed=98
}

// withoutTime drops the time from lines, which no example can foresee.
type withoutTime struct{ out *os.File }

func (w withoutTime) Write(line []byte) (int, error) {
	_, rest, _ := bytes.Cut(line, []byte(" "))
	_, err := w.out.Write(rest)
	return len(line), err
}
