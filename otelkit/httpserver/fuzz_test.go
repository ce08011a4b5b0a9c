package httpserver_test

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/otelkit/kit/otelkit/httpserver"
	"go.opentelemetry.io/otel/baggage"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"
)

// baggageKit also reads baggage, as otelkit's kit does.
type baggageKit struct{ *kit }

func (baggageKit) Propagator() propagation.TextMapPropagator {
	return propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
}

// receiver is an OTLP receiver without a network: it decodes what the SDK's exporters
// send it.
type receiver struct {
	spans, metrics int // bytes of the last messages
}

func (c *receiver) RoundTrip(r *http.Request) (*http.Response, error) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		body = unzipped
	}
	message, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	switch r.URL.Path {
	case "/v1/traces":
		c.spans, err = len(message), proto.Unmarshal(message, &coltrace.ExportTraceServiceRequest{})
	case "/v1/metrics":
		c.metrics, err = len(message), proto.Unmarshal(message, &colmetrics.ExportMetricsServiceRequest{})
	default:
		err = errors.New("nothing is received at " + r.URL.Path)
	}
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody, Header: http.Header{}}, nil
}

// Whatever a client sends, the request is served, measured once, and exported: OTLP
// loses a whole batch for one string that is not UTF-8.
func FuzzWhateverAClientSendsIsObservedOnceAndExported(f *testing.F) {
	const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	add := func(traceparent, tracestate, baggage, name, value, method, path, query, host, client string) {
		f.Add(traceparent, tracestate, baggage, name, value, method, path, query, host, client, 200)
	}
	add("", "", "", "", "", "GET", "/orders/17", "", "shop", "192.0.2.1:80")
	add(traceparent, "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", "user=17,country=DE;p=1", "X-Forwarded-For", "1.2.3.4", "POST", "/", "a=b", "[::1]:80", "[::1%eth0]:1")
	add("ff-00-00-00", "=,=,,\xff", "a=%ff%fe,\x00=\xff;;;", "User-Agent", "\xff\xfe", "BR\xffEW", "/%ff\xff", "\xff=\xff&&=", "\xff:\xff", "\xff")
	add(traceparent+"\xff", strings.Repeat("k=v,", 500), strings.Repeat("k=v,", 5000), "Forwarded", "for=\"[::1]:\x00\"", "QUERY", "/orders/"+strings.Repeat("ü", 2000), strings.Repeat("&", 5000), strings.Repeat("h", 5000)+":99999999999999999999", ":")
	f.Add(traceparent[:54]+"0", "", "", "Traceparent", "second", "CONNECT", "*", "?", "", "@", 999)

	ctx := context.Background()
	received := &receiver{}
	client := &http.Client{Transport: received}
	spans, err := otlptracehttp.New(ctx, otlptracehttp.WithHTTPClient(client), otlptracehttp.WithEndpointURL("http://collector/v1/traces"))
	if err != nil {
		f.Fatal(err)
	}
	points, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithHTTPClient(client), otlpmetrichttp.WithEndpointURL("http://collector/v1/metrics"))
	if err != nil {
		f.Fatal(err)
	}

	f.Fuzz(func(t *testing.T, traceparent, tracestate, bag, name, value, method, path, query, host, client string, status int) {
		handler := func(w http.ResponseWriter, r *http.Request) {
			_ = baggage.FromContext(r.Context()).Members()
			if status >= 200 && status <= 999 { // what net/http takes for a final answer
				w.WriteHeader(status)
			}
		}
		for which, router := range routers(handler) {
			k := baggageKit{newKit()}
			// httptest.NewRequest would refuse what a hostile client sends.
			r := (&http.Request{
				Method: method, URL: &url.URL{Path: path, RawQuery: query}, Host: host, RemoteAddr: client, ProtoMajor: 1, ProtoMinor: 1,
				Header: http.Header{"Traceparent": {traceparent}, "Tracestate": {tracestate}, "Baggage": {bag}, http.CanonicalHeaderKey(name): {value}},
			}).WithContext(t.Context())
			httpserver.Wrap(router, httpserver.Config{Kit: k, AccessLog: k.Logger(), ServerTiming: true}).ServeHTTP(httptest.NewRecorder(), r)

			k.duration(t) // once
			span := k.span(t)
			if err := spans.ExportSpans(ctx, []sdktrace.ReadOnlySpan{span}); err != nil {
				t.Errorf("%s: the span is lost: %v", which, err)
			}
			if received.spans > 16<<10 {
				t.Errorf("%s: a span of %d bytes", which, received.spans)
			}
			var all metricdata.ResourceMetrics
			if err := k.Reader.Collect(ctx, &all); err != nil {
				t.Fatal(err)
			}
			if err := points.Export(ctx, &all); err != nil {
				t.Errorf("%s: the metrics are lost: %v", which, err)
			}
		}
	})
}
