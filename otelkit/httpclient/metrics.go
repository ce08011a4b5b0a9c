package httpclient

import (
	"github.com/otelkit/kit/otelkit/internal/httpnames"
	"github.com/otelkit/kit/otelkit/metrics"
)

// Catalog holds the metrics of HTTP clients.
var Catalog = metrics.NewCatalog("github.com/otelkit/kit/otelkit/httpclient")

// Method is a request method. What is none of those that are known is recorded as
// "_OTHER". OpenTelemetry's conventions know ten, in place of which the environment
// variable OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS may list others.
type Method = httpnames.Method

// Protocol is a version of HTTP: "1.0", "1.1", "2" or "3".
type Protocol = httpnames.Protocol

// RequestAttrs tell one kind of request from another.
type RequestAttrs struct {
	Method   Method    `attr:"http.request.method"`
	Server   string    `attr:"server.address,limit=50"`
	Port     int       `attr:"server.port,omitempty,limit=50"`
	Template string    `attr:"url.template,omitempty,limit=100"`
	Status   int       `attr:"http.response.status_code,omitempty,limit=60"`
	Protocol Protocol  `attr:"network.protocol.version,omitempty"`
	Error    ErrorType `attr:"error.type,omitempty"`
}

// RequestDuration is defined by OpenTelemetry's semantic conventions for HTTP,
// v1.43.0.
var RequestDuration = metrics.NewHistogram[RequestAttrs](Catalog, metrics.Definition{
	Name:    "http.client.request.duration",
	Unit:    "s",
	Help:    "How long HTTP requests took, from sending them to the header of the response.",
	Buckets: metrics.DurationBuckets(),
	Limit:   500,
})
