package httpclient

import (
	"context"
	"net/http"

	"go.opentelemetry.io/otel/propagation"
)

// outgoing is the request that is sent: a RoundTripper must not change the one that it
// was given. The request and the values of its new headers are one allocation, and not
// pooled, since the transport below may read them after it has returned.
type outgoing struct {
	request http.Request
	values  [3]string // of traceparent, tracestate and baggage
}

// outgoing returns r with the span's context and its headers.
func (t *transport) outgoing(ctx context.Context, r *http.Request) *http.Request {
	out := &outgoing{request: *r.WithContext(ctx)} // inlined: the copy stays on the stack
	out.request.Header = r.Header.Clone()
	if out.request.Header == nil {
		out.request.Header = http.Header{}
	}
	t.propagator.Inject(ctx, out)
	return &out.request
}

// Get, Set and Keys make an outgoing request the carrier that propagators write into.
func (o *outgoing) Get(name string) string {
	return propagation.HeaderCarrier(o.request.Header).Get(name)
}

// Set takes a short cut for the headers of every request: http.Header would bring their
// names into its form, and allocate for that.
func (o *outgoing) Set(name, value string) {
	switch name {
	case "traceparent":
		o.set(0, "Traceparent", value)
	case "tracestate":
		o.set(1, "Tracestate", value)
	case "baggage":
		o.set(2, "Baggage", value)
	default:
		o.request.Header.Set(name, value)
	}
}

func (o *outgoing) set(i int, name, value string) {
	o.values[i] = value
	o.request.Header[name] = o.values[i : i+1 : i+1]
}

func (o *outgoing) Keys() []string {
	return propagation.HeaderCarrier(o.request.Header).Keys()
}
