package logs

import (
	"log/slog"
	"reflect"
	"slices"
)

// The otelslog bridge (v0.21) loses two kinds of attributes, which are therefore
// given to it in another form:
//
//   - Errors: it takes them out, under whatever key, and makes exception.type and
//     exception.message of the last of them. Each goes along a second time, as its
//     text under its own key.
//   - Strings, numbers and bools of a named type, such as a closed set of values:
//     it exports them as "unhandled: (shop.Market) DE". They go along as what
//     they are.

// forBridge returns a record to be exported.
func forBridge(r slog.Record) slog.Record {
	attrs := attrsOf(r)
	if !slices.ContainsFunc(attrs, mayBeLost) {
		return r
	}
	export := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	export.AddAttrs(attrsForBridge(attrs)...)
	return export
}

func attrsForBridge(attrs []slog.Attr) []slog.Attr {
	var with []slog.Attr
	for _, a := range attrs {
		a.Value = a.Value.Resolve()
		switch a.Value.Kind() {
		case slog.KindGroup:
			a.Value = slog.GroupValue(attrsForBridge(a.Value.Group())...)
		case slog.KindAny:
			if err, ok := a.Value.Any().(error); ok {
				with = append(with, slog.String(a.Key, err.Error()))
			} else {
				a.Value = unnamed(a.Value)
			}
		}
		with = append(with, a)
	}
	return with
}

// unnamed returns a value of a named basic type as one of the basic type.
func unnamed(v slog.Value) slog.Value {
	switch r := reflect.ValueOf(v.Any()); r.Kind() {
	case reflect.String:
		return slog.StringValue(r.String())
	case reflect.Bool:
		return slog.BoolValue(r.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return slog.Int64Value(r.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return slog.Uint64Value(r.Uint())
	case reflect.Float32, reflect.Float64:
		return slog.Float64Value(r.Float())
	default:
		return v
	}
}

func mayBeLost(a slog.Attr) bool {
	switch a.Value.Kind() {
	case slog.KindAny, slog.KindGroup, slog.KindLogValuer:
		return true
	default:
		return false
	}
}
