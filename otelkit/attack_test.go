package otelkit_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/mux"
	"github.com/otelkit/kit/otelkit/httpclient"
	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/logs"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/ratelimit"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// attacked is a kit whose metrics are counted.
type attacked struct {
	tracers  *sdktrace.TracerProvider
	reader   *sdkmetric.ManualReader
	recorder *metrics.Recorder
	logger   *slog.Logger
}

func newAttacked(t *testing.T) *attacked {
	k := &attacked{
		tracers: sdktrace.NewTracerProvider(sdktrace.WithBatcher(tracetest.NewNoopExporter())),
		reader:  sdkmetric.NewManualReader(),
		logger:  logs.New(logs.Config{Output: io.Discard}, nil),
	}
	t.Cleanup(func() { _ = k.tracers.Shutdown(context.Background()) })
	k.recorder = metrics.NewRecorder(sdkmetric.NewMeterProvider(sdkmetric.WithReader(k.reader)))
	return k
}

func (k *attacked) TracerProvider() trace.TracerProvider { return k.tracers }
func (k *attacked) Recorder() *metrics.Recorder          { return k.recorder }
func (k *attacked) Logger() *slog.Logger                 { return k.logger }
func (k *attacked) Propagator() propagation.TextMapPropagator {
	return propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{})
}

// series returns every series of every metric, as "metric{attributes}".
func (k *attacked) series(t *testing.T) []string {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := k.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, scope := range all.ScopeMetrics {
		for _, m := range scope.Metrics {
			add := func(set attribute.Set) { list = append(list, m.Name+"{"+set.Encoded(attribute.DefaultEncoder())+"}") }
			switch data := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					add(p.Attributes)
				}
			case metricdata.Sum[int64]:
				for _, p := range data.DataPoints {
					add(p.Attributes)
				}
			default:
				t.Fatalf("%s is a %T, which this test does not count", m.Name, data)
			}
		}
	}
	return list
}

// victims are one service, routed by each router that the kit knows: it limits rates,
// logs accesses, and asks another service about what it was asked.
func victims(t *testing.T, k *attacked) map[string]http.Handler {
	t.Helper()
	limiter, err := ratelimit.New(ratelimit.Config{
		Limits:  []ratelimit.Limit{{Name: "client", Rate: 3, Per: 24 * time.Hour}},
		MaxKeys: 1000,
		Kit:     k,
	})
	if err != nil {
		t.Fatal(err)
	}
	limit, err := ratelimit.Middleware(ratelimit.HTTPConfig{
		Limiter:        limiter,
		Rules:          []ratelimit.Rule{{Limit: "client"}},
		TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
	})
	if err != nil {
		t.Fatal(err)
	}
	transport := httpclient.Transport(answering{}, httpclient.Config{Kit: k})
	show := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := httpclient.WithTemplate(r.Context(), "/stock/{id}")
		stock := (&http.Request{Method: http.MethodGet, URL: &url.URL{Scheme: "http", Host: "stock", Path: r.URL.Path, RawQuery: r.URL.RawQuery}}).WithContext(ctx)
		if _, err := transport.RoundTrip(stock); err != nil {
			t.Error(err)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "in stock")
	})
	fail := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("no such item") })

	cfg := httpserver.Config{Kit: k, AccessLog: k.logger, ServerTiming: true}
	std := http.NewServeMux()
	std.Handle("GET /items/{id}", show)
	std.Handle("POST /items/{id}", show)
	std.Handle("/fail/", fail)
	gorilla := mux.NewRouter()
	gorilla.Use(limit)
	gorilla.Handle("/items/{id}", show).Methods(http.MethodGet, http.MethodPost)
	gorilla.PathPrefix("/fail/").Handler(fail)
	return map[string]http.Handler{
		"http.ServeMux": httpserver.Wrap(limit(std), cfg),
		"gorilla/mux":   httpserver.Wrap(gorilla, cfg),
	}
}

type answering struct{}

func (answering) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody}, nil
}

// attacker makes up requests.
type attacker struct{ *rand.Rand }

// noise is bytes that were never sent before. None of them is a "/" or a ".", which would
// make a path of another kind of it.
func (a attacker) noise() string {
	b := make([]byte, 8+a.IntN(40))
	for i := range b {
		b[i] = byte(a.Uint32())
		if b[i] == '/' || b[i] == '.' {
			b[i] = 0xff
		}
	}
	return string(b)
}

func (a attacker) hex(n int) string {
	return fmt.Sprintf("%0*x", n, a.Uint64())[:n]
}

// request returns a request of one of many kinds, with everything that a client can
// choose chosen anew. A kind always comes from the same address, or each from its own.
func (a attacker) request(ctx context.Context, i int) *http.Request {
	kind := i % 24
	r := &http.Request{
		Method:     []string{"GET", "POST", "DELETE", a.noise()}[kind%4],
		URL:        &url.URL{Path: []string{"/items/" + a.hex(12), "/" + a.noise(), "//" + a.noise(), "/items/" + a.hex(12), "/fail/" + a.noise(), "/items/" + a.noise()}[kind/4], RawQuery: a.noise()},
		Host:       a.noise() + ".example.com:" + fmt.Sprint(a.IntN(70_000)),
		RemoteAddr: "10.1.2.3:80",
		ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{
			"User-Agent":        {a.noise()},
			"Traceparent":       {"00-" + a.hex(16) + a.hex(16) + "-" + a.hex(16) + "-0" + fmt.Sprint(kind%2)},
			"Tracestate":        {a.hex(8) + "=" + a.hex(8)},
			"Baggage":           {a.hex(8) + "=" + a.hex(8) + "," + a.noise()},
			"X-Forwarded-Proto": {a.noise()},
			"X-Forwarded-Host":  {a.noise()},
			"Forwarded":         {"for=" + a.noise()},
			"X-" + a.hex(8):     {a.noise()},
			"X-Forwarded-For":   {a.noise() + ", " + fmt.Sprintf("203.0.%d.%d", kind, kind)},
		},
		Body: io.NopCloser(strings.NewReader(a.noise())),
	}
	if kind%8 > 3 {
		r.Header.Set("X-Forwarded-For", fmt.Sprintf("%s, 2001:db8:%s:%s::1", a.noise(), a.hex(4), a.hex(4)))
	}
	return r.WithContext(ctx)
}

// attack sends n requests.
func attack(t *testing.T, victim http.Handler, seed uint64, n int) {
	const attackers = 4
	var all sync.WaitGroup
	for w := range uint64(attackers) {
		all.Go(func() {
			a := attacker{rand.New(rand.NewPCG(seed, w))}
			for i := range n / attackers {
				victim.ServeHTTP(httptest.NewRecorder(), a.request(t.Context(), i))
			}
		})
	}
	all.Wait()
}

// heap returns how many bytes are in use, without the spans that wait for their export:
// how many those are is chance.
func (k *attacked) heap(t *testing.T) uint64 {
	t.Helper()
	if err := k.tracers.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // the first only ages what is in pools
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// otelhttp v0.72: 3,000 values of Host fill the 2,000 series that a histogram may have.
// Here, 100,000 requests with methods, paths, queries, hosts, addresses, user agents and
// headers that nobody sent before add no series to any metric of the kit, and leave no
// memory behind.
func TestAHundredThousandHostileRequestsAddNoSeriesAndNoMemory(t *testing.T) {
	k := newAttacked(t)
	for router, victim := range victims(t, k) {
		attack(t, victim, 1, 12_000) // one of each kind, and the tables are full: behind gorilla/mux a sixth gets as far as the limiter
		before, used := k.series(t), k.heap(t)
		attack(t, victim, 2, 50_000)
		after := k.series(t)
		grown := int64(k.heap(t)) - int64(used)
		for _, s := range after {
			if !slices.Contains(before, s) {
				t.Errorf("%s: the attack added %s", router, s)
			}
		}
		// A metric whose attributes were the client's choice would be at its limit already.
		if len(after) != len(before) || len(after) > 100 {
			t.Errorf("%s: %d series before the attack, %d after; want as many, and no more than 100 for three routes", router, len(before), len(after))
		}
		if grown > 4<<20 {
			t.Errorf("%s: %d bytes more are in use after the attack", router, grown)
		}
		t.Logf("%s: %d series, heap %+d bytes", router, len(after), grown)
		for _, want := range []string{"http.server.request.duration", "http.client.request.duration", "otelkit.ratelimit.decisions", "otelkit.ratelimit.evictions"} {
			if !slices.ContainsFunc(after, func(s string) bool { return strings.HasPrefix(s, want+"{") }) {
				t.Errorf("%s: the attack did not reach %s", router, want)
			}
		}
	}
}
