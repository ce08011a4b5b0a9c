package otelkit

import (
	"slices"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// Protobuf refuses a string that is not UTF-8, and with it the whole batch (OTLP
// exporters v1.47): one request for /%ff, or one log line with a stranger's bytes
// in it, would lose the 511 spans or records beside it; one such attribute of a
// metric, which stays, would lose all metrics from then on. So what is not UTF-8 is
// replaced before it is exported.

// replacement stands for bytes that are not UTF-8: U+FFFD.
const replacement = "\uFFFD"

// validSpans returns spans with nothing but UTF-8 in them, in general as they are.
func validSpans(spans []sdktrace.ReadOnlySpan) []sdktrace.ReadOnlySpan {
	copied := false
	for i, span := range spans {
		if isValidSpan(span) {
			continue
		}
		if !copied {
			spans, copied = slices.Clone(spans), true
		}
		spans[i] = validSpan{span}
	}
	return spans
}

func isValidSpan(s sdktrace.ReadOnlySpan) bool {
	if !utf8.ValidString(s.Name()) || !utf8.ValidString(s.Status().Description) || !areValid(s.Attributes()) {
		return false
	}
	for _, e := range s.Events() {
		if !utf8.ValidString(e.Name) || !areValid(e.Attributes) {
			return false
		}
	}
	for _, l := range s.Links() {
		if !areValid(l.Attributes) {
			return false
		}
	}
	return true
}

// validSpan is a span as it is exported.
type validSpan struct{ sdktrace.ReadOnlySpan }

func (s validSpan) Name() string { return validString(s.ReadOnlySpan.Name()) }

func (s validSpan) Attributes() []attribute.KeyValue { return valid(s.ReadOnlySpan.Attributes()) }

func (s validSpan) Status() sdktrace.Status {
	status := s.ReadOnlySpan.Status()
	status.Description = validString(status.Description)
	return status
}

func (s validSpan) Events() []sdktrace.Event {
	events := slices.Clone(s.ReadOnlySpan.Events())
	for i := range events {
		events[i].Name, events[i].Attributes = validString(events[i].Name), valid(events[i].Attributes)
	}
	return events
}

func (s validSpan) Links() []sdktrace.Link {
	links := slices.Clone(s.ReadOnlySpan.Links())
	for i := range links {
		links[i].Attributes = valid(links[i].Attributes)
	}
	return links
}

// validRecords returns records with nothing but UTF-8 in them, in general as they
// are.
func validRecords(records []sdklog.Record) []sdklog.Record {
	copied := false
	for i := range records {
		attrs := make([]attribute.KeyValue, 0, records[i].AttributesLen())
		records[i].WalkAttributes(func(kv attribute.KeyValue) bool {
			attrs = append(attrs, kv)
			return true
		})
		if isValid(records[i].Body()) && areValid(attrs) {
			continue
		}
		if !copied {
			records, copied = slices.Clone(records), true
		}
		record := records[i].Clone()
		record.SetBody(validValue(record.Body()))
		record.SetAttributes(valid(attrs)...)
		records[i] = record
	}
	return records
}

// makeValid leaves nothing but UTF-8 in the attributes of metrics. They are
// changed in place: the SDK fills the points anew for each collection.
func makeValid(data *metricdata.ResourceMetrics) {
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				makePointsValid(d.DataPoints)
			case metricdata.Sum[float64]:
				makePointsValid(d.DataPoints)
			case metricdata.Gauge[int64]:
				makePointsValid(d.DataPoints)
			case metricdata.Gauge[float64]:
				makePointsValid(d.DataPoints)
			case metricdata.Histogram[int64]:
				for i := range d.DataPoints {
					makeSetValid(&d.DataPoints[i].Attributes)
				}
			case metricdata.Histogram[float64]:
				for i := range d.DataPoints {
					makeSetValid(&d.DataPoints[i].Attributes)
				}
			case metricdata.ExponentialHistogram[int64]:
				for i := range d.DataPoints {
					makeSetValid(&d.DataPoints[i].Attributes)
				}
			case metricdata.ExponentialHistogram[float64]:
				for i := range d.DataPoints {
					makeSetValid(&d.DataPoints[i].Attributes)
				}
			}
		}
	}
}

func makePointsValid[N int64 | float64](points []metricdata.DataPoint[N]) {
	for i := range points {
		makeSetValid(&points[i].Attributes)
	}
}

func makeSetValid(set *attribute.Set) {
	for i := range set.Len() {
		if kv, _ := set.Get(i); !utf8.ValidString(string(kv.Key)) || !isValid(kv.Value) {
			*set = attribute.NewSet(valid(set.ToSlice())...)
			return
		}
	}
}

func areValid(attrs []attribute.KeyValue) bool {
	for _, a := range attrs {
		if !utf8.ValidString(string(a.Key)) || !isValid(a.Value) {
			return false
		}
	}
	return true
}

func isValid(v attribute.Value) bool {
	switch v.Type() {
	case attribute.STRING:
		return utf8.ValidString(v.AsString())
	case attribute.STRINGSLICE:
		return !slices.ContainsFunc(v.AsStringSlice(), func(s string) bool { return !utf8.ValidString(s) })
	case attribute.SLICE:
		return !slices.ContainsFunc(v.AsSlice(), func(v attribute.Value) bool { return !isValid(v) })
	case attribute.MAP:
		return areValid(v.AsMap())
	default:
		return true
	}
}

func valid(attrs []attribute.KeyValue) []attribute.KeyValue {
	replaced := make([]attribute.KeyValue, len(attrs))
	for i, a := range attrs {
		replaced[i] = attribute.KeyValue{Key: attribute.Key(validString(string(a.Key))), Value: validValue(a.Value)}
	}
	return replaced
}

func validValue(v attribute.Value) attribute.Value {
	switch v.Type() {
	case attribute.STRING:
		return attribute.StringValue(validString(v.AsString()))
	case attribute.STRINGSLICE:
		list := slices.Clone(v.AsStringSlice())
		for i := range list {
			list[i] = validString(list[i])
		}
		return attribute.StringSliceValue(list)
	case attribute.SLICE:
		list := slices.Clone(v.AsSlice())
		for i := range list {
			list[i] = validValue(list[i])
		}
		return attribute.SliceValue(list...)
	case attribute.MAP:
		return attribute.MapValue(valid(v.AsMap())...)
	default:
		return v
	}
}

func validString(s string) string { return strings.ToValidUTF8(s, replacement) }
