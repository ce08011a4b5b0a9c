package redisdb_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/redisdb"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// kit keeps what a client under test records.
type kit struct {
	spans    *tracetest.SpanRecorder
	reader   *sdkmetric.ManualReader
	tracers  *sdktrace.TracerProvider
	recorder *metrics.Recorder
}

func newKit() *kit {
	k := &kit{spans: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader()}
	k.tracers = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(k.spans))
	k.recorder = metrics.NewRecorder(sdkmetric.NewMeterProvider(sdkmetric.WithReader(k.reader)))
	return k
}

func (k *kit) TracerProvider() trace.TracerProvider { return k.tracers }
func (k *kit) Recorder() *metrics.Recorder          { return k.recorder }

// inSpan returns a context within a span that has not ended.
func (k *kit) inSpan(t *testing.T) context.Context {
	ctx, _ := k.tracers.Tracer("test").Start(t.Context(), "work")
	return ctx
}

// span returns the only span that ended.
func (k *kit) span(t *testing.T) sdktrace.ReadOnlySpan {
	t.Helper()
	ended := k.spans.Ended()
	if len(ended) != 1 {
		t.Fatalf("%d spans ended, want 1: %v", len(ended), ended)
	}
	return ended[0]
}

// series returns the values of a metric by their attributes: counts of a
// histogram, else sums.
func (k *kit) series(t *testing.T, name string) map[string]float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := k.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	series := map[string]float64{}
	for _, s := range all.ScopeMetrics {
		for _, m := range s.Metrics {
			if m.Name != name {
				continue
			}
			switch data := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					series[text(p.Attributes.ToSlice())] = float64(p.Count)
				}
			case metricdata.Sum[float64]:
				for _, p := range data.DataPoints {
					series[text(p.Attributes.ToSlice())] = p.Value
				}
			}
		}
	}
	return series
}

// text writes attributes as "key=value key=value", sorted by key.
func text(attrs []attribute.KeyValue) string {
	set := attribute.NewSet(attrs...)
	var list []string
	for _, kv := range set.ToSlice() {
		list = append(list, fmt.Sprintf("%s=%s", kv.Key, kv.Value.String()))
	}
	return strings.Join(list, " ")
}

// open opens a client of a server of its own, both of which end with the test.
func open(t *testing.T, k *kit) (*redis.Client, *miniredis.Miniredis) {
	t.Helper()
	server := miniredis.RunT(t)
	client, err := redisdb.Open(t.Context(), redisdb.Config{URL: "redis://" + server.Addr() + "/1", Kit: k, PoolSize: 3, Name: "cache"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client, server
}

func TestACommandIsASpanAndAMeasurement(t *testing.T) {
	k := newKit()
	client, server := open(t, k)
	if err := client.Set(k.inSpan(t), "secret-key", "secret-value", 0).Err(); err != nil {
		t.Fatal(err)
	}

	span := k.span(t)
	if span.Name() != "SET" || span.SpanKind() != trace.SpanKindClient || span.Status().Code != codes.Unset || !span.Parent().IsValid() {
		t.Errorf("span %q, kind %v, status %v", span.Name(), span.SpanKind(), span.Status())
	}
	want := fmt.Sprintf("db.namespace=1 db.operation.name=SET db.system.name=redis server.address=127.0.0.1 server.port=%s", server.Port())
	if got := text(span.Attributes()); got != want {
		t.Errorf("span has\n%s, want\n%s", got, want)
	}
	if got := k.series(t, "db.client.operation.duration"); got[want] != 1 {
		t.Errorf("durations %v, want one of\n%s", got, want)
	}
}

// redisotel v9.23 gives a statement of background work a trace of its own
// (Instrumentation Score SPA-004), and connecting a span redis.dial.
func TestWithoutASpanThereIsAMeasurementAndNoTrace(t *testing.T) {
	k := newKit()
	client, _ := open(t, k)
	client.Get(t.Context(), "key")
	if started := k.spans.Started(); len(started) > 0 {
		t.Errorf("spans %v, want none", started)
	}
	found := false
	for attributes := range k.series(t, "db.client.operation.duration") {
		found = found || strings.Contains(attributes, "db.operation.name=GET")
	}
	if !found {
		t.Error("the command was not measured")
	}
}

func TestConnectingIsMeasuredAndHasNoSpans(t *testing.T) {
	k := newKit()
	client, _ := open(t, k)
	ctx := k.inSpan(t)
	hold := client.Conn() // so that the next command has to connect
	defer hold.Close()
	if err := hold.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	client.Get(ctx, "key")
	if got := k.span(t).Name(); got != "GET" {
		t.Errorf("span %q, want GET", got)
	}
	if got := k.series(t, "db.client.connection.create_time")["db.client.connection.pool.name=cache db.system.name=redis"]; got != 2 {
		t.Errorf("%v connections made, want 2", got)
	}
}

func TestAMissingKeyIsNoError(t *testing.T) {
	k := newKit()
	client, _ := open(t, k)
	if err := client.Get(k.inSpan(t), "none").Err(); !errors.Is(err, redis.Nil) {
		t.Fatal(err)
	}
	if span := k.span(t); span.Status().Code != codes.Unset || strings.Contains(text(span.Attributes()), "error.type") {
		t.Errorf("status %v, attributes %s", span.Status(), text(span.Attributes()))
	}
}

func TestAnErrorOfTheServerIsItsCode(t *testing.T) {
	k := newKit()
	client, _ := open(t, k)
	if err := client.Set(t.Context(), "text", "abc", 0).Err(); err != nil {
		t.Fatal(err)
	}
	if client.LPush(k.inSpan(t), "text", 1).Err() == nil {
		t.Fatal("no error")
	}
	span := k.span(t)
	if got := text(span.Attributes()); span.Status().Code != codes.Error || !strings.Contains(got, "db.response.status_code=WRONGTYPE") || !strings.Contains(got, "error.type=WRONGTYPE") {
		t.Errorf("status %v, attributes %s", span.Status(), got)
	}
}

func TestAPipelineIsOneSpan(t *testing.T) {
	for name, pipelined := range map[string]func(*redis.Client, context.Context, func(redis.Pipeliner) error) ([]redis.Cmder, error){
		"PIPELINE": (*redis.Client).Pipelined,
		"MULTI":    (*redis.Client).TxPipelined,
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit()
			client, _ := open(t, k)
			_, err := pipelined(client, k.inSpan(t), func(p redis.Pipeliner) error {
				p.Set(t.Context(), "a", 1, 0)
				p.Set(t.Context(), "b", 2, 0)
				p.Incr(t.Context(), "a")
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if span := k.span(t); span.Name() != name || !strings.Contains(text(span.Attributes()), "db.operation.batch.size=3") {
				t.Errorf("span %q has %s", span.Name(), text(span.Attributes()))
			}
		})
	}
}

func TestThePoolIsObserved(t *testing.T) {
	k := newKit()
	client, _ := open(t, k)
	hold := client.Conn()
	defer hold.Close()
	if err := hold.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	const pool = "db.client.connection.pool.name=cache db.client.connection.state=%s db.system.name=redis"
	count := k.series(t, "db.client.connection.count")
	if count[fmt.Sprintf(pool, "used")] != 1 || count[fmt.Sprintf(pool, "idle")] != 0 {
		t.Errorf("connections %v, want 1 used and 0 idle", count)
	}
	for name, want := range map[string]float64{"max": 3, "pending_requests": 0, "timeouts": 0} {
		got, ok := k.series(t, "db.client.connection."+name)["db.client.connection.pool.name=cache db.system.name=redis"]
		if !ok || got != want {
			t.Errorf("%s = %v (%v), want %v", name, got, ok, want)
		}
	}
}

func TestAClosedClientIsNotObservedForEver(t *testing.T) {
	k := newKit()
	server := miniredis.RunT(t)
	func() {
		client, err := redisdb.Open(t.Context(), redisdb.Config{URL: "redis://" + server.Addr(), Kit: k})
		if err != nil {
			t.Fatal(err)
		}
		client.Close()
	}()
	for k.series(t, "db.client.connection.max")["db.client.connection.pool.name="+server.Addr()+"/0 db.system.name=redis"] != 0 {
		if t.Context().Err() != nil {
			t.Fatal("it is")
		}
		runtime.GC()
	}
}

func TestAServerThatCannotBeReachedIsAnErrorWithoutThePassword(t *testing.T) {
	server := miniredis.RunT(t)
	server.RequireAuth("right")
	silent, err := net.Listen("tcp", "127.0.0.1:0") // whose connections nobody serves
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for name, tt := range map[string]struct{ url, want string }{
		"no URL":             {"", "Config.URL is missing"},
		"no Redis URL":       {"http://user:s3cret@" + server.Addr(), "redis://user:password@host:6379/0"},
		"no URL at all":      {"redis://user:s3cret%zz@" + server.Addr(), "redis://user:password@host:6379/0"},
		"nothing listens":    {"redis://:s3cret@" + closed.Addr().String(), closed.Addr().String()},
		"nobody answers":     {"redis://:s3cret@" + silent.Addr().String(), silent.Addr().String()},
		"the wrong password": {"redis://:s3cret@" + server.Addr(), server.Addr()},
	} {
		t.Run(name, func(t *testing.T) {
			timeout := time.Hour
			if name == "nobody answers" {
				timeout = 20 * time.Millisecond
			}
			_, err := redisdb.Open(t.Context(), redisdb.Config{URL: tt.url, Timeout: timeout})
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("error %v, want it to say %q and not the password", err, tt.want)
			}
		})
	}
}

// go-redis' own: 5 s a request, whatever its context says (ContextTimeoutEnabled is
// off).
func TestACommandKeepsToItsContextsDeadline(t *testing.T) {
	k := newKit()
	server := miniredis.RunT(t)
	client, err := redisdb.Open(t.Context(), redisdb.Config{URL: "redis://" + server.Addr(), Kit: k, Timeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(k.inSpan(t), 20*time.Millisecond)
	defer cancel()
	if err := client.BLPop(ctx, 0, "never").Err(); err == nil {
		t.Fatal("no error")
	}
	if got := text(k.span(t).Attributes()); !strings.Contains(got, "error.type=timeout") {
		t.Errorf("span has %s, want error.type=timeout", got)
	}
}

func TestTheCatalogIsRight(t *testing.T) {
	if err := redisdb.Catalog.Err(); err != nil {
		t.Error(err)
	}
}
