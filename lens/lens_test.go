package lens_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"github.com/otelkit/kit/lens"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// anyPort returns a configuration that does not collide with another test.
func anyPort() lens.Config {
	const addr = "127.0.0.1:0"
	return lens.Config{Addr: addr, OTLPGRPCAddr: addr, OTLPHTTPAddr: addr, PrometheusAddr: addr}
}

func start(t *testing.T, cfg lens.Config) *lens.Server {
	t.Helper()
	s, err := lens.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	return s
}

func startEphemeral(t *testing.T) *lens.Server {
	cfg := anyPort()
	cfg.Ephemeral = true
	return start(t, cfg)
}

// A program is one instrumented process.
type program struct {
	traces  *sdktrace.TracerProvider
	metrics *sdkmetric.MeterProvider
	logs    *sdklog.LoggerProvider
}

func newProgram(t *testing.T, s *lens.Server, protocol string) program {
	t.Helper()
	ctx := t.Context()
	res := resource.NewSchemaless(attribute.String("service.name", "main"), attribute.String("service.namespace", "shop"),
		attribute.String("service.instance.id", "i-1"), attribute.String("deployment.environment.name", "test"))
	var (
		spans   sdktrace.SpanExporter
		points  sdkmetric.Exporter
		records sdklog.Exporter
		errs    [3]error
	)
	if protocol == "grpc" {
		spans, errs[0] = otlptracegrpc.New(ctx, otlptracegrpc.WithEndpoint(s.OTLPGRPCAddr()), otlptracegrpc.WithInsecure(), otlptracegrpc.WithCompressor("gzip"))
		points, errs[1] = otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithEndpoint(s.OTLPGRPCAddr()), otlpmetricgrpc.WithInsecure(), otlpmetricgrpc.WithRetry(otlpmetricgrpc.RetryConfig{}))
		records, errs[2] = otlploggrpc.New(ctx, otlploggrpc.WithEndpoint(s.OTLPGRPCAddr()), otlploggrpc.WithInsecure())
	} else {
		spans, errs[0] = otlptracehttp.New(ctx, otlptracehttp.WithEndpoint(s.OTLPHTTPAddr()), otlptracehttp.WithInsecure(), otlptracehttp.WithCompression(otlptracehttp.GzipCompression))
		points, errs[1] = otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpoint(s.OTLPHTTPAddr()), otlpmetrichttp.WithInsecure(), otlpmetrichttp.WithRetry(otlpmetrichttp.RetryConfig{}))
		records, errs[2] = otlploghttp.New(ctx, otlploghttp.WithEndpoint(s.OTLPHTTPAddr()), otlploghttp.WithInsecure())
	}
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
	p := program{
		traces:  sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans), sdktrace.WithResource(res)),
		metrics: sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewPeriodicReader(points)), sdkmetric.WithResource(res)),
		logs:    sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(records)), sdklog.WithResource(res)),
	}
	t.Cleanup(func() {
		ctx := context.Background()
		for _, shutdown := range []func(context.Context) error{p.traces.Shutdown, p.metrics.Shutdown, p.logs.Shutdown} {
			shutdown(ctx) // the server may be gone by now
		}
	})
	return p
}

// checkout does what a service does for one request, exports all of it and
// returns the id of its trace.
func (p program) checkout(t *testing.T) string {
	t.Helper()
	ctx, span := p.traces.Tracer("shop").Start(t.Context(), "POST /checkout", trace.WithSpanKind(trace.SpanKindServer))
	_, child := p.traces.Tracer("shop").Start(ctx, "charge", trace.WithSpanKind(trace.SpanKindClient))
	child.SetAttributes(attribute.Int("amount.cents", 1299))
	child.End()

	meter := p.metrics.Meter("shop")
	orders, err := meter.Int64Counter("shop.orders", metric.WithUnit("{order}"))
	if err != nil {
		t.Fatal(err)
	}
	latency, err := meter.Float64Histogram("http.server.request.duration", metric.WithUnit("s"), metric.WithExplicitBucketBoundaries(0.1, 1))
	if err != nil {
		t.Fatal(err)
	}
	orders.Add(ctx, 5, metric.WithAttributes(attribute.String("payment.method", "card")))
	latency.Record(ctx, 0.25)

	var rec log.Record
	rec.SetBody(attribute.StringValue("order placed"))
	rec.SetSeverity(log.SeverityInfo)
	rec.SetTimestamp(time.Now())
	rec.AddAttributes(attribute.String("order.id", "o-1"))
	p.logs.Logger("shop").Emit(ctx, rec)
	span.End()

	for _, flush := range []func(context.Context) error{p.traces.ForceFlush, p.metrics.ForceFlush, p.logs.ForceFlush} {
		if err := flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return span.SpanContext().TraceID().String()
}

func get(t *testing.T, addr, path string) (int, string) {
	t.Helper()
	return getAs(t, addr, path, "")
}

func getAs(t *testing.T, addr, path, host string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Host = host
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// expectCheckout asks every read API for what checkout exported.
func expectCheckout(t *testing.T, addr, traceID string) {
	t.Helper()
	for what, c := range map[string]struct {
		path string
		want []string
	}{
		"the trace":      {"/api/traces/" + traceID, []string{`"batches":[`, `"name":"POST /checkout"`, `"name":"charge"`, `"amount.cents"`}},
		"the search":     {"/api/search?q=" + url.QueryEscape(`{ resource.service.name = "main" && span.amount.cents = 1299 }`), []string{traceID, `"rootTraceName":"POST /checkout"`}},
		"the log":        {"/loki/api/v1/query_range?query=" + url.QueryEscape(`{service_name="main"} | trace_id="`+traceID+`"`), []string{"order placed", `"order_id":"o-1"`, `"level":"info"`}},
		"the counter":    {"/api/v1/query?query=" + url.QueryEscape(`shop_orders_total{payment_method="card", service_name="main", deployment_environment_name="test"}`), []string{`"5"]`, `"job":"shop/main"`}},
		"the first rise": {"/api/v1/query?query=" + url.QueryEscape(`increase(shop_orders_total[1h]) > bool 0`), []string{`"1"]`}},
		"the exemplar":   {"/api/v1/query_exemplars?query=" + url.QueryEscape(`http_server_request_duration_seconds_bucket`), []string{`"trace_id":"` + traceID + `"`, `"value":"0.25"`, `"le":"1"`}},
	} {
		if code, body := get(t, addr, c.path); code != 200 || !containsAll(body, c.want) {
			t.Errorf("%s: %s answers %d %s, want %q in it", what, c.path, code, body, c.want)
		}
	}
}

func containsAll(s string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}

func TestWhatTheSDKExportedIsReadAtOnce(t *testing.T) {
	for _, protocol := range []string{"grpc", "http"} {
		t.Run(protocol, func(t *testing.T) {
			s := startEphemeral(t)
			id := newProgram(t, s, protocol).checkout(t)
			expectCheckout(t, s.Addr(), id)
			expectCheckout(t, s.PrometheusAddr(), id)
		})
	}
}

func TestDataSurvivesARestart(t *testing.T) {
	cfg := anyPort()
	cfg.DataDir = filepath.Join(t.TempDir(), "data")
	s := start(t, cfg)
	id := newProgram(t, s, "grpc").checkout(t)
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := start(t, cfg)
	expectCheckout(t, again.Addr(), id)
	second := newProgram(t, again, "http").checkout(t)
	expectCheckout(t, again.Addr(), second)
}

func TestTheStatusCountsWhatIsStoredAndWhatIsNotByCause(t *testing.T) {
	s := startEphemeral(t)
	newProgram(t, s, "http").checkout(t)
	for path, body := range map[string]string{
		"/v1/traces":  `{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"no id"}]}]}]}`,
		"/v1/metrics": `{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","sum":{"aggregationTemporality":1,"dataPoints":[{"asInt":"1"}]}}]}]}]}`,
		"/v1/logs":    `{`,
	} {
		resp, err := http.Post("http://"+s.OTLPHTTPAddr()+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if want := map[string]string{"/v1/traces": `"rejectedSpans":"1"`, "/v1/metrics": `"rejectedDataPoints":"1"`, "/v1/logs": `"code":3`}[path]; !strings.Contains(strings.ReplaceAll(string(answer), `": `, `":`), want) {
			t.Errorf("%s answers %s, want %s in it", path, answer, want)
		}
	}
	_, body := get(t, s.Addr(), "/api/status")
	var got struct {
		Ephemeral bool
		Bytes     int64
		Signals   map[string]struct {
			Received, Stored, Rows, Series, Bytes int64
			Dropped                               map[string]int64
		}
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	traces, metrics, logs := got.Signals["traces"], got.Signals["metrics"], got.Signals["logs"]
	if traces.Received != 3 || traces.Stored != 2 || traces.Rows != 2 || traces.Dropped["no id"] != 1 || traces.Bytes == 0 {
		t.Errorf("traces: %+v", traces)
	}
	if metrics.Received != 3 || metrics.Stored != 2 || metrics.Dropped["delta temporality"] != 1 || metrics.Series == 0 {
		t.Errorf("metrics: %+v", metrics)
	}
	if logs.Received != 1 || logs.Stored != 1 || logs.Dropped["unreadable request"] != 1 {
		t.Errorf("logs: %+v", logs)
	}
	if !got.Ephemeral || got.Bytes < traces.Bytes {
		t.Errorf("status: %s", body)
	}
}

func TestOnlyNamesOfThisMachineAreAnswered(t *testing.T) {
	cfg := anyPort()
	cfg.Ephemeral = true
	cfg.AllowedHosts = []string{"lens.test"}
	s := start(t, cfg)
	for host, want := range map[string]int{
		"":                         200,
		"localhost:3000":           200,
		"LOCALHOST.":               200,
		"shop.localhost":           200,
		"127.0.0.1":                200,
		"[::1]:3000":               200,
		"192.168.1.5:3000":         200,
		"lens.test:3000":           200,
		"evil.example":             403,
		"localhost.evil.example":   403,
		"127.0.0.1.evil.example:1": 403,
	} {
		for _, addr := range []string{s.Addr(), s.PrometheusAddr()} {
			if code, body := getAs(t, addr, "/-/ready", host); code != want {
				t.Errorf("Host %q: %d %s, want %d", host, code, body, want)
			}
		}
	}
	if code, body := getAs(t, s.Addr(), "/", "evil.example"); code != 403 || !strings.Contains(body, "--allowed-hosts evil.example") {
		t.Errorf("%d %s", code, body)
	}
}

const rules = `
groups:
  - name: shop
    rules:
      - {alert: Always, expr: vector(1), annotations: {summary: It always fires.}}
`

const dashboards = `{"uid": "shop", "title": "Shop", "tags": ["t"], "panels": [
  {"type": "stat", "title": "Orders", "targets": [{"refId": "A", "expr": "sum(shop_orders_total)"}]}]}`

func write(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRulesAndDashboardsAreLoaded(t *testing.T) {
	dir := t.TempDir()
	cfg := anyPort()
	cfg.Ephemeral = true
	cfg.Rules = []string{write(t, filepath.Join(dir, "shop.yml"), rules)}
	cfg.Dashboards = dir
	write(t, filepath.Join(dir, "shop.json"), dashboards)
	s := start(t, cfg)
	newProgram(t, s, "grpc").checkout(t)
	for path, want := range map[string]string{
		"/api/v1/rules":         `"name":"Always"`,
		"/api/dashboards":       fmt.Sprintf(`[{"uid":"shop","title":"Shop","tags":["t"],"file":%q}]`, filepath.Join(dir, "shop.json")),
		"/api/dashboards/shop":  dashboards,
		"/dashboards/shop":      "<dd>5</dd>",
		"/":                     `<a href="/dashboards/shop">Shop</a>`,
		"/-/healthy":            "lens is healthy",
		"/api/dashboards/other": `no dashboard has the uid "other"`,
	} {
		if _, body := get(t, s.Addr(), path); !strings.Contains(body, want) {
			t.Errorf("%s: %s does not contain %s", path, body, want)
		}
	}
}

func TestWhatKeepsLensFromStartingIsNamedAndNothingIsLeftBehind(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, port, _ := net.SplitHostPort(taken.Addr().String())

	garbage := func(name string) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			cfg := anyPort()
			cfg.DataDir = dir
			if err := start(t, cfg).Close(); err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, name), strings.Repeat("garbage ", 1000))
		}
	}
	for name, c := range map[string]struct {
		prepare func(t *testing.T, dir string)
		change  func(cfg *lens.Config, dir string)
		want    string
	}{
		"no directory":     {change: func(cfg *lens.Config, _ string) { cfg.DataDir = "" }, want: "say where to keep the data"},
		"a bad address":    {change: func(cfg *lens.Config, _ string) { cfg.Addr = "3000" }, want: `--addr "3000" is not host:port`},
		"too small":        {change: func(cfg *lens.Config, _ string) { cfg.MaxBytes = 1 }, want: "--max-bytes 1 is less than"},
		"a taken port":     {change: func(cfg *lens.Config, _ string) { cfg.OTLPGRPCAddr = "127.0.0.1:" + port }, want: "port " + port + " (OTLP/gRPC) is taken by another process; stop it or pass --otlp-grpc-addr"},
		"a foreign host":   {change: func(cfg *lens.Config, _ string) { cfg.Addr = "192.0.2.1:3000" }, want: "address 192.0.2.1:3000 (page) cannot be listened on"},
		"no rules":         {change: func(cfg *lens.Config, dir string) { cfg.Rules = []string{dir + "/none.yml"} }, want: "none.yml"},
		"no dashboards":    {change: func(cfg *lens.Config, dir string) { cfg.Dashboards = dir + "/none" }, want: "dashboards: "},
		"a file in place":  {prepare: func(t *testing.T, dir string) { write(t, dir, "") }, want: "choose another one"},
		"corrupt traces":   {prepare: garbage("traces.db"), want: "traces.db cannot be used"},
		"corrupt logs":     {prepare: garbage("logs.db"), want: "logs.db cannot be used"},
		"corrupt metrics":  {prepare: garbage("metrics/wal/00000000"), want: "00000000 is damaged"},
		"a foreign folder": {prepare: func(t *testing.T, dir string) { os.Mkdir(dir, 0o755); write(t, dir+"/mine", "") }, want: "not lens' own (it holds mine)"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := anyPort()
			cfg.DataDir = filepath.Join(t.TempDir(), "data")
			if c.prepare != nil {
				c.prepare(t, cfg.DataDir)
			}
			good := cfg
			if c.change != nil {
				c.change(&cfg, t.TempDir())
			}
			if s, err := lens.Start(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("Start: %v, want an error with %q", err, c.want)
				if s != nil {
					s.Close()
				}
			}
			if c.prepare == nil {
				start(t, good) // the directory and the ports are free
			}
		})
	}
}

func TestADataDirectoryIsForOneLensAtATime(t *testing.T) {
	cfg := anyPort()
	cfg.DataDir = t.TempDir()
	start(t, cfg)
	_, err := lens.Start(t.Context(), cfg)
	if want := "is in use by another lens"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Start: %v, want an error with %q", err, want)
	}
}
