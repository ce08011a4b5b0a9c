package httpclient

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// longest is the most bytes of a text that are kept.
const longest = 1024

var knownMethods = Method("").Values()

// call is what is known of a request before it is sent.
type call struct {
	start    time.Time
	method   Method
	template string
	server   string
	port     int
	resends  int // requests before this one for the same call
}

func methodOf(r *http.Request) Method {
	if r.Method == "" {
		return http.MethodGet
	}
	if method := Method(r.Method); slices.Contains(knownMethods, method) {
		return method
	}
	return metrics.Other
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

// spanName is the method, and the template where it is known.
func (c *call) spanName() string {
	method := string(c.method)
	if method == metrics.Other {
		method = "HTTP"
	}
	if c.template == "" {
		return method
	}
	return method + " " + c.template
}

// spanAttributes appends what is known before the request is sent.
func (c *call) spanAttributes(attrs []attribute.KeyValue, r *http.Request) []attribute.KeyValue {
	attrs = append(attrs,
		semconv.HTTPRequestMethodKey.String(string(c.method)),
		semconv.ServerAddress(clip(c.server)),
		semconv.ServerPort(c.port),
		semconv.URLFull(redacted(r.URL)),
	)
	if c.method == metrics.Other {
		attrs = append(attrs, semconv.HTTPRequestMethodOriginal(clip(r.Method)))
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
	return clip(public.String())
}

// clip bounds what is stored, and makes it text: OTLP exporters lose a whole batch for
// one string that is not UTF-8.
func clip(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), longest)], "\uFFFD")
}

// attributes tell this kind of request from others in metrics.
func (c *call) attributes(response *http.Response, err error) RequestAttrs {
	attrs := RequestAttrs{Method: c.method, Server: c.server, Port: c.port, Template: c.template, Error: outcome(response, err)}
	if err == nil {
		attrs.Status = response.StatusCode
		attrs.Protocol = protocolOf(response)
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

func protocolOf(response *http.Response) Protocol {
	switch response.ProtoMajor {
	case 1:
		if response.ProtoMinor == 0 {
			return "1.0"
		}
		return "1.1"
	case 2:
		return "2"
	case 3:
		return "3"
	default:
		return metrics.Other
	}
}
