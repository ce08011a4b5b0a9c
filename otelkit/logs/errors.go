package logs

import (
	"log/slog"
	"slices"
)

// The otelslog bridge takes errors out of a record's attributes, under whatever
// key, and makes exception.type and exception.message of the last of them: the
// key and any other error are lost (otelslog v0.21). So each error goes along a
// second time, as its text under its own key.

// withErrorTexts returns a record to be exported.
func withErrorTexts(r slog.Record) slog.Record {
	attrs := attrsOf(r)
	if !slices.ContainsFunc(attrs, isError) {
		return r
	}
	export := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	export.AddAttrs(errorTexts(attrs)...)
	return export
}

// errorTexts returns attrs with the text of each error before it.
func errorTexts(attrs []slog.Attr) []slog.Attr {
	var with []slog.Attr
	for _, a := range attrs {
		if isError(a) {
			with = append(with, slog.String(a.Key, a.Value.Any().(error).Error()))
		}
		with = append(with, a)
	}
	return with
}

func isError(a slog.Attr) bool {
	if a.Value.Kind() != slog.KindAny {
		return false
	}
	_, ok := a.Value.Any().(error)
	return ok
}
