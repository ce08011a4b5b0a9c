package logs

import (
	"encoding/hex"
	"log/slog"
	"math"
	"strconv"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"go.opentelemetry.io/otel/trace"
)

// line is a line under construction, in the format of slog's own handlers but
// for what this package promises: the trace's ids at the top level, no secrets.
// It is written here and not by slog's handlers because those cannot write
// beyond an open group: the ids cost them 4 to 5 allocations a line, here none
// (BenchmarkLine).
type line struct {
	buf     []byte
	text    bool
	prefix  []byte // text: the names of the open groups, each followed by a dot
	secrets *secrets
}

var lines = sync.Pool{New: func() any { return &line{buf: make([]byte, 0, 1024)} }}

func (c *core) newLine() *line {
	l := lines.Get().(*line)
	l.buf, l.prefix = l.buf[:0], l.prefix[:0]
	l.text, l.secrets = c.text, c.secrets
	return l
}

// free gives the line back for another one, unless it was an uncommonly long one.
func (l *line) free() {
	const long = 64 << 10
	if cap(l.buf) <= long {
		lines.Put(l)
	}
}

// begin writes what every line begins with.
func (l *line) begin(t time.Time, level slog.Level, message string, source *slog.Source) {
	if !l.text {
		l.buf = append(l.buf, '{')
	}
	if !t.IsZero() {
		l.key(slog.TimeKey)
		l.time(t.Round(0))
	}
	l.key(slog.LevelKey)
	l.string(level.String())
	if source != nil {
		l.source(source)
	}
	l.key(slog.MessageKey)
	l.string(message)
}

func (l *line) source(s *slog.Source) {
	l.key(slog.SourceKey)
	if l.text {
		l.string(s.File + ":" + strconv.Itoa(s.Line))
		return
	}
	l.buf = append(l.buf, '{')
	l.key("function")
	l.string(s.Function)
	l.key("file")
	l.string(s.File)
	l.key("line")
	l.buf = strconv.AppendInt(l.buf, int64(s.Line), 10)
	l.buf = append(l.buf, '}')
}

// open opens a group; close closes it.
func (l *line) open(name string) {
	if l.text {
		l.prefix = append(append(l.prefix, name...), '.')
		return
	}
	l.key(name)
	l.buf = append(l.buf, '{')
}

func (l *line) close(name string) {
	if l.text {
		l.prefix = l.prefix[:len(l.prefix)-len(name)-1]
		return
	}
	l.buf = append(l.buf, '}')
}

// end writes the ids of a span, at the top level since all groups are closed,
// and ends the line.
func (l *line) end(span trace.SpanContext) {
	if span.IsValid() {
		tid, sid, flags := span.TraceID(), span.SpanID(), span.TraceFlags()
		l.id("trace_id", tid[:])
		l.id("span_id", sid[:])
		l.id("trace_flags", []byte{byte(flags)})
	}
	if !l.text {
		l.buf = append(l.buf, '}')
	}
	l.buf = append(l.buf, '\n')
}

func (l *line) id(key string, id []byte) {
	l.key(key)
	if l.text {
		l.buf = hex.AppendEncode(l.buf, id)
		return
	}
	l.buf = append(l.buf, '"')
	l.buf = hex.AppendEncode(l.buf, id)
	l.buf = append(l.buf, '"')
}

// attr writes an attribute; nothing if it is empty, as slog has it. With hide its
// value is a secret, and so is one whose key says so.
func (l *line) attr(a slog.Attr, hide bool) {
	hide = hide || l.secrets.hide(a.Key)
	v := a.Value
	if v.Kind() == slog.KindLogValuer {
		v = v.Resolve()
	}
	switch {
	case v.Kind() == slog.KindGroup:
		l.group(a.Key, v.Group(), hide)
	case a.Key == "" && v.Kind() == slog.KindAny && v.Any() == nil:
	case hide:
		l.key(a.Key)
		l.string(Redacted)
	default:
		l.key(a.Key)
		l.value(v)
	}
}

func (l *line) group(name string, attrs []slog.Attr, hide bool) {
	if name == "" {
		for _, a := range attrs {
			l.attr(a, hide)
		}
		return
	}
	before := len(l.buf)
	l.open(name)
	empty := len(l.buf)
	for _, a := range attrs {
		l.attr(a, hide)
	}
	if len(l.buf) == empty {
		l.close(name)
		l.buf = l.buf[:before]
		return
	}
	l.close(name)
}

func (l *line) key(key string) {
	if !l.text {
		if n := len(l.buf); n > 0 && l.buf[n-1] != '{' {
			l.buf = append(l.buf, ',')
		}
		l.buf = appendQuoted(l.buf, key)
		l.buf = append(l.buf, ':')
		return
	}
	if len(l.buf) > 0 {
		l.buf = append(l.buf, ' ')
	}
	if len(l.prefix) == 0 && isBare(key) {
		l.buf = append(l.buf, key...)
	} else {
		l.string(string(l.prefix) + key)
	}
	l.buf = append(l.buf, '=')
}

func (l *line) string(s string) {
	switch {
	case !l.text:
		l.buf = appendQuoted(l.buf, s)
	case isBare(s):
		l.buf = append(l.buf, s...)
	default:
		l.buf = strconv.AppendQuote(l.buf, s)
	}
}

func (l *line) time(t time.Time) {
	switch {
	case l.text:
		l.buf = t.AppendFormat(l.buf, "2006-01-02T15:04:05.000Z07:00")
	default:
		l.buf = append(l.buf, '"')
		l.buf = t.AppendFormat(l.buf, time.RFC3339Nano)
		l.buf = append(l.buf, '"')
	}
}

func (l *line) value(v slog.Value) {
	switch v.Kind() {
	case slog.KindString:
		l.string(v.String())
	case slog.KindInt64:
		l.buf = strconv.AppendInt(l.buf, v.Int64(), 10)
	case slog.KindUint64:
		l.buf = strconv.AppendUint(l.buf, v.Uint64(), 10)
	case slog.KindFloat64:
		l.float(v.Float64())
	case slog.KindBool:
		l.buf = strconv.AppendBool(l.buf, v.Bool())
	case slog.KindDuration:
		if l.text {
			l.string(v.Duration().String())
		} else {
			l.buf = strconv.AppendInt(l.buf, int64(v.Duration()), 10)
		}
	case slog.KindTime:
		l.time(v.Time())
	default:
		l.any(v.Any())
	}
}

// float writes what is no number in JSON, such as NaN, as a string.
func (l *line) float(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		l.string(strconv.FormatFloat(f, 'g', -1, 64))
		return
	}
	format := byte('f')
	if abs := math.Abs(f); abs >= 1e21 || abs < 1e-6 && abs > 0 {
		format = 'e'
	}
	l.buf = strconv.AppendFloat(l.buf, f, format, -1, 64)
}

// any writes a value of any other type. What its methods do is not ours: one that
// panics costs its value, not the line.
func (l *line) any(v any) {
	before := len(l.buf)
	defer func() {
		if r := recover(); r != nil {
			l.buf = l.buf[:before]
			l.string(panicked(v, r))
		}
	}()
	switch v := v.(type) {
	case nil:
		if l.text {
			l.string(nothing)
		} else {
			l.buf = append(l.buf, "null"...)
		}
		return
	case []error:
		l.any(texts(v))
		return
	case []byte:
		if l.text {
			l.string(string(v))
			return
		}
	}
	if simple, ok := simple(v); ok {
		l.value(simple)
		return
	}
	parts, err := marshal(v)
	switch {
	case err != nil:
		l.string(failure(err))
	case l.text:
		l.string(string(l.secrets.appendJSON(nil, parts)))
	default:
		l.buf = l.secrets.appendJSON(l.buf, parts)
	}
}

// appendQuoted appends a JSON string: of what is not UTF-8 U+FFFD, and escaped
// what JSON wants escaped and what some readers take for the end of a line.
func appendQuoted(dst []byte, s string) []byte {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	copied := 0 // of s
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		size := 1
		var escape string
		switch c {
		case '"':
			escape = `\"`
		case '\\':
			escape = `\\`
		case '\n':
			escape = `\n`
		case '\r':
			escape = `\r`
		case '\t':
			escape = `\t`
		default:
			if c < ' ' {
				break
			}
			var r rune
			r, size = utf8.DecodeRuneInString(s[i:])
			switch {
			case r == utf8.RuneError && size == 1:
				escape = `\ufffd`
			case r == '\u2028':
				escape = `\u2028`
			case r == '\u2029':
				escape = `\u2029`
			default:
				i += size
				continue
			}
		}
		dst = append(dst, s[copied:i]...)
		if escape == "" {
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&0xf])
		}
		dst = append(dst, escape...)
		i += size
		copied = i
	}
	dst = append(dst, s[copied:]...)
	return append(dst, '"')
}

// isBare reports whether the text format can do without quotes.
func isBare(s string) bool {
	if s == "" {
		return false
	}
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c <= ' ' || c == '"' || c == '=' || c == 0x7f {
				return false
			}
			i++
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError || unicode.IsSpace(r) || !unicode.IsPrint(r) {
			return false
		}
		i += size
	}
	return true
}
