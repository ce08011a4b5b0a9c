package httpclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/otelkit/kit/otelkit/httpclient"
	"github.com/otelkit/kit/otelkit/internal/httpnames/httpnamestest"
	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kit keeps what a client under test records.
type kit struct{ *httpnamestest.Kit }

func newKit() *kit { return &kit{httpnamestest.New()} }

// inSpan returns a context within a span that has not ended.
func (k *kit) inSpan(t *testing.T) context.Context {
	ctx, _ := k.Tracers.Tracer("test").Start(t.Context(), "work")
	return ctx
}

// span returns the only span that ended.
func (k *kit) span(t *testing.T) sdktrace.ReadOnlySpan {
	t.Helper()
	ended := k.Spans.Ended()
	if len(ended) != 1 {
		t.Fatalf("%d spans ended, want 1", len(ended))
	}
	return ended[0]
}

const duration = "http.client.request.duration"

func (k *kit) duration(t *testing.T) metricdata.HistogramDataPoint[float64] {
	t.Helper()
	return k.Point(t, duration)
}

var text = httpnamestest.Text

// get sends a request through an observed transport and closes the response.
func get(t *testing.T, ctx context.Context, k *kit, base http.RoundTripper, url string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := httpclient.Transport(base, httpclient.Config{Kit: k}).RoundTrip(r)
	if err == nil {
		response.Body.Close()
	}
	return response, err
}

// newServer starts a server that ends with the test.
func newServer(t *testing.T, h http.HandlerFunc) *httptest.Server {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}

func TestARequestIsASpanAndAMeasurement(t *testing.T) {
	var traceparent string
	server := newServer(t, func(_ http.ResponseWriter, r *http.Request) { traceparent = r.Header.Get("traceparent") })
	k := newKit()
	ctx := httpclient.WithTemplate(k.inSpan(t), "/payments/{id}")
	withSecrets := strings.Replace(server.URL, "http://", "http://user:secret@", 1) + "/payments/17?key=secret"
	if _, err := get(t, ctx, k, server.Client().Transport, withSecrets); err != nil {
		t.Fatal(err)
	}

	port := server.Listener.Addr().(*net.TCPAddr).Port
	span := k.span(t)
	want := fmt.Sprintf("http.request.method=GET http.response.status_code=200 network.protocol.version=1.1 server.address=127.0.0.1 server.port=%d"+
		" url.full=%s/payments/17?REDACTED url.template=/payments/{id}", port, server.URL)
	if got := text(span.Attributes()); got != want {
		t.Errorf("span has\n%s, want\n%s", got, want)
	}
	if span.Name() != "GET /payments/{id}" || span.SpanKind() != trace.SpanKindClient || span.Status().Code != codes.Unset {
		t.Errorf("span %q, kind %v, status %v", span.Name(), span.SpanKind(), span.Status())
	}
	if want := fmt.Sprintf("00-%s-%s-01", span.SpanContext().TraceID(), span.SpanContext().SpanID()); traceparent != want {
		t.Errorf("the server got traceparent %q, want %q", traceparent, want)
	}

	point := k.duration(t)
	want = fmt.Sprintf("http.request.method=GET http.response.status_code=200 network.protocol.version=1.1 server.address=127.0.0.1 server.port=%d url.template=/payments/{id}", port)
	if got := text(point.Attributes.ToSlice()); got != want {
		t.Errorf("metric has\n%s, want\n%s", got, want)
	}
	if got, want := point.Sum, span.EndTime().Sub(span.StartTime()).Seconds(); got != want {
		t.Errorf("metric %v s, span %v s", got, want)
	}
}

func TestSpanAndMetricAgreeOnTheDuration(t *testing.T) { // otelhttp v0.72 reads two clocks
	for name, wrap := range map[string]func(trace.TracerProvider) trace.TracerProvider{
		"a span of the SDK":                         func(p trace.TracerProvider) trace.TracerProvider { return p },
		"a span that does not tell when it started": func(p trace.TracerProvider) trace.TracerProvider { return reticent{p} },
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit()
			transport := httpclient.Transport(answering{&http.Response{StatusCode: 200}}, httpclient.Config{Kit: wrapped{k, wrap(k.Tracers)}})
			r, err := http.NewRequestWithContext(k.inSpan(t), http.MethodGet, "http://payments:8081", nil)
			if err != nil {
				t.Fatal(err)
			}
			var want float64
			for i := range 3 {
				if _, err := transport.RoundTrip(r); err != nil {
					t.Fatal(err)
				}
				span := k.Spans.Ended()[i]
				want += span.EndTime().Sub(span.StartTime()).Seconds()
			}
			if got := k.Points(t, duration)[0].Sum; got != want {
				t.Errorf("metric %v s, spans %v s", got, want)
			}
		})
	}
}

// wrapped is a kit with another tracer provider.
type wrapped struct {
	*kit
	tracers trace.TracerProvider
}

func (w wrapped) TracerProvider() trace.TracerProvider { return w.tracers }

// reticent wraps the SDK's spans, as profilers do, so that only what trace.Span has is
// left.
type reticent struct{ trace.TracerProvider }

func (r reticent) Tracer(name string, opts ...trace.TracerOption) trace.Tracer {
	return reticentTracer{r.TracerProvider.Tracer(name, opts...)}
}

type reticentTracer struct{ trace.Tracer }

func (r reticentTracer) Start(ctx context.Context, name string, opts ...trace.SpanStartOption) (context.Context, trace.Span) {
	ctx, span := r.Tracer.Start(ctx, name, opts...)
	return ctx, struct{ trace.Span }{span}
}

// indifferent is a kit whose sampler looks at no attributes.
type indifferent struct{ *kit }

func (indifferent) SamplesByAttributes() bool { return false }

func TestASpanHasItsAttributesThoughNoSamplerLooksAtThem(t *testing.T) {
	k := newKit()
	ctx := httpclient.WithTemplate(k.inSpan(t), "/payments/{id}")
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://payments/payments/17", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer := answering{&http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1}}
	if _, err := httpclient.Transport(answer, httpclient.Config{Kit: indifferent{k}}).RoundTrip(r); err != nil {
		t.Fatal(err)
	}
	want := "http.request.method=GET http.response.status_code=200 network.protocol.version=1.1 server.address=payments server.port=80" +
		" url.full=http://payments/payments/17 url.template=/payments/{id}"
	if got := text(k.span(t).Attributes()); got != want {
		t.Errorf("span has\n%s, want\n%s", got, want)
	}
}

func TestTheSpansNameIsTheMethodWithoutATemplate(t *testing.T) { // otelhttp v0.72: "HTTP GET"
	k := newKit()
	server := newServer(t, func(http.ResponseWriter, *http.Request) {})
	if _, err := get(t, k.inSpan(t), k, server.Client().Transport, server.URL+"/payments/17"); err != nil {
		t.Fatal(err)
	}
	if got := k.span(t).Name(); got != "GET" {
		t.Errorf("span %q, want GET", got)
	}
}

func TestAnErrorStatusIsTheErrorType(t *testing.T) {
	for _, status := range []int{404, 503} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			k := newKit()
			server := newServer(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
			if _, err := get(t, k.inSpan(t), k, server.Client().Transport, server.URL); err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf("error.type=%d ", status)
			span, point := k.span(t), k.duration(t)
			if got := text(span.Attributes()); !strings.Contains(got, want) || span.Status().Code != codes.Error {
				t.Errorf("span has %s, status %v", got, span.Status())
			}
			if got := text(point.Attributes.ToSlice()); !strings.Contains(got, want) {
				t.Errorf("metric has %s", got)
			}
		})
	}
}

// failing is a RoundTripper that gets no response.
type failing struct{ err error }

func (f failing) RoundTrip(*http.Request) (*http.Response, error) { return nil, f.err }

func TestWithoutAResponseTheErrorTypeSaysWhatWentWrong(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = nil
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	broken := newServer(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	silent := newServer(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	expired, stop := context.WithDeadline(t.Context(), time.Now())
	defer stop()

	for name, tt := range map[string]struct {
		ctx  context.Context
		base http.RoundTripper
		url  string
		want httpclient.ErrorType
	}{
		"nothing listens":        {url: closed.URL, want: httpclient.Refused},
		"no such name":           {url: "http://otelkit.invalid", base: failing{&net.DNSError{IsNotFound: true}}, want: httpclient.DNS},
		"no trust":               {url: untrusted.URL, want: httpclient.TLS},
		"the server broke off":   {url: broken.URL, want: httpclient.Reset},
		"the caller gave up":     {url: silent.URL, ctx: cancelled, want: httpclient.Canceled},
		"the deadline passed":    {url: silent.URL, ctx: expired, want: httpclient.Timeout},
		"the transport's own":    {url: silent.URL, base: &http.Transport{ResponseHeaderTimeout: time.Millisecond}, want: httpclient.Timeout},
		"something else happens": {url: silent.URL, base: failing{errors.New("unheard of")}, want: metrics.Other},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit()
			base := tt.base
			if base == nil {
				base = &http.Transport{}
			}
			if tt.ctx == nil {
				tt.ctx = t.Context()
			}
			ctx := trace.ContextWithSpan(tt.ctx, trace.SpanFromContext(k.inSpan(t)))
			_, err := get(t, ctx, k, base, tt.url)
			if err == nil {
				t.Fatal("there was a response")
			}
			want := fmt.Sprintf("error.type=%s ", tt.want)
			span, point := k.span(t), k.duration(t)
			if got := text(span.Attributes()); !strings.Contains(got, want) || span.Status().Code != codes.Error {
				t.Errorf("%v: span has %s, status %v; want %s", err, got, span.Status(), want)
			}
			if got := text(point.Attributes.ToSlice()); !strings.Contains(got, want) {
				t.Errorf("%v: metric has %s, want %s", err, got, want)
			}
			if c, ok := base.(*http.Transport); ok {
				c.CloseIdleConnections()
			}
		})
	}
}

func TestABrokenTransportIsNoneTheWorseForBeingObserved(t *testing.T) { // both panicked
	k := newKit()
	transport := httpclient.Transport(answering{}, httpclient.Config{Kit: k})
	r, err := http.NewRequestWithContext(k.inSpan(t), http.MethodGet, "http://payments", nil)
	if err != nil {
		t.Fatal(err)
	}
	if response, err := transport.RoundTrip(r); response != nil || err != nil {
		t.Errorf("got %v, %v, want what the transport below returns", response, err)
	}
	if got := text(k.span(t).Attributes()); !strings.Contains(got, "error.type=_OTHER") {
		t.Errorf("the span of a request without response and error has %s", got)
	}
	if _, err := httpclient.Transport(nil, httpclient.Config{Kit: k}).RoundTrip(&http.Request{}); err == nil {
		t.Error("a request without a URL has no error")
	}
}

func TestWithoutASpanThereIsAMeasurementAndNoTrace(t *testing.T) { // Instrumentation Score SPA-004: no root CLIENT spans
	var header http.Header
	server := newServer(t, func(_ http.ResponseWriter, r *http.Request) { header = r.Header })
	k := newKit()
	if _, err := get(t, t.Context(), k, server.Client().Transport, server.URL); err != nil {
		t.Fatal(err)
	}
	if len(k.Spans.Started()) > 0 || header.Get("traceparent") != "" {
		t.Errorf("%d spans, traceparent %q; want none", len(k.Spans.Started()), header.Get("traceparent"))
	}
	k.duration(t)
}

func TestRootSpansStartATrace(t *testing.T) {
	server := newServer(t, func(http.ResponseWriter, *http.Request) {})
	k := newKit()
	client := &http.Client{Transport: httpclient.Transport(server.Client().Transport, httpclient.Config{Kit: k, RootSpans: true})}
	response, err := client.Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if k.span(t).Parent().IsValid() {
		t.Error("the span has a parent")
	}
}

func TestTheRequestIsNotChanged(t *testing.T) {
	server := newServer(t, func(http.ResponseWriter, *http.Request) {})
	k := newKit()
	ctx := k.inSpan(t)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := httpclient.Transport(server.Client().Transport, httpclient.Config{Kit: k}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if len(r.Header) > 0 || r.Context() != ctx {
		t.Errorf("headers %v", r.Header)
	}
}

func TestTheSpanEndsThoughNobodyReadsTheBody(t *testing.T) {
	server := newServer(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "unread") })
	k := newKit()
	r, err := http.NewRequestWithContext(k.inSpan(t), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := httpclient.Transport(server.Client().Transport, httpclient.Config{Kit: k}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	k.span(t)
}

func TestIdleConnectionsCanBeClosed(t *testing.T) {
	base := &closing{}
	client := &http.Client{Transport: httpclient.Transport(base, httpclient.Config{})}
	client.CloseIdleConnections()
	if !base.closed {
		t.Error("CloseIdleConnections does not reach the transport below")
	}
}

type closing struct {
	http.RoundTripper
	closed bool
}

func (c *closing) CloseIdleConnections() { c.closed = true }

func TestTheCatalogIsRight(t *testing.T) {
	if err := httpclient.Catalog.Err(); err != nil {
		t.Error(err)
	}
}

type answering struct{ response *http.Response }

func (a answering) RoundTrip(*http.Request) (*http.Response, error) { return a.response, nil }
