package httpserver

import (
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/otelkit/kit/otelkit/internal/httpnames"
	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

func schemeOf(r *http.Request) Scheme {
	if r.TLS != nil {
		return "https"
	}
	return "http"
}

// errorType returns why the exchange failed, "" if it did not: what a client did
// wrong is not the server's failure.
func (o *observation) errorType() ErrorType {
	switch {
	case o.panicked:
		return panicked
	case o.status >= 500:
		return ErrorType(strconv.Itoa(int(o.status)))
	default:
		return ""
	}
}

// spanName is the method and the route, once it is known.
func (o *observation) spanName() string {
	if name := o.request.Pattern; len(name) == len(o.method)+1+len(o.route) && strings.HasPrefix(name, string(o.method)) && strings.HasSuffix(name, o.route) {
		return name // "GET /orders" is both, and need not be made again
	}
	return o.method.SpanName(o.route)
}

// attributes tell this kind of request from others in metrics.
func (o *observation) attributes() RequestAttrs {
	return RequestAttrs{
		Method:   o.method,
		Scheme:   o.scheme,
		Route:    o.route,
		Status:   int(o.status),
		Protocol: o.protocol,
		Error:    o.errorType(),
	}
}

// samplingAttributes are what a sampler may decide by.
func (o *observation) samplingAttributes(attrs []attribute.KeyValue) []attribute.KeyValue {
	return append(attrs, semconv.HTTPRequestMethodKey.String(string(o.method)), semconv.URLPath(httpnames.Clip(o.path)))
}

// spanAttributes appends what the span was not started with.
func (o *observation) spanAttributes(attrs []attribute.KeyValue) []attribute.KeyValue {
	r := &o.request
	if !o.server.samplesByAttributes {
		attrs = o.samplingAttributes(attrs)
	}
	attrs = append(attrs, semconv.URLScheme(string(o.scheme)), semconv.NetworkProtocolVersion(string(o.protocol)))
	if o.method == metrics.Other {
		attrs = append(attrs, semconv.HTTPRequestMethodOriginal(httpnames.Clip(r.Method)))
	}
	if o.query != "" {
		attrs = append(attrs, semconv.URLQuery(redacted(o.query)))
	}
	if o.route != "" {
		attrs = append(attrs, semconv.HTTPRoute(o.route))
	}
	if o.status != 0 {
		attrs = append(attrs, semconv.HTTPResponseStatusCode(int(o.status)))
	}
	if errorType := o.errorType(); errorType != "" {
		attrs = append(attrs, semconv.ErrorTypeKey.String(string(errorType)))
	}
	if host, port := split(r.Host); host != "" {
		attrs = append(attrs, semconv.ServerAddress(httpnames.Clip(host)))
		if port != 0 {
			attrs = append(attrs, semconv.ServerPort(port))
		}
	}
	if client := o.server.clientAddress(r); client != "" {
		attrs = append(attrs, semconv.ClientAddress(httpnames.Clip(client)))
	}
	if agent := r.UserAgent(); agent != "" {
		attrs = append(attrs, semconv.UserAgentOriginal(httpnames.Clip(agent)))
	}
	if id := o.profile(); id != "" {
		attrs = append(attrs, profileID.String(id))
	}
	return attrs
}

// clientAddress returns who sent a request. Without a ClientAddress, what a header claims
// is not believed, and network.peer.address would be the same again.
func (s *server) clientAddress(r *http.Request) string {
	if s.cfg.ClientAddress != nil {
		return s.cfg.ClientAddress(r)
	}
	host, _ := split(r.RemoteAddr)
	return host
}

// redacted returns a query without what may be secret in it: of each parameter its name,
// and nothing of what is none.
func redacted(query string) string {
	query = query[:min(len(query), httpnames.Longest)]
	var public strings.Builder
	for part := range strings.SplitSeq(query, "&") {
		if public.Len() > 0 {
			public.WriteByte('&')
		}
		if name, _, ok := strings.Cut(part, "="); ok {
			public.WriteString(name)
			public.WriteByte('=')
		}
		public.WriteString("REDACTED")
	}
	return httpnames.Clip(public.String())
}

// logAttributes are those of the access log, by the same names.
func (o *observation) logAttributes(duration time.Duration) []slog.Attr {
	attrs := []slog.Attr{
		slog.String("http.request.method", string(o.method)),
		slog.String("url.path", httpnames.Clip(o.path)),
		slog.String("http.route", o.route),
		slog.Int("http.response.status_code", int(o.status)),
		slog.Int64("http.response.body.size", o.written),
		slog.Float64("duration", duration.Seconds()),
	}
	if errorType := o.errorType(); errorType != "" {
		attrs = append(attrs, slog.String("error.type", string(errorType)))
	}
	return attrs
}

// split takes an address apart; the port is 0 where there is none.
func split(address string) (host string, port int) {
	if strings.IndexByte(address, ':') < 0 {
		return address, 0 // the usual Host; net.SplitHostPort would allocate an error
	}
	host, digits, err := net.SplitHostPort(address)
	if err != nil {
		return address, 0
	}
	port, _ = strconv.Atoi(digits)
	return host, port
}
