package httpclient

import (
	"cmp"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/otelkit/kit/otelkit/internal/httpnames"
	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// call is what is known of a request before it is sent.
type call struct {
	start    time.Time
	method   Method
	template string
	server   string
	port     int
	resends  int // requests before this one for the same call
}

// methodOf returns a request's method, which may leave out GET.
func methodOf(r *http.Request) Method {
	return httpnames.MethodOf(cmp.Or(r.Method, http.MethodGet))
}

// serverOf returns whom a request is sent to.
func serverOf(u *url.URL) (host string, port int) {
	if port, err := strconv.Atoi(u.Port()); err == nil {
		return u.Hostname(), port
	}
	if u.Scheme == "http" {
		return u.Hostname(), 80
	}
	return u.Hostname(), 443
}

// spanAttributes appends what is known before the request is sent.
func (c *call) spanAttributes(attrs []attribute.KeyValue, r *http.Request) []attribute.KeyValue {
	attrs = append(attrs,
		semconv.HTTPRequestMethodKey.String(string(c.method)),
		semconv.ServerAddress(httpnames.Clip(c.server)),
		semconv.ServerPort(c.port),
		semconv.URLFull(redacted(r.URL)),
	)
	if c.method == metrics.Other {
		attrs = append(attrs, semconv.HTTPRequestMethodOriginal(httpnames.Clip(r.Method)))
	}
	if c.template != "" {
		attrs = append(attrs, semconv.URLTemplate(c.template))
	}
	if c.resends > 0 {
		attrs = append(attrs, semconv.HTTPRequestResendCount(c.resends))
	}
	return attrs
}

// redacted returns a URL without what may be secret in it.
func redacted(u *url.URL) string {
	public := url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path, RawPath: u.RawPath}
	if u.RawQuery != "" {
		public.RawQuery = "REDACTED"
	}
	return httpnames.Clip(public.String())
}

// attributes tell this kind of request from others in metrics.
func (c *call) attributes(response *http.Response, err error) RequestAttrs {
	attrs := RequestAttrs{Method: c.method, Server: c.server, Port: c.port, Template: c.template, Error: outcome(response, err)}
	switch {
	case err != nil:
	case response == nil:
		attrs.Error = metrics.Other // a RoundTripper must not do that; http.Client makes it an error
	default:
		attrs.Status = response.StatusCode
		attrs.Protocol = httpnames.ProtocolOf(response.ProtoMajor, response.ProtoMinor)
	}
	return attrs
}

// resultAttributes appends what a span learns with the response.
func resultAttributes(attrs []attribute.KeyValue, result RequestAttrs) []attribute.KeyValue {
	if result.Status != 0 {
		attrs = append(attrs, semconv.HTTPResponseStatusCode(result.Status))
	}
	if result.Protocol != "" {
		attrs = append(attrs, semconv.NetworkProtocolVersion(string(result.Protocol)))
	}
	if result.Error != "" {
		attrs = append(attrs, semconv.ErrorTypeKey.String(string(result.Error)))
	}
	return attrs
}
