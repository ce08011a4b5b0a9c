package otelkit_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/otelkit/kit/otelkit"
	"github.com/otelkit/kit/otelkit/exemplar"
	"github.com/otelkit/kit/otelkit/logs"
	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/propagation"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	// The tests are about these variables; what the developer has set is not.
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); strings.HasPrefix(name, "OTEL_") {
			os.Unsetenv(name)
		}
	}
	goleak.VerifyTestMain(m)
}

type market string

func (market) Values() []market { return []market{"DE", "FR"} }

type orderAttrs struct {
	Market market `attr:"shop.market"`
}

var (
	catalog  = metrics.NewCatalog("otelkit_test")
	orders   = metrics.NewCounter[orderAttrs](catalog, metrics.Definition{Name: "shop.orders", Unit: "{order}", Help: "Orders."})
	duration = metrics.NewHistogram[metrics.None](catalog, metrics.Definition{
		Name: "shop.order.duration", Unit: "s", Help: "Time of orders.", Buckets: metrics.DurationBuckets(),
	})
)

// lines is what a kit under test writes to standard output.
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

// start starts a kit whose lines are kept, and shuts it down after the test. Unless the
// test is about it, Shutdown has the time that a slow machine may take.
func start(t *testing.T, cfg otelkit.Config) (*otelkit.Kit, *lines) {
	t.Helper()
	out := &lines{}
	if cfg.Service == "" {
		cfg.Service = "shop"
	}
	if cfg.ShutdownTimeout == 0 {
		cfg.ShutdownTimeout = 5 * time.Minute
	}
	cfg.Logs.Output, cfg.Logs.Sync = out, true
	kit, err := otelkit.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = kit.Shutdown(context.Background()) })
	return kit, out
}

// place does what a service does: it logs and measures within a span.
func place(ctx context.Context, kit *otelkit.Kit) trace.SpanContext {
	ctx, span := kit.TracerProvider().Tracer("shop").Start(kit.Context(ctx), "place order")
	defer span.End()
	orders.Add(ctx, 1, orderAttrs{"DE"})
	duration.Record(ctx, 0.2, metrics.None{})
	kit.Logger().InfoContext(ctx, "order placed")
	return span.SpanContext()
}

func TestEverySignalArrivesOverEveryProtocol(t *testing.T) {
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			collector := newCollector(t, protocol)
			t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
			t.Setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
			kit, out := start(t, otelkit.Config{Catalogs: []*metrics.Catalog{catalog}})
			place(t.Context(), kit)
			if err := kit.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := collector.spanNames(); !slices.Equal(got, []string{"place order"}) {
				t.Errorf("spans %q", got)
			}
			if got := collector.logBodies(); !slices.Equal(got, []string{"order placed"}) {
				t.Errorf("log records %q", got)
			}
			for _, name := range []string{"shop.orders", "shop.order.duration", "go.goroutine.count"} {
				if collector.metric(name) == nil {
					t.Errorf("metric %s did not arrive", name)
				}
			}
			if !strings.Contains(out.String(), "order placed") {
				t.Errorf("no line on standard output: %q", out)
			}
		})
	}
}

func TestConfigSaysTheEndpointAndTheProtocol(t *testing.T) {
	for _, protocol := range []string{"", "http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			collector := newCollector(t, protocol)
			kit, _ := start(t, otelkit.Config{Endpoint: collector.url, Protocol: protocol})
			place(t.Context(), kit)
			if err := kit.Shutdown(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(collector.spanNames()) != 1 || len(collector.logBodies()) != 1 || collector.metric("shop.orders") == nil {
				t.Errorf("not every signal arrived: spans %q, logs %q", collector.spanNames(), collector.logBodies())
			}
		})
	}
}

func TestVariablesRuleOverConfig(t *testing.T) {
	general, traces, unused := newCollector(t, ""), newCollector(t, ""), newCollector(t, "")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", general.url)
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", traces.url+"/v1/traces")
	t.Setenv("OTEL_LOGS_EXPORTER", "none")
	t.Setenv("OTEL_SERVICE_NAME", "from-variable")
	t.Setenv("OTEL_RESOURCE_ATTRIBUTES", "service.namespace=also-from-variable,service.instance.id=i-1")
	kit, _ := start(t, otelkit.Config{Service: "from-config", Namespace: "config", Environment: "test", Endpoint: unused.url})
	place(t.Context(), kit)
	if err := kit.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}

	if len(unused.spanNames()) > 0 || unused.metric("shop.orders") != nil || len(general.spanNames()) > 0 {
		t.Error("telemetry went where Config or the general variable says, not where the more exact one does")
	}
	if len(traces.spanNames()) != 1 || general.metric("shop.orders") == nil {
		t.Error("telemetry did not go where the variables say")
	}
	if got := slices.Concat(unused.logBodies(), general.logBodies(), traces.logBodies()); len(got) > 0 {
		t.Errorf("logs were exported despite OTEL_LOGS_EXPORTER=none: %q", got)
	}
	resource, _ := traces.resource()
	for key, want := range map[string]string{
		"service.name": "from-variable", "service.namespace": "also-from-variable",
		"service.instance.id": "i-1", "deployment.environment.name": "test",
	} {
		if resource[key] != want {
			t.Errorf("%s = %q, want %q", key, resource[key], want)
		}
	}
}

func TestTheResourceDescribesTheServiceAndNoSecrets(t *testing.T) {
	instances := map[string]bool{}
	for range 2 {
		collector := newCollector(t, "")
		kit, _ := start(t, otelkit.Config{Version: "1.2.3", Endpoint: collector.url})
		place(t.Context(), kit)
		if err := kit.Shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		resource, schema := collector.resource()
		if schema != semconv.SchemaURL {
			t.Errorf("schema %q, want %q", schema, semconv.SchemaURL)
		}
		if resource["service.name"] != "shop" || resource["service.version"] != "1.2.3" {
			t.Errorf("resource %v", resource)
		}
		for _, key := range []string{"service.instance.id", "host.name", "process.pid", "telemetry.sdk.name", "process.runtime.version"} {
			if resource[key] == "" {
				t.Errorf("%s is missing", key)
			}
		}
		for key := range resource {
			if strings.HasPrefix(key, "process.command") {
				t.Errorf("%s may hold secrets", key)
			}
		}
		instances[resource["service.instance.id"]] = true
	}
	if len(instances) != 2 {
		t.Errorf("two kits share service.instance.id: %v", instances)
	}
}

func TestAnExemplarPointsAtItsTraceAndItsSpanSaysSo(t *testing.T) {
	collector := newCollector(t, "")
	kit, _ := start(t, otelkit.Config{Endpoint: collector.url})
	span := place(t.Context(), kit)
	place(t.Context(), kit) // which finds the place taken
	if err := kit.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	points := collector.metric("shop.order.duration").GetHistogram().GetDataPoints()
	if len(points) != 1 || len(points[0].GetExemplars()) != 1 {
		t.Fatalf("points %v, want one with one exemplar", points)
	}
	if got := trace.TraceID(points[0].GetExemplars()[0].GetTraceId()); got != span.TraceID() {
		t.Errorf("exemplar of trace %s, want %s", got, span.TraceID())
	}
	if got := collector.spansWith(exemplar.Mark); !slices.Equal(got, []trace.SpanID{span.SpanID()}) {
		t.Errorf("marked are the spans %v, want %v only", got, span.SpanID())
	}
}

func TestConfigSaysHowLongAnExemplarIsExported(t *testing.T) {
	for name, tt := range map[string]struct {
		repeat time.Duration
		want   int
	}{"by default for some time": {0, 4}, "once": {-1, 2}} {
		t.Run(name, func(t *testing.T) {
			collector := newCollector(t, "")
			kit, _ := start(t, otelkit.Config{Endpoint: collector.url, Exemplars: exemplar.Config{Repeat: tt.repeat}})
			place(t.Context(), kit)
			for range 2 {
				if err := kit.ForceFlush(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			if got := len(collector.exemplars()); got != tt.want {
				t.Errorf("two exports of two series have %d exemplars, want %d", got, tt.want)
			}
		})
	}
}

func TestWithoutTracesThereAreNoExemplars(t *testing.T) {
	collector := newCollector(t, "")
	t.Setenv("OTEL_TRACES_EXPORTER", "none")
	kit, _ := start(t, otelkit.Config{Endpoint: collector.url})
	place(t.Context(), kit)
	if err := kit.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := collector.exemplars(); len(got) > 0 || collector.metric("shop.order.duration") == nil {
		t.Errorf("exemplars %v, want the metric without any: they lead nowhere", got)
	}
}

func TestClosedCountersStartAtZero(t *testing.T) {
	collector := newCollector(t, "")
	kit, _ := start(t, otelkit.Config{Endpoint: collector.url, Catalogs: []*metrics.Catalog{catalog}})
	if err := kit.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if points := collector.metric("shop.orders").GetSum().GetDataPoints(); len(points) != 2 {
		t.Errorf("%d series before anything was recorded, want one for each market: %v", len(points), points)
	}
}

func TestTheSDKLeavesLimitsToTheDefinitions(t *testing.T) {
	type attrs struct {
		ID int `attr:"shop.id,limit=3000"`
	}
	wide := metrics.NewCatalog("wide")
	counter := metrics.NewCounter[attrs](wide, metrics.Definition{Name: "shop.wide", Unit: "{item}", Help: "Many series.", Limit: 3000})
	collector := newCollector(t, "")
	kit, _ := start(t, otelkit.Config{Endpoint: collector.url, Catalogs: []*metrics.Catalog{wide}})
	ctx := kit.Context(t.Context())
	for id := range 3000 {
		counter.Add(ctx, 1, attrs{id})
	}
	if err := kit.ForceFlush(ctx); err != nil {
		t.Fatal(err)
	}
	points := collector.metric("shop.wide").GetSum().GetDataPoints()
	for _, p := range points {
		for _, a := range p.GetAttributes() {
			if a.GetKey() == "otel.metric.overflow" {
				t.Fatal("the SDK overflowed within the definition's limit")
			}
		}
	}
	if len(points) != 3000 {
		t.Errorf("%d series, want 3000", len(points))
	}
}

func TestWithoutAnEndpointTracesHaveIDsAndNothingIsExported(t *testing.T) {
	kit, out := start(t, otelkit.Config{})
	span := place(t.Context(), kit)
	if !span.IsValid() || !strings.Contains(out.String(), span.TraceID().String()) {
		t.Errorf("trace %s is not in %s", span.TraceID(), out)
	}
	if got := strings.Count(out.String(), "telemetry is not exported"); got != 1 {
		t.Errorf("%d lines say that nothing is exported, want 1:\n%s", got, out)
	}
	if err := kit.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestADisabledSDKStillWritesLinesAndPropagates(t *testing.T) {
	collector := newCollector(t, "")
	t.Setenv("OTEL_SDK_DISABLED", "true")
	kit, out := start(t, otelkit.Config{Endpoint: collector.url})
	if span := place(t.Context(), kit); span.IsValid() {
		t.Errorf("a span was started: %s", span.TraceID())
	}
	if err := kit.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if len(collector.spanNames()) > 0 || len(collector.logBodies()) > 0 || !strings.Contains(out.String(), "order placed") {
		t.Errorf("spans %q, records %q, lines %s", collector.spanNames(), collector.logBodies(), out)
	}
	carrier := propagation.MapCarrier{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
	ctx := kit.Propagator().Extract(t.Context(), carrier)
	if !trace.SpanContextFromContext(ctx).IsValid() {
		t.Error("trace context does not pass through")
	}
}

func TestAServiceOnABadConfigurationDoesNotStart(t *testing.T) {
	for name, tt := range map[string]struct {
		variables map[string]string
		config    otelkit.Config
		want      string
	}{
		"no name": {
			want: "set Config.Service or OTEL_SERVICE_NAME",
		},
		"an exporter that there is not": {
			variables: map[string]string{"OTEL_TRACES_EXPORTER": "zipkin"},
			config:    otelkit.Config{Service: "shop"},
			want:      `OTEL_TRACES_EXPORTER is "zipkin"; it has to be "otlp", "console" (standard output) or "none"`,
		},
		"a protocol that there is not": {
			variables: map[string]string{"OTEL_EXPORTER_OTLP_LOGS_PROTOCOL": "http"},
			config:    otelkit.Config{Service: "shop"},
			want:      `OTEL_EXPORTER_OTLP_LOGS_PROTOCOL is "http"`,
		},
		"a protocol in Config that only a variable can choose": {
			config: otelkit.Config{Service: "shop", Protocol: "http/json"},
			want:   `Config.Protocol is "http/json"`,
		},
		"an endpoint without a scheme": {
			variables: map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4318"},
			config:    otelkit.Config{Service: "shop"},
			want:      `OTEL_EXPORTER_OTLP_ENDPOINT is "localhost:4318"; over http/protobuf it has to be a URL`,
		},
		"an endpoint in Config that is no URL": {
			config: otelkit.Config{Service: "shop", Endpoint: "collector"},
			want:   `Config.Endpoint is "collector"`,
		},
		"a propagator that there is not": {
			variables: map[string]string{"OTEL_PROPAGATORS": "tracecontext,zipkin"},
			config:    otelkit.Config{Service: "shop"},
			want:      `OTEL_PROPAGATORS is "tracecontext,zipkin"`,
		},
		"a sampler that there is not": {
			variables: map[string]string{"OTEL_TRACES_SAMPLER": "sometimes"},
			config:    otelkit.Config{Service: "shop"},
			want:      `OTEL_TRACES_SAMPLER is "sometimes"`,
		},
		"a share that is none": {
			variables: map[string]string{"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "10%"},
			config:    otelkit.Config{Service: "shop"},
			want:      `OTEL_TRACES_SAMPLER_ARG is "10%"`,
		},
		"resource attributes that are no list": {
			variables: map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "team"},
			config:    otelkit.Config{Service: "shop"},
			want:      "OTEL_RESOURCE_ATTRIBUTES is \"team\"; it has to be a list",
		},
		"a resource that is not text, with which no export would succeed": {
			variables: map[string]string{"OTEL_RESOURCE_ATTRIBUTES": "team=a%ffb"},
			config:    otelkit.Config{Service: "shop"},
			want:      `the attribute "team" is "a\xffb"; it has to be UTF-8`,
		},
		"a name that is not text": {
			config: otelkit.Config{Service: "sh\xffp"},
			want:   `the attribute "service.name" is "sh\xffp"; it has to be UTF-8`,
		},
		"a wrong definition": {
			config: otelkit.Config{Service: "shop", Catalogs: []*metrics.Catalog{wrongCatalog()}},
			want:   "kit_test.go",
		},
	} {
		t.Run(name, func(t *testing.T) {
			for variable, value := range tt.variables {
				t.Setenv(variable, value)
			}
			kit, err := otelkit.Start(t.Context(), tt.config)
			if err == nil {
				t.Fatal("it started", kit.Shutdown(t.Context()))
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %q, want it to say %q", err, tt.want)
			}
		})
	}
}

func wrongCatalog() *metrics.Catalog {
	c := metrics.NewCatalog("wrong")
	metrics.NewCounter[metrics.None](c, metrics.Definition{Name: "Orders", Unit: "{order}", Help: "Orders."})
	return c
}

func TestStartNamesAllThatIsWrong(t *testing.T) {
	t.Setenv("OTEL_TRACES_EXPORTER", "zipkin")
	_, err := otelkit.Start(t.Context(), otelkit.Config{Catalogs: []*metrics.Catalog{wrongCatalog()}})
	for _, want := range []string{"OTEL_TRACES_EXPORTER", "no name", "Orders"} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("error does not name %s:\n%v", want, err)
		}
	}
}

func TestTheKitInTheContextRecordsThoughAnotherStartedLater(t *testing.T) {
	first, second := newCollector(t, ""), newCollector(t, "")
	kit, _ := start(t, otelkit.Config{Endpoint: first.url})
	other, _ := start(t, otelkit.Config{Endpoint: second.url})
	orders.Add(kit.Context(t.Context()), 1, orderAttrs{"DE"})
	orders.Add(t.Context(), 1, orderAttrs{"FR"})
	for _, k := range []*otelkit.Kit{kit, other} {
		if err := k.ForceFlush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]*collector{"DE": first, "FR": second} {
		points := c.metric("shop.orders").GetSum().GetDataPoints()
		if len(points) != 1 || text(points[0].GetAttributes()[0].GetValue()) != name {
			t.Errorf("points %v, want one of %s", points, name)
		}
	}
}

func TestNothingIsGlobalUnlessAsked(t *testing.T) {
	before := slog.Default()
	defer slog.SetDefault(before)
	collector := newCollector(t, "")

	start(t, otelkit.Config{Endpoint: collector.url})
	if _, span := otel.Tracer("library").Start(t.Context(), "global"); span.IsRecording() || slog.Default() != before {
		t.Error("Start changed a global")
	}

	kit, _ := start(t, otelkit.Config{Endpoint: collector.url, SetGlobal: true})
	_, span := otel.Tracer("library").Start(t.Context(), "global")
	span.End()
	if !span.SpanContext().IsValid() || slog.Default() != kit.Logger() {
		t.Error("SetGlobal did not set the globals")
	}
	if err := kit.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(collector.spanNames(), "global") {
		t.Errorf("the span of the global tracer did not arrive: %q", collector.spanNames())
	}
}

func TestLinesFollowConfig(t *testing.T) {
	kit, out := start(t, otelkit.Config{Logs: logs.Config{Level: slog.LevelWarn, Format: logs.Text}})
	kit.Logger().Info("quiet")
	kit.Logger().Warn("loud")
	if got := out.String(); strings.Contains(got, "quiet") || !strings.Contains(got, "msg=loud") {
		t.Errorf("lines:\n%s", got)
	}
}
