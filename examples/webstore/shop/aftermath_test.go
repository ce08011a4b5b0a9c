package shop

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"

	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/internal/pgserver/pgtest"
)

const withCoupon = `{"payment_method": "credit_card", "country": "DE", "coupon": %q}`

// payWith checks out somebody's cart of Germany with a coupon.
func (f *fixture) payWith(coupon, token, key string) (int, map[string]any) {
	f.t.Helper()
	return f.do("POST", "/orders/checkout", token, fmt.Sprintf(withCoupon, coupon), "Idempotency-Key", key)
}

// background runs what the service does beside answering, until the test ends.
func (f *fixture) background() {
	ctx, stop := context.WithCancel(f.t.Context())
	var loops sync.WaitGroup
	loops.Go(func() { f.shop.reconcile(ctx) })
	loops.Go(func() { f.shop.deliverOutbox(ctx) })
	f.t.Cleanup(func() {
		stop()
		loops.Wait()
	})
}

// untilNothingIsLeft waits until all orders have ended and all messages are delivered.
func (f *fixture) untilNothingIsLeft() {
	f.t.Helper()
	for range time.Tick(5 * time.Millisecond) {
		if f.left() == 0 {
			return
		}
		if f.t.Context().Err() != nil {
			f.t.Fatal("something is left behind for ever")
		}
	}
}

func outcome(o telemetry.CheckoutOutcome) attribute.KeyValue {
	return attribute.String("webstore.checkout.outcome", string(o))
}

func TestACouponTakesThePlaceOfThePromotion(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.add(alice, 1, 1)
	status, order := f.payWith(" save20 ", alice, "k1")
	want(t, status, order, http.StatusOK, "")
	if order["coupon"] != "SAVE20" || order["promotion_code"] != "SAVE20" || order["total"].(map[string]any)["amount"] != 99900*0.8 {
		t.Errorf("order %v, want a fifth less by SAVE20", order)
	}
	status, again := f.payWith("SAVE20", alice, "k1")
	want(t, status, again, http.StatusOK, "")
	if fmt.Sprint(again) != fmt.Sprint(order) {
		t.Errorf("the second answer is %v, the first was %v", again, order)
	}
	status, answer := f.pay(alice, "k1")
	want(t, status, answer, http.StatusUnprocessableEntity, "idempotency_key_reused")
	f.settle()
	f.agrees()
}

func TestACouponThatDoesNotHoldCancelsTheOrderAndGivesTheCartBack(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		coupon  string
		trouble trouble
		status  int
		problem string
		outcome telemetry.CheckoutOutcome
	}{
		"unknown": {"NONE", nil, http.StatusNotFound, "unknown_coupon", telemetry.CheckoutCouponRefused},
		"used up": {"LAST", refusing(http.StatusConflict, "coupon_used_up"), http.StatusConflict, "coupon_used_up", telemetry.CheckoutCouponRefused},
		"too small": {"SAVE20", func(_ *fake, w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusUnprocessableEntity)
			fmt.Fprint(w, `{"type": "urn:webstore:problem:below_minimum", "min_amount": 200000, "currency": "EUR"}`)
		}, http.StatusUnprocessableEntity, "below_minimum", telemetry.CheckoutCouponRefused},
		"away":   {"SAVE20", failing(http.StatusInternalServerError), http.StatusServiceUnavailable, "promotions_unavailable", telemetry.CheckoutUnavailable},
		"unread": {"SAVE20", func(_ *fake, w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `[]`) }, http.StatusServiceUnavailable, "promotions_unavailable", telemetry.CheckoutUnavailable},
		"greedy": {"SAVE20", func(_ *fake, w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"discount": 99900, "currency": "EUR"}`)
		}, http.StatusServiceUnavailable, "promotions_unavailable", telemetry.CheckoutUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, nil)
			f.add(alice, 1, 1)
			if test.trouble != nil {
				f.promotions.always(test.trouble)
			}
			for tries := range 2 { // the second answers from the order
				status, answer := f.payWith(test.coupon, alice, "k1")
				want(t, status, answer, test.status, test.problem)
				if answer["order_id"] == nil {
					t.Errorf("answer %v does not say of which order", answer)
				}
				if name == "too small" && tries == 0 && fmt.Sprint(answer["min_amount"]) != "map[amount:200000 currency:EUR]" {
					t.Errorf("answer %v does not say how much is wanted", answer)
				}
			}
			if orders := f.orders(alice); len(orders) != 1 || orders[0]["status"] != "cancelled" {
				t.Errorf("orders %v, want one that is cancelled", orders)
			}
			if in := f.quantities(alice); in[1] != 1 {
				t.Errorf("the cart has %v, want it back", in)
			}
			if f.payments.called("") != 0 {
				t.Error("payments was asked")
			}
			f.kit.Total(telemetry.Checkouts, outcome(test.outcome)).Is(1)
			f.kit.Total(telemetry.Checkouts).Is(1)
			f.kit.Total(telemetry.OrdersCancelled, attribute.String("webstore.order.cancel_reason", "coupon")).Is(1)
			f.promotions.next()
			f.settle()
			f.agrees()
		})
	}
}

func TestACouponOfNoShapeIsNoOrder(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.add(alice, 1, 1)
	for _, coupon := range []string{"A B", "ÄÖ", strings.Repeat("A", 33), "'; DROP TABLE orders"} {
		status, answer := f.payWith(coupon, alice, "k1")
		want(t, status, answer, http.StatusNotFound, "unknown_coupon")
	}
	if n := len(f.orders(alice)); n != 0 {
		t.Errorf("%d orders, want none", n)
	}
}

func TestWithoutPromotionsAnOrderCostsTheFullPrice(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.add(alice, 1, 1)
	f.promotions.always(failing(http.StatusServiceUnavailable))
	status, order := f.pay(alice, "k1")
	want(t, status, order, http.StatusOK, "")
	if order["total"].(map[string]any)["amount"] != 99900.0 || order["promotion_code"] != nil {
		t.Errorf("order %v, want the full price", order)
	}
	f.kit.Log("no promotion: the order costs the full price")
}

// Promotions may answer differently when it is asked again; what was asked of
// payments once is not to change.
func TestTheTotalThatWasAskedForStands(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.add(alice, 1, 1)
	f.promotions.always(failing(http.StatusServiceUnavailable))
	f.payments.next(lost, lost)
	status, answer := f.pay(alice, "k1")
	want(t, status, answer, http.StatusServiceUnavailable, "payment_unavailable")
	f.promotions.next()
	status, order := f.pay(alice, "k1")
	want(t, status, order, http.StatusOK, "")
	if order["total"].(map[string]any)["amount"] != 99900.0 {
		t.Errorf("order %v, want the price of the first attempt", order)
	}
	f.settle()
	f.agrees()
}

// Two work on one order, and promotions answers them differently.
func TestOfTwoPricesTheFirstStands(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.add(alice, 1, 1)
	f.payments.next(failing(503))
	f.pay(alice, "k1")
	first := f.everyOrder()[0]
	second, ours, err := f.shop.store.price(t.Context(), first, offer{Discount: 1, Currency: "EUR", Code: "OTHER"}, time.Minute)
	if err != nil || !ours {
		t.Fatalf("ours is %t, error %v", ours, err)
	}
	if second.Total != first.Total || second.PromotionCode != first.PromotionCode {
		t.Errorf("the order costs %v by %s, want %v by %s", second.Total, second.PromotionCode, first.Total, first.PromotionCode)
	}
}

// Two work on one order, and only one of them finds promotions away: the other may
// have asked for the money.
func TestAnOrderWithAPriceIsNotCancelledForItsCoupon(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.add(alice, 1, 1)
	f.payments.next(lost, lost)
	f.payWith("SAVE20", alice, "k1")
	order, ours, err := f.shop.store.refuse(t.Context(), f.everyOrder()[0], cancelledNoPromotions)
	if err != nil || ours || order.Status != StatusPending {
		t.Errorf("the order is %s, ours is %t, error %v; want it pending and not ours", order.Status, ours, err)
	}
	if in := f.quantities(alice); len(in) != 0 || f.left() != 1 {
		t.Errorf("the cart has %v, and %d things are left to do; want nothing changed", in, f.left())
	}
}

func TestWhatTheInventorySaysIsAWarningAndNothingElse(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.add(alice, 1, 1)
	f.add(alice, 2, 1)
	f.inventory.lacks(2, true)
	f.payments.then(func() { f.inventory.lacks(2, false) }) // it comes in time
	status, order := f.pay(alice, "k1")
	want(t, status, order, http.StatusOK, "")
	if warnings, _ := order["warnings"].([]any); len(warnings) != 1 || !strings.Contains(warnings[0].(string), "Smartphone") || order["status"] != "completed" {
		t.Errorf("order %v, want it completed with a warning of the smartphone", order)
	}
	_, again := f.pay(alice, "k1")
	if fmt.Sprint(again) != fmt.Sprint(order) {
		t.Errorf("the second answer is %v, the first was %v", again, order)
	}
	for answer, n := range map[string]float64{"available": 1, "short": 1, "unavailable": 0} {
		f.kit.Total(telemetry.InventoryChecks, attribute.String("webstore.inventory.answer", answer)).Is(n)
	}
	f.kit.Log("Inventory not available in preferred warehouses")
}

func TestAnInventoryThatFailsBlocksNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		trouble trouble
		reason  string
	}{
		"it fails":           {failing(http.StatusInternalServerError), "unavailable"},
		"it refuses oddly":   {refusing(http.StatusNotFound, "product_not_found"), "unavailable"},
		"answers are lost":   {lost, "unavailable"},
		"it has nothing":     {refusing(http.StatusConflict, "out_of_stock"), "out_of_stock"},
		"answers are not it": {func(_ *fake, w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "fine") }, "unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, nil)
			f.add(alice, 1, 1)
			f.inventory.always(test.trouble)
			status, order := f.pay(alice, "k1")
			want(t, status, order, http.StatusOK, "")
			if order["status"] != "delayed" {
				t.Errorf("order %v, want it delayed", order)
			}
			f.kit.Total(telemetry.ReservationFailures, attribute.String("webstore.inventory.reason", test.reason), attribute.String("webstore.product.id", "1")).Is(1)
			f.kit.Total(telemetry.OrdersDelayed).Is(1)
			f.kit.Total(telemetry.Checkouts, outcome(telemetry.CheckoutDelayed)).Is(1)
			f.kit.Log("Order marked for delayed fulfillment")
			f.inventory.next()
			f.settle()
			f.agrees()
		})
	}
}

func TestWhatCannotBeDeliveredIsAtTimesCancelledAndRefunded(t *testing.T) {
	t.Parallel()
	f := start(t, hasty)
	f.shop.hopeless = func(string) bool { return true }
	f.add(alice, 1, 1)
	f.add(alice, 2, 1)
	f.inventory.lacks(2, true)
	status, order := f.payWith("SAVE20", alice, "k1")
	want(t, status, order, http.StatusOK, "")
	if order["status"] != "cancelled" || order["refunded"] != false {
		t.Errorf("order %v, want it cancelled and not refunded yet", order)
	}
	if f.stock(1) != 50 || f.stock(2) != 100 {
		t.Errorf("%d laptops and %d phones are left, want 50 and 100", f.stock(1), f.stock(2))
	}
	f.settle()
	f.agrees()
	_, order = f.pay(alice, "k2")
	want(t, http.StatusConflict, order, http.StatusConflict, "cart_empty")
	status, order = f.payWith("SAVE20", alice, "k1")
	want(t, status, order, http.StatusOK, "")
	if order["refunded"] != true {
		t.Errorf("order %v, want it refunded", order)
	}
	f.kit.Total(telemetry.Checkouts, outcome(telemetry.CheckoutCancelled)).Is(1)
	f.kit.Total(telemetry.OrdersCancelled, attribute.String("webstore.order.cancel_reason", "out_of_stock")).Is(1)
	f.kit.Log("Order cancelled due to inventory unavailability")
}

// The money is taken and the stock too; what remains is for the reconciler to do.
func TestAPaidOrderIsAnsweredAsPaidWhateverDiesThen(t *testing.T) {
	t.Parallel()
	f := start(t, hasty)
	f.add(alice, 1, 1)
	f.inventory.then(f.terminate)
	f.inventory.next(failing(500)) // of the advice
	status, order := f.pay(alice, "k1")
	want(t, status, order, http.StatusOK, "")
	if order["status"] != "paid" {
		t.Errorf("order %v, want it paid", order)
	}
	f.kit.Total(telemetry.Checkouts, outcome(telemetry.CheckoutCompleted)).Is(1)
	f.inventory.then(nil)
	f.shop.store.pool.Reset()
	f.settle()
	f.agrees()
	status, order = f.pay(alice, "k1")
	want(t, status, order, http.StatusOK, "")
	if order["status"] != "completed" {
		t.Errorf("order %v, want it completed", order)
	}
}

func TestAFifthIsHopelessAndAlwaysTheSame(t *testing.T) {
	t.Parallel()
	n := 0
	for i := range uint32(1000) {
		id := fmt.Sprintf("%08x-0000-4000-8000-000000000000", i*2654435761)
		first, second := hopeless(id), hopeless(id)
		if first != second {
			t.Fatalf("%s is decided one way and the other", id)
		}
		if first {
			n++
		}
	}
	if n < 150 || n > 250 {
		t.Errorf("%d of 1000 are hopeless, want about 200", n)
	}
}

func TestAPendingOrderThatIsTooOldIsCancelled(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		before   func(*fixture)
		status   string
		refunded bool
		problem  string
		outcome  telemetry.ReconciliationOutcome
	}{
		"never paid":                {func(f *fixture) { f.payments.next(failing(503)) }, "cancelled", false, "order_cancelled", telemetry.ReconciledCancelled},
		"paid, and nobody knows":    {func(f *fixture) { f.payments.next(lost, lost) }, "completed", false, "", telemetry.ReconciledCompleted},
		"paid, and nobody can tell": {func(f *fixture) { f.payments.next(lost, lost, failing(500), failing(500)) }, "cancelled", true, "order_cancelled", telemetry.ReconciledCancelled},
		"declined, and nobody knows": {func(f *fixture) {
			f.payments.declines(true)
			f.payments.next(lost, lost)
		}, "declined", false, "payment_declined", telemetry.ReconciledDeclined},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, hasty)
			f.add(alice, 1, 1)
			test.before(f)
			status, answer := f.payWith("SAVE20", alice, "k1")
			want(t, status, answer, http.StatusServiceUnavailable, "payment_unavailable")
			f.shop.pace.cancelAfter = 0
			f.settle()
			f.agrees()
			order := f.orders(alice)[0]
			if order["status"] != test.status || order["refunded"] != test.refunded {
				t.Errorf("order %v, want it %s and refunded: %t", order, test.status, test.refunded)
			}
			status, answer = f.payWith("SAVE20", alice, "k1")
			if test.problem == "" {
				want(t, status, answer, http.StatusOK, "")
			} else if answer["type"] != "urn:webstore:problem:"+test.problem {
				t.Errorf("the same request is answered %d %v, want %s", status, answer, test.problem)
			}
			f.kit.Total(telemetry.Reconciliations, attribute.String("webstore.reconciliation.outcome", string(test.outcome))).Is(1)
		})
	}
}

func TestTheReconcilerPaysForWhatIsNotTooOld(t *testing.T) {
	t.Parallel()
	f := start(t, hasty)
	f.add(alice, 1, 1)
	f.payments.next(failing(503))
	status, answer := f.pay(alice, "k1")
	want(t, status, answer, http.StatusServiceUnavailable, "payment_unavailable")
	before := f.kit.Span("checkout")
	f.payments.next(failing(503))
	if _, err := f.shop.reconcileSome(f.kit.Context(t.Context())); err != nil {
		t.Fatal(err)
	}
	f.kit.Total(telemetry.Reconciliations, attribute.String("webstore.reconciliation.outcome", "later")).Is(1)
	f.background()
	f.untilNothingIsLeft()
	f.agrees()
	if order := f.orders(alice)[0]; order["status"] != "completed" {
		t.Errorf("order %v, want it completed", order)
	}
	for _, span := range f.kit.Spans("reconcile order") {
		span.IsRoot().LinksTo(before)
	}
	for status, n := range map[string]float64{"pending": 1, "paid": 1, "completed": 1} {
		f.kit.Total(telemetry.OrderTransitions, attribute.String("webstore.order.status", status)).Is(n)
	}
	f.kit.Total(telemetry.CheckoutAmount).Is(1)
}

func TestADeliveryIsATraceOfItsOwnLinkedToTheCheckout(t *testing.T) {
	t.Parallel()
	f := start(t, hasty)
	f.add(alice, 1, 1)
	f.crm.next(failing(503))
	_, order := f.pay(alice, "k1")
	if f.crm.called("") != 0 {
		t.Error("the CRM was told before the shopper")
	}
	f.settle()
	f.agrees()
	deliveries := f.kit.Spans("deliver crm.order")
	if len(deliveries) != 2 {
		t.Fatalf("%d deliveries, want one that failed and one that did not", len(deliveries))
	}
	for i, span := range deliveries {
		span.IsRoot().LinksTo(f.kit.Span("checkout")).Has(
			attribute.String("webstore.outbox.key", order["order_id"].(string)), attribute.Int("webstore.outbox.attempt", i+1))
	}
	deliveries[0].HasStatus(codes.Error)
	deliveries[1].HasStatus(codes.Unset)
	for outcome, n := range map[string]float64{"failed": 1, "delivered": 1} {
		f.kit.Total(telemetry.OutboxDeliveries, attribute.String("webstore.outbox.kind", "crm.order"), attribute.String("webstore.outbox.outcome", outcome)).Is(n)
	}
}

func TestTheCRMIsGivenUpAfterADayAndNobodyElse(t *testing.T) {
	t.Parallel()
	f := start(t, hasty)
	f.shop.hopeless = func(string) bool { return true }
	f.add(alice, 1, 1)
	f.inventory.lacks(1, true)
	f.pay(alice, "k1")
	if _, err := f.database.Exec(t.Context(), `UPDATE outbox SET created_at = now() - interval '25 hours'`); err != nil {
		t.Fatal(err)
	}
	f.crm.always(failing(500))
	f.payments.next(failing(500))
	f.settle()
	f.kit.Total(telemetry.OutboxDeliveries, attribute.String("webstore.outbox.outcome", "given_up")).Is(1)
	f.kit.Total(telemetry.OutboxDeliveries, attribute.String("webstore.outbox.kind", "payment.cancel"), attribute.String("webstore.outbox.outcome", "failed")).Is(1)
	if order := f.orders(alice)[0]; order["refunded"] != true {
		t.Errorf("order %v, want it refunded", order)
	}
}

func TestTheCRMHearsOfAccountsAndNotTwiceOfWhatItCannotTake(t *testing.T) {
	t.Parallel()
	f := start(t, hasty)
	register := func(name string) (id string) {
		status, answer := f.do("POST", "/auth/register", "", fmt.Sprintf(`{"username": %q, "password": "correct horse"}`, name))
		want(t, status, answer, http.StatusCreated, "")
		return fmt.Sprint(answer["user_id"])
	}
	ada := register("ada")
	f.settle()
	if got := fmt.Sprint(f.crm.known); got != "["+ada+"]" {
		t.Errorf("the CRM knows %s, want customer %s", got, ada)
	}
	register("grace")
	f.crm.next(refusing(http.StatusBadRequest, "bad_request"))
	f.settle()
	f.kit.Total(telemetry.OutboxDeliveries, attribute.String("webstore.outbox.outcome", "rejected")).Is(1)
}

func TestACRMThatHangsKeepsNoRefundWaiting(t *testing.T) {
	t.Parallel()
	f := start(t, hasty)
	f.shop.hopeless = func(string) bool { return true }
	f.add(alice, 1, 1)
	f.inventory.lacks(1, true)
	f.crm.always(hanging)
	f.pay(alice, "k1")
	f.background()
	for range time.Tick(5 * time.Millisecond) {
		if f.orders(alice)[0]["refunded"] == true {
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("the refund waits for ever")
		}
	}
}

// Two instances share what was left behind: each order is worked on once, and each
// message delivered once.
func TestTwoInstancesShareWhatIsLeftBehind(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	database := pgtest.URL(t)
	a, b := w.start(database, nil), w.start(database, nil)
	const each = 12
	for i, f := range []*fixture{a, b} {
		for n := range each {
			f.add(alice, 1, 1)
			f.add(alice, 2, 1)
			switch n % 3 {
			case 0: // paid, and nobody knows
				w.payments.next(lost, lost)
			case 1: // not paid
				w.payments.next(failing(503))
			}
			f.pay(alice, fmt.Sprintf("k%d-%d", i, n))
			w.payments.next()
		}
	}
	if _, err := a.database.Exec(t.Context(), `UPDATE orders SET attend_at = now() WHERE status = 'pending'`); err != nil {
		t.Fatal(err)
	}
	a.background()
	b.background()
	a.untilNothingIsLeft()
	a.agrees()
	for what, got := range map[string][2]int{
		"CRM orders":   {w.crm.called("POST /api/customer/order"), 2 * each},
		"reservations": {w.inventory.called("POST /api/inventory/reserve"), 2 * 2 * each},
	} {
		if got[0] != got[1] {
			t.Errorf("%d calls for %s, want %d", got[0], what, got[1])
		}
	}
	for _, o := range a.everyOrder() {
		if o.Status != StatusCompleted {
			t.Errorf("order %s is %s, want completed", o.ID, o.Status)
		}
	}
}

func TestAnOrderIsTakenUpByOneAtATime(t *testing.T) {
	t.Parallel()
	f := start(t, hasty)
	f.add(alice, 1, 1)
	f.payments.next(failing(503))
	f.pay(alice, "k1")
	takeUp := func() int {
		orders, err := f.shop.store.takeUp(t.Context(), reconcileBatch, time.Hour, time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		return len(orders)
	}
	for takeUp() == 0 { // its time comes within a millisecond
	}
	if n := takeUp(); n != 0 {
		t.Errorf("%d orders were taken up a second time", n)
	}
}

// Two instances get the same key, and different keys for one cart, at the same time.
func TestTwoInstancesSellACartOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	database := pgtest.URL(t)
	both := []*fixture{w.start(database, nil), w.start(database, nil)}
	for round := range 5 {
		both[0].add(alice, 1, 1)
		var calls sync.WaitGroup
		for i := range 8 {
			calls.Go(func() {
				status, answer := both[i%2].payWith("SAVE20", alice, fmt.Sprintf("k%d-%d", round, i/4))
				if status != http.StatusOK && answer["type"] != "urn:webstore:problem:order_pending" && answer["type"] != "urn:webstore:problem:cart_empty" {
					t.Errorf("got %d %v", status, answer)
				}
			})
		}
		calls.Wait()
	}
	both[0].charged(5)
	both[0].settle()
	both[0].agrees()
	if left := both[0].stock(1); left != 45 {
		t.Errorf("%d laptops are left of 50, want 45", left)
	}
}

func TestWhatWaitsIsMeasured(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.add(alice, 1, 1)
	f.payments.next(failing(503))
	f.pay(alice, "k1")
	f.kit.Total(telemetry.OpenOrders, attribute.String("webstore.order.status", "pending")).Is(1)
	f.kit.Total(telemetry.OpenOrders, attribute.String("webstore.order.status", "completed")).Is(0)
	f.pay(alice, "k1")
	f.kit.Total(telemetry.OpenOrders).Is(0)
	f.kit.Total(telemetry.OutboxMessages, attribute.String("webstore.outbox.kind", "crm.order")).Is(1)
	if lag := f.kit.Total(telemetry.OutboxLag, attribute.String("webstore.outbox.kind", "crm.order")).Value(); lag <= 0 {
		t.Errorf("the lag is %v s, want some", lag)
	}
	f.settle()
	f.kit.Total(telemetry.OutboxMessages).Is(0)
	f.kit.Total(telemetry.OutboxLag).Is(0)
}

func TestCallsAreMeasuredByWhomTheyWereOfAndHowTheyEnded(t *testing.T) {
	t.Parallel()
	f := start(t, nil)
	f.add(alice, 1, 1)
	f.inventory.next(hanging, nil, failing(500)) // two checks, and the first attempt to reserve
	f.payments.declines(true)
	f.promotions.next(failing(500))
	f.pay(alice, "k1")
	f.payments.declines(false)
	f.pay(alice, "k2")
	for call, n := range map[[2]string]float64{
		{"promotions", "success"}: 2, {"inventory", "timeout"}: 1, {"inventory", "success"}: 2,
		{"payments", "refused"}: 1, {"payments", "success"}: 1,
	} {
		f.kit.Total(telemetry.ShopCalls, attribute.String("webstore.dependency.name", call[0]), attribute.String("webstore.dependency.outcome", call[1])).Is(n)
	}
	f.kit.Spans("checkout")[0].HasEvent("retry")
}

func TestACircuitOpensWhenAServiceKeepsFailing(t *testing.T) {
	t.Parallel()
	f := start(t, func(cfg *Config) { cfg.rests.circuit = time.Hour })
	f.promotions.always(failing(500))
	for i := range 8 {
		f.add(alice, 7, 1)
		status, order := f.pay(alice, fmt.Sprint("k", i))
		want(t, status, order, http.StatusOK, "")
	}
	if calls := f.promotions.called(""); calls < circuitFailures || calls > circuitOutOf+3 {
		t.Errorf("%d calls, want the circuit open after %d of the last %d", calls, circuitFailures, circuitOutOf)
	}
	if n := f.kit.Total(telemetry.ShopCalls, attribute.String("webstore.dependency.outcome", "circuit_open")).Value(); n == 0 {
		t.Error("no call was refused by the circuit")
	}
}
