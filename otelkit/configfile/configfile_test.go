package configfile_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/otelkit/kit/otelkit"
	"github.com/otelkit/kit/otelkit/configfile"
	"github.com/otelkit/kit/otelkit/exemplar"
	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	collogs "go.opentelemetry.io/proto/otlp/collector/logs/v1"
	colmetrics "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	coltrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	metricspb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"
)

func TestMain(m *testing.M) {
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "OTEL_") {
			os.Unsetenv(name)
		}
	}
	goleak.VerifyTestMain(m)
}

// receiver is an OTLP receiver over HTTP.
type receiver struct {
	url string

	mu       sync.Mutex
	spans    []*tracepb.Span
	metrics  map[string]*metricspb.Metric
	records  []*logspb.LogRecord
	resource *resourcepb.Resource
	schema   string
	headers  []http.Header
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{metrics: map[string]*metricspb.Metric{}}
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.url = server.URL
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.headers = append(r.headers, q.Header.Clone())
	switch q.URL.Path {
	case "/v1/traces":
		var request coltrace.ExportTraceServiceRequest
		err = proto.Unmarshal(body, &request)
		for _, resource := range request.GetResourceSpans() {
			r.resource, r.schema = resource.GetResource(), resource.GetSchemaUrl()
			for _, scope := range resource.GetScopeSpans() {
				r.spans = append(r.spans, scope.GetSpans()...)
			}
		}
	case "/v1/metrics":
		var request colmetrics.ExportMetricsServiceRequest
		err = proto.Unmarshal(body, &request)
		for _, resource := range request.GetResourceMetrics() {
			for _, scope := range resource.GetScopeMetrics() {
				for _, m := range scope.GetMetrics() {
					r.metrics[m.GetName()] = m
				}
			}
		}
	case "/v1/logs":
		var request collogs.ExportLogsServiceRequest
		err = proto.Unmarshal(body, &request)
		for _, resource := range request.GetResourceLogs() {
			for _, scope := range resource.GetScopeLogs() {
				r.records = append(r.records, scope.GetLogRecords()...)
			}
		}
	default:
		http.NotFound(w, q)
		return
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}

// attributes are those of the resource of spans.
func (r *receiver) attributes() map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := map[string]string{}
	for _, kv := range r.resource.GetAttributes() {
		list[kv.GetKey()] = kv.GetValue().String()
		if s, ok := kv.GetValue().GetValue().(*commonpb.AnyValue_StringValue); ok {
			list[kv.GetKey()] = s.StringValue
		}
	}
	return list
}

// lines is what a kit writes to standard output.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// write writes a configuration file and sets OTEL_CONFIG_FILE.
func write(t *testing.T, text string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "otel.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("OTEL_CONFIG_FILE", path)
	return path
}

// start starts a kit on a configuration file.
func start(t *testing.T, text string, cfg otelkit.Config) (*otelkit.Kit, *lines, error) {
	t.Helper()
	write(t, text)
	out := &lines{}
	cfg.Logs.Output = out
	cfg.ConfigFile = configfile.Load
	kit, err := otelkit.Start(t.Context(), cfg)
	if err == nil {
		t.Cleanup(func() { _ = kit.Shutdown(context.Background()) })
	}
	return kit, out, err
}

// all is a file with all signals, on the receiver that ${RECEIVER} names, with
// lines below the providers.
func all(tracer, meter, logger string) string {
	return `
file_format: "1.0"
propagator:
  composite:
    - b3:
tracer_provider:` + tracer + `
  processors:
    - batch:
        exporter:
          otlp_http:
            endpoint: ${RECEIVER}/v1/traces
meter_provider:` + meter + `
  readers:
    - periodic:
        exporter:
          otlp_http:
            endpoint: ${RECEIVER}/v1/metrics
logger_provider:` + logger + `
  processors:
    - batch:
        exporter:
          otlp_http:
            endpoint: ${RECEIVER}/v1/logs
`
}

// record records something of each signal.
func record(t *testing.T, kit *otelkit.Kit) {
	t.Helper()
	attrs := []attribute.KeyValue{attribute.String("a", "long"), attribute.String("b", "long"), attribute.String("c", "long")}
	ctx, span := kit.TracerProvider().Tracer("shop").Start(t.Context(), "place order")
	defer span.End()
	span.SetAttributes(attrs...)
	for range 3 {
		span.AddEvent("event", trace.WithAttributes(attrs...))
	}
	histogram, err := kit.MeterProvider().Meter("shop").Float64Histogram("shop.duration", metric.WithUnit("s"))
	if err != nil {
		t.Fatal(err)
	}
	histogram.Record(ctx, 1)
	kit.Logger().InfoContext(ctx, "order placed", "a", "long", "b", "long", "c", "long")
}

func run(t *testing.T, text string, cfg otelkit.Config) (*receiver, *lines) {
	t.Helper()
	r := newReceiver(t)
	t.Setenv("RECEIVER", r.url)
	kit, out, err := start(t, text, cfg)
	if err != nil {
		t.Fatal(err)
	}
	record(t, kit)
	if err := kit.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	return r, out
}

func TestAFileConfiguresEverySignal(t *testing.T) {
	r, out := run(t, all("", "", "")+`
resource:
  attributes_list: team=a%20b,deployment.environment.name=list
  attributes:
    - name: deployment.environment.name
      value: file
    - name: shop.number
      value: 1
      type: int
    - name: shop.text
      value: 1
`, otelkit.Config{Service: "shop", Version: "1.2.3"})
	if len(r.spans) != 1 || len(r.records) != 1 || r.metrics["shop.duration"] == nil || r.metrics["go.goroutine.count"] == nil {
		t.Errorf("not every signal arrived: %d spans, %d records, metrics %v", len(r.spans), len(r.records), r.metrics)
	}
	for key, want := range map[string]string{
		"service.name": "shop", "service.version": "1.2.3", "team": "a b", "deployment.environment.name": "file",
		"shop.text": "1", "shop.number": "int_value:1",
	} {
		if got := r.attributes()[key]; got != want {
			t.Errorf("%s = %q, want %q", key, got, want)
		}
	}
	if r.attributes()["service.instance.id"] == "" || r.schema == "" {
		t.Errorf("resource %v, schema %q", r.attributes(), r.schema)
	}
	if strings.Contains(out.String(), "WARN") {
		t.Errorf("there is nothing to warn of:\n%s", out)
	}
}

func TestTheSpansOfExemplarsAreMarked(t *testing.T) {
	r, _ := run(t, all("", "", ""), otelkit.Config{Service: "shop"})
	marked := slices.ContainsFunc(r.spans[0].GetAttributes(), func(a *commonpb.KeyValue) bool { return a.GetKey() == exemplar.Mark })
	if points := r.metrics["shop.duration"].GetHistogram().GetDataPoints(); len(points[0].GetExemplars()) != 1 || !marked {
		t.Errorf("exemplars %v, span %v; want one exemplar, and its span marked", points[0].GetExemplars(), r.spans[0])
	}
}

// The specification: with a file, the variables are ignored. The exporters that
// otelconf v0.27 makes read them: headers with secrets went to the file's
// endpoint, and one https endpoint was called without TLS.
func TestVariablesAreIgnoredUnlessTheFileNamesThem(t *testing.T) {
	other := newReceiver(t)
	for name, value := range map[string]string{
		"OTEL_EXPORTER_OTLP_ENDPOINT": other.url, "OTEL_EXPORTER_OTLP_HEADERS": "api-key=s3cret",
		"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip", "OTEL_SERVICE_NAME": "from-variable", "OTEL_TRACES_SAMPLER": "always_off",
		"OTEL_RESOURCE_ATTRIBUTES": "team=variable", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "1", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "nonsense",
		"OTEL_SDK_DISABLED": "true", "OTEL_METRICS_EXEMPLAR_FILTER": "always_off", "OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT": "1",
		"OTEL_GREETING": "hello",
	} {
		t.Setenv(name, value)
	}
	r, out := run(t, all("", "", "")+`
resource:
  attributes:
    - {name: greeting, value: "${OTEL_GREETING}"}
`, otelkit.Config{Service: "shop"})
	if len(other.headers) > 0 || len(r.spans) != 1 || len(r.records) != 1 {
		t.Errorf("%d requests at the variable's endpoint, %d spans and %d records at the file's", len(other.headers), len(r.spans), len(r.records))
	}
	for _, h := range r.headers {
		if h.Get("Api-Key") != "" || h.Get("Content-Encoding") != "" {
			t.Errorf("headers %v are those of the variables", h)
		}
	}
	if got := r.attributes(); got["service.name"] != "shop" || got["team"] != "" || got["greeting"] != "hello" {
		t.Errorf("resource %v", got)
	}
	if len(r.spans[0].GetAttributes()) < 3 || len(r.records[0].GetAttributes()) != 3 {
		t.Errorf("limits of the variables hold: %v, %v", r.spans[0], r.records[0])
	}
	if points := r.metrics["shop.duration"].GetHistogram().GetDataPoints(); len(points[0].GetExemplars()) != 1 {
		t.Errorf("the exemplar filter of the variable holds: %v", points)
	}
	if got := out.String(); strings.Count(got, "variables are ignored") != 1 || !strings.Contains(got, "OTEL_EXPORTER_OTLP_HEADERS") || strings.Contains(got, "s3cret") {
		t.Errorf("one line has to name the ignored variables:\n%s", got)
	}
	if os.Getenv("OTEL_EXPORTER_OTLP_HEADERS") != "api-key=s3cret" {
		t.Error("the environment is not as it was")
	}
}

// otelconf v0.27 reads these and applies none.
func TestSettingsThatOtelconfDropsHold(t *testing.T) {
	r, _ := run(t, all(`
  limits:
    event_count_limit: 2
    event_attribute_count_limit: 1
    attribute_count_limit: 2
`, `
  exemplar_filter: always_off
  views:
    - selector: {instrument_name: shop.duration}
      stream:
        aggregation:
          base2_exponential_bucket_histogram:
`, `
  limits:
    attribute_count_limit: 2
`)+`
attribute_limits:
  attribute_count_limit: 1
  attribute_value_length_limit: 2
`, otelkit.Config{Service: "shop"})
	span := r.spans[0]
	if len(span.GetAttributes()) != 2 || span.GetAttributes()[0].GetValue().GetStringValue() != "lo" {
		t.Errorf("attributes of the span: %v", span.GetAttributes())
	}
	if events := span.GetEvents(); len(events) != 2 || len(events[0].GetAttributes()) != 1 {
		t.Errorf("events: %v", events)
	}
	if attrs := r.records[0].GetAttributes(); len(attrs) != 2 || attrs[0].GetValue().GetStringValue() != "lo" {
		t.Errorf("attributes of the record: %v", attrs)
	}
	points := r.metrics["shop.duration"].GetExponentialHistogram().GetDataPoints()
	if len(points) != 1 || len(points[0].GetExemplars()) > 0 || points[0].GetMax() != 1 || points[0].GetScale() != 20 {
		t.Errorf("points: %v", points)
	}
}

func TestPropagatorsAreTheFiles(t *testing.T) {
	for _, disabled := range []bool{false, true} {
		t.Setenv("RECEIVER", "http://127.0.0.1:1")
		kit, _, err := start(t, all("", "", "")+fmt.Sprintf("disabled: %v\n", disabled), otelkit.Config{Service: "shop"})
		if err != nil {
			t.Fatal(err)
		}
		const b3 = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1"
		ctx := kit.Propagator().Extract(t.Context(), propagation.MapCarrier{"b3": b3})
		if !trace.SpanContextFromContext(ctx).IsValid() {
			t.Error("b3 was not read")
		}
		_, span := kit.TracerProvider().Tracer("shop").Start(ctx, "a")
		if span.IsRecording() == disabled {
			t.Errorf("disabled is %v, and a span records: %v", disabled, span.IsRecording())
		}
	}
}

// profiler keeps the name of the service that it was started with.
type profiler struct{ service, version string }

func (p *profiler) StartProfiling(service string, labels map[string]string, _ *metrics.Recorder, _ *slog.Logger, _ func(string, error)) error {
	p.service, p.version = service, labels["service_version"]
	return nil
}

func (p *profiler) Stop(context.Context) error { return nil }

func TestProfilesAreTakenInTheNameThatTheFileSays(t *testing.T) {
	for _, tt := range []struct {
		file string
		want profiler
	}{
		{"", profiler{"shop", "v1"}},
		{"resource: {attributes_list: \"service.name=list\", attributes: [{name: service.version, value: 2}]}\n", profiler{"list", "2"}},
		{"disabled: true\n", profiler{}},
	} {
		var got profiler
		_, _, err := start(t, "file_format: \"1.0\"\n"+tt.file, otelkit.Config{Service: "shop", Version: "v1", Profiles: &got})
		if err != nil {
			t.Fatal(err)
		}
		if got != tt.want {
			t.Errorf("with %q profiles are of %v, want %v", tt.file, got, tt.want)
		}
	}
}

func TestWhatHasNoEffectIsSaid(t *testing.T) {
	_, out := run(t, `
file_format: "1.0-rc.3"
log_level: debug
resource:
  attributes: [{name: service.name, value: shop}]
meter_provider:
  readers:
    - periodic:
        exporter:
          otlp_http:
            endpoint: ${RECEIVER}/v1/metrics
            default_histogram_aggregation: base2_exponential_bucket_histogram
`, otelkit.Config{})
	for _, want := range []string{
		`"line":3,"setting":"log_level"`,
		`"line":12,"setting":"meter_provider.readers[0].periodic.exporter.otlp_http.default_histogram_aggregation"`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no line says %s:\n%s", want, out)
		}
	}
}

func TestAFileThatIsWrongKeepsTheServiceFromStarting(t *testing.T) {
	const head = "file_format: \"1.0\"\n"
	for name, tt := range map[string]struct{ text, want string }{
		"a misspelt key": {head + "tracer_provider:\n  procesors: []\n",
			"line 3: unknown key tracer_provider.procesors (did you mean processors?)"},
		"a key of nothing like it": {head + "tracer_provider: {exporter: {}, processors: []}\n",
			"unknown key tracer_provider.exporter; there are limits, processors, sampler"},
		"a key below a marker": {head + "tracer_provider: {processors: [], sampler: {always_on: {share: 1}}}\n",
			"unknown key tracer_provider.sampler.always_on.share; there are none here"},
		"what is in development":               {head + "instrumentation/development: {}\n", "in development"},
		"a key from a variable":                {head + "${KEY}: {}\n", "unknown key ${KEY}"},
		"two wrong keys":                       {head + "a: 1\nb: 2\n", "line 3: unknown key b"},
		"the model's own field":                {head + "additionalproperties: {}\n", "unknown key additionalproperties"},
		"no format":                            {"log_level: info\n", "file_format"},
		"an old format":                        {"file_format: \"0.3\"\n", `file_format is "0.3"; it can be 1.0 or 1.0-rc.3`},
		"no format at all":                     {"file_format: banana\n", `file_format is "banana"`},
		"an empty file":                        {"# nothing\n", "the file is empty"},
		"two documents":                        {head + "---\n" + head, "more than one document"},
		"no YAML":                              {head + "a: [\n", "yaml: "},
		"an alias":                             {head + "disabled: &a false\nlog_level: *a\n", "log_level is an alias"},
		"a merge":                              {head + "resource: &r {}\n<<: *r\n", "unknown key <<"},
		"a key twice":                          {head + "disabled: false\ndisabled: true\n", "already defined"},
		"a list for a mapping":                 {head + "tracer_provider: []\n", "cannot unmarshal"},
		"a text for a number":                  {head + "attribute_limits: {attribute_count_limit: many}\n", "cannot unmarshal"},
		"no name for a variable":               {head + "resource: {schema_url: \"${1}\"}\n", "${1} names no variable"},
		"an open reference":                    {head + "resource: {schema_url: \"${A\"}\n", "${A names no variable"},
		"two samplers":                         {head + "tracer_provider: {processors: [], sampler: {always_on: , always_off: }}\n", "tracer_provider.sampler has 2 keys; it has to have one"},
		"an exemplar filter that there is not": {head + "meter_provider: {readers: [], exemplar_filter: some}\n", `exemplar_filter is "some"`},
		"no name":                              {head, "the service has no name"},
		"no list":                              {head + "resource: {attributes_list: team}\n", "resource.attributes_list"},
		"a list that is not UTF-8":             {head + "resource: {attributes_list: team=a%ffb}\n", "in UTF-8"},
		"a list in the resource":               {head + "resource: {attributes: [{name: a, value: [1], type: int_array}]}\n", "a is a list"},
		"a pull reader": {head + "resource: {attributes: [{name: service.name, value: a}]}\nmeter_provider: {readers: [{pull: {exporter: {prometheus/development: {}}}}]}\n",
			"unknown key meter_provider.readers[0].pull.exporter.prometheus/development; what is in development"},
		"a compression that there is not": {head + "resource: {attributes: [{name: service.name, value: a}]}\n" +
			"tracer_provider: {processors: [{simple: {exporter: {console: }}}]}\n" +
			"meter_provider: {readers: [{periodic: {exporter: {otlp_http: {endpoint: \"http://localhost\", compression: zstd}}}}]}\n",
			`meter_provider: invalid config: unsupported compression "zstd"`},
	} {
		t.Run(name, func(t *testing.T) {
			kit, _, err := start(t, tt.text, otelkit.Config{})
			if err == nil {
				t.Fatal("it started", kit.Shutdown(t.Context()))
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), os.Getenv("OTEL_CONFIG_FILE")) {
				t.Errorf("error %q, want it to name the file and to say %q", err, tt.want)
			}
		})
	}
}

func TestAFileThatIsNotThereKeepsTheServiceFromStarting(t *testing.T) {
	t.Setenv("OTEL_CONFIG_FILE", "/nowhere.yaml")
	_, err := otelkit.Start(t.Context(), otelkit.Config{Service: "shop", ConfigFile: configfile.Load})
	if !strings.Contains(fmt.Sprint(err), "OTEL_CONFIG_FILE: open /nowhere.yaml") {
		t.Errorf("error %v", err)
	}
}

func TestAVariableBringsNoKeysAndGetsItsTypeFromItsValue(t *testing.T) {
	t.Setenv("ATTRIBUTES", "a, unknown: {}\nfile_format: banana")
	t.Setenv("COUNT", "2")
	r, _ := run(t, all("\n  limits:\n    attribute_count_limit: ${COUNT}", "", "")+`
resource:
  attributes:
    - name: text
      value: ${ATTRIBUTES}
    - name: quoted
      value: "${COUNT} and $${COUNT} and ${NOT_SET:-a: b}${NOT_SET}"
    - name: number
      value: ${env:COUNT}
      type: int
`, otelkit.Config{Service: "shop"})
	for key, want := range map[string]string{
		"text": "a, unknown: {}\nfile_format: banana", "quoted": "2 and ${COUNT} and a: b", "number": "int_value:2",
	} {
		if got := r.attributes()[key]; got != want {
			t.Errorf("%s = %q, want %q", key, got, want)
		}
	}
	if got := len(r.spans[0].GetAttributes()); got != 2 {
		t.Errorf("%d attributes, want 2", got)
	}
}

// otelconf's Shutdown ends one signal after the other: with a hung collector the
// first eats the whole time and the others have no try.
func TestShutdownGivesEverySignalItsTryWhenTheCollectorHangs(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, q *http.Request) {
		_, _ = io.Copy(io.Discard, q.Body)
		mu.Lock()
		asked = append(asked, q.URL.Path)
		mu.Unlock()
		<-release
	}))
	t.Cleanup(func() { close(release); server.Close() })
	t.Setenv("RECEIVER", server.URL)
	kit, _, err := start(t, all("", "", ""), otelkit.Config{Service: "shop", ShutdownTimeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	record(t, kit)
	ctx, giveUp := context.WithCancel(t.Context())
	result := make(chan error)
	go func() { result <- kit.Shutdown(ctx) }()
	for _, path := range []string{"/v1/traces", "/v1/metrics", "/v1/logs"} {
		for has := false; !has; {
			runtime.Gosched()
			mu.Lock()
			has = slices.Contains(asked, path)
			mu.Unlock()
		}
	}
	giveUp()
	if err := <-result; err == nil {
		t.Error("nothing was lost")
	}
}
