package otelkittest_test

import (
	"regexp"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	otellog "go.opentelemetry.io/otel/log"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/otelkittest"
)

const (
	spans = `recorded:
  "POST /orders" server {http.response.status_code=201}
    "INSERT orders" client {db.system.name="postgresql"}
    "SELECT stock" client {db.system.name="postgresql"}`
	logged = `logged:
  INFO "order placed" {shop.order=7} in "POST /orders"`
	series = `its series:
  shop.orders{shop.outcome="placed"} 1 {order}`
)

// TestFailuresTellWhatWasRecorded shows every assertion's words. Each of them
// is about what placeOrder recorded.
func TestFailuresTellWhatWasRecorded(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		assert func(tel *otelkittest.Kit)
		want   string
	}{
		{
			"a span that is not there",
			func(tel *otelkittest.Kit) { tel.Span("POST /order") },
			`otelkittest: no span "POST /order"; ` + spans,
		},
		{
			"a span that has other attributes",
			func(tel *otelkittest.Kit) { tel.Span("POST /orders", semconv.HTTPResponseStatusCode(500)) },
			`otelkittest: no span "POST /orders" with {http.response.status_code=500}; ` + spans,
		},
		{
			"a span that is there",
			func(tel *otelkittest.Kit) { tel.NoSpan("SELECT stock") },
			`otelkittest: 1 span "SELECT stock", want none; ` + spans,
		},
		{
			"an attribute of another value, and one of another type, and one too few",
			func(tel *otelkittest.Kit) {
				tel.Span("POST /orders").Has(semconv.HTTPResponseStatusCode(200))
				tel.Span("POST /orders").Has(attribute.String("http.response.status_code", "201"))
				tel.Span("POST /orders").Has(semconv.HTTPRoute("/orders"))
			},
			`otelkittest: span "POST /orders": attribute http.response.status_code is 201, want 200; ` + spans + `
otelkittest: span "POST /orders": attribute http.response.status_code is 201, want "201"; ` + spans + `
otelkittest: span "POST /orders": no attribute http.route, want "/orders"; ` + spans,
		},
		{
			"an attribute too many",
			func(tel *otelkittest.Kit) {
				tel.Span("POST /orders").HasOnly()
				tel.Span("POST /orders").Lacks(semconv.HTTPResponseStatusCodeKey)
			},
			strings.Repeat(`otelkittest: span "POST /orders": attribute http.response.status_code is 201, want none; `+spans+"\n", 2),
		},
		{
			"the kind",
			func(tel *otelkittest.Kit) { tel.Span("POST /orders").HasKind(oteltrace.SpanKindInternal) },
			`otelkittest: span "POST /orders": kind is server, want internal; ` + spans,
		},
		{
			"the status",
			func(tel *otelkittest.Kit) { tel.Span("POST /orders").HasStatus(codes.Error) },
			`otelkittest: span "POST /orders": status is Unset "", want Error; ` + spans,
		},
		{
			"an event",
			func(tel *otelkittest.Kit) {
				tel.Span("POST /orders").HasEvent("queued", attribute.String("shop.queue", "print"))
				tel.Span("INSERT orders").HasEvent("queued")
			},
			`otelkittest: span "POST /orders": no event "queued" with {shop.queue="print"}; it has: "queued"{shop.queue="mail"}; ` + spans + `
otelkittest: span "INSERT orders": no event "queued"; it has: none; ` + spans,
		},
		{
			"a link",
			func(tel *otelkittest.Kit) { tel.Span("POST /orders").LinksTo(tel.Span("SELECT stock")) },
			`otelkittest: span "POST /orders": no link to "SELECT stock"; it has 0 links; ` + spans,
		},
		{
			"the parent",
			func(tel *otelkittest.Kit) {
				tel.Span("SELECT stock").ChildOf(tel.Span("INSERT orders"))
				tel.Span("SELECT stock").IsRoot()
				tel.Span("POST /orders").ChildOf(tel.Span("INSERT orders"))
			},
			`otelkittest: span "SELECT stock": its parent is "POST /orders", want "INSERT orders"; ` + spans + `
otelkittest: span "SELECT stock": its parent is "POST /orders", want none; ` + spans + `
otelkittest: span "POST /orders": its parent is none: it is a root, want "INSERT orders"; ` + spans,
		},
		{
			"the tree",
			func(tel *otelkittest.Kit) {
				tel.Span("POST /orders").Tree(`
					POST /orders
						SELECT stock
							INSERT orders
				`)
			},
			`otelkittest: the tree of span "POST /orders" is
  POST /orders
    INSERT orders
    SELECT stock
want
  POST /orders
    SELECT stock
      INSERT orders`,
		},
		{
			"a log record that is not there",
			func(tel *otelkittest.Kit) { tel.Log("order declined") },
			`otelkittest: no log record "order declined"; ` + logged,
		},
		{
			"a log record that is there",
			func(tel *otelkittest.Kit) { tel.NoLog("order placed", attribute.Int("shop.order", 7)) },
			`otelkittest: 1 log record "order placed" with {shop.order=7}, want none; ` + logged,
		},
		{
			"a log record's attributes, severity and span",
			func(tel *otelkittest.Kit) {
				tel.Log("order placed").Has(attribute.Int("shop.order", 8)).HasOnly().Lacks("shop.order")
				tel.Log("order placed").HasSeverity(otellog.SeverityError).In(tel.Span("SELECT stock"))
			},
			`otelkittest: log record "order placed": attribute shop.order is 7, want 8; ` + logged + `
otelkittest: log record "order placed": attribute shop.order is 7, want none; ` + logged + `
otelkittest: log record "order placed": attribute shop.order is 7, want none; ` + logged + `
otelkittest: log record "order placed": severity is INFO, want ERROR; ` + logged + `
otelkittest: log record "order placed": logged in "POST /orders", want in "SELECT stock"; ` + logged,
		},
		{
			"a count",
			func(tel *otelkittest.Kit) {
				placed := tel.Series(orders, attribute.String("shop.outcome", "placed")).Is(2)
				placed.Grew(1)
				tel.Total(orders).Is(0)
			},
			`otelkittest: shop.orders{shop.outcome="placed"} is 1, want 2; ` + series + `
otelkittest: shop.orders{shop.outcome="placed"} grew by 0, want 1; ` + series + `
otelkittest: the total of shop.orders is 1, want 0; ` + series,
		},
		{
			"a histogram",
			func(tel *otelkittest.Kit) { tel.Series(amounts).Is(2) },
			`otelkittest: shop.order.amount is 1, want 2; its series:
  shop.order.amount{shop.outcome="placed"} 1 measurement, sum 42 {EUR}`,
		},
		{
			"an attribute that no series can have",
			func(tel *otelkittest.Kit) { tel.Series(orders, attribute.String("shop.result", "placed")) },
			`otelkittest: shop.orders{shop.result="placed"}: the definition has no attribute shop.result; it has: shop.outcome, shop.market`,
		},
		{
			"a type that no series can have",
			func(tel *otelkittest.Kit) { tel.Series(orders, attribute.Int("shop.market", 49)) },
			`otelkittest: shop.orders{shop.market=49}: attribute shop.market has the type int; it has to be string`,
		},
		{
			"a value that no series can have",
			func(tel *otelkittest.Kit) { tel.Series(orders, attribute.String("shop.outcome", "plased")) },
			`otelkittest: shop.orders{shop.outcome="plased"}: attribute shop.outcome is never "plased"; it is one of: placed, declined`,
		},
		{
			"a misspelt name, though 0 is what is wanted",
			func(tel *otelkittest.Kit) { tel.Series(otelkittest.Name("shop.order")).Is(0) },
			`otelkittest: shop.order is 0, want 0; no metric of that name was recorded, but:
  shop.order.amount ({EUR})
  shop.orders ({order})`,
		},
		{
			"an exemplar",
			func(tel *otelkittest.Kit) { tel.Total(orders).ExemplarOf(tel.Span("SELECT stock")) },
			`otelkittest: the total of shop.orders has no exemplar of span "SELECT stock"; it has exemplars of: "POST /orders"; ` + series,
		},
		{
			"the conventions",
			func(tel *otelkittest.Kit) {
				tel.NoViolations(otelkittest.Registry{Catalogs: []*metrics.Catalog{catalog}}, "missing_attribute:shop.order")
			},
			`otelkittest: 1 violation of the conventions:
  violation missing_attribute: span "POST /orders": attribute shop.queue is neither in the semantic conventions nor in the Registry`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := failure(t, func(tel *otelkittest.Kit) {
				placeOrder(tel)
				test.assert(tel)
			})
			if got != strings.TrimSpace(test.want) {
				t.Errorf("got\n%s\n\nwant\n%s", got, test.want)
			}
		})
	}
}

func TestFailuresTellWhatNeverEndedOrIsMissing(t *testing.T) {
	t.Parallel()
	id := regexp.MustCompile(`[0-9a-f]{16}`)
	tests := []struct {
		name   string
		assert func(tel *otelkittest.Kit)
		want   string
	}{
		{
			"no span at all",
			func(tel *otelkittest.Kit) { tel.Span("a") },
			`otelkittest: no span "a"; nothing was recorded: does the code under test get this Kit?`,
		},
		{
			"no log record at all",
			func(tel *otelkittest.Kit) { tel.Log("a") },
			`otelkittest: no log record "a"; nothing was logged: does the code under test get this Kit's Logger?`,
		},
		{
			"no metric at all",
			func(tel *otelkittest.Kit) { tel.Total(orders).Grew(1) },
			`otelkittest: the total of shop.orders grew by 0, want 1; no metric was recorded: does the code under test measure in this Kit's Context?`,
		},
		{
			"a span that never ends",
			func(tel *otelkittest.Kit) {
				ctx, _ := start(ctxOf(tel), tel, "open")
				_, child := start(ctx, tel, "child")
				child.End()
				tel.NoOpenSpans()
				tel.Span("open")
			},
			`otelkittest: spans were started and not ended, which exports them never; recorded:
  "child" internal
  "open" has not ended
otelkittest: no span "open"; recorded:
  "child" internal
  "open" has not ended`,
		},
		{
			"two spans of one name",
			func(tel *otelkittest.Kit) {
				for range 2 {
					_, s := start(ctxOf(tel), tel, "a")
					s.SetStatus(codes.Error, "out of stock")
					s.End()
				}
				tel.Span("a")
			},
			`otelkittest: 2 spans "a"; name attributes that only one has, or use Spans; recorded:
  "a" internal Error "out of stock"
  "a" internal Error "out of stock"`,
		},
		{
			"two log records of one message",
			func(tel *otelkittest.Kit) {
				tel.Logger().Info("a")
				tel.Logger().Warn("a")
				tel.Log("a")
			},
			`otelkittest: 2 log records "a"; name attributes that only one has, or use Logs; logged:
  INFO "a" outside of any span (log with the context: InfoContext(ctx, …))
  WARN "a" outside of any span (log with the context: InfoContext(ctx, …))`,
		},
		{
			"two series",
			func(tel *otelkittest.Kit) {
				orders.Add(ctxOf(tel), 1, orderAttrs{Outcome: "placed", Market: "DE"})
				orders.Add(ctxOf(tel), 2, orderAttrs{Outcome: "placed", Market: "FR"})
				tel.Series(orders, attribute.String("shop.outcome", "placed"))
			},
			`otelkittest: 2 series are shop.orders{shop.outcome="placed"}; name attributes that only one has, or use Total; its series:
  shop.orders{shop.market="DE", shop.outcome="placed"} 1 {order}
  shop.orders{shop.market="FR", shop.outcome="placed"} 2 {order}`,
		},
		{
			"dead ends",
			func(tel *otelkittest.Kit) {
				ctx, _ := start(ctxOf(tel), tel, "open")
				_, child := start(ctx, tel, "child")
				child.End()
				orders.Add(ctx, 1, orderAttrs{Outcome: "placed"})
				tel.Logger().InfoContext(ctx, "a")
				tel.ExemplarsResolve()
				tel.Log("a").In(tel.Span("child"))
				tel.Span("child").IsRoot()
				tel.Total(orders).ExemplarOf(tel.Span("child"))
			},
			`otelkittest: exemplars point to spans that were not recorded:
  shop.orders{shop.outcome="placed"} 1 {order}: a span that was not recorded or has not ended (ID)
recorded:
  "child" internal
  "open" has not ended
otelkittest: log record "a": logged in a span that was not recorded or has not ended (ID), want in "child"; logged:
  INFO "a" in a span that was not recorded or has not ended (ID)
otelkittest: span "child": its parent is a span that was not recorded or has not ended (ID), want none; recorded:
  "child" internal
  "open" has not ended
otelkittest: the total of shop.orders has no exemplar of span "child"; it has exemplars of: a span that was not recorded or has not ended (ID); its series:
  shop.orders{shop.outcome="placed"} 1 {order}`,
		},
		{
			"values of every type",
			func(tel *otelkittest.Kit) {
				_, s := start(ctxOf(tel), tel, "a")
				s.SetAttributes(attribute.Float64("f", 5), attribute.Int("i", 5), attribute.String("s", "5"), attribute.Bool("b", true), attribute.StringSlice("l", []string{"x", "y"}))
				s.End()
				tel.Span("b")
			},
			`otelkittest: no span "b"; recorded:
  "a" internal {b=true, f=5.0, i=5, l=["x","y"], s="5"}`,
		},
		{
			"a group of slog",
			func(tel *otelkittest.Kit) {
				tel.Logger().WithGroup("order").Info("a", "id", 7)
				tel.Log("a").HasOnly()
			},
			`otelkittest: log record "a": attribute order is {id=7}, want none; logged:
  INFO "a" {order={id=7}} outside of any span (log with the context: InfoContext(ctx, …))`,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := id.ReplaceAllString(failure(t, test.assert), "ID"); got != test.want {
				t.Errorf("got\n%s\n\nwant\n%s", got, test.want)
			}
		})
	}
}
