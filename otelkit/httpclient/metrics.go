package httpclient

import (
	"net/http"
	"os"
	"strings"

	"github.com/otelkit/kit/otelkit/metrics"
)

// Catalog holds the metrics of HTTP clients.
var Catalog = metrics.NewCatalog("github.com/otelkit/kit/otelkit/httpclient")

// Method is a request method; an unknown one is recorded as "_OTHER".
type Method string

// Values returns the methods that OpenTelemetry's conventions know, or those that the
// environment variable OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS lists instead, with
// commas between them. What it says when the process starts holds.
func (Method) Values() []Method {
	if listed := os.Getenv("OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS"); listed != "" {
		var methods []Method
		for method := range strings.SplitSeq(listed, ",") {
			methods = append(methods, Method(strings.TrimSpace(method)))
		}
		return methods
	}
	return []Method{
		http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodOptions, http.MethodConnect, http.MethodTrace, "QUERY",
	}
}

// Protocol is a version of HTTP.
type Protocol string

// Values returns the versions that are in use.
func (Protocol) Values() []Protocol { return []Protocol{"1.0", "1.1", "2", "3"} }

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
