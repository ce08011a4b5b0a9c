package httpserver_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/gorilla/mux"
	"github.com/otelkit/kit/otelkit/httpserver"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// What OpenTelemetry's semantic conventions for HTTP, v1.43.0, ask of a server span, by
// requirement level, and of http.server.request.duration:
//
//	span, required               http.request.method, url.path, url.scheme
//	span, conditionally required error.type (it failed), http.request.method_original (it is not the method),
//	                             http.response.status_code (one was sent), http.route (there is one),
//	                             network.protocol.name (it is not http), server.port (there is one), url.query (there is one)
//	span, recommended            client.address, network.protocol.version, server.address, user_agent.original;
//	                             network.peer.address and .port are left out: they would be client.address again
//	metric, required             http.request.method, url.scheme
//	metric, cond. required       error.type, http.response.status_code, http.route, network.protocol.name
//	metric, recommended          network.protocol.version
//	metric, opt-in               server.address, server.port: left out, since a client chooses them
func TestSpanAndMetricHaveWhatTheConventionsAskFor(t *testing.T) {
	for name, tt := range map[string]struct {
		request func(*http.Request)
		method  string // "" means GET
		target  string // "" means /orders/17
		name    string
		span    string
		metric  string
		failed  bool
	}{
		"what is always there": {
			name:   "GET /orders/{id}",
			span:   "client.address=192.0.2.1 http.request.method=GET http.response.status_code=200 http.route=/orders/{id} network.protocol.version=1.1 server.address=example.com url.path=/orders/17 url.scheme=http",
			metric: "http.request.method=GET http.response.status_code=200 http.route=/orders/{id} network.protocol.version=1.1 url.scheme=http",
		},
		"a query, whose values may be secret": {
			target: "/orders/17?page=2&token=hunter2&hunter2&=hunter2",
			name:   "GET /orders/{id}",
			span:   "client.address=192.0.2.1 http.request.method=GET http.response.status_code=200 http.route=/orders/{id} network.protocol.version=1.1 server.address=example.com url.path=/orders/17 url.query=page=REDACTED&token=REDACTED&REDACTED&=REDACTED url.scheme=http",
			metric: "http.request.method=GET http.response.status_code=200 http.route=/orders/{id} network.protocol.version=1.1 url.scheme=http",
		},
		"a port and a user agent": {
			request: func(r *http.Request) {
				r.Host = "shop.example.com:8443"
				r.Header.Set("User-Agent", "curl/8")
			},
			name:   "GET /orders/{id}",
			span:   "client.address=192.0.2.1 http.request.method=GET http.response.status_code=200 http.route=/orders/{id} network.protocol.version=1.1 server.address=shop.example.com server.port=8443 url.path=/orders/17 url.scheme=http user_agent.original=curl/8",
			metric: "http.request.method=GET http.response.status_code=200 http.route=/orders/{id} network.protocol.version=1.1 url.scheme=http",
		},
		"IPv6": {
			request: func(r *http.Request) { r.Host, r.RemoteAddr = "[2001:db8::1]:80", "[2001:db8::2]:4711" },
			name:    "GET /orders/{id}",
			span:    "client.address=2001:db8::2 http.request.method=GET http.response.status_code=200 http.route=/orders/{id} network.protocol.version=1.1 server.address=2001:db8::1 server.port=80 url.path=/orders/17 url.scheme=http",
			metric:  "http.request.method=GET http.response.status_code=200 http.route=/orders/{id} network.protocol.version=1.1 url.scheme=http",
		},
		"neither host nor client": {
			request: func(r *http.Request) { r.Host, r.RemoteAddr, r.Proto, r.ProtoMinor = "", "", "HTTP/1.0", 0 },
			name:    "GET /orders/{id}",
			span:    "http.request.method=GET http.response.status_code=200 http.route=/orders/{id} network.protocol.version=1.0 url.path=/orders/17 url.scheme=http",
			metric:  "http.request.method=GET http.response.status_code=200 http.route=/orders/{id} network.protocol.version=1.0 url.scheme=http",
		},
		"TLS and HTTP/2": {
			request: func(r *http.Request) { r.TLS, r.ProtoMajor, r.ProtoMinor = &tls.ConnectionState{}, 2, 0 },
			name:    "GET /orders/{id}",
			span:    "client.address=192.0.2.1 http.request.method=GET http.response.status_code=200 http.route=/orders/{id} network.protocol.version=2 server.address=example.com url.path=/orders/17 url.scheme=https",
			metric:  "http.request.method=GET http.response.status_code=200 http.route=/orders/{id} network.protocol.version=2 url.scheme=https",
		},
		"a method that is not known": {
			method: "BREW",
			target: "/brew",
			name:   "HTTP /brew",
			span:   "client.address=192.0.2.1 http.request.method=_OTHER http.request.method_original=BREW http.response.status_code=418 http.route=/brew network.protocol.version=1.1 server.address=example.com url.path=/brew url.scheme=http",
			metric: "http.request.method=_OTHER http.response.status_code=418 http.route=/brew network.protocol.version=1.1 url.scheme=http",
		},
		"no route": {
			target: "/nowhere",
			name:   "GET",
			span:   "client.address=192.0.2.1 http.request.method=GET http.response.status_code=404 network.protocol.version=1.1 server.address=example.com url.path=/nowhere url.scheme=http",
			metric: "http.request.method=GET http.response.status_code=404 network.protocol.version=1.1 url.scheme=http",
		},
		"no such method of a route": {
			method: http.MethodPut,
			name:   "PUT",
			span:   "client.address=192.0.2.1 http.request.method=PUT http.response.status_code=405 network.protocol.version=1.1 server.address=example.com url.path=/orders/17 url.scheme=http",
			metric: "http.request.method=PUT http.response.status_code=405 network.protocol.version=1.1 url.scheme=http",
		},
		"an error of the server": { // otelhttp v0.72: no error.type; contrib #9358, #9708
			target: "/broken",
			name:   "GET /broken",
			span:   "client.address=192.0.2.1 error.type=503 http.request.method=GET http.response.status_code=503 http.route=/broken network.protocol.version=1.1 server.address=example.com url.path=/broken url.scheme=http",
			metric: "error.type=503 http.request.method=GET http.response.status_code=503 http.route=/broken network.protocol.version=1.1 url.scheme=http",
			failed: true,
		},
		"a panic": {
			target: "/panics",
			name:   "GET /panics",
			span:   "client.address=192.0.2.1 error.type=panic http.request.method=GET http.response.status_code=500 http.route=/panics network.protocol.version=1.1 server.address=example.com url.path=/panics url.scheme=http",
			metric: "error.type=panic http.request.method=GET http.response.status_code=500 http.route=/panics network.protocol.version=1.1 url.scheme=http",
			failed: true,
		},
	} {
		for which, router := range newShop() {
			t.Run(name+"/"+which, func(t *testing.T) {
				method, target := tt.method, tt.target
				if method == "" {
					method = http.MethodGet
				}
				if target == "" {
					target = "/orders/17"
				}
				k := newKit()
				r := httptest.NewRequest(method, target, nil)
				if tt.request != nil {
					tt.request(r)
				}
				serve(httpserver.Wrap(router, httpserver.Config{Kit: k}), r)
				span := k.span(t)
				if got := text(span.Attributes()); got != tt.span || span.Name() != tt.name || (span.Status().Code == codes.Error) != tt.failed {
					t.Errorf("span %q, status %v, has\n%s, want %q with\n%s", span.Name(), span.Status().Code, got, tt.name, tt.span)
				}
				attributes := k.duration(t).Attributes
				if got := text(attributes.ToSlice()); got != tt.metric {
					t.Errorf("metric has\n%s, want\n%s", got, tt.metric)
				}
			})
		}
	}
}

// newShop returns one application, routed by each router that Wrap knows.
func newShop() map[string]http.Handler {
	answer := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
	}
	panics := func(http.ResponseWriter, *http.Request) { panic("no such order") }
	std := http.NewServeMux()
	std.HandleFunc("GET /orders/{id}", ok)
	std.HandleFunc("BREW /brew", answer(http.StatusTeapot))
	std.HandleFunc("/broken", answer(http.StatusServiceUnavailable))
	std.HandleFunc("/panics", panics)
	gorilla := mux.NewRouter()
	gorilla.HandleFunc("/orders/{id}", ok).Methods(http.MethodGet)
	gorilla.HandleFunc("/brew", answer(http.StatusTeapot)).Methods("BREW")
	gorilla.HandleFunc("/broken", answer(http.StatusServiceUnavailable))
	gorilla.HandleFunc("/panics", panics)
	return map[string]http.Handler{"http.ServeMux": std, "gorilla/mux": gorilla}
}

// deciding is a sampler that notes what it is given to decide by.
type deciding struct {
	sdktrace.Sampler
	given *string
}

func (d deciding) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	*d.given = text(p.Attributes)
	return d.Sampler.ShouldSample(p)
}

// indifferent is a kit whose sampler looks at no attributes.
type indifferent struct{ *kit }

func (indifferent) SamplesByAttributes() bool { return false }

func TestASamplerIsGivenMethodAndPathIfItMayLookAtThem(t *testing.T) {
	for _, traceparent := range []string{
		"",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
	} {
		for want, kitOf := range map[string]func(*kit) httpserver.Kit{
			"http.request.method=GET url.path=/orders/17": func(k *kit) httpserver.Kit { return k },
			"": func(k *kit) httpserver.Kit { return indifferent{k} },
		} {
			k := newKit()
			var given string
			k.Tracers = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(k.Spans), sdktrace.WithSampler(deciding{sdktrace.AlwaysSample(), &given}))
			r := httptest.NewRequest(http.MethodGet, "/orders/17", nil)
			r.Header.Set("traceparent", traceparent)
			serve(httpserver.Wrap(http.HandlerFunc(ok), httpserver.Config{Kit: kitOf(k)}), r)
			if given != want {
				t.Errorf("traceparent %q: the sampler was given %q, want %q", traceparent, given, want)
			}
			if got := text(k.span(t).Attributes()); !strings.Contains(got, "http.request.method=GET") || !strings.Contains(got, "url.path=/orders/17") {
				t.Errorf("traceparent %q: the span has %s", traceparent, got)
			}
		}
	}
}

// The four metrics, no more, with the attributes of the conventions, no others.
func TestTheMetricsAreThoseOfTheConventions(t *testing.T) {
	request := []string{"error.type", "http.request.method", "http.response.status_code", "http.route", "network.protocol.version", "url.scheme"}
	want := map[string]struct {
		unit       string
		attributes []string
	}{
		"http.server.request.duration":   {"s", request},
		"http.server.active_requests":    {"{request}", []string{"http.request.method", "url.scheme"}},
		"http.server.request.body.size":  {"By", request},
		"http.server.response.body.size": {"By", request},
	}
	all := httpserver.Catalog.Metrics()
	if len(all) != len(want) {
		t.Errorf("%d metrics, want %d", len(all), len(want))
	}
	for _, m := range all {
		var keys []string
		for _, a := range m.Attributes {
			keys = append(keys, a.Key)
		}
		slices.Sort(keys)
		if w := want[m.Name]; m.Unit != w.unit || !slices.Equal(keys, w.attributes) {
			t.Errorf("%s has unit %q and attributes %q, want %q and %q", m.Name, m.Unit, keys, w.unit, w.attributes)
		}
		if m.Name == "http.server.request.duration" && !slices.Equal(m.Buckets, []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}) {
			t.Errorf("%s has buckets %v", m.Name, m.Buckets)
		}
	}
}

// A span processor, such as that of an exporter, must not see what a later request writes.
func TestWhatASpanHasIsItsOwn(t *testing.T) {
	k := newKit()
	h := httpserver.Wrap(http.HandlerFunc(ok), httpserver.Config{Kit: k})
	for _, path := range []string{"/first", "/second"} {
		serve(h, httptest.NewRequest(http.MethodGet, path, nil))
	}
	for i, want := range []string{"/first", "/second"} {
		span := tracetest.SpanStubFromReadOnlySpan(k.Spans.Ended()[i])
		set := attribute.NewSet(span.Attributes...)
		if path, _ := set.Value("url.path"); path.AsString() != want {
			t.Errorf("span %d has path %q, want %q", i, path.AsString(), want)
		}
	}
}
