package otelkit_test

import (
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/otelkit/kit/otelkit"
	"github.com/otelkit/kit/otelkit/logs"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
)

// Each variable does what it says, seen by an OTLP receiver. A test takes the
// name of the variable, since those of one signal are tested like those of all.
var effects = map[string]func(t *testing.T, name string){
	"OTEL_CONFIG_FILE":                                         fileIsHandedOver,
	"OTEL_SDK_DISABLED":                                        disabledExportsNothing,
	"OTEL_SERVICE_NAME":                                        resourceAttribute("from-variable", "service.name", "from-variable"),
	"OTEL_RESOURCE_ATTRIBUTES":                                 resourceAttribute("team=a%2Cb", "team", "a,b"),
	"OTEL_PROPAGATORS":                                         propagatesB3,
	"OTEL_TRACES_SAMPLER":                                      samples(nil, "always_off", 0),
	"OTEL_TRACES_SAMPLER_ARG":                                  samples(map[string]string{"OTEL_TRACES_SAMPLER": "traceidratio"}, "0", 0),
	"OTEL_TRACES_EXPORTER":                                     exporterOf("traces"),
	"OTEL_METRICS_EXPORTER":                                    exporterOf("metrics"),
	"OTEL_LOGS_EXPORTER":                                       exporterOf("logs"),
	"OTEL_METRIC_EXPORT_INTERVAL":                              arrives("1", map[string]string{"OTEL_BLRP_SCHEDULE_DELAY": "30000"}, "metrics", "logs"),
	"OTEL_METRIC_EXPORT_TIMEOUT":                               deadline("metrics"),
	"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE":        temporality,
	"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": exponential,
	"OTEL_METRICS_EXEMPLAR_FILTER":                             noExemplars,
	"OTEL_BSP_SCHEDULE_DELAY":                                  arrives("600000", map[string]string{"OTEL_BLRP_SCHEDULE_DELAY": "6000"}, "logs", "traces"),
	"OTEL_BLRP_SCHEDULE_DELAY":                                 arrives("600000", map[string]string{"OTEL_BSP_SCHEDULE_DELAY": "2000"}, "traces", "logs"),
	"OTEL_BSP_EXPORT_TIMEOUT":                                  deadline("traces"),
	"OTEL_BLRP_EXPORT_TIMEOUT":                                 deadline("logs"),
	"OTEL_BSP_MAX_EXPORT_BATCH_SIZE":                           batches("traces"),
	"OTEL_BLRP_MAX_EXPORT_BATCH_SIZE":                          batches("logs"),
	"OTEL_BSP_MAX_QUEUE_SIZE":                                  queues("traces"),
	"OTEL_BLRP_MAX_QUEUE_SIZE":                                 queues("logs"),
	"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT":                        limits(limited{length: true, span: true, record: true}),
	"OTEL_ATTRIBUTE_COUNT_LIMIT":                               limits(limited{span: true, record: true}),
	"OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT":                   limits(limited{length: true, span: true}),
	"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT":                          limits(limited{span: true}),
	"OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT":              limits(limited{length: true, record: true}),
	"OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT":                     limits(limited{record: true}),
	"OTEL_SPAN_EVENT_COUNT_LIMIT":                              spanLimit(func(s *tracepb.Span) int { return len(s.GetEvents()) }),
	"OTEL_SPAN_LINK_COUNT_LIMIT":                               spanLimit(func(s *tracepb.Span) int { return len(s.GetLinks()) }),
	"OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT":                         spanLimit(func(s *tracepb.Span) int { return len(s.GetEvents()[0].GetAttributes()) }),
	"OTEL_LINK_ATTRIBUTE_COUNT_LIMIT":                          spanLimit(func(s *tracepb.Span) int { return len(s.GetLinks()[0].GetAttributes()) }),
}

// Of the variables of the OTLP exporters there is one for all signals and one for
// each.
func init() {
	for suffix, effect := range map[string]func(t *testing.T, name string, signals []string){
		"ENDPOINT": endpoint, "PROTOCOL": protocol, "HEADERS": headers, "TIMEOUT": timeout, "COMPRESSION": compression,
		"CERTIFICATE": certificate, "CLIENT_CERTIFICATE": clientCertificate, "CLIENT_KEY": clientCertificate, "INSECURE": insecure,
	} {
		all := []string{"traces", "metrics", "logs"}
		effects["OTEL_EXPORTER_OTLP_"+suffix] = func(t *testing.T, name string) { effect(t, name, all) }
		for _, signal := range all {
			effects["OTEL_EXPORTER_OTLP_"+strings.ToUpper(signal)+"_"+suffix] = func(t *testing.T, name string) { effect(t, name, []string{signal}) }
		}
	}
}

func TestEveryVariableDoesWhatItSays(t *testing.T) {
	untested := maps.Clone(effects)
	for _, v := range otelkit.Variables() {
		t.Run(v.Name, func(t *testing.T) {
			effect, ok := effects[v.Name]
			if !ok {
				t.Fatal("no test shows what it does")
			}
			effect(t, v.Name)
		})
		delete(untested, v.Name)
	}
	for name := range untested {
		t.Errorf("a test is about %s, which is in no table", name)
	}
}

func TestEveryVariableIsDocumented(t *testing.T) {
	for _, v := range otelkit.Variables() {
		if v.Group == "" || v.Does == "" || v.Values == "" || v.Default == "" || !strings.HasPrefix(v.Spec, "https://opentelemetry.io/docs/specs/otel/") {
			t.Errorf("incomplete: %+v", v)
		}
	}
}

// receiver is an OTLP receiver over HTTP that keeps the requests too.
type receiver struct {
	*collector
	before func(*http.Request) // runs before a request is read; may wait

	mu       sync.Mutex
	requests []request
}

type request struct {
	signal string
	header http.Header
	client string // common name of its certificate
}

func newReceiver(t *testing.T, configure func(*httptest.Server)) *receiver {
	t.Helper()
	r := &receiver{collector: &collector{}}
	server := httptest.NewUnstartedServer(r)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // of handshakes that fail
	if configure == nil {
		server.Start()
	} else {
		configure(server)
		server.StartTLS()
	}
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if r.before != nil {
		r.before(q)
	}
	kept := request{header: q.Header.Clone()}
	_, kept.signal, _ = strings.Cut(q.URL.Path, "/v1/")
	if q.TLS != nil && len(q.TLS.PeerCertificates) > 0 {
		kept.client = q.TLS.PeerCertificates[0].Subject.CommonName
	}
	if q.Header.Get("Content-Encoding") == "gzip" {
		body, err := gzip.NewReader(q.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		q.Body = body
	}
	r.collector.ServeHTTP(w, q)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, kept)
}

// of returns the requests for a signal.
func (r *receiver) of(signal string) []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(r.requests), func(q request) bool { return q.signal != signal })
}

// send places an order with a kit and flushes it.
func send(t *testing.T) (*otelkit.Kit, *lines) {
	t.Helper()
	kit, out := start(t, otelkit.Config{})
	place(t.Context(), kit)
	if err := kit.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	return kit, out
}

// arrived returns the signals that a collector got.
func (c *collector) arrived() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []string
	for signal, n := range map[string]int{"traces": len(c.spans), "metrics": len(c.metrics), "logs": len(c.logs)} {
		if n > 0 {
			list = append(list, signal)
		}
	}
	slices.Sort(list)
	return list
}

func set(t *testing.T, variables map[string]string) {
	t.Helper()
	for name, value := range variables {
		t.Setenv(name, value)
	}
}

func fileIsHandedOver(t *testing.T, name string) {
	t.Setenv(name, "/etc/otel.yaml")
	t.Setenv("OTEL_TRACES_SAMPLER", "nonsense, which is ignored")
	var asked otelkit.FileRequest
	_, err := otelkit.Start(t.Context(), otelkit.Config{Logs: logs.Config{Output: io.Discard}, ConfigFile: func(_ context.Context, r otelkit.FileRequest) (otelkit.Providers, error) {
		asked = r
		return otelkit.Providers{}, io.ErrUnexpectedEOF
	}})
	if asked.Path != "/etc/otel.yaml" || !strings.Contains(fmt.Sprint(err), "OTEL_CONFIG_FILE: unexpected EOF") {
		t.Errorf("asked for %q, error %v", asked.Path, err)
	}
}

func disabledExportsNothing(t *testing.T, name string) {
	collector := newCollector(t, "")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
	t.Setenv(name, "True")
	if _, out := send(t); len(collector.arrived()) > 0 || !strings.Contains(out.String(), "order placed") {
		t.Errorf("arrived: %v, lines %s", collector.arrived(), out)
	}
}

func resourceAttribute(value, key, want string) func(*testing.T, string) {
	return func(t *testing.T, name string) {
		collector := newCollector(t, "")
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
		t.Setenv(name, value)
		send(t)
		if resource, _ := collector.resource(); resource[key] != want {
			t.Errorf("%s = %q, want %q", key, resource[key], want)
		}
	}
}

func propagatesB3(t *testing.T, name string) {
	t.Setenv(name, "b3")
	kit, _ := start(t, otelkit.Config{})
	ctx, span := kit.TracerProvider().Tracer("shop").Start(t.Context(), "call")
	defer span.End()
	carrier := propagation.MapCarrier{}
	kit.Propagator().Inject(ctx, carrier)
	if carrier["b3"] == "" || carrier["traceparent"] != "" {
		t.Errorf("headers %v, want b3 only", carrier)
	}
}

func samples(with map[string]string, value string, want int) func(*testing.T, string) {
	return func(t *testing.T, name string) {
		collector := newCollector(t, "")
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
		set(t, with)
		t.Setenv(name, value)
		if send(t); len(collector.spanNames()) != want {
			t.Errorf("spans %q, want %d", collector.spanNames(), want)
		}
	}
}

// exporterOf shows that a signal goes nowhere with none, and to standard output
// with console.
func exporterOf(signal string) func(*testing.T, string) {
	return func(t *testing.T, name string) {
		for value, console := range map[string]bool{"none": false, "console": true} {
			collector := newCollector(t, "")
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
			t.Setenv(name, value)
			_, out := send(t)
			if got := collector.arrived(); len(got) != 2 || slices.Contains(got, signal) {
				t.Errorf("%s: arrived: %v, want all but %s", value, got, signal)
			}
			if got := strings.Contains(out.String(), `"Resource":`); got != console {
				t.Errorf("%s: on standard output: %v, want %v\n%s", value, got, console, out)
			}
		}
	}
}

// arrives shows that one signal arrives by itself before another.
func arrives(value string, with map[string]string, first, second string) func(*testing.T, string) {
	return func(t *testing.T, name string) {
		receiver := newReceiver(t, nil)
		paths := make(chan string, 1) // the first; later ones do not fit
		receiver.before = func(q *http.Request) {
			select {
			case paths <- q.URL.Path:
			default:
			}
		}
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
		for _, signal := range []string{"traces", "metrics", "logs"} {
			if signal != first && signal != second {
				t.Setenv("OTEL_"+strings.ToUpper(signal)+"_EXPORTER", "none")
			}
		}
		set(t, with)
		t.Setenv(name, value)
		kit, _ := start(t, otelkit.Config{})
		place(t.Context(), kit)
		if got := <-paths; got != "/v1/"+first {
			t.Errorf("%s arrived first, want %s before %s", got, first, second)
		}
	}
}

func batches(signal string) func(*testing.T, string) {
	return func(t *testing.T, name string) {
		receiver := newReceiver(t, nil)
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
		t.Setenv(name, "2")
		kit, _ := start(t, otelkit.Config{})
		for range 6 {
			place(t.Context(), kit)
		}
		if err := kit.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if got := len(receiver.of(signal)); got < 3 {
			t.Errorf("6 %s came in %d requests, want 3 or more", signal, got)
		}
	}
}

// queues shows that what finds the queue full is lost: while the receiver holds
// the first batch back, few can wait.
func queues(signal string) func(*testing.T, string) {
	return func(t *testing.T, name string) {
		receiver := newReceiver(t, nil)
		held, release := make(chan struct{}), make(chan struct{})
		var once sync.Once
		receiver.before = func(q *http.Request) {
			if strings.HasSuffix(q.URL.Path, signal) {
				once.Do(func() { close(held) })
				<-release
			}
		}
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
		t.Setenv(name, "4")
		t.Setenv(strings.Replace(name, "MAX_QUEUE_SIZE", "SCHEDULE_DELAY", 1), "1")
		kit, _ := start(t, otelkit.Config{})
		place(t.Context(), kit)
		<-held
		for range 1000 {
			place(t.Context(), kit)
		}
		close(release)
		_ = kit.Shutdown(t.Context())
		got := len(receiver.spanNames())
		if signal == "logs" {
			got = len(receiver.logBodies())
		}
		if got == 0 || got > 100 {
			t.Errorf("%d of 1001 came through a queue of 4", got)
		}
	}
}

// limited says what a limit is about.
type limited struct{ length, span, record bool }

func limits(what limited) func(*testing.T, string) {
	return func(t *testing.T, name string) {
		collector := newCollector(t, "")
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
		t.Setenv(name, "2")
		kit, _ := start(t, otelkit.Config{})
		ctx, span := kit.TracerProvider().Tracer("shop").Start(t.Context(), "place order")
		span.SetAttributes(attribute.String("a", "long"), attribute.String("b", "long"), attribute.String("c", "long"))
		kit.Logger().InfoContext(ctx, "order placed", "a", "long", "b", "long", "c", "long")
		span.End()
		if err := kit.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		ofSpan := collector.firstSpan().GetAttributes()
		ofRecord := collector.firstRecord().GetAttributes()
		shape := func(limited bool) (n, length int) {
			switch {
			case !limited:
				return 3, 4
			case what.length:
				return 3, 2
			default:
				return 2, 4
			}
		}
		if n, length := shape(what.span); len(ofSpan) != n || len(text(ofSpan[0].GetValue())) != length {
			t.Errorf("attributes of the span %v, want %d with %d characters", ofSpan, n, length)
		}
		if n, length := shape(what.record); len(ofRecord) != n || len(text(ofRecord[0].GetValue())) != length {
			t.Errorf("attributes of the record %v, want %d with %d characters", ofRecord, n, length)
		}
	}
}

// spanLimit shows that of three of something one is left.
func spanLimit(number func(*tracepb.Span) int) func(*testing.T, string) {
	return func(t *testing.T, name string) {
		collector := newCollector(t, "")
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
		t.Setenv(name, "1")
		kit, _ := start(t, otelkit.Config{})
		attrs := []attribute.KeyValue{attribute.Int("a", 1), attribute.Int("b", 2), attribute.Int("c", 3)}
		_, span := kit.TracerProvider().Tracer("shop").Start(t.Context(), "place order")
		for i := range 3 {
			span.AddEvent("event", trace.WithAttributes(attrs...))
			span.AddLink(trace.Link{
				SpanContext: trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{byte(i + 1)}}),
				Attributes:  attrs,
			})
		}
		span.End()
		if err := kit.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if got := number(collector.firstSpan()); got != 1 {
			t.Errorf("%d, want 1: %v", got, collector.firstSpan())
		}
	}
}

func (c *collector) firstSpan() *tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.spans {
		return r.GetScopeSpans()[0].GetSpans()[0]
	}
	return nil
}

func (c *collector) firstRecord() *logspb.LogRecord {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.logs {
		return r.GetScopeLogs()[0].GetLogRecords()[0]
	}
	return nil
}

func temporality(t *testing.T, name string) {
	collector := newCollector(t, "")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
	t.Setenv(name, "delta")
	send(t)
	if got := collector.metric("shop.orders").GetSum().GetAggregationTemporality(); got != metricspb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA {
		t.Errorf("temporality %v", got)
	}
}

func exponential(t *testing.T, name string) {
	collector := newCollector(t, "")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
	t.Setenv(name, "base2_exponential_bucket_histogram")
	kit, _ := start(t, otelkit.Config{})
	// One whose definition asks for no boundaries.
	histogram, err := kit.MeterProvider().Meter("shop").Float64Histogram("shop.time")
	if err != nil {
		t.Fatal(err)
	}
	histogram.Record(t.Context(), 1)
	if err := kit.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if m := collector.metric("shop.time"); len(m.GetExponentialHistogram().GetDataPoints()) != 1 {
		t.Errorf("metric %v", m)
	}
}

func noExemplars(t *testing.T, name string) {
	collector := newCollector(t, "")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
	t.Setenv(name, "always_off")
	send(t)
	if points := collector.metric("shop.order.duration").GetHistogram().GetDataPoints(); len(points) != 1 || len(points[0].GetExemplars()) > 0 {
		t.Errorf("points %v, want one without exemplars", points)
	}
}

func endpoint(t *testing.T, name string, signals []string) {
	var mu sync.Mutex
	var paths []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		paths = append(paths, q.URL.Path)
	}))
	t.Cleanup(server.Close)
	general := newCollector(t, "")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", general.url)
	t.Setenv(name, server.URL+"/below")
	send(t)
	want := []string{"/below/v1/logs", "/below/v1/metrics", "/below/v1/traces"}
	if len(signals) == 1 {
		want = []string{"/below"}
	}
	if slices.Sort(paths); !slices.Equal(paths, want) || len(general.arrived()) != 3-len(signals) {
		t.Errorf("requests for %v, want %v; at the general endpoint %v", paths, want, general.arrived())
	}
}

func protocol(t *testing.T, name string, signals []string) {
	http, grpc := newCollector(t, ""), newCollector(t, "grpc")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", http.url)
	t.Setenv(strings.Replace(name, "PROTOCOL", "ENDPOINT", 1), grpc.url)
	t.Setenv(name, "grpc")
	send(t)
	if got := grpc.arrived(); len(got) != len(signals) || !slices.Contains(got, signals[0]) || len(http.arrived()) != 3-len(signals) {
		t.Errorf("arrived over gRPC: %v, want %v; over HTTP: %v", got, signals, http.arrived())
	}
}

// Exporters of metrics and logs v1.47: http/json sends protobuf, without a word.
func TestTracesCanBeJSON(t *testing.T) {
	receiver := newReceiver(t, nil)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json")
	send(t)
	if got := receiver.of("traces"); len(got) != 1 || got[0].header.Get("Content-Type") != "application/json" {
		t.Errorf("requests %v", got)
	}
	if got := receiver.spanNames(); !slices.Equal(got, []string{"place order"}) {
		t.Errorf("spans %q", got)
	}
}

func headers(t *testing.T, name string, signals []string) {
	receiver := newReceiver(t, nil)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
	t.Setenv(name, "x-key=a%20b,x-other=2")
	send(t)
	for _, signal := range []string{"traces", "metrics", "logs"} {
		want := ""
		if slices.Contains(signals, signal) {
			want = "a b 2"
		}
		for _, q := range receiver.of(signal) {
			if got := strings.TrimSpace(q.header.Get("X-Key") + " " + q.header.Get("X-Other")); got != want {
				t.Errorf("headers of %s: %q, want %q", signal, got, want)
			}
		}
		if len(receiver.of(signal)) == 0 {
			t.Errorf("no %s", signal)
		}
	}
}

func compression(t *testing.T, name string, signals []string) {
	receiver := newReceiver(t, nil)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
	t.Setenv(name, "gzip")
	send(t)
	for _, signal := range []string{"traces", "metrics", "logs"} {
		want := ""
		if slices.Contains(signals, signal) {
			want = "gzip"
		}
		if got := receiver.of(signal); len(got) == 0 || got[0].header.Get("Content-Encoding") != want {
			t.Errorf("requests of %s: %v, want compression %q", signal, got, want)
		}
	}
}

// timed is a gRPC receiver that keeps how long each export may take: gRPC tells.
func timed(t *testing.T) (url string, longest func(signal string) time.Duration) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	times := map[string]time.Duration{}
	server := grpc.NewServer(grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(stream)
		for signal, part := range map[string]string{"traces": ".trace.", "metrics": ".metrics.", "logs": ".logs."} {
			if deadline, ok := stream.Context().Deadline(); ok && strings.Contains(method, part) {
				mu.Lock()
				times[signal] = max(times[signal], time.Until(deadline))
				mu.Unlock()
			}
		}
		var ignored coltrace.ExportTraceServiceRequest
		if err := stream.RecvMsg(&ignored); err != nil {
			return err
		}
		return stream.SendMsg(&coltrace.ExportTraceServiceResponse{})
	}))
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() { server.Stop(); serving.Wait() })
	return "http://" + listener.Addr().String(), func(signal string) time.Duration {
		mu.Lock()
		defer mu.Unlock()
		return times[signal]
	}
}

// atMost shows that exports of some signals may take 5 s instead of the 10 s and
// more that are the default.
func atMost(t *testing.T, name string, signals []string) {
	url, longest := timed(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", url)
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	t.Setenv(name, "5000")
	kit, _ := start(t, otelkit.Config{ShutdownTimeout: time.Hour})
	place(t.Context(), kit)
	_ = kit.ForceFlush(t.Context())
	for _, signal := range signals {
		if got := longest(signal); got <= 0 || got > 5*time.Second {
			t.Errorf("an export of %s may take %s, want 5 s", signal, got)
		}
	}
}

func timeout(t *testing.T, name string, signals []string) { atMost(t, name, signals) }

func deadline(signal string) func(*testing.T, string) {
	return func(t *testing.T, name string) { atMost(t, name, []string{signal}) }
}

// insecure shows that an endpoint without a scheme is reached without TLS.
func insecure(t *testing.T, name string, signals []string) {
	collector := newCollector(t, "grpc")
	set(t, map[string]string{"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"})
	for _, signal := range signals {
		t.Setenv("OTEL_"+strings.ToUpper(signal)+"_EXPORTER", "otlp")
	}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", strings.TrimPrefix(collector.url, "http://"))
	t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
	t.Setenv(name, "true")
	send(t)
	if got := collector.arrived(); len(got) != len(signals) {
		t.Errorf("arrived: %v, want %v", got, signals)
	}
}

// pair is a certificate, its key, and the files that hold them.
type pair struct {
	certificate *x509.Certificate
	tls         tls.Certificate
	path, key   string
}

// newPair makes a certificate that signs itself, for 127.0.0.1.
func newPair(t *testing.T, name string) pair {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	p := pair{certificate: certificate, tls: tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}}
	p.path = filepath.Join(t.TempDir(), name+".pem")
	p.key = filepath.Join(t.TempDir(), name+".key")
	for path, block := range map[string]*pem.Block{p.path: {Type: "CERTIFICATE", Bytes: der}, p.key: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// certificate shows that a receiver is trusted whose certificate the file has.
func certificate(t *testing.T, name string, signals []string) {
	server := newPair(t, "server")
	receiver := newReceiver(t, func(s *httptest.Server) { s.TLS = &tls.Config{Certificates: []tls.Certificate{server.tls}} })
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
	t.Setenv(name, server.path)
	kit, _ := start(t, otelkit.Config{})
	place(t.Context(), kit)
	_ = kit.Shutdown(t.Context()) // the other signals do not trust it
	if got := receiver.arrived(); len(got) != len(signals) || !slices.Contains(got, signals[0]) {
		t.Errorf("arrived: %v, want %v", got, signals)
	}
}

// clientCertificate shows that the receiver learns who we are.
func clientCertificate(t *testing.T, name string, signals []string) {
	server, client := newPair(t, "server"), newPair(t, "client")
	pool := x509.NewCertPool()
	pool.AddCert(client.certificate)
	receiver := newReceiver(t, func(s *httptest.Server) {
		s.TLS = &tls.Config{Certificates: []tls.Certificate{server.tls}, ClientCAs: pool, ClientAuth: tls.VerifyClientCertIfGiven}
	})
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
	t.Setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", server.path)
	prefix := name[:strings.LastIndex(name, "CLIENT_")]
	t.Setenv(prefix+"CLIENT_CERTIFICATE", client.path)
	t.Setenv(prefix+"CLIENT_KEY", client.key)
	send(t)
	for _, signal := range []string{"traces", "metrics", "logs"} {
		want := ""
		if slices.Contains(signals, signal) {
			want = "client"
		}
		if got := receiver.of(signal); len(got) == 0 || got[0].client != want {
			t.Errorf("requests of %s: %v, want client %q", signal, got, want)
		}
	}
}

// Each variable with a value that it cannot have, and what the error says.
var badValues = map[string]struct{ value, want string }{
	"OTEL_SDK_DISABLED":                                        {"yes", `OTEL_SDK_DISABLED is "yes"; it has to be "true" or "false"`},
	"OTEL_RESOURCE_ATTRIBUTES":                                 {"team=a,b", `item 2 is "b"`},
	"OTEL_PROPAGATORS":                                         {"tracecontext,zipkin", "zipkin"},
	"OTEL_TRACES_SAMPLER":                                      {"sometimes", "parentbased_always_on"},
	"OTEL_TRACES_SAMPLER_ARG":                                  {"0.1", `OTEL_TRACES_SAMPLER is ""`},
	"OTEL_TRACES_EXPORTER":                                     {"zipkin", `"otlp", "console"`},
	"OTEL_METRICS_EXPORTER":                                    {"prometheus", `"otlp", "console"`},
	"OTEL_LOGS_EXPORTER":                                       {"otlp,console", `"otlp", "console"`},
	"OTEL_METRICS_EXEMPLAR_FILTER":                             {"all", "trace_based, always_on or always_off"},
	"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE":        {"Deltas", "cumulative, delta or lowmemory"},
	"OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION": {"exponential", "base2_exponential_bucket_histogram"},
	"OTEL_BSP_MAX_EXPORT_BATCH_SIZE":                           {"4096", "at most OTEL_BSP_MAX_QUEUE_SIZE: which is 2048"},
	"OTEL_BLRP_MAX_EXPORT_BATCH_SIZE":                          {"0", "at least 1"},
}

// badByEnding are the rest: those that are alike.
var badByEnding = map[string]struct{ value, want string }{
	"_ENDPOINT":           {"/v1/traces", "it has to be a URL"},
	"_PROTOCOL":           {"http", "http/protobuf"},
	"_HEADERS":            {"api-key=s3cret,oops", "item 2 has no ="},
	"_TIMEOUT":            {"10s", "a whole number of milliseconds"},
	"_COMPRESSION":        {"zstd", "gzip or none"},
	"_CERTIFICATE":        {"/nowhere.pem", "no such file"},
	"_CLIENT_CERTIFICATE": {"/nowhere.pem", "no such file"},
	"_CLIENT_KEY":         {"/nowhere.key", "no such file"},
	"_INSECURE":           {"1", `"true" or "false"`},
	"_DELAY":              {"5s", "a whole number of milliseconds"},
	"_INTERVAL":           {"0", "at least 1"},
	"_QUEUE_SIZE":         {"-1", "at least 1"},
	"_LIMIT":              {" 12", "a whole number"}, // the SDK does not trim, and takes the default
}

func TestEveryVariableRefusesWhatItCannotBe(t *testing.T) {
	for _, v := range otelkit.Variables() {
		bad, ok := badValues[v.Name]
		for ending, b := range badByEnding {
			if !ok && strings.HasSuffix(v.Name, ending) && (ending != "_CERTIFICATE" || !strings.HasSuffix(v.Name, "_CLIENT_CERTIFICATE")) {
				bad, ok = b, true
				break
			}
		}
		if !ok && v.Name != "OTEL_SERVICE_NAME" && v.Name != "OTEL_CONFIG_FILE" { // any text; see there
			t.Errorf("no test gives %s a bad value", v.Name)
		}
		if !ok {
			continue
		}
		t.Run(v.Name, func(t *testing.T) {
			t.Setenv(v.Name, bad.value)
			kit, err := otelkit.Start(t.Context(), otelkit.Config{Service: "shop"})
			if err == nil {
				t.Fatal("it started", kit.Shutdown(t.Context()))
			}
			if !strings.Contains(err.Error(), v.Name) || !strings.Contains(err.Error(), bad.want) {
				t.Errorf("error %q, want it to name the variable and to say %q", err, bad.want)
			}
			shown := strings.Contains(err.Error(), fmt.Sprintf("%q", bad.value))
			if secret := strings.HasSuffix(v.Name, "_HEADERS"); shown == secret || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("shows the value: %v: %q", shown, err)
			}
		})
	}
}

func TestStartNamesEveryVariableThatIsWrong(t *testing.T) {
	for name, bad := range badValues {
		t.Setenv(name, bad.value)
	}
	_, err := otelkit.Start(t.Context(), otelkit.Config{Service: "shop"})
	for name := range badValues {
		if !strings.Contains(fmt.Sprint(err), "\n"+name+" ") && !strings.Contains(fmt.Sprint(err), ": "+name+" ") {
			t.Errorf("the error does not name %s:\n%v", name, err)
		}
	}
}

func TestAClientCertificateNeedsItsKey(t *testing.T) {
	one, other := newPair(t, "one"), newPair(t, "other")
	for name, tt := range map[string]struct{ certificate, key, want string }{
		"alone":               {one.path, "", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE is set without OTEL_EXPORTER_OTLP_CLIENT_KEY"},
		"key alone":           {"", one.key, "OTEL_EXPORTER_OTLP_CLIENT_KEY is set without OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"},
		"another's":           {one.path, other.key, "do not belong together"},
		"no certificate":      {one.key, one.key, "it has none"},
		"the other way round": {one.key, one.path, "it has none"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", tt.certificate)
			t.Setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", tt.key)
			if _, err := otelkit.Start(t.Context(), otelkit.Config{Service: "shop"}); !strings.Contains(fmt.Sprint(err), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
}

func TestAVariableThatNobodyReadsIsSaid(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OLTP_ENDPOINT", "http://localhost:4318")
	t.Setenv("OTEL_LOG_LEVEL", "debug")
	t.Setenv("OTEL_GO_X_OBSERVABILITY", "true") // the SDK's own
	_, out := start(t, otelkit.Config{})
	got := out.String()
	for _, want := range []string{"have no effect", "OTEL_LOG_LEVEL", "OTEL_EXPORTER_OLTP_ENDPOINT (did you mean OTEL_EXPORTER_OTLP_ENDPOINT?)"} {
		if !strings.Contains(got, want) {
			t.Errorf("lines do not say %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "OTEL_GO_X") {
		t.Errorf("a variable that the SDK reads is said to have no effect:\n%s", got)
	}
}

// otelconf is heavy, and a service without it would run as if nothing were set.
func TestAFileThatNobodyReadsKeepsTheServiceFromStarting(t *testing.T) {
	t.Setenv("OTEL_CONFIG_FILE", "otel.yaml")
	_, err := otelkit.Start(t.Context(), otelkit.Config{Service: "shop"})
	for _, want := range []string{`OTEL_CONFIG_FILE is "otel.yaml"`, "otelkit/configfile", "configfile.Load"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("error %v, want it to say %s", err, want)
		}
	}
}

// The gRPC exporters v1.47 speak TLS to an http endpoint if
// OTEL_EXPORTER_OTLP_CERTIFICATE is set, and nothing arrives.
func TestACertificateNeedsAnEndpointWithTLS(t *testing.T) {
	pair := newPair(t, "one")
	t.Setenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", pair.path)
	t.Setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", pair.key)
	t.Setenv("OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE", pair.path)
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		_, err := otelkit.Start(t.Context(), otelkit.Config{Service: "shop", Protocol: protocol, Endpoint: "http://collector:4317"})
		for _, want := range []string{
			`OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE is set, and Config.Endpoint is "http://collector:4317", without TLS`,
			"OTEL_EXPORTER_OTLP_METRICS_CERTIFICATE is set",
		} {
			if !strings.Contains(fmt.Sprint(err), want) {
				t.Errorf("%s: error %v, want it to say %q", protocol, err, want)
			}
		}
	}
}

// Of the SDK's exporters, those of traces and metrics send without TLS to an
// https endpoint if OTEL_EXPORTER_OTLP_INSECURE says so, against the
// specification.
func TestTheSchemeOfAnEndpointRulesOverInsecure(t *testing.T) {
	server := newPair(t, "server")
	receiver := newReceiver(t, func(s *httptest.Server) { s.TLS = &tls.Config{Certificates: []tls.Certificate{server.tls}} })
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
	t.Setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", server.path)
	t.Setenv("OTEL_EXPORTER_OTLP_INSECURE", "true")
	send(t)
	if got := receiver.arrived(); len(got) != 3 {
		t.Errorf("arrived: %v, want all signals", got)
	}
}
