package otelkit_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/trace"
	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

// collector is an OTLP receiver that keeps all that it gets.
type collector struct {
	url string

	mu      sync.Mutex
	spans   []*tracepb.ResourceSpans
	metrics []*metricspb.ResourceMetrics
	logs    []*logspb.ResourceLogs
}

// newCollector starts a receiver for a protocol, which ends with the test.
func newCollector(t *testing.T, protocol string) *collector {
	t.Helper()
	c := &collector{}
	if protocol == "grpc" {
		c.serveGRPC(t)
		return c
	}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.url = server.URL
	return c
}

func (c *collector) serveGRPC(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.url = "http://" + listener.Addr().String()
	server := grpc.NewServer()
	coltrace.RegisterTraceServiceServer(server, traceService{collector: c})
	colmetrics.RegisterMetricsServiceServer(server, metricsService{collector: c})
	collogs.RegisterLogsServiceServer(server, logsService{collector: c})
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := server.Serve(listener); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { server.Stop(); serving.Wait() })
}

func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	decode := proto.Unmarshal
	if r.Header.Get("Content-Type") == "application/json" {
		decode = decodeJSON
	}
	switch r.URL.Path {
	case "/v1/traces":
		var request coltrace.ExportTraceServiceRequest
		if err = decode(body, &request); err == nil {
			c.keep(request.GetResourceSpans(), nil, nil)
		}
	case "/v1/metrics":
		var request colmetrics.ExportMetricsServiceRequest
		if err = decode(body, &request); err == nil {
			c.keep(nil, request.GetResourceMetrics(), nil)
		}
	case "/v1/logs":
		var request collogs.ExportLogsServiceRequest
		if err = decode(body, &request); err == nil {
			c.keep(nil, nil, request.GetResourceLogs())
		}
	default:
		http.NotFound(w, r)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

// decodeJSON decodes OTLP/JSON but for ids, which it writes in hex where protobuf
// has base64: they come out wrong, and no test reads them.
func decodeJSON(body []byte, m proto.Message) error {
	return protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(body, m)
}

func (c *collector) keep(spans []*tracepb.ResourceSpans, metrics []*metricspb.ResourceMetrics, logs []*logspb.ResourceLogs) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spans = append(c.spans, spans...)
	c.metrics = append(c.metrics, metrics...)
	c.logs = append(c.logs, logs...)
}

type traceService struct {
	coltrace.UnimplementedTraceServiceServer
	*collector
}

func (s traceService) Export(_ context.Context, r *coltrace.ExportTraceServiceRequest) (*coltrace.ExportTraceServiceResponse, error) {
	s.keep(r.GetResourceSpans(), nil, nil)
	return &coltrace.ExportTraceServiceResponse{}, nil
}

type metricsService struct {
	colmetrics.UnimplementedMetricsServiceServer
	*collector
}

func (s metricsService) Export(_ context.Context, r *colmetrics.ExportMetricsServiceRequest) (*colmetrics.ExportMetricsServiceResponse, error) {
	s.keep(nil, r.GetResourceMetrics(), nil)
	return &colmetrics.ExportMetricsServiceResponse{}, nil
}

type logsService struct {
	collogs.UnimplementedLogsServiceServer
	*collector
}

func (s logsService) Export(_ context.Context, r *collogs.ExportLogsServiceRequest) (*collogs.ExportLogsServiceResponse, error) {
	s.keep(nil, nil, r.GetResourceLogs())
	return &collogs.ExportLogsServiceResponse{}, nil
}

// allSpans returns the spans that came.
func (c *collector) allSpans() []*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	var spans []*tracepb.Span
	for _, r := range c.spans {
		for _, s := range r.GetScopeSpans() {
			spans = append(spans, s.GetSpans()...)
		}
	}
	return spans
}

// spanNames returns the names of the spans that came.
func (c *collector) spanNames() []string {
	var names []string
	for _, span := range c.allSpans() {
		names = append(names, span.GetName())
	}
	return names
}

// spansWith returns the spans that came with an attribute.
func (c *collector) spansWith(key string) []trace.SpanID {
	var ids []trace.SpanID
	for _, span := range c.allSpans() {
		for _, a := range span.GetAttributes() {
			if a.GetKey() == key {
				ids = append(ids, trace.SpanID(span.GetSpanId()))
			}
		}
	}
	return ids
}

// logBodies returns the messages of the log records that came.
func (c *collector) logBodies() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var bodies []string
	for _, r := range c.logs {
		for _, s := range r.GetScopeLogs() {
			for _, record := range s.GetLogRecords() {
				bodies = append(bodies, record.GetBody().GetStringValue())
			}
		}
	}
	return bodies
}

// metric returns the last that came of a metric, or nil.
func (c *collector) metric(name string) *metricspb.Metric {
	c.mu.Lock()
	defer c.mu.Unlock()
	var last *metricspb.Metric
	for _, r := range c.metrics {
		for _, s := range r.GetScopeMetrics() {
			for _, m := range s.GetMetrics() {
				if m.GetName() == name {
					last = m
				}
			}
		}
	}
	return last
}

// resource returns the resource that spans came with, and its schema.
func (c *collector) resource() (attributes map[string]string, schema string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	attributes = map[string]string{}
	for _, r := range c.spans {
		for _, kv := range r.GetResource().GetAttributes() {
			attributes[kv.GetKey()] = text(kv.GetValue())
		}
		schema = r.GetSchemaUrl()
	}
	return attributes, schema
}

func text(v *commonpb.AnyValue) string {
	if s, ok := v.GetValue().(*commonpb.AnyValue_StringValue); ok {
		return s.StringValue
	}
	return v.String()
}

// hungCollector takes requests and never answers them. It returns its URL and
// what it was asked until now.
func hungCollector(t *testing.T) (url string, asked func() string) {
	t.Helper()
	var mu sync.Mutex
	var paths []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or the server does not notice that the client leaves
		mu.Lock()
		paths = append(paths, r.URL.Path)
		mu.Unlock()
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	return server.URL, func() string {
		mu.Lock()
		defer mu.Unlock()
		return strings.Join(paths, " ")
	}
}
