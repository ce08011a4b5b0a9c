package httpserver

import (
	"net/http"
	"strconv"

	"github.com/otelkit/kit/otelkit/internal/httpnames"
	"github.com/otelkit/kit/otelkit/metrics"
)

// Catalog holds the metrics of HTTP servers.
var Catalog = metrics.NewCatalog("github.com/otelkit/kit/otelkit/httpserver")

// Method is a request method. What is none of those that are known is recorded as
// "_OTHER". OpenTelemetry's conventions know ten, in place of which the environment
// variable OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS may list others.
type Method = httpnames.Method

// Scheme is how a request came: in the clear or over TLS, as this process sees
// it. What a proxy claims in a header is not believed.
type Scheme string

// Values returns the two schemes.
func (Scheme) Values() []Scheme { return []Scheme{"http", "https"} }

// Protocol is a version of HTTP: "1.0", "1.1", "2" or "3".
type Protocol = httpnames.Protocol

// ErrorType is why a request failed: the response's status if that is 500 or
// more, or "panic".
type ErrorType string

// panicked is the error type of a handler's panic.
const panicked ErrorType = "panic"

// Values returns the server errors that have a meaning (IANA's HTTP status code
// registry) and "panic".
func (ErrorType) Values() []ErrorType {
	types := []ErrorType{panicked}
	for status := 500; status < 600; status++ {
		if http.StatusText(status) != "" {
			types = append(types, ErrorType(strconv.Itoa(status)))
		}
	}
	return types
}

// RequestAttrs tell one kind of request from another.
type RequestAttrs struct {
	Method   Method    `attr:"http.request.method"`
	Scheme   Scheme    `attr:"url.scheme"`
	Route    string    `attr:"http.route,omitempty,limit=200"` // "" is a request that no route matched
	Status   int       `attr:"http.response.status_code,omitempty,limit=60"`
	Protocol Protocol  `attr:"network.protocol.version,omitempty"`
	Error    ErrorType `attr:"error.type,omitempty"`
}

// ActiveAttrs tell requests in flight apart, of which the route is not known
// yet.
type ActiveAttrs struct {
	Method Method `attr:"http.request.method"`
	Scheme Scheme `attr:"url.scheme"`
}

// maxSets bounds the attribute sets of one metric: 200 routes with five kinds
// of answer each.
const maxSets = 1000

// The definitions, by OpenTelemetry's semantic conventions for HTTP, v1.43.0.
// server.address is left out, as the conventions advise: a client chooses what
// it writes into Host, and each name would be a series.
var (
	RequestDuration = metrics.NewHistogram[RequestAttrs](Catalog, metrics.Definition{
		Name:    "http.server.request.duration",
		Unit:    "s",
		Help:    "How long HTTP requests took to serve, from their header to the end of the handler.",
		Buckets: metrics.DurationBuckets(),
		Limit:   maxSets,
	})
	ActiveRequests = metrics.NewUpDownCounter[ActiveAttrs](Catalog, metrics.Definition{
		Name: "http.server.active_requests",
		Unit: "{request}",
		Help: "HTTP requests that are being served.",
	})
	RequestBodySize = metrics.NewHistogram[RequestAttrs](Catalog, metrics.Definition{
		Name:    "http.server.request.body.size",
		Unit:    "By",
		Help:    "Size of HTTP request bodies, as far as they were read.",
		Buckets: bodyBuckets(),
		Limit:   maxSets,
	})
	ResponseBodySize = metrics.NewHistogram[RequestAttrs](Catalog, metrics.Definition{
		Name:    "http.server.response.body.size",
		Unit:    "By",
		Help:    "Size of HTTP response bodies, of answers that have one.",
		Buckets: bodyBuckets(),
		Limit:   maxSets,
	})
)

// bodyBuckets are sizes from 256 B to 16 MiB, each four times the one before.
func bodyBuckets() []float64 {
	return []float64{256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20, 16 << 20}
}
