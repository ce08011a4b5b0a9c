package otelkittest

import (
	"fmt"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/attribute"
	otellog "go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
)

// Log is a log record as it is exported. Its assertions return it, so that they
// chain. Attributes in a group of slog are one attribute of type map.
type Log struct {
	sdklog.Record
	k *Kit
}

// Log returns the one record with that message and, among others, those
// attributes. It waits for it. No record and several records end the test.
func (k *Kit) Log(message string, attrs ...attribute.KeyValue) *Log {
	k.t.Helper()
	var found []*Log
	eventually(func() bool {
		found = k.logged(message, attrs)
		return len(found) > 0
	})
	switch len(found) {
	case 1:
		return found[0]
	case 0:
		k.t.Fatalf("otelkittest: no log record %q%s; %s", message, with(attrs), k.recordedLogs())
	default:
		k.t.Fatalf("otelkittest: %s %q%s; name attributes that only one has, or use Logs; %s", count(len(found), "log record"), message, with(attrs), k.recordedLogs())
	}
	return nil
}

// Logs returns the records in the order in which they were logged. With
// messages, only those of these messages.
func (k *Kit) Logs(messages ...string) []*Log {
	var list []*Log
	for _, record := range k.records.snapshot() {
		if l := (&Log{record, k}); len(messages) == 0 || slices.Contains(messages, l.Message()) {
			list = append(list, l)
		}
	}
	return list
}

// NoLog asserts that no record has that message and, among others, those
// attributes. It does not wait.
func (k *Kit) NoLog(message string, attrs ...attribute.KeyValue) {
	k.t.Helper()
	if n := len(k.logged(message, attrs)); n > 0 {
		k.t.Errorf("otelkittest: %s %q%s, want none; %s", count(n, "log record"), message, with(attrs), k.recordedLogs())
	}
}

// Lines returns what the service's standard output would hold: one JSON object a
// line.
func (k *Kit) Lines() string { return k.lines.String() }

func (k *Kit) logged(message string, attrs []attribute.KeyValue) []*Log {
	return slices.DeleteFunc(k.Logs(message), func(l *Log) bool {
		return len(attributes(l.Attributes()).faults(attrs)) > 0
	})
}

// Message returns the record's body as text.
func (l *Log) Message() string { return l.Body().String() }

// Attributes returns the record's attributes.
func (l *Log) Attributes() []attribute.KeyValue {
	var list []attribute.KeyValue
	l.WalkAttributes(func(a attribute.KeyValue) bool {
		list = append(list, a)
		return true
	})
	return list
}

// Has asserts that the record has these attributes, among others.
func (l *Log) Has(attrs ...attribute.KeyValue) *Log {
	l.k.t.Helper()
	l.report(attributes(l.Attributes()).faults(attrs))
	return l
}

// HasOnly asserts that the record has these attributes and no others.
func (l *Log) HasOnly(attrs ...attribute.KeyValue) *Log {
	l.k.t.Helper()
	held := attributes(l.Attributes())
	l.report(append(held.faults(attrs), held.surplus(attrs)...))
	return l
}

// Lacks asserts that the record has no attributes of these keys.
func (l *Log) Lacks(keys ...attribute.Key) *Log {
	l.k.t.Helper()
	l.report(attributes(l.Attributes()).present(keys))
	return l
}

// HasSeverity asserts how severe the record is.
func (l *Log) HasSeverity(severity otellog.Severity) *Log {
	l.k.t.Helper()
	if got := l.Severity(); got != severity {
		l.report([]string{fmt.Sprintf("severity is %s, want %s", got, severity)})
	}
	return l
}

// In asserts that the record was logged in that span, so that each leads to the
// other.
func (l *Log) In(span *Span) *Log {
	l.k.t.Helper()
	if l.SpanID() != span.SpanContext().SpanID() || l.TraceID() != span.SpanContext().TraceID() {
		l.report([]string{fmt.Sprintf("logged %s, want in %q", l.where(), span.Name())})
	}
	return l
}

// where says which span the record was logged in.
func (l *Log) where() string {
	if !l.SpanID().IsValid() {
		return "outside of any span (log with the context: InfoContext(ctx, …))"
	}
	return "in " + l.k.nameOf(l.TraceID(), l.SpanID())
}

// report fails the test with what is wrong about the record.
func (l *Log) report(faults []string) {
	l.k.t.Helper()
	if len(faults) > 0 {
		l.k.t.Errorf("otelkittest: log record %q: %s; %s", l.Message(), strings.Join(faults, "; "), l.k.recordedLogs())
	}
}

func (k *Kit) recordedLogs() string {
	records := k.Logs()
	if len(records) == 0 {
		return "nothing was logged: does the code under test get this Kit's Logger?"
	}
	var b strings.Builder
	b.WriteString("logged:")
	for _, l := range records {
		fmt.Fprintf(&b, "\n  %s %q", l.Severity(), l.Message())
		if held := attributes(l.Attributes()); len(held) > 0 {
			fmt.Fprintf(&b, " %s", held)
		}
		fmt.Fprintf(&b, " %s", l.where())
	}
	return b.String()
}
