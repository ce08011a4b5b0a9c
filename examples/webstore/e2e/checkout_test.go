package e2e_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/otelkit/kit/examples/webstore/faults"
	"github.com/otelkit/kit/examples/webstore/paymentprovider"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/query"
)

// The counters of a checkout, as totals over their series.
var (
	checkouts = total(telemetry.Checkouts, nil)
	completed = total(telemetry.Checkouts, map[string]string{"webstore.checkout.outcome": string(telemetry.CheckoutCompleted)})
	payments  = total(telemetry.PaymentRequests, nil)
	paid      = total(telemetry.PaymentRequests, map[string]string{"webstore.payment.outcome": string(telemetry.PaymentAuthorised)})
)

func total(m metrics.Defined, attributes map[string]string) string {
	series, err := query.Series(m, attributes, query.Target{})
	if err != nil {
		panic(err)
	}
	return "sum(" + series + ")"
}

func promQL(t *testing.T, e query.Expr) string {
	t.Helper()
	text, err := e.PromQL(query.Target{Rule: true})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestACheckoutIsOneTraceWithItsLogsMetricsAndExemplars(t *testing.T) {
	t.Parallel()
	s := start(t, "--ephemeral", "--payment-provider-url", stumbling(t), "--limit-per-address", "1000")
	l := lens{t: t, url: s.at.Lens}
	for _, counter := range []string{checkouts, payments} {
		eventually(t, counter+" to be there, at 0", func() error {
			if n, err := l.points(counter); err != nil || n == 0 {
				return fmt.Errorf("%d points, %v", n, err)
			}
			return nil
		})
	}

	s.fillCart()
	status, order := s.payWith("e2e-1", "SAVE20")
	if status != http.StatusOK || order["status"] != "completed" || order["promotion_code"] != "SAVE20" {
		t.Fatalf("checkout: %d %v", status, order)
	}

	id := onlyTrace(t, l, `{ resource.service.name = "main" && name = "POST /orders/checkout" }`)
	t.Run("one trace crosses all that a checkout touches", func(t *testing.T) { traceIsWhole(t, l, id) })
	t.Run("the CRM hears of it in a trace of its own with a link to it", func(t *testing.T) { deliveryIsLinked(t, l, id) })
	t.Run("each service's log lines have the trace's id", func(t *testing.T) {
		for _, service := range []string{"main", "promotions", "payments"} {
			eventually(t, "a log line of "+service, func() error {
				lines, err := l.logs(fmt.Sprintf(`{service_name=%q} | trace_id=%q`, service, id))
				if err == nil && len(lines) == 0 {
					err = errors.New("there is none")
				}
				return err
			})
		}
	})
	t.Run("exemplars lead to the trace", func(t *testing.T) {
		for _, definition := range []metrics.Defined{httpserver.RequestDuration, telemetry.PaymentDuration, telemetry.CheckoutAmount} {
			histogram := promQL(t, query.Buckets(definition).Over(5*time.Minute))
			eventually(t, "an exemplar of "+histogram, func() error {
				ids, err := l.exemplars(histogram)
				if err == nil && !slices.Contains(ids, id) {
					err = fmt.Errorf("trace %s is not among %v", id, ids)
				}
				return err
			})
		}
	})
	t.Run("counters moved by exactly one", func(t *testing.T) {
		for _, counter := range []string{completed, paid, checkouts, payments} {
			eventually(t, counter+" to be 1", func() error {
				n, err := l.value(counter)
				if err == nil && n != 1 {
					err = fmt.Errorf("it is %v", n)
				}
				return err
			})
		}
		// The first event of a counter counts for increase(), too.
		eventually(t, "the increase of the counter", func() error {
			n, err := l.value(promQL(t, query.Increase(telemetry.Checkouts).Over(5*time.Minute)))
			if err == nil && n <= 0 {
				err = fmt.Errorf("it is %v", n)
			}
			return err
		})
	})
	t.Run("the alert's rules load and evaluate", func(t *testing.T) { rulesEvaluate(t, l) })
	t.Run("every query of the dashboards returns data", func(t *testing.T) {
		s.whatIsSeldom()
		dashboardsHaveData(t, l)
	})
	t.Run("no trace begins with a call of ours", func(t *testing.T) { noClientRoots(t, l) })
}

// stumbling runs a payment provider that answers the first charge with a 500, and
// returns its URL.
func stumbling(t *testing.T) string {
	var stumbled atomic.Bool
	well := paymentprovider.Handler(paymentprovider.Config{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && r.URL.Path == "/v1/charges" && stumbled.CompareAndSwap(false, true) {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		well.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// whatIsSeldom has happen what the dashboards tell of and a checkout alone does not do:
// a look around, a reservation that fails, a release that is tried on some.
func (s *store) whatIsSeldom() {
	s.t.Helper()
	s.fault("start", string(faults.InventoryOutOfStock), "--for", "10m")
	if status, order := s.checkout("e2e-out-of-stock"); order["order_id"] == nil {
		s.t.Errorf("checkout without stock: %d %v", status, order)
	}
	for _, path := range []string{"/DE/products", "/DE/products/1"} {
		s.call(http.MethodGet, path, nil)
	}
	s.fault("start", string(faults.BadRelease), "--for", "10m")
	s.call(http.MethodGet, "/DE/products", nil) // it may fail
}

// onlyTrace waits for the trace that a search finds, which has to be one.
func onlyTrace(t *testing.T, l lens, traceQL string) string {
	t.Helper()
	var ids []string
	eventually(t, "a trace "+traceQL, func() (err error) {
		if ids, err = l.search(traceQL); err == nil && len(ids) == 0 {
			err = errors.New("none found")
		}
		return err
	})
	if len(ids) != 1 {
		t.Fatalf("%s found %d traces, want one: %v", traceQL, len(ids), ids)
	}
	return ids[0]
}

// traceIsWhole says what a checkout's trace has to look like: spans and the
// span that each hangs below.
func traceIsWhole(t *testing.T, l lens, id string) {
	var spans []span
	find := func(service, kind, name string) (span, error) {
		for _, s := range spans {
			if s.service == service && s.kind == kind && strings.HasPrefix(s.name, name) {
				return s, nil
			}
		}
		return span{}, fmt.Errorf("no span %s %s %q... in trace %s; there are %s", service, kind, name, id, list(spans))
	}
	under := func(child, parent span) error {
		byID := map[string]span{}
		for _, s := range spans {
			byID[s.id] = s
		}
		for at := child; at.parent != ""; at = byID[at.parent] {
			if at.parent == parent.id {
				return nil
			}
			if _, ok := byID[at.parent]; !ok {
				break
			}
		}
		return fmt.Errorf("span %v is not below %v", child, parent)
	}
	eventually(t, "the whole trace", func() (err error) {
		if spans, err = l.trace(id); err != nil {
			return err
		}
		var errs []error
		get := func(service, kind, name string) span {
			s, err := find(service, kind, name)
			errs = append(errs, err)
			return s
		}
		checkout := get("main", "SERVER", "POST /orders/checkout")
		calls := get("main", "CLIENT", "POST /payments")
		served := get("payments", "SERVER", "POST /payments")
		asks := get("main", "CLIENT", "POST /api/promotions/redemptions")
		redeems := get("promotions", "SERVER", "POST /api/promotions/redemptions")
		checks := get("main", "CLIENT", "POST /api/inventory/check")
		reserves := get("main", "CLIENT", "POST /api/inventory/reserve")
		if err := errors.Join(errs...); err != nil {
			return err
		}
		if checkout.parent != "" {
			errs = append(errs, fmt.Errorf("the checkout is not the root: %v", checkout))
		}
		var charges []string // how the attempts at the provider were answered
		for _, s := range spans {
			if s.service == "payments" && s.attributes["url.template"] == "/v1/charges" {
				charges = append(charges, s.attributes["http.response.status_code"])
				errs = append(errs, under(s, served))
			}
		}
		slices.Sort(charges)
		if !slices.Equal(charges, []string{"201", "500"}) {
			errs = append(errs, fmt.Errorf("the provider answered %v, want 500 once and 201 once", charges))
		}
		databases := map[string]int{}
		for _, s := range spans {
			if system := s.attributes["db.system.name"]; system != "" {
				databases[s.service+" "+system]++
				parent := map[string]span{"main": checkout, "payments": served, "promotions": redeems}[s.service]
				errs = append(errs, under(s, parent))
			}
		}
		for _, want := range []string{"main postgresql", "main redis", "payments postgresql", "promotions postgresql"} {
			if databases[want] == 0 {
				errs = append(errs, fmt.Errorf("no span of %s; there are %v", want, databases))
			}
		}
		errs = append(errs, under(calls, checkout), under(served, calls), under(asks, checkout), under(redeems, asks),
			under(checks, checkout), under(reserves, checkout))
		return errors.Join(errs...)
	})
	for _, s := range spans {
		if s.parent == "" && s.kind != "SERVER" {
			t.Errorf("span %v is a root", s)
		}
	}
}

// deliveryIsLinked waits for the delivery to the CRM, which has a trace of its own,
// with a link to the checkout in that with the id.
func deliveryIsLinked(t *testing.T, l lens, id string) {
	delivery := onlyTrace(t, l, `{ resource.service.name = "main" && name = "deliver crm.order" }`)
	if delivery == id {
		t.Fatal("the delivery is part of the checkout's trace")
	}
	eventually(t, "the delivery with its link", func() error {
		bought, err := l.trace(id)
		if err != nil {
			return err
		}
		delivered, err := l.trace(delivery)
		if err != nil {
			return err
		}
		of := func(spans []span, name string) span {
			i := slices.IndexFunc(spans, func(s span) bool { return s.service == "main" && s.name == name })
			if i < 0 {
				return span{}
			}
			return spans[i]
		}
		checkout, root, call := of(bought, "checkout"), of(delivered, "deliver crm.order"), of(delivered, "POST /api/customer/order")
		if checkout.id == "" || root.id == "" || root.parent != "" || call.parent != root.id || !slices.Equal(root.links, []string{checkout.id}) {
			return fmt.Errorf("want a root with a call of the CRM below it and a link to %v; there are %s", checkout, list(delivered))
		}
		return nil
	})
}

func list(spans []span) string {
	var b strings.Builder
	for _, s := range spans {
		fmt.Fprintf(&b, "\n  %v", s)
	}
	return b.String()
}

// dashboardsHaveData runs every query of every dashboard that lens holds.
func dashboardsHaveData(t *testing.T, l lens) {
	queries := l.dashboardQueries()
	if len(queries) < 10 {
		t.Fatalf("lens holds dashboards with %d queries", len(queries))
	}
	for title, expr := range queries {
		eventually(t, fmt.Sprintf("data on panel %q, whose query is %s", title, expr), func() error {
			n, err := l.points(expr)
			if err == nil && n == 0 {
				err = errors.New("no points")
			}
			return err
		})
	}
}

// rulesEvaluate waits until every rule was evaluated, without an error; no
// alert may fire.
func rulesEvaluate(t *testing.T, l lens) {
	eventually(t, "the rules to be evaluated", func() error {
		rules, err := l.rules()
		if err != nil {
			return err
		}
		alerts := 0
		for _, r := range rules {
			if r.Health != "ok" {
				return fmt.Errorf("rule %s is %s: %s", r.Name, r.Health, r.LastError)
			}
			if r.Type == "alerting" {
				alerts++
			}
			if r.State == "firing" {
				return fmt.Errorf("alert %s fires in a healthy store", r.Name)
			}
		}
		if alerts < 5 {
			return fmt.Errorf("%d alerts among %d rules", alerts, len(rules))
		}
		return nil
	})
}

func noClientRoots(t *testing.T, l lens) {
	ids, err := l.search(`{ }`)
	if err != nil {
		t.Fatal(err)
	}
	if len(ids) == 0 {
		t.Fatal("lens holds no traces")
	}
	for _, id := range ids {
		spans, err := l.trace(id)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range spans {
			if s.parent == "" && s.kind == "CLIENT" {
				t.Errorf("trace %s begins with a call: %v", id, s)
			}
		}
	}
}
