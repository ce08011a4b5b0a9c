// Package http_test measures otelkit/httpserver and otelkit/httpclient beside otelhttp
// v0.72.0 and otelmux v0.71.0.
//
//	go test -run '^$' -bench . -benchmem ./http
//
// Each request comes with the traceparent of a caller, as in a service that others call.
// The answer is thrown away and the RoundTripper answers by itself, so that what is
// measured is the instrumentation. "bare" is the same request without any.
package http_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/gorilla/mux"
	"github.com/otelkit/kit/bench/providers"
	"github.com/otelkit/kit/otelkit/httpclient"
	"github.com/otelkit/kit/otelkit/httpserver"
	"go.opentelemetry.io/contrib/instrumentation/github.com/gorilla/mux/otelmux"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/propagation"
)

// BenchmarkServer is a GET that http.ServeMux routes and that is answered with two bytes.
// Both sides are as they come: otelkit also counts http.server.active_requests, which
// otelhttp does not; otelhttp also has network.peer.* on the span and, in metrics,
// server.address.
func BenchmarkServer(b *testing.B) {
	providers.Each(b, func(b *testing.B, p *providers.Kit) {
		router := http.NewServeMux()
		router.HandleFunc("GET /orders", answer)
		serve(b, "bare", p, router)
		serve(b, "otelkit", p, httpserver.Wrap(router, httpserver.Config{Kit: p}))
		serve(b, "otelhttp", p, otelhttp.NewHandler(router, "server",
			otelhttp.WithTracerProvider(p.Tracers), otelhttp.WithMeterProvider(p.Meters), otelhttp.WithPropagators(p.Propagator())))
	})
}

// BenchmarkMux is the same with gorilla/mux, which has some cost of its own.
func BenchmarkMux(b *testing.B) {
	providers.Each(b, func(b *testing.B, p *providers.Kit) {
		router := func() *mux.Router {
			router := mux.NewRouter()
			router.HandleFunc("/orders", answer).Methods(http.MethodGet)
			return router
		}
		serve(b, "bare", p, router())
		serve(b, "otelkit", p, httpserver.Wrap(router(), httpserver.Config{Kit: p}))
		observed := router()
		observed.Use(otelmux.Middleware("server",
			otelmux.WithTracerProvider(p.Tracers), otelmux.WithMeterProvider(p.Meters), otelmux.WithPropagators(p.Propagator())))
		serve(b, "otelmux", p, observed)
	})
}

var ok = []byte("ok")

func answer(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(ok) }

// serve measures a handler.
func serve(b *testing.B, name string, p *providers.Kit, h http.Handler) {
	b.Run(name, func(b *testing.B) {
		r := httptest.NewRequest(http.MethodGet, "http://shop.example.com:8080/orders", nil)
		p.Propagator().Inject(p.Called(b), propagation.HeaderCarrier(r.Header))
		r.Header.Set("User-Agent", "bench/1.0")
		w := &discard{header: http.Header{}}
		b.ReportAllocs()
		for b.Loop() {
			h.ServeHTTP(w, r)
		}
	})
}

// discard is a ResponseWriter with the optional interfaces of net/http's for HTTP/1.1,
// of which wrappers have to offer as many.
type discard struct {
	http.Hijacker
	header http.Header
}

func (d *discard) Header() http.Header                       { return d.header }
func (*discard) WriteHeader(int)                             {}
func (*discard) Write(p []byte) (int, error)                 { return len(p), nil }
func (*discard) Flush()                                      {}
func (*discard) ReadFrom(src io.Reader) (n int64, err error) { return io.Copy(io.Discard, src) }

// BenchmarkClient is a GET within a span of the caller.
func BenchmarkClient(b *testing.B) {
	providers.Each(b, func(b *testing.B, p *providers.Kit) {
		send(b, "bare", p, &answering{})
		send(b, "otelkit", p, httpclient.Transport(&answering{}, httpclient.Config{Kit: p}))
		send(b, "otelhttp", p, otelhttp.NewTransport(&answering{},
			otelhttp.WithTracerProvider(p.Tracers), otelhttp.WithMeterProvider(p.Meters), otelhttp.WithPropagators(p.Propagator())))
	})
}

// answering is a RoundTripper that needs no server. It gives the same response again, so
// that what is counted is the instrumentation's, with its body as it was: otelhttp
// replaces that.
type answering struct{ response http.Response }

func (a *answering) RoundTrip(*http.Request) (*http.Response, error) {
	a.response = http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody}
	return &a.response, nil
}

// send measures a RoundTripper.
func send(b *testing.B, name string, p *providers.Kit, t http.RoundTripper) {
	b.Run(name, func(b *testing.B) {
		r, err := http.NewRequestWithContext(p.Called(b), http.MethodGet, "http://payments.example.com:8081/payments/17", nil)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			response, err := t.RoundTrip(r)
			if err != nil {
				b.Fatal(err)
			}
			_ = response.Body.Close() // otelhttp ends its span then
		}
	})
}
