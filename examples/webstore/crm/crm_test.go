package crm_test

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/otelkit/kit/examples/webstore/crm"
	"github.com/otelkit/kit/examples/webstore/thirdparty/thirdpartytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// office is a CRM to ask over HTTP.
type office struct{ *thirdpartytest.Party }

func start(t testing.TB, cfg crm.Config) office {
	return office{thirdpartytest.Start(t, crm.Handler(cfg))}
}

func (o office) order(id, customer, status string) thirdpartytest.Answer {
	return o.Post("/api/customer/order", "", fmt.Sprintf(
		`{"customer_id": %q, "order_id": %q, "amount": 1999, "currency": "EUR", "country": "DE", "status": %q}`, customer, id, status))
}

func (o office) update(customer, country string) thirdpartytest.Answer {
	return o.Post("/api/customer/update", "", fmt.Sprintf(`{"customer_id": %q, "country": %q}`, customer, country))
}

func (o office) orders() []map[string]any { return o.List("/api/customer/orders", "orders") }

func (o office) customers() []map[string]any { return o.List("/api/customer/customers", "customers") }

func TestAnOrderIsWrittenDown(t *testing.T) {
	o := start(t, crm.Config{})
	answer := o.order("order-1", "anna", "completed")
	if answer.Status != http.StatusCreated || answer.Body["status"] != "recorded" ||
		answer.Body["customer_id"] != "anna" || answer.Body["order_id"] != "order-1" || answer.Body["recorded_at"] == nil {
		t.Errorf("order: %d %v", answer.Status, answer.Body)
	}
	want := map[string]any{
		"customer_id": "anna", "order_id": "order-1", "amount": 1999.0, "currency": "EUR", "country": "DE",
		"status": "completed", "recorded_at": answer.Body["recorded_at"],
	}
	if orders := o.orders(); len(orders) != 1 || fmt.Sprint(orders[0]) != fmt.Sprint(want) {
		t.Errorf("the orders are %v, want %v", orders, want)
	}
	if health := o.Get("/health"); health.Status != http.StatusOK || health.Body["status"] != "healthy" {
		t.Errorf("health: %d %v", health.Status, health.Body)
	}
}

func TestAnOrderIsWrittenDownOnceHoweverOftenItComesAtOnce(t *testing.T) {
	o := start(t, crm.Config{})
	answers := thirdpartytest.AtOnce(20, func(int) thirdpartytest.Answer { return o.order("order-1", "anna", "completed") })
	for _, answer := range answers {
		if answer.Status != http.StatusCreated || fmt.Sprint(answer.Body) != fmt.Sprint(answers[0].Body) {
			t.Errorf("got %d %v, want 201 %v", answer.Status, answer.Body, answers[0].Body)
		}
	}
	if orders := o.orders(); len(orders) != 1 {
		t.Errorf("the orders are %v, want one", orders)
	}
	if customers := o.customers(); len(customers) != 1 || customers[0]["orders"] != 1.0 {
		t.Errorf("the customers are %v, want one with one order", customers)
	}
}

func TestAnOrderThatComesAgainBringsItsStatus(t *testing.T) {
	o := start(t, crm.Config{})
	first := o.order("order-1", "anna", "delayed")
	again := o.order("order-1", "anna", "cancelled")
	if again.Status != http.StatusCreated || again.Body["recorded_at"] != first.Body["recorded_at"] {
		t.Errorf("got %d %v, want 201 recorded at %v", again.Status, again.Body, first.Body["recorded_at"])
	}
	if orders := o.orders(); len(orders) != 1 || orders[0]["status"] != "cancelled" {
		t.Errorf("the orders are %v, want one that is cancelled", orders)
	}
}

func TestAnIDIsRefusedForAnotherOrder(t *testing.T) {
	o := start(t, crm.Config{})
	o.order("order-1", "anna", "completed")
	if answer := o.order("order-1", "bert", "completed"); answer.Status != http.StatusConflict || answer.Code() != "order_id_reused" {
		t.Errorf("got %d %v, want 409 order_id_reused", answer.Status, answer.Body)
	}
	if orders := o.orders(); len(orders) != 1 || orders[0]["customer_id"] != "anna" {
		t.Errorf("the orders are %v, want anna's", orders)
	}
}

func TestAnUpdateChangesWhatItHas(t *testing.T) {
	o := start(t, crm.Config{})
	o.order("order-1", "anna", "completed")
	for _, c := range []struct{ sent, want string }{{"", "DE"}, {"FR", "FR"}} {
		answer := o.update("anna", c.sent)
		if answer.Status != http.StatusOK || answer.Body["status"] != "updated" || answer.Body["customer_id"] != "anna" || answer.Body["updated_at"] == nil {
			t.Errorf("update: %d %v", answer.Status, answer.Body)
		}
		if customers := o.customers(); len(customers) != 1 || customers[0]["country"] != c.want || customers[0]["orders"] != 1.0 {
			t.Errorf("after %q the customers are %v, want anna in %s", c.sent, customers, c.want)
		}
	}
	o.update("bert", "")
	if customers := o.customers(); len(customers) != 2 || customers[1]["customer_id"] != "bert" || customers[1]["orders"] != 0.0 {
		t.Errorf("the customers are %v, want bert after anna", customers)
	}
}

func TestWhetherALostAnswerWasWrittenDownDoesNotMatter(t *testing.T) {
	o := start(t, crm.Config{FailureScale: 6, Seed: 1}) // every other call
	failed := map[int]int{}
	for i := range 100 {
		id := fmt.Sprint("order-", i)
		before := len(o.orders())
		answer := o.order(id, "anna", "completed")
		written := len(o.orders()) > before
		if want := answer.Status == http.StatusCreated || answer.Status == http.StatusInternalServerError; written != want {
			t.Fatalf("%s: after %d, written down: %v", id, answer.Status, written)
		}
		failed[answer.Status]++
		thirdpartytest.Until(http.StatusCreated, func() thirdpartytest.Answer { return o.order(id, "anna", "completed") })
		if n := len(o.orders()); n != i+1 {
			t.Fatalf("%s: %d orders are written down, want %d", id, n, i+1)
		}
	}
	for _, failure := range crm.Failures {
		if failed[failure.Status] == 0 {
			t.Errorf("no order failed with %d", failure.Status)
		}
	}
}

func TestFailuresAreAsFrequentAndAsMixedAsTheTableSays(t *testing.T) {
	const n, scale = 1_000, 3
	for _, row := range crm.Behaviours {
		o := start(t, crm.Config{FailureScale: scale, Seed: 7})
		_, path, _ := strings.Cut(row.Call, " ")
		seen := map[int]float64{}
		for i := range n {
			body := fmt.Sprintf(`{"customer_id": "anna", "order_id": "%d", "amount": 1, "currency": "EUR"}`, i)
			seen[o.Post(path, "", body).Status]++
		}
		for _, failure := range row.Failures {
			want := scale * row.Failure / float64(len(row.Failures))
			if share := seen[failure.Status] / n; math.Abs(share-want) > 0.02 {
				t.Errorf("%s: %.3f fail with %d, want %.3f", row.Call, share, failure.Status, want)
			}
		}
		well := (seen[http.StatusOK] + seen[http.StatusCreated]) / n
		if want := 1 - scale*row.Failure; math.Abs(well-want) > 0.03 {
			t.Errorf("%s: %.3f go well, want %.3f", row.Call, well, want)
		}
	}
}

func TestTheSameSeedFailsTheSameWay(t *testing.T) {
	run := func(seed uint64) (statuses string) {
		o := start(t, crm.Config{FailureScale: 6, Seed: seed})
		for i := range 50 {
			statuses += fmt.Sprintln(o.order(fmt.Sprint(i), "anna", "completed").Status)
		}
		return statuses
	}
	first := run(1)
	if run(1) != first {
		t.Error("seed 1 gave two different runs")
	}
	if run(2) == first {
		t.Error("seeds 1 and 2 gave the same run")
	}
}

func TestWhatIsNoOrderOrUpdateIsABadRequest(t *testing.T) {
	o := start(t, crm.Config{FailureScale: 1000})
	for name, body := range map[string]string{
		"nothing":     ``,
		"null":        `null`,
		"not JSON":    `customer_id=anna`,
		"cut off":     `{"customer_id": "anna`,
		"two":         `{"customer_id": "anna", "order_id": "1", "currency": "EUR"}{}`,
		"no customer": `{"order_id": "1", "amount": 1, "currency": "EUR"}`,
		"large":       `{"customer_id": "anna", "order_id": "1", "amount": 1, "currency": "EUR", "status": "` + strings.Repeat("x", 4<<10) + `"}`,
	} {
		for _, path := range []string{"/api/customer/order", "/api/customer/update"} {
			if answer := o.Post(path, "", body); answer.Status != http.StatusBadRequest || answer.Code() != "bad_request" {
				t.Errorf("%s: %s: %d %v, want 400 bad_request", path, name, answer.Status, answer.Body)
			}
		}
	}
	for name, body := range map[string]string{
		"no order":       `{"customer_id": "anna", "amount": 1, "currency": "EUR"}`,
		"negative":       `{"customer_id": "anna", "order_id": "1", "amount": -1, "currency": "EUR"}`,
		"fraction":       `{"customer_id": "anna", "order_id": "1", "amount": 1.5, "currency": "EUR"}`,
		"amount in text": `{"customer_id": "anna", "order_id": "1", "amount": "1", "currency": "EUR"}`,
		"no currency":    `{"customer_id": "anna", "order_id": "1", "amount": 1}`,
	} {
		if answer := o.Post("/api/customer/order", "", body); answer.Status != http.StatusBadRequest || answer.Code() != "bad_request" {
			t.Errorf("%s: %d %v, want 400 bad_request", name, answer.Status, answer.Body)
		}
	}
	if orders, customers := o.orders(), o.customers(); len(orders)+len(customers) > 0 {
		t.Errorf("written down were %v and %v", orders, customers)
	}
}

func TestItKnowsNothingOfTelemetry(t *testing.T) { thirdpartytest.KnowsNothingOfTelemetry(t) }
