package shop

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// hasty is a configuration with which nothing that was left behind lies for long.
func hasty(cfg *Config) {
	cfg.ReconcileAfter, cfg.OutboxInterval, cfg.OutboxMaxPause = time.Millisecond, time.Millisecond, 4*time.Millisecond
}

// settle has the service do what was left behind, until nothing is.
func (f *fixture) settle() {
	f.t.Helper()
	ctx := f.kit.Context(f.t.Context())
	for {
		if _, err := f.shop.reconcileSome(ctx); err != nil {
			f.t.Fatal(err)
		}
		for _, kinds := range queues {
			if _, err := f.shop.deliverSome(ctx, kinds); err != nil {
				f.t.Fatal(err)
			}
		}
		if f.left() == 0 {
			return
		}
		if f.t.Context().Err() != nil {
			f.t.Fatal("something is left behind for ever")
		}
	}
}

// left counts orders that have not ended and messages that are not delivered.
func (f *fixture) left() (n int) {
	f.t.Helper()
	err := f.database.QueryRow(f.t.Context(), `
		SELECT (SELECT count(*) FROM orders WHERE status IN ('pending', 'paid')) + (SELECT count(*) FROM outbox)`).Scan(&n)
	if err != nil {
		f.t.Fatal(err)
	}
	return n
}

// everyOrder reads all orders.
func (f *fixture) everyOrder() []Order {
	f.t.Helper()
	orders, err := f.shop.store.readOrders(f.t.Context(), ordersWhere(`true`))
	if err != nil {
		f.t.Fatal(err)
	}
	return orders
}

// agrees fails the test unless what the service believes of its orders, which have
// all ended, is what the others have done for them.
func (f *fixture) agrees() {
	f.t.Helper()
	f.payments.mu.Lock()
	defer f.payments.mu.Unlock()
	f.promotions.mu.Lock()
	defer f.promotions.mu.Unlock()
	f.inventory.mu.Lock()
	defer f.inventory.mu.Unlock()
	f.crm.mu.Lock()
	defer f.crm.mu.Unlock()

	orders := f.everyOrder()
	known, coupons, reserved := map[string]bool{}, map[string]int{}, map[string]bool{}
	for _, o := range orders {
		known[o.ID] = true
		sold := o.Status == StatusCompleted || o.Status == StatusDelayed
		p := f.payments.payments[o.ID]
		switch {
		case sold && (p == nil || p.State != "authorised" || p.ChargeID != o.ChargeID || p.amount != o.Total.Amount):
			f.t.Errorf("%s order %s of %d by charge %q has payment %+v", o.Status, o.ID, o.Total.Amount, o.ChargeID, p)
		case !sold && p != nil && p.State == "authorised":
			f.t.Errorf("%s order %s keeps the money of payment %+v", o.Status, o.ID, p)
		case o.Refunded != (p != nil && p.State == "refunded"):
			f.t.Errorf("%s order %s says refunded=%t, its payment is %+v", o.Status, o.ID, o.Refunded, p)
		}
		if o.Coupon != "" && sold {
			coupons[o.Coupon]++
		}
		for _, l := range o.Lines {
			key := reservationKey(o.ID, l.ProductID)
			if l.Warehouse != "" {
				reserved[key] = true
			}
			if o.Status == StatusCompleted && (l.Warehouse == "" || !l.taken) || !sold && (l.taken || l.Warehouse != "") {
				f.t.Errorf("%s order %s has line %+v", o.Status, o.ID, l)
			}
		}
		told := f.crm.orders[o.ID]
		if bought := sold || o.cancelReason == cancelledOutOfStock; bought && told != string(o.Status) || !bought && told != "" {
			f.t.Errorf("of %s order %s the CRM knows %q", o.Status, o.ID, told)
		}
	}
	for key := range f.payments.payments {
		if !known[key] {
			f.t.Errorf("there is a payment of order %s, which is not there", key)
		}
	}
	for key := range f.inventory.reserved {
		if kept := !f.inventory.released[key]; kept != reserved[key] {
			f.t.Errorf("reservation %s is kept: %t, and the order says %t", key, kept, reserved[key])
		}
		delete(reserved, key)
	}
	if len(reserved) > 0 {
		f.t.Errorf("reservations %v are not there", reserved)
	}
	for coupon, uses := range map[string]int{"SAVE20": 100, "LAST": 1} {
		if left := uses - coupons[coupon]; f.promotions.left[coupon] != left {
			f.t.Errorf("coupon %s has %d uses left, the orders say %d", coupon, f.promotions.left[coupon], left)
		}
	}
	if len(f.crm.twice) > 0 {
		f.t.Errorf("the CRM was told different things of %v", f.crm.twice)
	}
	f.stockAgrees()
	f.never("an order's cart lines that are left", `SELECT count(*) FROM cart_lines WHERE order_id IS NOT NULL`)
}

// stockAgrees fails the test unless what is left is what was not taken.
func (f *fixture) stockAgrees() {
	f.t.Helper()
	f.never("products whose stock is not what was there and delivered less what was taken", `
		SELECT count(*) FROM products p
		WHERE stock <> delivery + delivered - coalesce((SELECT sum(quantity) FROM order_lines l WHERE l.product_id = p.id AND l.taken), 0)`)
}

// never fails the test if a query counts anything.
func (f *fixture) never(what, sql string) {
	f.t.Helper()
	var n int
	if err := f.database.QueryRow(f.t.Context(), sql).Scan(&n); err != nil {
		f.t.Fatal(err)
	}
	if n != 0 {
		f.t.Errorf("there are %d %s", n, what)
	}
}

// deliverStock changes what is left of a product as the warehouse does.
func (f *fixture) deliverStock(product, n int) {
	f.t.Helper()
	if _, err := f.database.Exec(f.t.Context(), `UPDATE products SET delivered = delivered + $2 - stock, stock = $2 WHERE id = $1`, product, n); err != nil {
		f.t.Fatal(err)
	}
}

// userID is whose token that is.
func (f *fixture) userID(token string) int64 {
	f.t.Helper()
	session, err := f.shop.session(f.t.Context(), token)
	if err != nil {
		f.t.Fatal(err)
	}
	return session.User.ID
}

// emptyCart takes everything out of somebody's cart.
func (f *fixture) emptyCart(token string) {
	f.t.Helper()
	if _, err := f.database.Exec(f.t.Context(), `DELETE FROM cart_lines WHERE user_id = $1 AND order_id IS NULL`, f.userID(token)); err != nil {
		f.t.Fatal(err)
	}
}

// courses are the ways that a checkout may take.
var courses = map[string]struct {
	coupon   string
	hopeless bool // what cannot be delivered is cancelled
	before   func(*fixture)
	ends     Status // undisturbed
}{
	"bought":                     {ends: StatusCompleted},
	"with a coupon":              {coupon: "SAVE20", ends: StatusCompleted},
	"with no such coupon":        {coupon: "NONE", ends: StatusCancelled},
	"declined, with a coupon":    {coupon: "SAVE20", ends: StatusDeclined, before: func(f *fixture) { f.payments.declines(true) }},
	"short in the warehouse":     {coupon: "SAVE20", ends: StatusDelayed, before: func(f *fixture) { f.inventory.lacks(2, true) }},
	"never to be delivered":      {coupon: "SAVE20", hopeless: true, ends: StatusCancelled, before: func(f *fixture) { f.inventory.lacks(2, true) }},
	"sold out while it was paid": {ends: StatusDelayed, before: func(f *fixture) { f.payments.then(func() { f.deliverStock(1, 0) }) }},
}

// what may die in the middle of a checkout.
var deaths = map[string]func(f *fixture, main context.CancelFunc) func(){
	"main": func(_ *fixture, main context.CancelFunc) func() { return main },
	"the database": func(f *fixture, _ context.CancelFunc) func() {
		return func() { f.terminate() }
	},
}

// terminate breaks all connections of the service to the database.
func (f *fixture) terminate() {
	if _, err := f.database.Exec(context.Background(), `
		SELECT pg_terminate_backend(pid) FROM pg_stat_activity
		WHERE datname = current_database() AND application_name <> 'test'`); err != nil {
		f.t.Error(err)
	}
}

// what happens to an order that was left behind.
var revivals = map[string]func(*fixture, checkout){
	"the reconciler continues": func(f *fixture, _ checkout) { f.shop.pace.cancelAfter = time.Hour },
	"it is too old":            func(f *fixture, _ checkout) { f.shop.pace.cancelAfter = 0 },
	"the shopper tries again, and so does the reconciler": func(f *fixture, c checkout) {
		f.shop.pace.cancelAfter = time.Hour
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = f.shop.checkout(f.t.Context(), c)
		}()
		_, _ = f.shop.reconcileSome(f.t.Context())
		<-done
	},
}

// At every instant before and after a call of somebody, main or the database's
// connections die. Between two calls there is one transaction, which is whole or not
// there; so these are all the places where a checkout can be cut off.
func TestWhereverACheckoutIsCutOffEverythingAgreesInTheEnd(t *testing.T) {
	t.Parallel()
	for name, course := range courses {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := start(t, hasty)
			f.shop.hopeless = func(string) bool { return course.hopeless }
			user := f.userID(alice)
			attempt := 0
			run := func(instant int, death string, revive func(*fixture, checkout)) (passed int) {
				attempt++
				f.payments.declines(false)
				f.payments.then(nil)
				f.inventory.lacks(2, false)
				f.deliverStock(1, 50)
				f.emptyCart(alice)
				f.add(alice, 1, 1)
				f.add(alice, 2, 2)
				if course.before != nil {
					course.before(f)
				}
				ctx, die := context.WithCancel(f.kit.Context(t.Context()))
				defer die()
				c := checkout{user, fmt.Sprint("k", attempt), telemetry.Germany, telemetry.CreditCard, course.coupon}
				f.kill(instant, deaths[death](f, die))
				_, _, _ = f.shop.order(ctx, c)
				passed = f.passed()
				f.kill(0, nil)
				f.shop.store.pool.Reset() // the service lives again, or the database does
				revive(f, c)
				for _, other := range []*fake{&f.payments.fake, &f.promotions.fake, &f.inventory.fake, &f.crm.fake} {
					other.next(lost)
				}
				f.settle()
				for _, other := range []*fake{&f.payments.fake, &f.promotions.fake, &f.inventory.fake, &f.crm.fake} {
					other.next()
				}
				f.agrees()
				return passed
			}
			instants := run(0, "main", revivals["it is too old"])
			if got := f.orders(alice)[0]["status"]; got != string(course.ends) {
				t.Fatalf("undisturbed, the order is %v, want %s", got, course.ends)
			}
			for death := range deaths {
				for instant := range instants {
					for how, revive := range revivals { // in random order
						run(instant+1, death, revive)
						if t.Failed() {
							t.Fatalf("after %s died at instant %d of %d, and %s", death, instant+1, instants, how)
						}
						break
					}
				}
			}
		})
	}
}
