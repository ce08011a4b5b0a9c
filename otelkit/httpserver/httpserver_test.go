package httpserver_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/mux"
	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/internal/httpnames/httpnamestest"
	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kit keeps what a server under test records, and logs.
type kit struct {
	*httpnamestest.Kit
	lines bytes.Buffer
}

func newKit() *kit { return &kit{Kit: httpnamestest.New()} }

func (k *kit) Logger() *slog.Logger { return slog.New(slog.NewJSONHandler(&k.lines, nil)) }

// span returns the only span.
func (k *kit) span(t *testing.T) sdktrace.ReadOnlySpan {
	t.Helper()
	ended := k.Spans.Ended()
	if len(ended) != 1 || len(k.Spans.Started()) != 1 {
		t.Fatalf("%d spans started and %d ended, want 1", len(k.Spans.Started()), len(ended))
	}
	return ended[0]
}

func (k *kit) duration(t *testing.T) metricdata.HistogramDataPoint[float64] {
	t.Helper()
	return k.Point(t, "http.server.request.duration")
}

var text = httpnamestest.Text

func serve(h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// routers are one application, routed by each router that Wrap knows.
func routers(handler http.HandlerFunc) map[string]http.Handler {
	std := http.NewServeMux()
	std.HandleFunc("GET /orders/{id}", handler)
	std.HandleFunc("POST example.com/orders", handler)

	gorilla := mux.NewRouter()
	gorilla.HandleFunc("/orders/{id:[0-9a-z]+}", handler).Methods(http.MethodGet)
	gorilla.HandleFunc("/orders", handler).Methods(http.MethodPost)
	return map[string]http.Handler{"http.ServeMux": std, "gorilla/mux": gorilla}
}

func ok(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }

func TestTheRouteIsOnSpanAndMetric(t *testing.T) { // otelhttp v0.72: never on the span; contrib #9358
	for name, router := range routers(ok) {
		t.Run(name, func(t *testing.T) {
			k := newKit()
			serve(httpserver.Wrap(router, httpserver.Config{Kit: k}), httptest.NewRequest(http.MethodGet, "/orders/17", nil))

			route := "/orders/{id}"
			if name == "gorilla/mux" {
				route = "/orders/{id:[0-9a-z]+}"
			}
			span := k.span(t)
			if span.Name() != "GET "+route || span.SpanKind() != trace.SpanKindServer || span.Status().Code != codes.Unset {
				t.Errorf("span %q, kind %v, status %v", span.Name(), span.SpanKind(), span.Status())
			}
			want := "client.address=192.0.2.1 http.request.method=GET http.response.status_code=200 http.route=" + route +
				" network.protocol.version=1.1 server.address=example.com url.path=/orders/17 url.scheme=http"
			if got := text(span.Attributes()); got != want {
				t.Errorf("span has\n%s, want\n%s", got, want)
			}
			attributes := k.duration(t).Attributes
			want = "http.request.method=GET http.response.status_code=200 http.route=" + route + " network.protocol.version=1.1 url.scheme=http"
			if got := text(attributes.ToSlice()); got != want {
				t.Errorf("metric has\n%s, want\n%s", got, want)
			}
		})
	}
}

func TestTheMethodAndHostOfAPatternAreNotPartOfTheRoute(t *testing.T) {
	k := newKit()
	serve(httpserver.Wrap(routers(ok)["http.ServeMux"], httpserver.Config{Kit: k}), httptest.NewRequest(http.MethodPost, "http://example.com/orders", nil))
	if got := k.span(t).Name(); got != "POST /orders" {
		t.Errorf("span %q, want POST /orders", got)
	}
}

func TestTheClientIsWhomTheServiceBelievesItToBe(t *testing.T) {
	for want, address := range map[string]func(*http.Request) string{
		"client.address=198.51.100.7 ": func(r *http.Request) string { return r.Header.Get("X-Forwarded-For") },
		"client.address=192.0.2.1 ":    nil,
		"":                             func(*http.Request) string { return "" },
	} {
		k := newKit()
		r := httptest.NewRequest(http.MethodGet, "http://example.com/orders", nil)
		r.Header.Set("X-Forwarded-For", "198.51.100.7")
		serve(httpserver.Wrap(http.HandlerFunc(ok), httpserver.Config{Kit: k, ClientAddress: address}), r)
		if got := text(k.span(t).Attributes()); !strings.HasPrefix(got, want+"http.request.method=GET ") {
			t.Errorf("span has\n%s, want it to begin with %q", got, want)
		}
	}
}

func TestARouteBelowASubrouterIsWhole(t *testing.T) {
	k := newKit()
	router := mux.NewRouter()
	router.PathPrefix("/{country}").Subrouter().HandleFunc("/products", ok)
	serve(httpserver.Wrap(router, httpserver.Config{Kit: k}), httptest.NewRequest(http.MethodGet, "/DE/products", nil))
	if got := k.span(t).Name(); got != "GET /{country}/products" {
		t.Errorf("span %q, want GET /{country}/products", got)
	}
}

// prest/prest #1003: the pattern "/" of the outer mux replaced the good route.
func TestTheInnerRouterKnowsTheRouteBest(t *testing.T) {
	k := newKit()
	router := mux.NewRouter()
	router.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			template, _ := mux.CurrentRoute(r).GetPathTemplate()
			httpserver.SetRoute(r, template)
			next.ServeHTTP(w, r)
		})
	})
	router.HandleFunc("/orders/{id}", ok)
	outer := http.NewServeMux()
	outer.Handle("/", router)
	serve(httpserver.Wrap(outer, httpserver.Config{Kit: k}), httptest.NewRequest(http.MethodGet, "/orders/17", nil))
	if got := k.span(t).Name(); got != "GET /orders/{id}" {
		t.Errorf("span %q, want GET /orders/{id}", got)
	}
}

func TestARouteCanBeToldWhereWrapCannotLook(t *testing.T) {
	k := newKit()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(_ http.ResponseWriter, r *http.Request) { httpserver.SetRoute(r, r.Pattern) })
	h := httpserver.Wrap(http.TimeoutHandler(mux, time.Hour, ""), httpserver.Config{Kit: k})
	serve(h, httptest.NewRequest(http.MethodGet, "/orders/17", nil))
	if got := k.span(t).Name(); got != "GET /orders/{id}" {
		t.Errorf("span %q, want GET /orders/{id}", got)
	}
}

func TestRequestsThatNoRouteMatchesAreSeen(t *testing.T) { // otelmux v0.71: neither span nor metric
	for name, router := range routers(ok) {
		for _, tt := range []struct {
			method, path string
			status       int
		}{
			{http.MethodGet, "/nowhere", http.StatusNotFound},
			{http.MethodDelete, "/orders/17", http.StatusMethodNotAllowed},
		} {
			t.Run(fmt.Sprint(name, " ", tt.status), func(t *testing.T) {
				k := newKit()
				w := serve(httpserver.Wrap(router, httpserver.Config{Kit: k}), httptest.NewRequest(tt.method, tt.path, nil))
				if w.Code != tt.status {
					t.Fatalf("status %d, want %d", w.Code, tt.status)
				}
				if got := k.span(t).Name(); got != tt.method {
					t.Errorf("span %q, want %q", got, tt.method)
				}
				attributes := k.duration(t).Attributes
				want := fmt.Sprintf("http.request.method=%s http.response.status_code=%d network.protocol.version=1.1 url.scheme=http", tt.method, tt.status)
				if got := text(attributes.ToSlice()); got != want {
					t.Errorf("metric has %s, want %s", got, want)
				}
			})
		}
	}
}

func TestOnlyTheServersFaultIsAnError(t *testing.T) { // otelhttp v0.72 has no error.type; contrib #9358, #9708
	for status, want := range map[int]struct {
		code      codes.Code
		errorType string
	}{
		200: {codes.Unset, ""},
		404: {codes.Unset, ""},
		500: {codes.Error, "500"},
		503: {codes.Error, "503"},
		599: {codes.Error, "599"},
	} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			k := newKit()
			h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
			serve(httpserver.Wrap(h, httpserver.Config{Kit: k}), httptest.NewRequest(http.MethodGet, "/", nil))
			span := k.span(t)
			if span.Status().Code != want.code {
				t.Errorf("span status %v, want %v", span.Status().Code, want.code)
			}
			attributes := attribute.NewSet(span.Attributes()...)
			if got, _ := attributes.Value("error.type"); got.AsString() != want.errorType {
				t.Errorf("error.type of the span is %q, want %q", got.AsString(), want.errorType)
			}
			if status == 599 {
				want.errorType = metrics.Other // a metric's error types are a closed set
			}
			attributes = k.duration(t).Attributes
			if got, _ := attributes.Value("error.type"); got.AsString() != want.errorType {
				t.Errorf("error.type of the metric is %q, want %q", got.AsString(), want.errorType)
			}
		})
	}
}

func TestAPanicIsSeenEverywhereAndAnswered(t *testing.T) { // otelchi #12, glue #196; otelhttp and otelmux record nothing
	for name, router := range routers(func(http.ResponseWriter, *http.Request) { panic("no such order") }) {
		t.Run(name, func(t *testing.T) {
			k := newKit()
			w := serve(httpserver.Wrap(router, httpserver.Config{Kit: k}), httptest.NewRequest(http.MethodGet, "/orders/17", nil))
			if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "no such order") {
				t.Errorf("answer %d %q, want 500 without the panic's text", w.Code, w.Body)
			}
			span := k.span(t)
			if span.Status().Code != codes.Error || len(span.Events()) != 1 || span.Events()[0].Name != "exception" {
				t.Errorf("span status %v, events %v", span.Status(), span.Events())
			}
			if stack := text(span.Events()[0].Attributes); !strings.Contains(stack, "httpserver_test.go") {
				t.Errorf("the stack does not show the handler:\n%s", stack)
			}
			attributes := k.duration(t).Attributes
			if got := text(attributes.ToSlice()); !strings.Contains(got, "error.type=panic") || !strings.Contains(got, "status_code=500") || !strings.Contains(got, "/orders/") {
				t.Errorf("metric has %s", got)
			}
			if got := k.lines.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "no such order") || !strings.Contains(got, `"http.route":"/orders/`) {
				t.Errorf("log:\n%s", got)
			}
		})
	}
}

func TestAPanicsTextIsClippedAndText(t *testing.T) { // it may hold what a client sent, and one string that is not UTF-8 loses a batch
	k := newKit()
	h := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("\xff" + strings.Repeat("a", 5000)) })
	serve(httpserver.Wrap(h, httpserver.Config{Kit: k}), httptest.NewRequest(http.MethodGet, "/", nil))
	attributes := attribute.NewSet(k.span(t).Events()[0].Attributes...)
	message, _ := attributes.Value("exception.message")
	if got := message.AsString(); len(got) > 1100 || !strings.HasPrefix(got, "\uFFFDaaa") {
		t.Errorf("exception.message is %d bytes: %.20q", len(got), got)
	}
}

func TestAPanicInTheMiddleOfAnAnswerBreaksItOff(t *testing.T) {
	k := newKit()
	server := httptest.NewServer(httpserver.Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "half")
		_ = http.NewResponseController(w).Flush()
		panic("no such order")
	}), httpserver.Config{Kit: k}))
	defer server.Close()
	response, err := server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(response.Body); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("reading the answer: %v, want unexpected EOF", err)
	}
	response.Body.Close()
	server.Close()
	attributes := k.duration(t).Attributes
	if got := text(attributes.ToSlice()); !strings.Contains(got, "error.type=panic http.request.method=GET http.response.status_code=500") {
		t.Errorf("metric has %s", got)
	}
}

func TestAPanicIsLeftToOthersIfAskedFor(t *testing.T) {
	k := newKit()
	h := httpserver.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("no such order") }), httpserver.Config{Kit: k, Repanic: true})
	w := httptest.NewRecorder()
	func() {
		defer func() {
			if p := recover(); p != "no such order" {
				t.Errorf("panic %v, want the handler's", p)
			}
		}()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	}()
	if w.Body.Len() > 0 {
		t.Errorf("answer %q, want none", w.Body)
	}
	attributes := k.duration(t).Attributes
	if got := text(attributes.ToSlice()); !strings.Contains(got, "error.type=panic http.request.method=GET http.response.status_code=500") {
		t.Errorf("metric has %s", got)
	}
	if span := k.span(t); span.Status().Code != codes.Error || len(span.Events()) != 1 || !strings.Contains(k.lines.String(), "no such order") {
		t.Errorf("span status %v, events %v, log %q", span.Status(), span.Events(), k.lines.String())
	}
}

func TestErrAbortHandlerPassesThroughAndIsNoError(t *testing.T) {
	k := newKit()
	h := httpserver.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), httpserver.Config{Kit: k})
	func() {
		defer func() {
			if p := recover(); p != http.ErrAbortHandler {
				t.Errorf("panic %v, want http.ErrAbortHandler", p)
			}
		}()
		serve(h, httptest.NewRequest(http.MethodGet, "/", nil))
	}()
	if span := k.span(t); span.Status().Code != codes.Unset || len(span.Events()) > 0 {
		t.Errorf("span status %v, events %v; aborting is no error", span.Status(), span.Events())
	}
	attributes := k.duration(t).Attributes
	if got := text(attributes.ToSlice()); strings.Contains(got, "status_code") || k.lines.Len() > 0 {
		t.Errorf("metric has %s, log %q; no status was sent", got, k.lines.String())
	}
}

func TestRequestsInFlightAreCountedAndEndAtZero(t *testing.T) { // otelhttp v0.72 has no such metric
	k := newKit()
	inside := int64(-1)
	active := func() int64 {
		return k.Metric(t, "http.server.active_requests").(metricdata.Sum[int64]).DataPoints[0].Value
	}
	h := httpserver.Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		inside = active()
		panic("even then")
	}), httpserver.Config{Kit: k})
	serve(h, httptest.NewRequest(http.MethodGet, "/", nil))
	if after := active(); inside != 1 || after != 0 {
		t.Errorf("%d in flight inside, %d after; want 1 and 0", inside, after)
	}
}

func TestBodySizesAreWhatPassed(t *testing.T) {
	k := newKit()
	h := httpserver.Wrap(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.CopyN(io.Discard, r.Body, 700)
		_, _ = w.Write(make([]byte, 2000))
		_, _ = io.WriteString(w, "tail")
	}), httpserver.Config{Kit: k})
	serve(h, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", 1000))))
	if p := k.Points(t, "http.server.request.body.size"); len(p) != 1 || p[0].Sum != 700 {
		t.Errorf("request body %+v, want 700", p)
	}
	if p := k.Points(t, "http.server.response.body.size"); len(p) != 1 || p[0].Sum != 2004 {
		t.Errorf("response body %+v, want 2004", p)
	}
}

func TestSpanAndMetricAgreeOnTheDuration(t *testing.T) { // otelhttp reads two clocks
	k := newKit()
	serve(httpserver.Wrap(http.HandlerFunc(ok), httpserver.Config{Kit: k}), httptest.NewRequest(http.MethodGet, "/", nil))
	span := k.span(t)
	if got, want := k.duration(t).Sum, span.EndTime().Sub(span.StartTime()).Seconds(); got != want {
		t.Errorf("metric %v s, span %v s", got, want)
	}
}

func TestTheExemplarPointsAtTheSpan(t *testing.T) {
	k := newKit()
	serve(httpserver.Wrap(http.HandlerFunc(ok), httpserver.Config{Kit: k}), httptest.NewRequest(http.MethodGet, "/", nil))
	exemplars := k.duration(t).Exemplars
	id := k.span(t).SpanContext().SpanID()
	if len(exemplars) != 1 || !bytes.Equal(exemplars[0].SpanID, id[:]) {
		t.Errorf("exemplars %+v, want one of span %s", exemplars, id)
	}
	if p := k.Points(t, "http.server.response.body.size"); len(p[0].Exemplars) > 0 {
		t.Errorf("a size has an exemplar: %+v", p)
	}
}

func TestTheSpanContinuesTheCallersTrace(t *testing.T) {
	k := newKit()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	var inHandler trace.SpanContext
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { inHandler = trace.SpanContextFromContext(r.Context()) })
	serve(httpserver.Wrap(h, httpserver.Config{Kit: k}), r)
	span := k.span(t)
	if got := span.Parent().SpanID().String(); got != "b7ad6b7169203331" || span.SpanContext().TraceID().String() != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("trace %s, parent %s", span.SpanContext().TraceID(), got)
	}
	if !inHandler.Equal(span.SpanContext()) {
		t.Errorf("the handler sees span %s, want %s", inHandler.SpanID(), span.SpanContext().SpanID())
	}
}

func TestMeasurementsOfTheHandlerGoToTheKit(t *testing.T) {
	k := newKit()
	var recorder *metrics.Recorder
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { recorder = metrics.FromContext(r.Context()) })
	serve(httpserver.Wrap(h, httpserver.Config{Kit: k}), httptest.NewRequest(http.MethodGet, "/", nil))
	if recorder != k.Recorder() {
		t.Error("the handler's context does not lead to the kit's recorder")
	}
}

// otelhttp v0.72: 3,000 Hosts fill 2,000 series of each of three histograms; the
// lineage of CVE-2023-45142.
func TestTheHostHeaderAndWhateverElseAClientSendsMultiplyNoSeries(t *testing.T) {
	k := newKit()
	k.Tracers = sdktrace.NewTracerProvider() // keeps no spans
	h := httpserver.Wrap(routers(ok)["http.ServeMux"], httpserver.Config{Kit: k})
	series := func() (n int) {
		for _, name := range []string{"http.server.request.duration", "http.server.response.body.size"} {
			n += len(k.Points(t, name))
		}
		return n + len(k.Metric(t, "http.server.active_requests").(metricdata.Sum[int64]).DataPoints)
	}
	var before int
	for i := range 5000 {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Method = fmt.Sprintf("METHOD%d", i)
		r.URL.Path = fmt.Sprintf("/path/%d", i)
		r.Host = fmt.Sprintf("host-%d.example.com:%d", i, i)
		r.RemoteAddr = fmt.Sprintf("198.%d.%d.%d:1000", i>>16, i>>8&255, i&255)
		r.Header.Set("User-Agent", fmt.Sprintf("agent/%d", i))
		r.Header.Set("X-Forwarded-Proto", fmt.Sprintf("scheme%d", i))
		r.Header.Set("X-Forwarded-Host", fmt.Sprintf("forwarded-%d.example.com", i))
		serve(h, r)
		if i == 0 {
			before = series()
		}
	}
	if after := series(); after != before {
		t.Errorf("%d series after one request, %d after 5,000", before, after)
	}
}

// otelmux v0.71: server.address is the name of the service.
func TestServerAddressIsTheHostAndOnTheSpanOnly(t *testing.T) {
	for name, router := range routers(ok) {
		t.Run(name, func(t *testing.T) {
			k := newKit()
			serve(httpserver.Wrap(router, httpserver.Config{Kit: k}), httptest.NewRequest(http.MethodGet, "http://shop.example.com:8080/orders/17", nil))
			if got := text(k.span(t).Attributes()); !strings.Contains(got, "server.address=shop.example.com server.port=8080") {
				t.Errorf("span has %s", got)
			}
			attributes := k.duration(t).Attributes
			if got := text(attributes.ToSlice()); strings.Contains(got, "server.") {
				t.Errorf("metric has %s", got)
			}
		})
	}
}

// otelhttp v0.72 sets it always; the conventions want it only where it is not http.
func TestTheNetworkProtocolNameIsNotRepeated(t *testing.T) {
	k := newKit()
	serve(httpserver.Wrap(http.HandlerFunc(ok), httpserver.Config{Kit: k}), httptest.NewRequest(http.MethodGet, "/", nil))
	attributes := k.duration(t).Attributes
	if got := text(attributes.ToSlice()) + text(k.span(t).Attributes()); strings.Contains(got, "network.protocol.name") {
		t.Errorf("metric and span have %s", got)
	}
}

func TestQueryIsAKnownMethod(t *testing.T) { // otelhttp v0.72: _OTHER
	k := newKit()
	serve(httpserver.Wrap(http.HandlerFunc(ok), httpserver.Config{Kit: k}), httptest.NewRequest("QUERY", "/", nil))
	if got := k.span(t).Name(); got != "QUERY" {
		t.Errorf("span %q, want QUERY", got)
	}
}

// otelhttp v0.72 does not know the variable. It is read when the process starts, so the
// test starts itself with it.
func TestTheKnownMethodsCanBeReplaced(t *testing.T) {
	const variable = "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS"
	if os.Getenv(variable) == "" {
		again := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		again.Env = append(os.Environ(), variable+"=GET, PROPFIND")
		if output, err := again.CombinedOutput(); err != nil {
			t.Errorf("%v:\n%s", err, output)
		}
		return
	}
	for method, want := range map[string]string{"GET": "GET", "PROPFIND": "PROPFIND", "POST": metrics.Other} {
		k := newKit()
		serve(httpserver.Wrap(http.HandlerFunc(ok), httpserver.Config{Kit: k}), httptest.NewRequest(method, "/", nil))
		attributes := k.duration(t).Attributes
		if got, _ := attributes.Value("http.request.method"); got.AsString() != want {
			t.Errorf("%s is recorded as %s, want %s", method, got.AsString(), want)
		}
	}
}

func TestAnUnknownMethodIsNamedOnTheSpanOnly(t *testing.T) {
	k := newKit()
	serve(httpserver.Wrap(http.HandlerFunc(ok), httpserver.Config{Kit: k}), httptest.NewRequest("BREW", "/", nil))
	span := k.span(t)
	if got := text(span.Attributes()); span.Name() != "HTTP" || !strings.Contains(got, "http.request.method=_OTHER http.request.method_original=BREW") {
		t.Errorf("span %q has %s", span.Name(), got)
	}
}

func TestWhatAClientWritesIsClippedAndText(t *testing.T) {
	k := newKit()
	r := httptest.NewRequest(http.MethodGet, "/%ff"+strings.Repeat("a", 5000), nil)
	r.Header.Set("User-Agent", strings.Repeat("ü", 5000))
	serve(httpserver.Wrap(http.HandlerFunc(ok), httpserver.Config{Kit: k}), r)
	attributes := attribute.NewSet(k.span(t).Attributes()...)
	for _, key := range []attribute.Key{"url.path", "user_agent.original"} {
		value, _ := attributes.Value(key)
		if got := value.AsString(); len(got) > 1100 || strings.ToValidUTF8(got, "") != got || got == "" {
			t.Errorf("%s is %d bytes: %.20q", key, len(got), got)
		}
	}
}

func TestAFilteredRequestIsServedUnobserved(t *testing.T) {
	k := newKit()
	h := httpserver.Wrap(http.HandlerFunc(ok), httpserver.Config{Kit: k, Filter: func(r *http.Request) bool { return r.URL.Path != "/healthz" }})
	if w := serve(h, httptest.NewRequest(http.MethodGet, "/healthz", nil)); w.Body.String() != "ok" {
		t.Errorf("answer %q", w.Body)
	}
	if len(k.Spans.Started()) > 0 || k.Metric(t, "http.server.request.duration") != nil {
		t.Error("it was observed")
	}
}

func TestTheAccessLogIsOneLineInTheTrace(t *testing.T) {
	k := newKit()
	var inLine trace.SpanContext
	access := slog.New(contextOf{&inLine, k.Logger().Handler()})
	serve(httpserver.Wrap(routers(ok)["http.ServeMux"], httpserver.Config{Kit: k, AccessLog: access}), httptest.NewRequest(http.MethodGet, "/orders/17?token=secret", nil))
	line := k.lines.String()
	for _, want := range []string{`"http.request.method":"GET"`, `"url.path":"/orders/17"`, `"http.route":"/orders/{id}"`, `"http.response.status_code":200`, `"http.response.body.size":2`} {
		if !strings.Contains(line, want) {
			t.Errorf("no %s in %s", want, line)
		}
	}
	if strings.Count(line, "\n") != 1 || strings.Contains(line, "secret") {
		t.Errorf("want one line without the query: %s", line)
	}
	if !inLine.Equal(k.span(t).SpanContext()) {
		t.Error("the line is not in the request's trace")
	}
}

func TestTheAccessLogHasThePathAsItCame(t *testing.T) { // it had the one that the handler left, and the span another
	k := newKit()
	h := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { r.URL.Path = "/rewritten" })
	serve(httpserver.Wrap(h, httpserver.Config{Kit: k, AccessLog: k.Logger()}), httptest.NewRequest(http.MethodGet, "/orders/17", nil))
	if line := k.lines.String(); !strings.Contains(line, `"url.path":"/orders/17"`) {
		t.Errorf("the path that came is not in %s", line)
	}
}

// contextOf notes the span of the context that a record came with.
type contextOf struct {
	span *trace.SpanContext
	slog.Handler
}

func (h contextOf) Handle(ctx context.Context, r slog.Record) error {
	*h.span = trace.SpanContextFromContext(ctx)
	return h.Handler.Handle(ctx, r)
}

func TestServerTimingTellsTheTrace(t *testing.T) {
	k := newKit()
	w := serve(httpserver.Wrap(http.HandlerFunc(ok), httpserver.Config{Kit: k, ServerTiming: true}), httptest.NewRequest(http.MethodGet, "/", nil))
	span := k.span(t).SpanContext()
	want := fmt.Sprintf(`traceparent;desc="00-%s-%s-01"`, span.TraceID(), span.SpanID())
	if got := w.Header().Get("Server-Timing"); got != want {
		t.Errorf("Server-Timing %q, want %q", got, want)
	}
}

func TestEarlyHintsAreNotTheAnswer(t *testing.T) {
	k := newKit()
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusCreated)
	})
	serve(httpserver.Wrap(h, httpserver.Config{Kit: k}), httptest.NewRequest(http.MethodGet, "/", nil))
	attributes := k.duration(t).Attributes
	if got, _ := attributes.Value("http.response.status_code"); got.AsInt64() != 201 {
		t.Errorf("status %d, want 201", got.AsInt64())
	}
}

func TestTheCatalogIsRight(t *testing.T) {
	if err := httpserver.Catalog.Err(); err != nil {
		t.Error(err)
	}
	for _, m := range httpserver.Catalog.Metrics() {
		if m.Limit > metrics.DefaultLimit {
			t.Errorf("%s has limit %d, more than the SDK's default %d, which Start raises for catalogs that it is given", m.Name, m.Limit, metrics.DefaultLimit)
		}
	}
}
