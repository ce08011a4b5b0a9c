package logs

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
)

// simple returns what a value of any type is in one of slog's basic kinds, so
// that both sinks show the same, or false if it has parts. What has a text of its
// own is that text: errors, encoding.TextMarshalers, what has a Redacted method
// such as *url.URL, and fmt.Stringers without parts such as time.Month. A
// json.Marshaler decides itself what its parts are. A Stringer with parts is
// shown by them: its text would have their secrets in it.
func simple(v any) (slog.Value, bool) {
	switch v := v.(type) {
	case error:
		return slog.StringValue(v.Error()), true
	case json.Marshaler:
		return slog.Value{}, false
	case encoding.TextMarshaler:
		text, err := v.MarshalText()
		if err != nil {
			return slog.StringValue(failure(err)), true
		}
		return slog.StringValue(string(text)), true
	case interface{ Redacted() string }:
		return slog.StringValue(v.Redacted()), true
	}
	r := reflect.ValueOf(v)
	for depth := 0; depth < maxDepth && r.Kind() == reflect.Pointer && !r.IsNil(); depth++ {
		r = r.Elem() // perhaps itself
	}
	switch r.Kind() {
	case reflect.Struct, reflect.Map, reflect.Slice, reflect.Array, reflect.Interface, reflect.Pointer, reflect.Invalid:
		return slog.Value{}, false
	}
	if s, ok := v.(fmt.Stringer); ok {
		return slog.StringValue(s.String()), true
	}
	switch r.Kind() {
	case reflect.String:
		return slog.StringValue(r.String()), true
	case reflect.Bool:
		return slog.BoolValue(r.Bool()), true
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return slog.Int64Value(r.Int()), true
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return slog.Uint64Value(r.Uint()), true
	case reflect.Float32, reflect.Float64:
		return slog.Float64Value(r.Float()), true
	case reflect.Complex64, reflect.Complex128:
		return slog.StringValue(fmt.Sprint(r.Complex())), true
	default: // a function, a channel
		return slog.StringValue(r.Type().String()), true
	}
}

// marshal returns a value with parts as compact JSON. A struct that shows
// nothing is asked for its text.
func marshal(v any) ([]byte, error) {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	parts := bytes.TrimSuffix(text.Bytes(), []byte("\n"))
	if s, ok := v.(fmt.Stringer); ok && string(parts) == "{}" {
		return marshal(s.String())
	}
	return parts, nil
}

// texts returns what errors say: encoding/json knows nothing of them.
func texts(errs []error) []string {
	texts := make([]string, len(errs))
	for i, err := range errs {
		texts[i] = textOf(err)
	}
	return texts
}

// textOf returns what an error says, whatever it does.
func textOf(err error) (text string) {
	defer func() {
		if r := recover(); r != nil {
			text = panicked(err, r)
		}
	}()
	if err == nil {
		return nothing
	}
	return err.Error()
}

// nothing is the text of a nil pointer that has a method for its text.
const nothing = "<nil>"

// panicked is the text of a value whose method panicked, in slog's words.
func panicked(v, reason any) string {
	if r := reflect.ValueOf(v); r.Kind() == reflect.Pointer && r.IsNil() {
		return nothing
	}
	return fmt.Sprintf("!PANIC: %v", reason)
}

// failure is the text of a value that could not be written, in slog's words.
func failure(err error) string { return "!ERROR:" + err.Error() }
