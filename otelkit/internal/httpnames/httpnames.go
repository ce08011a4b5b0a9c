// Package httpnames holds what OpenTelemetry's semantic conventions for HTTP (v1.43.0)
// have servers and clients say in the same words: otelkit/httpserver and
// otelkit/httpclient use and re-export it.
package httpnames

import (
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/otelkit/kit/otelkit/metrics"
)

// Method is a request method. What is none of those that are known is recorded as
// "_OTHER": whoever sends a request may choose any word.
type Method string

// known are the methods of this process.
var known = Method("").Values()

// Values returns the methods that OpenTelemetry's conventions know, or those that the
// environment variable OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS lists instead, with
// commas between them. What it says when the process starts holds.
func (Method) Values() []Method {
	var listed []Method
	for name := range strings.SplitSeq(os.Getenv("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS"), ",") {
		if method := Method(strings.TrimSpace(name)); method != "" && !slices.Contains(listed, method) {
			listed = append(listed, method)
		}
	}
	if listed != nil {
		return listed
	}
	return []Method{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions, http.MethodConnect, http.MethodTrace, "QUERY",
	}
}

// MethodOf returns the method that a request names. It is a text of this process, and
// not part of the request's: a series keeps it, and would keep the request's first line,
// up to a megabyte, with it.
func MethodOf(name string) Method {
	if i := slices.Index(known, Method(name)); i >= 0 {
		return known[i]
	}
	return metrics.Other
}

// SpanName returns what a span is called: the method, and what it is applied to if that
// is known.
func (m Method) SpanName(target string) string {
	name := string(m)
	if m == metrics.Other {
		name = "HTTP"
	}
	if target == "" {
		return name
	}
	return name + " " + target
}

// Protocol is a version of HTTP.
type Protocol string

// Values returns the versions that are in use.
func (Protocol) Values() []Protocol { return []Protocol{"1.0", "1.1", "2", "3"} }

// ProtocolOf returns the version of a request or response.
func ProtocolOf(major, minor int) Protocol {
	switch {
	case major == 1 && minor == 0:
		return "1.0"
	case major == 1:
		return "1.1"
	case major == 2:
		return "2"
	case major == 3:
		return "3"
	default:
		return metrics.Other
	}
}

// Longest is the most bytes of a stranger's text that are kept.
const Longest = 1024

// Clip bounds what a stranger can have us store, and makes it text: OTLP exporters lose
// a whole batch for one string that is not UTF-8, such as the path of /%ff. What is
// clipped does not keep the rest in memory.
func Clip(s string) string {
	if len(s) > Longest {
		s = strings.Clone(s[:Longest])
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
