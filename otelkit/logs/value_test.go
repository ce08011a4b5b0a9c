package logs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/netip"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/otelkit/kit/otelkit/logs"
	"go.opentelemetry.io/otel/attribute"
)

type (
	point  struct{ X, Y int }
	opaque struct{ n int }
	// shy returns what a LogValuer may.
	shy     struct{ value slog.Value }
	broken  struct{}
	angry   struct{ A int }
	nilSafe struct{ text string }
	raw     string
	loop    []any
	self    *self
)

func (o opaque) String() string              { return fmt.Sprint("opaque ", o.n) }
func (s shy) LogValue() slog.Value           { return s.value }
func (broken) LogValue() slog.Value          { panic("no value") }
func (angry) MarshalJSON() ([]byte, error)   { panic("no json") }
func (e *nilSafe) Error() string             { return e.text }
func (r raw) MarshalJSON() ([]byte, error)   { return []byte(r), nil }
func circular() loop                         { l := make(loop, 2); l[0], l[1] = l, l; return l }
func pointed() self                          { var s self; s = &s; return s }
func (q quantity) pointer() *quantity        { return &q }
func instant() time.Time                     { return time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC) }
func mustParse(text string) (u *url.URL)     { u, _ = url.Parse(text); return u }
func mapValue(kvs ...attribute.KeyValue) any { return attribute.MapValue(kvs...).AsInterface() }

// values are attributes, with the line's JSON for them, and what is exported if
// that is not the same.
var values = map[string]struct {
	value    any
	line     string
	exported any
}{
	"string":               {"a\"\\\n\u2028\x00\xff", `"a\"\\\n\u2028\u0000\ufffd"`, "a\"\\\n\u2028\x00\xff"},
	"named string":         {market("DE"), `"DE"`, "DE"},
	"int":                  {42, `42`, int64(42)},
	"named int":            {quantity(3), `3`, int64(3)},
	"pointer to int":       {quantity(3).pointer(), `3`, int64(3)},
	"int with a name":      {time.March, `"March"`, "March"},
	"uint":                 {uint64(math.MaxUint64), `18446744073709551615`, "18446744073709551615"},
	"float":                {1.5, `1.5`, 1.5},
	"large float":          {1e300, `1e+300`, 1e300},
	"NaN":                  {math.Inf(-1), `"-Inf"`, math.Inf(-1)},
	"bool":                 {true, `true`, true},
	"duration":             {1500 * time.Millisecond, `1500000000`, int64(1500000000)},
	"time":                 {instant(), `"2026-01-02T03:04:05.000006Z"`, "2026-01-02T03:04:05.000006Z"},
	"nil":                  {nil, `null`, nil},
	"nil pointer":          {(*point)(nil), `null`, nil},
	"nil error":            {(*nilSafe)(nil), `"<nil>"`, "<nil>"},
	"error":                {errors.New("no route"), `"no route"`, "no route"},
	"errors":               {[]error{errors.New("a"), nil}, `["a","<nil>"]`, []string{"a", "<nil>"}},
	"joined errors":        {errors.Join(errors.New("a"), errors.New("b")), `"a\nb"`, "a\nb"},
	"strings":              {[]string{"a"}, `["a"]`, []string{"a"}},
	"ints":                 {[]int{1, 2}, `[1,2]`, []int64{1, 2}},
	"named strings":        {[]market{"DE"}, `["DE"]`, []attribute.Value{attribute.StringValue("DE")}},
	"bytes":                {[]byte("ab"), `"YWI="`, []byte("ab")},
	"map":                  {map[string]any{"a": 1.0}, `{"a":1}`, mapValue(attribute.Float64("a", 1))},
	"map of ints":          {map[int]bool{1: true}, `{"1":true}`, mapValue(attribute.Bool("1", true))},
	"struct":               {point{1, 2}, `{"X":1,"Y":2}`, mapValue(attribute.Int("X", 1), attribute.Int("Y", 2))},
	"pointer to struct":    {&point{1, 2}, `{"X":1,"Y":2}`, mapValue(attribute.Int("X", 1), attribute.Int("Y", 2))},
	"Stringer":             {opaque{7}, `"opaque 7"`, "opaque 7"},
	"TextMarshaler":        {netip.MustParseAddr("::1"), `"::1"`, "::1"},
	"URL":                  {mustParse("https://u:p@x/y"), `"https://u:xxxxx@x/y"`, "https://u:xxxxx@x/y"},
	"json.Marshaler":       {raw(`{"a":[1,2.5,"x"]}`), `{"a":[1,2.5,"x"]}`, mapValue(attribute.Slice("a", attribute.IntValue(1), attribute.Float64Value(2.5), attribute.StringValue("x")))},
	"broken json":          {raw(`{`), `"!ERROR:json: error calling MarshalJSON for type logs_test.raw: unexpected end of JSON input"`, "!ERROR:json: error calling MarshalJSON for type logs_test.raw: unexpected end of JSON input"},
	"LogValuer":            {shy{slog.IntValue(1)}, `1`, int64(1)},
	"LogValuer of a group": {shy{slog.GroupValue(slog.Int("a", 1))}, `{"a":1}`, mapValue(attribute.Int("a", 1))},
	"panicking Marshaler":  {angry{}, `"!PANIC: no json"`, "!PANIC: no json"},
	"function":             {func() {}, `"func()"`, "func()"},
	"complex":              {1i, `"(0+1i)"`, "(0+1i)"},
}

func TestBothSinksShowAValueWithItsType(t *testing.T) {
	for name, c := range values {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			var sent exported
			logs.New(logs.Config{Output: &out}, provider(&sent)).Info("hello", "v", c.value)
			if want := `"v":` + c.line + "}\n"; !strings.HasSuffix(out.String(), want) || !json.Valid(out.Bytes()) {
				t.Errorf("the line is %s want it to end with %s", out.String(), want)
			}
			if got := attributesOf(sent.records[0])["v"].AsInterface(); !reflect.DeepEqual(got, c.exported) {
				t.Errorf("exported %#v, want %#v", got, c.exported)
			}
		})
	}
}

func TestAMethodThatPanicsCostsItsValueOnly(t *testing.T) {
	var out bytes.Buffer
	var sent exported
	logger := logs.New(logs.Config{Output: &out}, provider(&sent))
	logger.With("with", broken{}).Info("hello", "broken", broken{}, "angry", []any{angry{}}, "after", 1)
	if line := lineOf(t, &out); line["after"] != 1.0 || !strings.Contains(fmt.Sprint(line["broken"], line["with"]), "LogValue panicked") {
		t.Errorf("the line is %s", out.String())
	}
	if got := attributesOf(sent.records[0]); got["after"].AsInt64() != 1 || !strings.Contains(got["broken"].String(), "LogValue panicked") {
		t.Errorf("exported %v", got)
	}
}

func TestAValueThatHoldsItselfEnds(t *testing.T) {
	node := map[string]any{}
	node["next"] = node
	for name, value := range map[string]any{"list": circular(), "pointer": pointed(), "map": node} {
		t.Run(name, func(t *testing.T) {
			var sent exported
			var out bytes.Buffer
			logs.New(logs.Config{Output: &out}, provider(&sent)).Info("hello", "v", value)
			if line := lineOf(t, &out); !strings.Contains(fmt.Sprint(line["v"]), "cycle") {
				t.Errorf("the line is %s", out.String())
			}
			if n := len(attributesOf(sent.records[0])["v"].String()); n > 1<<20 {
				t.Errorf("%d bytes are exported", n)
			}
		})
	}
}

func TestTheTextFormatIsReadByLogfmt(t *testing.T) {
	var out bytes.Buffer
	logger := logs.New(logs.Config{Output: &out, Format: logs.Text}, nil)
	logger.With("a", 1).WithGroup("g").With("b c", "d e").WithGroup("h").InfoContext(inSpan(t), "hello there",
		"d", time.Second, slog.Group("i", "p", point{1, 2}), "empty", "", "bytes", []byte("x"), "nil", nil)
	_, got, _ := strings.Cut(out.String(), " ")
	want := `level=INFO msg="hello there" a=1 "g.b c"="d e" g.h.d=1s g.h.i.p="{\"X\":1,\"Y\":2}" g.h.empty="" g.h.bytes=x g.h.nil=<nil>` +
		" trace_id=" + traceID + " span_id=" + spanID + " trace_flags=01\n"
	if got != want {
		t.Errorf("got  %swant %s", got, want)
	}
}

// A line is that of slog's own handler where it has a value of a basic kind.
func TestALineIsThatOfSlogsHandler(t *testing.T) {
	attrs := []any{
		"s", "x", "i", -1, "u", uint(1), "f", 0.1, "f2", 1e21, "f3", 1e-7, "b", false, "d", time.Second, "t", instant(),
		slog.Group("g", "a", 1, slog.Group("empty"), slog.Group("", "inlined", 1)), slog.Attr{}, "m", map[string]int{"<": 1},
	}
	for name, derive := range map[string]func(*slog.Logger) *slog.Logger{
		"plain":                func(l *slog.Logger) *slog.Logger { return l },
		"with":                 func(l *slog.Logger) *slog.Logger { return l.With(attrs...).With("x", 1) },
		"groups":               func(l *slog.Logger) *slog.Logger { return l.WithGroup("a").With(attrs...).WithGroup("b") },
		"a group with nothing": func(l *slog.Logger) *slog.Logger { return l.WithGroup("a").With(slog.Group("n")).WithGroup("b") },
	} {
		for _, args := range [][]any{nil, attrs} {
			t.Run(fmt.Sprint(name, len(args)), func(t *testing.T) {
				var ours, theirs bytes.Buffer
				derive(logs.New(logs.Config{Output: &ours, AddSource: true}, nil)).Info("hello", args...)
				derive(slog.New(slog.NewJSONHandler(&theirs, &slog.HandlerOptions{AddSource: true}))).Info("hello", args...)
				got, want := lineOf(t, &ours), lineOf(t, &theirs)
				for _, line := range []map[string]any{got, want} {
					delete(line, "time")
					delete(line, "source")
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("got\n%s, want\n%s", ours.String(), theirs.String())
				}
			})
		}
	}
}

func FuzzLine(f *testing.F) {
	f.Add("msg", "key", "value", int64(1), 1.5, []byte(`{"password":"x"}`), uint8(3))
	f.Add("", "", "\xff\u2028\"", int64(-1), math.Inf(1), []byte(`[1,"a]"]`), uint8(255))
	f.Fuzz(func(t *testing.T, msg, key, text string, n int64, x float64, data []byte, shape uint8) {
		inner := []any{
			text, n, x, data, json.RawMessage(data), errors.New(text), map[string]any{key: text, text: []any{n, x}},
			shy{slog.GroupValue(slog.String(key, text))}, point{int(n), 0}, time.Unix(0, n), time.Duration(n), nil, market(text), broken{},
		}
		var args []any
		for i := range int(shape%16) + 1 {
			args = append(args, slog.Any(key, inner[(i+int(shape))%len(inner)]))
		}
		for _, format := range []logs.Format{logs.JSON, logs.Text} {
			var out bytes.Buffer
			logger := logs.New(logs.Config{Output: &out, Format: format}, provider(&exported{}))
			logger.With(args...).WithGroup(text).With(slog.Group(key, args...)).InfoContext(inSpan(t), msg, args...)
			line := out.Bytes()
			if bytes.Count(line, []byte("\n")) != 1 || line[len(line)-1] != '\n' {
				t.Errorf("%q is not one line", line)
			}
			if format == logs.JSON && !json.Valid(line) {
				t.Errorf("%q is not valid JSON", line)
			}
		}
		logs.New(logs.Config{Output: io.Discard}, nil).Log(t.Context(), slog.Level(n), msg, args...)
	})
}
