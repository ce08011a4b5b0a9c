package jsonhttp

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// typePrefix makes the name of a problem the URI that RFC 9457 wants.
const typePrefix = "urn:webstore:problem:"

// Problem is an answer that is no success, as RFC 9457 has it. It is an error,
// so that a handler can return it.
//
// Detail goes to whoever called: it never holds what they may not know.
type Problem struct {
	Status int            // of HTTP
	Name   string         // stable, for programs: "unknown_market" becomes the type urn:webstore:problem:unknown_market
	Title  string         // what this kind of problem is, the same each time
	Detail string         // what is wrong this time and what to do; may be empty
	More   map[string]any // further members, such as the order that is pending
	Header http.Header    // such as Retry-After; may be nil
}

// Error is for logs and tests.
func (p *Problem) Error() string {
	return fmt.Sprintf("%d %s: %s", p.Status, p.Name, p.Detail)
}

// maxDetail is the most bytes of a detail. It may repeat what the caller sent, who
// could else have a large request be answered with a larger one.
const maxDetail = 500

// With returns the problem with a detail of this time, of which 500 bytes are kept.
func (p *Problem) With(format string, args ...any) *Problem {
	q := *p
	q.Detail = fmt.Sprintf(format, args...)
	if len(q.Detail) > maxDetail {
		q.Detail = strings.ToValidUTF8(q.Detail[:maxDetail], "") + "\u2026"
	}
	return &q
}

// Type is the URI that tells this kind of problem from others.
func (p *Problem) Type() string { return typePrefix + p.Name }

// Write answers r with the problem and the id of r's trace, for the caller to
// quote.
func (p *Problem) Write(w http.ResponseWriter, r *http.Request) {
	body := maps.Clone(p.More)
	if body == nil {
		body = map[string]any{}
	}
	body["type"] = p.Type()
	body["title"] = p.Title
	body["status"] = p.Status
	if p.Detail != "" {
		body["detail"] = p.Detail
	}
	if span := trace.SpanContextFromContext(r.Context()); span.HasTraceID() {
		body["trace_id"] = span.TraceID().String()
	}
	guard(w.Header())
	maps.Copy(w.Header(), p.Header)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(body) // an error means that the caller has gone
}

// The problems that any handler may answer with.
var (
	Internal = &Problem{
		Status: http.StatusInternalServerError, Name: "internal", Title: "Something went wrong on our side",
		Detail: "Try again; if it stays, quote the trace id.",
	}
	NotFound = &Problem{
		Status: http.StatusNotFound, Name: "not_found", Title: "There is nothing here",
	}
	MethodNotAllowed = &Problem{
		Status: http.StatusMethodNotAllowed, Name: "method_not_allowed", Title: "This cannot be done here",
	}
	Malformed = &Problem{
		Status: http.StatusBadRequest, Name: "malformed_body", Title: "The body cannot be read",
	}
	NotJSON = &Problem{
		Status: http.StatusUnsupportedMediaType, Name: "not_json", Title: "The body is not JSON",
		Detail: "Send JSON with Content-Type: application/json.",
	}
	TooLarge = &Problem{
		Status: http.StatusRequestEntityTooLarge, Name: "body_too_large", Title: "The body is too large",
		Detail: "Send at most 1 MiB.",
	}
	TooSlow = &Problem{
		Status: http.StatusRequestTimeout, Name: "body_too_slow", Title: "The body takes too long to arrive",
		Detail: "Send the whole request within 10 s.",
	}
)
