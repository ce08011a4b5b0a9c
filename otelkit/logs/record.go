package logs

import (
	"bytes"
	"context"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// openGroup is a group that WithGroup opened and what was added in it.
type openGroup struct {
	name  string
	attrs []attribute.KeyValue
}

// emit exports a record. The trace it belongs to is in ctx.
func (h *Handler) emit(ctx context.Context, r slog.Record) {
	var record log.Record
	record.SetTimestamp(r.Time)
	record.SetSeverity(severity(r.Level))
	record.SetSeverityText(r.Level.String())
	record.SetBody(attribute.StringValue(r.Message))

	// All attributes are added at once, from the stack: the record keeps five
	// without an allocation and more with one.
	var room [24]attribute.KeyValue
	attrs := room[:0]
	if h.source {
		if s := r.Source(); s != nil {
			attrs = append(attrs, semconv.CodeFilePath(s.File), semconv.CodeFunctionName(s.Function), semconv.CodeLineNumber(s.Line))
		}
	}
	attrs = append(attrs, h.attrs...)
	c := conversion{secrets: h.secrets, exception: h.exception, own: true}
	if len(h.groups) == 0 {
		r.Attrs(func(a slog.Attr) bool {
			attrs = c.attr(attrs, a, h.hide)
			return true
		})
	} else {
		attrs = h.appendGroups(attrs, r, &c)
	}
	record.AddAttributes(c.exception.appendTo(attrs)...)
	h.logger.Emit(ctx, record)
}

// appendGroups appends the open groups, the record's attributes in the innermost.
func (h *Handler) appendGroups(attrs []attribute.KeyValue, r slog.Record, c *conversion) []attribute.KeyValue {
	var inner []attribute.KeyValue
	r.Attrs(func(a slog.Attr) bool {
		inner = c.attr(inner, a, h.hide)
		return true
	})
	for _, g := range slices.Backward(h.groups) {
		if inner = slices.Concat(g.attrs, inner); len(inner) > 0 {
			inner = []attribute.KeyValue{attribute.Map(g.name, inner...)}
		}
	}
	return append(attrs, inner...)
}

// severity returns the number of a level: slog's levels are OpenTelemetry's less 9.
func severity(level slog.Level) log.Severity {
	return log.Severity(min(max(int(level)+9, int(log.SeverityTrace1)), int(log.SeverityFatal4)))
}

// exception is the error that a record is about.
type exception struct {
	kind, message string
	rank          int // 0: there is none
}

// appendTo appends the attributes of the exception but those that the service set
// itself.
func (e exception) appendTo(attrs []attribute.KeyValue) []attribute.KeyValue {
	if e.rank == 0 {
		return attrs
	}
	for _, a := range []attribute.KeyValue{semconv.ExceptionType(e.kind), semconv.ExceptionMessage(e.message)} {
		if !slices.ContainsFunc(attrs, func(set attribute.KeyValue) bool { return set.Key == a.Key }) {
			attrs = append(attrs, a)
		}
	}
	return attrs
}

// conversion turns slog's attributes into OpenTelemetry's.
type conversion struct {
	secrets   *secrets
	exception exception
	own       bool // whether the attributes are of the record itself, not of its logger
}

// attr appends an attribute; nothing if it is empty, as slog has it. With hide its
// value is a secret, and so is one whose key says so.
func (c *conversion) attr(attrs []attribute.KeyValue, a slog.Attr, hide bool) []attribute.KeyValue {
	hide = hide || c.secrets.hide(a.Key)
	v := a.Value
	if v.Kind() == slog.KindLogValuer {
		v = v.Resolve()
	}
	key := attribute.Key(a.Key)
	switch v.Kind() {
	case slog.KindGroup:
		if a.Key == "" {
			for _, inner := range v.Group() {
				attrs = c.attr(attrs, inner, hide)
			}
			return attrs
		}
		if parts := c.group(v.Group(), hide); len(parts) > 0 {
			return append(attrs, attribute.KeyValue{Key: key, Value: attribute.MapValue(parts...)})
		}
		return attrs
	case slog.KindAny:
		if a.Key == "" && v.Any() == nil {
			return attrs
		}
	}
	if hide {
		return append(attrs, key.String(Redacted))
	}
	if v.Kind() == slog.KindAny { // asked first: Any allocates for other kinds
		if err, ok := v.Any().(error); ok {
			text := textOf(err)
			c.about(a.Key, err, text)
			return append(attrs, key.String(text))
		}
	}
	return append(attrs, attribute.KeyValue{Key: key, Value: c.value(v)})
}

func (c *conversion) group(attrs []slog.Attr, hide bool) []attribute.KeyValue {
	parts := make([]attribute.KeyValue, 0, len(attrs))
	for _, a := range attrs {
		parts = c.attr(parts, a, hide)
	}
	return parts
}

// about takes note of an error: of those of a record the first under the key "err"
// or "error" is its exception, else the first under any key, else that of the
// logger.
func (c *conversion) about(key string, err error, text string) {
	rank := 1
	if key == "err" || key == "error" {
		rank++
	}
	if c.own {
		rank += 2
	}
	if rank > c.exception.rank {
		c.exception = exception{kind: typeOf(err), message: text, rank: rank}
	}
}

// typeOf returns the type of an error, below what fmt.Errorf wrapped around it, as
// OpenTelemetry's SDK has it.
func typeOf(err error) string {
	for reflect.TypeOf(err) == wrapper && errors.Unwrap(err) != nil {
		err = errors.Unwrap(err)
	}
	t := reflect.TypeOf(err)
	if t.PkgPath() != "" && t.Name() != "" {
		return t.PkgPath() + "." + t.Name()
	}
	return t.String()
}

// wrapper is the type of what fmt.Errorf wraps around one error.
var wrapper = reflect.TypeOf(fmt.Errorf("%w", errors.ErrUnsupported))

func (c *conversion) value(v slog.Value) attribute.Value {
	switch v.Kind() {
	case slog.KindString:
		return attribute.StringValue(v.String())
	case slog.KindInt64:
		return attribute.Int64Value(v.Int64())
	case slog.KindUint64:
		return unsigned(v.Uint64())
	case slog.KindFloat64:
		return attribute.Float64Value(v.Float64())
	case slog.KindBool:
		return attribute.BoolValue(v.Bool())
	case slog.KindDuration:
		return attribute.Int64Value(int64(v.Duration()))
	case slog.KindTime:
		return attribute.StringValue(v.Time().Format(time.RFC3339Nano))
	default:
		parts := walk{secrets: c.secrets, left: maxParts}
		return parts.any(v.Any(), maxDepth)
	}
}

// unsigned returns a number as such, or its digits where OTLP has no such number.
func unsigned(n uint64) attribute.Value {
	if n > math.MaxInt64 {
		return attribute.StringValue(strconv.FormatUint(n, 10))
	}
	return attribute.Int64Value(int64(n))
}

const (
	maxDepth = 32   // of a value
	maxParts = 4096 // of a value
	cut      = "…"  // stands for what is beyond
)

// walk converts a value with parts. It ends though the value holds itself.
type walk struct {
	secrets *secrets
	left    int
}

// any converts a value of any type. What its methods do is not ours: one that
// panics costs its value, not the record.
func (w *walk) any(v any, depth int) (value attribute.Value) {
	defer func() {
		if r := recover(); r != nil {
			value = attribute.StringValue(panicked(v, r))
		}
	}()
	if w.left--; w.left < 0 || depth == 0 {
		return attribute.StringValue(cut)
	}
	switch v := v.(type) {
	case nil:
		return attribute.Value{}
	case attribute.Value:
		return v
	case slog.Value:
		c := conversion{secrets: w.secrets}
		if v = v.Resolve(); v.Kind() == slog.KindGroup {
			return attribute.MapValue(c.group(v.Group(), false)...)
		}
		return c.value(v)
	case json.Number:
		return number(v)
	case time.Time:
		return attribute.StringValue(v.Format(time.RFC3339Nano))
	case []string:
		return attribute.StringSliceValue(v)
	case []int:
		return attribute.IntSliceValue(v)
	case []int64:
		return attribute.Int64SliceValue(v)
	case []float64:
		return attribute.Float64SliceValue(v)
	case []bool:
		return attribute.BoolSliceValue(v)
	case []byte:
		return attribute.ByteSliceValue(v)
	case []error:
		return attribute.StringSliceValue(texts(v))
	case json.Marshaler:
		if _, isError := v.(error); !isError {
			return w.json(v, depth)
		}
	}
	if simple, ok := simple(v); ok {
		c := conversion{secrets: w.secrets}
		return c.value(simple)
	}
	r := reflect.ValueOf(v)
	switch r.Kind() {
	case reflect.Pointer:
		if r.IsNil() {
			return attribute.Value{}
		}
		if r.Elem().Kind() == reflect.Struct {
			return w.json(v, depth)
		}
		return w.any(r.Elem().Interface(), depth-1)
	case reflect.Slice, reflect.Array:
		return w.list(r, depth)
	case reflect.Map:
		return w.parts(r, depth)
	default:
		return w.json(v, depth)
	}
}

func (w *walk) list(r reflect.Value, depth int) attribute.Value {
	list := make([]attribute.Value, 0, min(r.Len(), max(w.left, 0)+1))
	for i := range r.Len() {
		list = append(list, w.any(r.Index(i).Interface(), depth-1))
		if w.left < 0 {
			break
		}
	}
	return attribute.SliceValue(list...)
}

func (w *walk) parts(r reflect.Value, depth int) attribute.Value {
	parts := make([]attribute.KeyValue, 0, min(r.Len(), max(w.left, 0)+1))
	for entries := r.MapRange(); entries.Next() && w.left >= 0; {
		key := keyOf(entries.Key())
		value := attribute.StringValue(Redacted)
		if !w.secrets.hide(key) {
			value = w.any(entries.Value().Interface(), depth-1)
		}
		parts = append(parts, attribute.KeyValue{Key: attribute.Key(key), Value: value})
	}
	return attribute.MapValue(parts...)
}

// keyOf returns a map's key as encoding/json does.
func keyOf(r reflect.Value) string {
	if r.Kind() == reflect.String {
		return r.String()
	}
	if m, ok := r.Interface().(encoding.TextMarshaler); ok {
		if text, err := m.MarshalText(); err == nil {
			return string(text)
		}
	}
	return fmt.Sprint(r.Interface())
}

// json converts what encoding/json makes of a value, so that the export shows
// what the line shows.
func (w *walk) json(v any, depth int) attribute.Value {
	text, err := marshal(v)
	if err != nil {
		return attribute.StringValue(failure(err))
	}
	var parts any
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&parts); err != nil {
		return attribute.StringValue(failure(err))
	}
	return w.any(parts, depth)
}

func number(n json.Number) attribute.Value {
	if i, err := n.Int64(); err == nil {
		return attribute.Int64Value(i)
	}
	if u, err := strconv.ParseUint(n.String(), 10, 64); err == nil {
		return unsigned(u)
	}
	if f, err := n.Float64(); err == nil {
		return attribute.Float64Value(f)
	}
	return attribute.StringValue(n.String())
}
