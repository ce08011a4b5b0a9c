package logs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"

	"github.com/otelkit/kit/otelkit/logs"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/log/noop"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	traceID = "0af7651916cd43dd8448eb211c80319c"
	spanID  = "b7ad6b7169203331"
)

// inSpan returns a context that holds a sampled span.
func inSpan(t *testing.T) context.Context {
	t.Helper()
	tid, err := trace.TraceIDFromHex(traceID)
	if err != nil {
		t.Fatal(err)
	}
	sid, err := trace.SpanIDFromHex(spanID)
	if err != nil {
		t.Fatal(err)
	}
	return trace.ContextWithSpanContext(t.Context(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: tid, SpanID: sid, TraceFlags: trace.FlagsSampled,
	}))
}

// exported keeps the records that reach the LoggerProvider.
type exported struct {
	records []sdklog.Record
	err     error
}

func (e *exported) OnEmit(_ context.Context, r *sdklog.Record) error {
	e.records = append(e.records, r.Clone())
	return e.err
}
func (e *exported) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }
func (e *exported) Shutdown(context.Context) error                         { return nil }
func (e *exported) ForceFlush(context.Context) error                       { return nil }

func provider(e *exported) log.LoggerProvider {
	return sdklog.NewLoggerProvider(sdklog.WithProcessor(e))
}

func attributesOf(r sdklog.Record) map[string]attribute.Value {
	attrs := map[string]attribute.Value{}
	r.WalkAttributes(func(kv attribute.KeyValue) bool {
		attrs[string(kv.Key)] = kv.Value
		return true
	})
	return attrs
}

func lineOf(t *testing.T, out *bytes.Buffer) map[string]any {
	t.Helper()
	var line map[string]any
	if err := json.Unmarshal(out.Bytes(), &line); err != nil {
		t.Fatalf("%q is not one JSON object: %v", out.String(), err)
	}
	return line
}

func TestTraceIDsStandAtTheTopLevelUnderAnyGroup(t *testing.T) { // golang/go #58243
	for name, derive := range map[string]func(*slog.Logger) *slog.Logger{
		"plain":             func(l *slog.Logger) *slog.Logger { return l },
		"attributes":        func(l *slog.Logger) *slog.Logger { return l.With("a", 1) },
		"a group":           func(l *slog.Logger) *slog.Logger { return l.WithGroup("g") },
		"a group and attrs": func(l *slog.Logger) *slog.Logger { return l.With("a", 1).WithGroup("g").With("b", 2) },
		"two groups":        func(l *slog.Logger) *slog.Logger { return l.WithGroup("g").With("b", 2).WithGroup("h") },
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			derive(logs.New(logs.Config{Output: &out}, nil)).InfoContext(inSpan(t), "hello", "c", 3)
			line := lineOf(t, &out)
			if line["trace_id"] != traceID || line["span_id"] != spanID || line["trace_flags"] != "01" {
				t.Errorf("ids are not at the top level of %s", out.String())
			}
		})
	}
}

func TestALineWithASpanHasTheGroupsOfOneWithout(t *testing.T) {
	log := func(ctx context.Context) map[string]any {
		var out bytes.Buffer
		logger := logs.New(logs.Config{Output: &out}, nil)
		logger.With("a", 1).WithGroup("g").With("b", 2).WithGroup("h").InfoContext(ctx, "hello", "c", 3)
		line := lineOf(t, &out)
		for _, key := range []string{"time", "trace_id", "span_id", "trace_flags"} {
			delete(line, key)
		}
		return line
	}
	with, without := fmt.Sprint(log(inSpan(t))), fmt.Sprint(log(t.Context()))
	if with != without {
		t.Errorf("with a span %s, without %s", with, without)
	}
}

func TestSiblingsDoNotShareAttributes(t *testing.T) {
	var out bytes.Buffer
	var sent exported
	parent := logs.New(logs.Config{Output: &out}, provider(&sent)).WithGroup("g").With("a", 1).WithGroup("h").WithGroup("i").WithGroup("j")
	var words []string
	var loggers []*slog.Logger
	for depth := range 6 { // one of them has room behind its groups
		for _, name := range []string{"first", "second"} {
			word := fmt.Sprint(name, depth)
			words = append(words, word+"attr", word+"group")
			loggers = append(loggers, parent.With("b", word+"attr"), parent.WithGroup(word+"group"))
		}
		parent = parent.WithGroup("k")
	}
	for _, logger := range loggers {
		logger.InfoContext(inSpan(t), "hello", "c", 1)
	}
	var records string
	for _, r := range sent.records {
		records += fmt.Sprint(attributesOf(r))
	}
	for _, got := range []string{out.String(), records} {
		for _, word := range words {
			if strings.Count(got, word) != 1 {
				t.Errorf("attributes are mixed up:\n%s", got)
			}
		}
	}
}

func TestTheHandlerKeepsToTheRulesOfSlog(t *testing.T) {
	for name, ctx := range map[string]context.Context{"without a span": t.Context(), "in a span": inSpan(t)} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			slogtest.Run(t, func(*testing.T) slog.Handler {
				out.Reset()
				return inContext{logs.New(logs.Config{Output: &out}, provider(&exported{})).Handler(), ctx}
			}, func(t *testing.T) map[string]any { return lineOf(t, &out) })
		})
	}
}

// inContext hands every record on in one context, since slogtest logs without.
type inContext struct {
	slog.Handler
	ctx context.Context
}

func (h inContext) Handle(_ context.Context, r slog.Record) error { return h.Handler.Handle(h.ctx, r) }
func (h inContext) WithGroup(name string) slog.Handler {
	return inContext{h.Handler.WithGroup(name), h.ctx}
}
func (h inContext) WithAttrs(attrs []slog.Attr) slog.Handler {
	return inContext{h.Handler.WithAttrs(attrs), h.ctx}
}

func TestADisabledLevelReachesNeitherSink(t *testing.T) { // otelslog has no level: contrib #6820
	var out bytes.Buffer
	var sent exported
	level := &slog.LevelVar{}
	logger := logs.New(logs.Config{Level: level, Output: &out}, provider(&sent))

	logger.Debug("too low")
	if out.Len() > 0 || len(sent.records) > 0 {
		t.Fatalf("level info let debug through: line %q, %d records", out.String(), len(sent.records))
	}
	level.Set(slog.LevelDebug)
	logger.Debug("now it counts")
	if out.Len() == 0 || len(sent.records) != 1 {
		t.Errorf("after the level changed to debug: line %q, %d records; want both", out.String(), len(sent.records))
	}
}

func TestAFailingExportDoesNotKeepTheLineFromBeingWritten(t *testing.T) {
	var out bytes.Buffer
	logger := logs.New(logs.Config{Output: &out}, provider(&exported{err: errors.New("queue is full")}))
	logger.InfoContext(inSpan(t), "hello")
	if !strings.Contains(out.String(), "hello") {
		t.Errorf("no line was written: %q", out.String())
	}
}

func TestAFailingOutputDoesNotKeepTheRecordFromBeingExported(t *testing.T) {
	var sent exported
	broken, writer := io.Pipe()
	broken.Close()
	logs.New(logs.Config{Output: writer}, provider(&sent)).Info("hello")
	if len(sent.records) != 1 {
		t.Errorf("%d records were exported, want 1", len(sent.records))
	}
}

func TestEachSinkHasALevelOfItsOwn(t *testing.T) {
	for name, c := range map[string]struct{ lines, export slog.Level }{
		"debug lines, no debug records": {slog.LevelDebug, slog.LevelInfo},
		"debug records, no debug lines": {slog.LevelInfo, slog.LevelDebug},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			var sent exported
			logger := logs.New(logs.Config{Level: c.lines, ExportLevel: c.export, Output: &out}, provider(&sent))
			logger.With("a", 1).Debug("hello")
			line, record := out.Len() > 0, len(sent.records) > 0
			if line != (c.lines == slog.LevelDebug) || record != (c.export == slog.LevelDebug) {
				t.Errorf("line %v, record %v", line, record)
			}
		})
	}
}

func TestALevelThatTheProviderRefusesIsNotEnabled(t *testing.T) {
	handler := logs.NewHandler(logs.Config{ExportLevel: slog.LevelDebug, Output: io.Discard}).Exporting(noop.NewLoggerProvider())
	if handler.Enabled(t.Context(), slog.LevelDebug) {
		t.Error("debug is enabled, though no sink takes it")
	}
}

func TestEveryErrorIsExportedUnderItsKey(t *testing.T) { // otelslog v0.21 keeps one of them, without its key
	var sent exported
	logger := logs.New(logs.Config{Output: io.Discard}, provider(&sent))
	logger.With("cause", errors.New("no route")).Error("failed", "err", errors.New("first"), "cleanup", errors.New("second"))

	got := attributesOf(sent.records[0])
	for key, want := range map[string]string{"cause": "no route", "err": "first", "cleanup": "second", "exception.message": "first"} {
		if got[key].AsString() != want {
			t.Errorf("%s = %q, want %q; attributes: %v", key, got[key].AsString(), want, got)
		}
	}
}

func TestTheExceptionIsTheErrorThatTheRecordIsAbout(t *testing.T) {
	first, second := errors.New("first"), fmt.Errorf("wrapped: %w", &fs.PathError{Op: "open", Path: "/x", Err: fs.ErrNotExist})
	for name, c := range map[string]struct {
		with, args []any
		want       string
	}{
		"the first":                        {nil, []any{"a", first, "b", second}, "first"},
		"that under err":                   {nil, []any{"a", first, "err", second}, second.Error()},
		"that under error":                 {nil, []any{"error", second, "a", first}, second.Error()},
		"the record's before the logger's": {[]any{"err", first}, []any{"cause", second}, second.Error()},
		"the logger's":                     {[]any{"cause", first}, nil, "first"},
		"in a group":                       {nil, []any{slog.Group("g", "err", first)}, "first"},
		"the service's own":                {nil, []any{"err", first, "exception.message", "mine"}, "mine"},
		"none":                             {nil, []any{"a", 1}, ""},
		"not a secret":                     {nil, []any{"password", first}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var sent exported
			logs.New(logs.Config{Output: io.Discard}, provider(&sent)).With(c.with...).Error("failed", c.args...)
			got := attributesOf(sent.records[0])
			if got["exception.message"].AsString() != c.want {
				t.Errorf("exception.message = %q, want %q", got["exception.message"].AsString(), c.want)
			}
			if c.want == second.Error() && got["exception.type"].AsString() != "*fs.PathError" {
				t.Errorf("exception.type = %q, want that of the wrapped error", got["exception.type"].AsString())
			}
		})
	}
}

type market string

type quantity int

func TestValuesOfNamedTypesAreExportedAsWhatTheyAre(t *testing.T) { // otelslog v0.21: "unhandled: (logs_test.market) DE"
	var sent exported
	logger := logs.New(logs.Config{Output: io.Discard}, provider(&sent))
	logger.With("with", market("UK")).Info("bought", "market", market("DE"), "quantity", quantity(3), slog.Group("cart", "market", market("FR")))

	got := attributesOf(sent.records[0])
	if with, m, n := got["with"].AsString(), got["market"].AsString(), got["quantity"].AsInt64(); with != "UK" || m != "DE" || n != 3 {
		t.Errorf("got %q, %q and %d; attributes: %v", with, m, n, got)
	}
	if cart := got["cart"].String(); strings.Contains(cart, "unhandled") || !strings.Contains(cart, "FR") {
		t.Errorf("in a group: %s", cart)
	}
}

func TestAnExportedRecordCarriesItsSpan(t *testing.T) {
	var sent exported
	logs.New(logs.Config{Output: io.Discard}, provider(&sent)).WarnContext(inSpan(t), "hello", "a", 1)
	r := sent.records[0]
	if r.TraceID().String() != traceID || r.SpanID().String() != spanID || r.Severity() != log.SeverityWarn {
		t.Errorf("record has trace %s, span %s, severity %v", r.TraceID(), r.SpanID(), r.Severity())
	}
}

func TestSourceIsTheCallersLine(t *testing.T) {
	var out bytes.Buffer
	var sent exported
	logs.New(logs.Config{Output: &out, AddSource: true}, provider(&sent)).InfoContext(inSpan(t), "hello")
	if !strings.Contains(out.String(), "logs_test.go") {
		t.Errorf("no source in %s", out.String())
	}
	got := attributesOf(sent.records[0])
	if !strings.HasSuffix(got["code.file.path"].AsString(), "logs_test.go") || got["code.line.number"].AsInt64() == 0 ||
		!strings.HasSuffix(got["code.function.name"].AsString(), "TestSourceIsTheCallersLine") {
		t.Errorf("source is exported as %v", got)
	}
}
