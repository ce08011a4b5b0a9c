package shop

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

func TestACheckoutPaysTakesTheStockAndEmptiesTheCart(t *testing.T) {
	f := start(t, nil)
	f.add(alice, 1, 2)
	f.add(alice, 7, 3)
	status, order := f.pay(alice, "k1")
	want(t, status, order, http.StatusOK, "")
	if order["status"] != "completed" || order["payment_transaction_id"] != "TXN-1" {
		t.Errorf("order %v, want it completed by charge TXN-1", order)
	}
	for what, amount := range map[string]float64{"subtotal": 208770, "discount": 20877, "total": 187893} {
		if got := order[what].(map[string]any); got["amount"] != amount || got["currency"] != "EUR" {
			t.Errorf("%s is %v, want %v EUR", what, got, amount)
		}
	}
	if left := f.stock(1); left != 48 {
		t.Errorf("%d laptops are left of 50, want 48", left)
	}
	if in := f.quantities(alice); len(in) != 0 {
		t.Errorf("the cart still has %v", in)
	}
	f.charged(1)
	f.kit.Total(telemetry.Checkouts, attribute.String("webstore.checkout.outcome", "completed"), attribute.String("webstore.market", "DE"), attribute.String("webstore.payment.method", "credit_card")).Is(1)
	f.kit.Total(telemetry.CheckoutAmount).Is(1)
	status, same := f.do("GET", "/orders/"+order["order_id"].(string), alice, "")
	want(t, status, same, http.StatusOK, "")
	if fmt.Sprint(same) != fmt.Sprint(order) {
		t.Errorf("the order reads %v, the checkout answered %v", same, order)
	}
}

func TestTheOldPathOfTheCheckoutWorks(t *testing.T) {
	f := start(t, nil)
	f.add(alice, 1, 1)
	status, order := f.do("POST", "/checkout", alice, germany, "Idempotency-Key", "k1")
	want(t, status, order, http.StatusOK, "")
}

func TestTheSameKeyIsTheSameOrder(t *testing.T) {
	f := start(t, nil)
	f.add(alice, 1, 1)
	_, first := f.pay(alice, "k1")
	f.add(alice, 2, 1)
	status, again := f.pay(alice, "k1")
	want(t, status, again, http.StatusOK, "")
	if fmt.Sprint(again) != fmt.Sprint(first) {
		t.Errorf("the second answer is %v, the first was %v", again, first)
	}
	f.charged(1)
	if in := f.quantities(alice); in[2] != 1 {
		t.Errorf("the cart has %v, want what was added after the order", in)
	}
	f.kit.Total(telemetry.Checkouts).Is(1)
	f.kit.Total(telemetry.CheckoutReplays).Is(1)
}

func TestAKeyIsOneUsersOwn(t *testing.T) {
	f := start(t, nil)
	f.add(alice, 1, 1)
	f.add(bob, 1, 1)
	_, a := f.pay(alice, "k1")
	_, b := f.pay(bob, "k1")
	if a["order_id"] == b["order_id"] {
		t.Error("two users share an order")
	}
	f.charged(2)
}

func TestTheSameKeyAtTheSameTimeIsOneOrderAndOneCharge(t *testing.T) {
	f := start(t, nil)
	f.add(alice, 1, 1)
	var calls sync.WaitGroup
	for range 8 {
		calls.Go(func() {
			status, answer := f.pay(alice, "k1")
			want(t, status, answer, http.StatusOK, "")
		})
	}
	calls.Wait()
	f.charged(1)
	if n := len(f.orders(alice)); n != 1 {
		t.Errorf("%d orders, want 1", n)
	}
	if left := f.stock(1); left != 49 {
		t.Errorf("%d laptops are left of 50, want 49", left)
	}
	f.kit.Total(telemetry.Checkouts).Is(1)
}

func TestOneCartCheckedOutTwiceAtTheSameTimeIsSoldOnce(t *testing.T) {
	f := start(t, nil)
	f.add(alice, 1, 1)
	f.add(alice, 2, 1)
	statuses := make([]int, 8)
	var calls sync.WaitGroup
	for i := range statuses {
		calls.Go(func() { statuses[i], _ = f.pay(alice, fmt.Sprint("k", i)) })
	}
	calls.Wait()
	completed := 0
	for _, status := range statuses {
		switch status {
		case http.StatusOK:
			completed++
		case http.StatusConflict:
		default:
			t.Errorf("statuses %v, want 200 once and 409 else", statuses)
		}
	}
	if completed != 1 {
		t.Errorf("statuses %v, want 200 once and 409 else", statuses)
	}
	f.charged(1)
	if left := f.stock(1); left != 49 {
		t.Errorf("%d laptops are left of 50, want 49", left)
	}
}

func TestADeclineIs402AndGivesTheCartBack(t *testing.T) {
	f := start(t, nil)
	f.add(alice, 1, 2)
	f.payments.declines(true)
	f.payments.then(func() { f.add(alice, 1, 1) }) // meanwhile, in another tab
	for range 2 {
		status, answer := f.pay(alice, "k1")
		want(t, status, answer, http.StatusPaymentRequired, "payment_declined")
	}
	f.payments.then(nil)
	f.payments.declines(false)
	if in := f.quantities(alice); in[1] != 3 {
		t.Errorf("the cart has %v, want the 2 laptops that were declined and the one added meanwhile", in)
	}
	f.charged(0)
	if calls := f.payments.called("POST /payments"); calls != 1 {
		t.Errorf("%d calls, want 1", calls)
	}
	if f.stock(1) != 50 {
		t.Error("a declined order took from the stock")
	}
	f.kit.Total(telemetry.Checkouts, attribute.String("webstore.checkout.outcome", "declined")).Is(1)
	status, order := f.pay(alice, "k2")
	want(t, status, order, http.StatusOK, "")
}

func TestAnOutageIs503AndTheSameKeyCompletesTheOrder(t *testing.T) {
	f := start(t, nil)
	f.add(alice, 1, 1)
	f.payments.next(refusing(http.StatusServiceUnavailable, "provider_unavailable"))
	status, answer := f.pay(alice, "k1")
	want(t, status, answer, http.StatusServiceUnavailable, "payment_unavailable")
	f.charged(0)
	orders := f.orders(alice)
	if len(orders) != 1 || orders[0]["status"] != "pending" || orders[0]["order_id"] != answer["order_id"] {
		t.Errorf("orders %v, want the one that was answered, pending", orders)
	}
	if f.stock(1) != 50 {
		t.Error("a pending order took from the stock")
	}

	status, answer = f.pay(alice, "another-key")
	want(t, status, answer, http.StatusConflict, "order_pending")

	status, order := f.pay(alice, "k1")
	want(t, status, order, http.StatusOK, "")
	if order["status"] != "completed" || order["order_id"] != orders[0]["order_id"] {
		t.Errorf("order %v, want the pending one completed", order)
	}
	f.charged(1)
	for outcome, n := range map[string]float64{"unavailable": 1, "completed": 1} {
		f.kit.Total(telemetry.Checkouts, attribute.String("webstore.checkout.outcome", outcome)).Is(n)
	}
}

// The money is taken, and main dies, or the answer is lost: the same key finds
// the charge.
func TestAPaymentWhoseAnswerIsLostIsNotMadeTwice(t *testing.T) {
	f := start(t, nil)
	f.add(alice, 1, 1)
	f.payments.next(lost, lost)
	status, answer := f.pay(alice, "k1")
	want(t, status, answer, http.StatusServiceUnavailable, "payment_unavailable")
	f.payments.then(nil)
	f.charged(1)
	status, order := f.pay(alice, "k1")
	want(t, status, order, http.StatusOK, "")
	f.charged(1)
}

func TestPaymentsThatAreAwayAre503(t *testing.T) {
	away := httptest.NewServer(http.NotFoundHandler())
	away.Close()
	f := start(t, func(cfg *Config) { cfg.PaymentsURL = away.URL })
	f.add(alice, 1, 1)
	status, answer := f.pay(alice, "k1")
	want(t, status, answer, http.StatusServiceUnavailable, "payment_unavailable")
}

func TestAKeyIsRefusedForAnotherCheckout(t *testing.T) {
	f := start(t, nil)
	f.add(alice, 1, 1)
	f.pay(alice, "k1")
	status, answer := f.do("POST", "/orders/checkout", alice, strings.Replace(germany, "credit_card", "paypal", 1), "Idempotency-Key", "k1")
	want(t, status, answer, http.StatusUnprocessableEntity, "idempotency_key_reused")
}

func TestACheckoutWithoutAKeyIsRefused(t *testing.T) {
	f := start(t, nil)
	f.add(alice, 1, 1)
	status, answer := f.do("POST", "/orders/checkout", alice, germany)
	want(t, status, answer, http.StatusBadRequest, "idempotency_key_missing")
	if len(f.orders(alice)) != 0 {
		t.Error("there is an order")
	}
}

func TestAnEmptyCartIsNotOrdered(t *testing.T) {
	f := start(t, nil)
	status, answer := f.pay(alice, "k1")
	want(t, status, answer, http.StatusConflict, "cart_empty")
	f.kit.Total(telemetry.Checkouts).Is(0)
}

func TestACheckoutBuysWhatIsInTheCartOfItsMarket(t *testing.T) {
	f := start(t, nil)
	f.add(alice, 1, 1)
	f.do("POST", "/cart/add", alice, `{"product_id": 2, "quantity": 1, "country": "JP"}`)
	status, order := f.pay(alice, "k1")
	want(t, status, order, http.StatusOK, "")
	if in := f.quantities(alice); in[1] != 0 || in[2] != 1 {
		t.Errorf("the cart has %v, want what is from Japan", in)
	}
}

func TestWhatIsSoldOutIsNotPaidFor(t *testing.T) {
	f := start(t, nil)
	f.setStock(1, 1)
	f.add(alice, 1, 2)
	status, answer := f.pay(alice, "k1")
	want(t, status, answer, http.StatusConflict, "out_of_stock")
	f.charged(0)
	if in := f.quantities(alice); in[1] != 2 {
		t.Errorf("the cart has %v, want it as it was", in)
	}
}

func TestWhatSellsOutWhileItIsPaidForIsDelayed(t *testing.T) {
	f := start(t, nil)
	f.add(alice, 1, 2)
	f.add(alice, 2, 1)
	f.payments.then(func() { f.setStock(1, 1) })
	status, order := f.pay(alice, "k1")
	want(t, status, order, http.StatusOK, "")
	if order["status"] != "delayed" {
		t.Errorf("order %v, want it delayed", order)
	}
	if laptops, phones := f.stock(1), f.stock(2); laptops != 1 || phones != 99 {
		t.Errorf("%d laptops and %d phones are left, want 1 and 99", laptops, phones)
	}
	f.kit.Total(telemetry.Checkouts, attribute.String("webstore.checkout.outcome", "delayed")).Is(1)
}

func TestTheStockIsNeverNegativeAndNothingDeadlocks(t *testing.T) {
	f := start(t, nil)
	f.setStock(1, 10)
	f.setStock(2, 10)
	var mu sync.Mutex
	statuses := map[any]int{}
	var shoppers sync.WaitGroup
	for _, shopper := range []string{alice, bob, "admin-token-456"} {
		shoppers.Go(func() {
			for i := range 6 {
				f.add(shopper, 1+i%2, 1)
				f.add(shopper, 2-i%2, 1)
				status, answer := f.pay(shopper, fmt.Sprint("k", i))
				if status != http.StatusOK && status != http.StatusConflict {
					t.Errorf("got %d %v", status, answer)
				}
				mu.Lock()
				statuses[answer["status"]]++
				mu.Unlock()
			}
		})
	}
	shoppers.Wait()
	if f.stock(1) != 0 || f.stock(2) != 0 {
		t.Errorf("%d and %d are left of 10 each, want 0: 18 were wanted (%v)", f.stock(1), f.stock(2), statuses)
	}
}

func TestNoConnectionIsHeldWhilePaymentsThinks(t *testing.T) {
	f := start(t, nil)
	f.add(alice, 1, 1)
	var held atomic.Int32
	held.Store(-1)
	f.payments.then(func() { held.Store(f.shop.store.pool.Stat().AcquiredConns()) })
	f.pay(alice, "k1")
	if n := held.Load(); n != 0 {
		t.Errorf("%d connections are held", n)
	}
}

func TestAShopperWhoGoesAwayDoesNotStopTheCheckout(t *testing.T) {
	f := start(t, nil)
	f.add(alice, 1, 1)
	ctx, leave := context.WithCancel(t.Context())
	f.payments.then(leave)
	request := httptest.NewRequestWithContext(ctx, "POST", "/orders/checkout", strings.NewReader(germany))
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Authorization", "Bearer "+alice)
	request.Header.Set("Idempotency-Key", "k1")
	f.ServeHTTP(httptest.NewRecorder(), request)
	if orders := f.orders(alice); len(orders) != 1 || orders[0]["status"] != "completed" {
		t.Errorf("orders %v, want one that is completed", orders)
	}
}

func TestAnotherUsersOrderIsNotThere(t *testing.T) {
	f := start(t, nil)
	f.add(alice, 1, 1)
	_, order := f.pay(alice, "k1")
	for _, id := range []string{order["order_id"].(string), "00000000-0000-4000-8000-000000000000", "1", "'; DROP TABLE orders"} {
		status, answer := f.do("GET", "/orders/"+strings.ReplaceAll(id, " ", "%20"), bob, "")
		want(t, status, answer, http.StatusNotFound, "unknown_order")
	}
	if n := len(f.orders(bob)); n != 0 {
		t.Errorf("bob sees %d orders, want none", n)
	}
}

func TestACheckoutIsOneTraceWithTheDatabaseAndPaymentsBelowIt(t *testing.T) {
	f := start(t, nil)
	f.add(alice, 1, 1)
	before := len(f.kit.Spans())
	f.pay(alice, "k1")
	spans := f.kit.Spans()[before:]
	byID := map[trace.SpanID]string{}
	for _, span := range spans {
		byID[span.SpanContext().SpanID()] = span.Name()
	}
	var payments, queries int
	for _, span := range spans {
		if span.SpanContext().TraceID() != spans[0].SpanContext().TraceID() {
			t.Errorf("span %q is of another trace", span.Name())
		}
		if span.SpanKind() != trace.SpanKindClient {
			continue
		}
		parent := byID[span.Parent().SpanID()]
		switch {
		case span.Name() == "POST /payments" && parent == "checkout":
			payments++
		case parent == "checkout":
			queries++
		case parent == "":
			t.Errorf("client span %q has no parent", span.Name())
		}
	}
	if payments != 1 || queries < 5 {
		t.Errorf("%d calls of payments and %d queries below the checkout, want 1 and at least 5", payments, queries)
	}
}
