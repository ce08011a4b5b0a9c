package otelkittest_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	otellog "go.opentelemetry.io/otel/log"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/otelkit/health"
	"github.com/otelkit/kit/otelkit/httpclient"
	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/otelkittest"
	"github.com/otelkit/kit/otelkit/postgres"
	"github.com/otelkit/kit/otelkit/ratelimit"
	"github.com/otelkit/kit/otelkit/redisdb"
)

// What an instrumented package asks for, a Kit has.
var (
	_ httpserver.Kit = (*otelkittest.Kit)(nil)
	_ httpclient.Kit = (*otelkittest.Kit)(nil)
	_ postgres.Kit   = (*otelkittest.Kit)(nil)
	_ redisdb.Kit    = (*otelkittest.Kit)(nil)
	_ health.Kit     = (*otelkittest.Kit)(nil)
	_ ratelimit.Kit  = (*otelkittest.Kit)(nil)
)

// The shop's definitions.
type outcome string

func (outcome) Values() []outcome { return []outcome{"placed", "declined"} }

type orderAttrs struct {
	Outcome outcome `attr:"shop.outcome"`
	Market  string  `attr:"shop.market,omitempty,limit=50"`
}

var (
	catalog = metrics.NewCatalog("shop")
	orders  = metrics.NewCounter[orderAttrs](catalog, metrics.Definition{Name: "shop.orders", Unit: "{order}", Help: "Orders."})
	amounts = metrics.NewHistogram[orderAttrs](catalog, metrics.Definition{Name: "shop.order.amount", Unit: "{EUR}", Help: "What orders cost.", Buckets: []float64{1, 10, 100}})
	baskets = metrics.NewUpDownCounter[metrics.None](catalog, metrics.Definition{Name: "shop.baskets", Unit: "{basket}", Help: "Open baskets."})
)

func ctxOf(tel *otelkittest.Kit) context.Context { return tel.Context(context.Background()) }

func start(ctx context.Context, tel *otelkittest.Kit, name string, options ...oteltrace.SpanStartOption) (context.Context, oteltrace.Span) {
	return tel.TracerProvider().Tracer("shop").Start(ctx, name, options...)
}

// placeOrder is code under test.
func placeOrder(tel *otelkittest.Kit) {
	ctx, request := start(ctxOf(tel), tel, "POST /orders", oteltrace.WithSpanKind(oteltrace.SpanKindServer))
	request.SetAttributes(semconv.HTTPResponseStatusCode(201))
	for _, name := range []string{"INSERT orders", "SELECT stock"} {
		_, query := start(ctx, tel, name, oteltrace.WithSpanKind(oteltrace.SpanKindClient))
		query.SetAttributes(semconv.DBSystemNamePostgreSQL)
		query.End()
	}
	orders.Add(ctx, 1, orderAttrs{Outcome: "placed"})
	amounts.Record(ctx, 42, orderAttrs{Outcome: "placed"})
	tel.Logger().InfoContext(ctx, "order placed", "shop.order", 7)
	request.AddEvent("queued", oteltrace.WithAttributes(attribute.String("shop.queue", "mail")))
	request.End()
}

func TestOneFixtureSeesEverySignalOfARequest(t *testing.T) {
	t.Parallel()
	for i := range 8 {
		t.Run(fmt.Sprintf("in parallel %d", i), func(t *testing.T) {
			t.Parallel()
			tel := otelkittest.New(t)
			placed := tel.Series(orders, attribute.String("shop.outcome", "placed"))
			for range i {
				placeOrder(otelkittest.New(t)) // another's telemetry is not seen
			}
			placeOrder(tel)

			request := tel.Span("POST /orders").
				IsRoot().
				HasKind(oteltrace.SpanKindServer).
				HasStatus(codes.Unset).
				HasOnly(semconv.HTTPResponseStatusCode(201)).
				Lacks(semconv.ErrorTypeKey).
				HasEvent("queued", attribute.String("shop.queue", "mail")).
				Tree(`
					POST /orders
						SELECT stock
						INSERT orders
				`)
			tel.Span("INSERT orders", semconv.DBSystemNamePostgreSQL).ChildOf(request)
			tel.NoSpan("INSERT orders", semconv.DBSystemNameRedis)
			tel.NoOpenSpans()
			tel.Log("order placed").
				HasOnly(attribute.Int("shop.order", 7)).
				HasSeverity(otellog.SeverityInfo).
				Lacks("error").
				In(request)
			tel.NoLog("order declined")
			placed.Grew(1).Grew(0).Is(1).ExemplarOf(request)
			tel.Series(amounts, attribute.String("shop.outcome", "placed")).Is(1).ExemplarOf(request)
			if sum := tel.Total(amounts).Sum(); sum != 42 {
				t.Errorf("the sum is %v, want 42", sum)
			}
			tel.ExemplarsResolve()
			tel.NoViolations(otelkittest.Registry{Catalogs: []*metrics.Catalog{catalog}, Attributes: []attribute.Key{"shop.order", "shop.queue"}})
			tel.ScoresAtLeast(100)
		})
	}
}

func TestWhatIsAskedForIsWaitedFor(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		tel := otelkittest.New(t)
		placed := tel.Total(orders)
		time.AfterFunc(time.Second, func() { placeOrder(tel) })
		tel.Span("POST /orders").Tree("POST /orders\n\tINSERT orders\n\tSELECT stock")
		tel.Log("order placed")
		placed.Grew(1)
	})
}

func TestASubtestFailsItselfAndNotItsParent(t *testing.T) {
	t.Parallel()
	if said := failure(t, func(tel *otelkittest.Kit) {
		sub := &fake{}
		tel.For(sub).Total(orders).Is(1)
		if len(sub.said) != 1 {
			t.Errorf("the subtest was told %q", sub.said)
		}
	}); said != "" {
		t.Errorf("the parent was told %s", said)
	}
}

// A server's span ends after its client has the response, and is found anyway.
func TestInstrumentedServerAndClientSatisfyTheirConventions(t *testing.T) {
	t.Parallel()
	tel := otelkittest.New(t)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "{}") })
	server := httptest.NewServer(httpserver.Wrap(mux, httpserver.Config{Kit: tel}))
	t.Cleanup(server.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	client := &http.Client{Transport: httpclient.Transport(transport, httpclient.Config{Kit: tel})}

	requests := tel.Total(httpserver.RequestDuration)
	ctx, visit := start(ctxOf(tel), tel, "visit")
	r, err := http.NewRequestWithContext(httpclient.WithTemplate(ctx, "/orders/{id}"), http.MethodGet, server.URL+"/orders/7", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	if err := response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	visit.End()

	tel.Span("visit").Tree(`
		visit
		  GET /orders/{id}
		    GET /orders/{id}
	`)
	served := tel.Span("GET /orders/{id}", semconv.HTTPRoute("/orders/{id}"))
	requests.Grew(1).ExemplarOf(served)
	tel.NoViolations(otelkittest.Registry{})
	tel.ScoresAtLeast(100)
}

func TestRecordingAndAssertingIsConcurrencySafe(t *testing.T) {
	t.Parallel()
	tel := otelkittest.New(t)
	const n = 50
	for range n {
		go placeOrder(tel)
	}
	tel.Total(orders).Is(n)
	tel.NoOpenSpans()
	if got := len(tel.Spans("POST /orders")); got != n {
		t.Errorf("%d spans, want %d", got, n)
	}
	if got := len(tel.Logs("order placed")); got != n {
		t.Errorf("%d log records, want %d", got, n)
	}
	tel.ExemplarsResolve()
}

// The SDK's reservoir forgets at random once a collection has seen it.
func TestExemplarsOfEarlierMeasurementsAreKept(t *testing.T) {
	t.Parallel()
	tel := otelkittest.New(t)
	for range 20 {
		placeOrder(tel)
		tel.Total(orders).Value() // collects
	}
	placed := tel.Series(orders, attribute.String("shop.outcome", "placed"))
	for _, request := range tel.Spans("POST /orders") {
		placed.ExemplarOf(request)
	}
}

func TestEnvironmentDoesNotChangeWhatIsRecorded(t *testing.T) {
	t.Setenv("OTEL_TRACES_SAMPLER", "always_off")
	t.Setenv("OTEL_METRICS_EXEMPLAR_FILTER", "always_off")
	t.Setenv("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "0")
	t.Setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "1")
	t.Setenv("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "0")
	t.Setenv("OTEL_SDK_DISABLED", "true")
	tel := otelkittest.New(t)
	placeOrder(tel)
	request := tel.Span("POST /orders", semconv.HTTPResponseStatusCode(201))
	tel.Span("INSERT orders").HasOnly(semconv.DBSystemNamePostgreSQL)
	tel.Total(orders).Is(1).ExemplarOf(request)
	tel.Log("order placed").Has(attribute.Int("shop.order", 7))
}

func TestTheResourceIsTheCallers(t *testing.T) {
	t.Parallel()
	tel := otelkittest.New(t, semconv.ServiceName("shop"))
	placeOrder(tel)
	name, _ := tel.Span("POST /orders").Resource().Set().Value(semconv.ServiceNameKey)
	if name.AsString() != "shop" {
		t.Errorf("service.name is %q", name.AsString())
	}
	if got := tel.Score().Service; got != "shop" {
		t.Errorf("scored %q", got)
	}
}

func TestLinksLeadToSpans(t *testing.T) {
	t.Parallel()
	tel := otelkittest.New(t)
	placeOrder(tel)
	request := tel.Span("POST /orders")
	_, batch := start(ctxOf(tel), tel, "batch", oteltrace.WithLinks(oteltrace.Link{SpanContext: request.SpanContext()}))
	batch.End()
	tel.Span("batch").LinksTo(request)
}

func TestUpAndDownIsAValue(t *testing.T) {
	t.Parallel()
	tel := otelkittest.New(t)
	open := tel.Series(baskets)
	baskets.Add(ctxOf(tel), 3, metrics.None{})
	baskets.Add(ctxOf(tel), -1, metrics.None{})
	open.Grew(2)
	baskets.Add(ctxOf(tel), -2, metrics.None{})
	open.Grew(-2).Is(0)
}
