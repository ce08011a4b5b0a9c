package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// record is all that main's database knows of an order, and payments' of its payment.
type record struct {
	ID, Key, Status, Currency string
	Total                     int64
	Priced                    bool // payments may have been asked
	ChargeID, Coupon          *string
	State, PaidBy             *string // of payments
	Taken, Lines              int     // lines
	Tied                      int     // lines of a cart that are still tied to it
}

// charge is what the payment provider took.
type charge struct {
	ID       string `json:"id"`
	Key      string `json:"idempotency_key"`
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
	Refunded bool   `json:"refunded"`
}

// reservation is what a warehouse keeps for us.
type reservation struct {
	Key    string `json:"idempotency_key"`
	Status string `json:"status"`
}

// agrees compares what everybody wrote down, and what the shoppers were told.
func (w *town) agrees(told []promise) {
	w.t.Helper()
	db := w.connect()
	records := w.records(db)
	var charges struct {
		Charges []charge `json:"charges"`
	}
	w.read("payment-provider", "/v1/charges", &charges)
	var reservations struct {
		Reservations []reservation `json:"reservations"`
	}
	w.read("inventory", "/api/inventory/reservations", &reservations)
	var customers struct {
		Orders []struct {
			OrderID string `json:"order_id"`
		} `json:"orders"`
	}
	w.read("crm", "/api/customer/orders", &customers)

	kept := map[string][]charge{} // money that was taken and not given back, by order
	for _, c := range charges.Charges {
		if !c.Refunded {
			kept[c.Key] = append(kept[c.Key], c)
		}
	}
	reserved := map[string]bool{}
	for _, r := range reservations.Reservations {
		if r.Status == "reserved" {
			reserved[r.Key] = true
		}
	}
	toldCRM := map[string]int{}
	for _, o := range customers.Orders {
		toldCRM[o.OrderID]++
	}

	statuses := map[string]int{}
	for _, o := range records {
		statuses[o.Status]++
		w.fits(o, kept[o.ID], toldCRM[o.ID])
	}
	for order, list := range kept {
		if _, ok := records[order]; !ok {
			w.t.Errorf("%d charges are kept of order %s, which does not exist: %+v", len(list), order, list)
		}
	}
	w.linesFit(db, records, reserved)
	w.stockFits(db)
	w.couponsFit(db)
	w.promisesHold(records, told)
	w.t.Logf("%d orders: %v; %d charges, %d of them kept; %d checkouts answered", len(records), statuses, len(charges.Charges), len(kept), len(told))
	if len(records) < *kills {
		w.t.Errorf("only %d orders were made: the test proves little", len(records))
	}
}

// fits compares an order with its payment, with the charges that were kept of it, and
// with how often the CRM was told of it.
func (w *town) fits(o record, kept []charge, toldCRM int) {
	w.t.Helper()
	paid := o.Status == "completed" || o.Status == "delayed"
	state := "none"
	if o.State != nil {
		state = *o.State
	}
	complain := func(format string, args ...any) {
		w.t.Helper()
		w.t.Errorf("order %s (%s, payment %s): %s", o.ID, o.Status, state, fmt.Sprintf(format, args...))
	}
	switch {
	case paid && (len(kept) != 1 || kept[0].Amount != o.Total || kept[0].Currency != o.Currency):
		complain("charges %+v are kept, want one of %d %s", kept, o.Total, o.Currency)
	case paid && (state != "authorised" || o.ChargeID == nil || *o.ChargeID != kept[0].ID || o.PaidBy == nil || *o.PaidBy != kept[0].ID):
		complain("the order says charge %v, payments says %v, the provider %s", o.ChargeID, o.PaidBy, kept[0].ID)
	case !paid && len(kept) != 0:
		complain("charges %+v are kept", kept)
	case o.Status == "declined" && state != "declined",
		o.Status == "cancelled" && o.Priced && state != "cancelled" && state != "refunded" && state != "declined",
		o.Status == "cancelled" && !o.Priced && state != "none" && state != "cancelled":
		complain("the two do not fit")
	case o.Status != "completed" && o.Status != "delayed" && o.Status != "declined" && o.Status != "cancelled":
		complain("this is no end of an order")
	case paid && toldCRM != 1:
		complain("the CRM was told of it %d times", toldCRM)
	case o.Tied != 0:
		complain("%d lines of a cart are still tied to it", o.Tied)
	case o.Status == "completed" && o.Taken != o.Lines:
		complain("%d of %d lines were taken from the stock", o.Taken, o.Lines)
	case !paid && o.Taken != 0:
		complain("%d lines are taken from the stock", o.Taken)
	}
}

func (w *town) records(db *pgxpool.Pool) map[string]record {
	w.t.Helper()
	rows, err := db.Query(w.t.Context(), `
		SELECT o.id::text, o.idempotency_key, o.status, o.currency, o.total, o.priced, o.charge_id, o.coupon, p.state, p.charge_id,
		       (SELECT count(*) FROM shop.order_lines l WHERE l.order_id = o.id AND l.taken),
		       (SELECT count(*) FROM shop.order_lines l WHERE l.order_id = o.id),
		       (SELECT count(*) FROM shop.cart_lines c WHERE c.order_id = o.id)
		FROM shop.orders o LEFT JOIN payments.payments p ON p.key = o.id::text`)
	if err != nil {
		w.t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[record])
	if err != nil {
		w.t.Fatal(err)
	}
	records := map[string]record{}
	for _, r := range list {
		records[r.ID] = r
	}
	return records
}

// linesFit compares what is to be sent with what warehouses keep for us.
func (w *town) linesFit(db *pgxpool.Pool, records map[string]record, reserved map[string]bool) {
	w.t.Helper()
	rows, err := db.Query(w.t.Context(), `SELECT order_id::text, product_id FROM shop.order_lines`)
	if err != nil {
		w.t.Fatal(err)
	}
	var order string
	var product int64
	_, err = pgx.ForEachRow(rows, []any{&order, &product}, func() error {
		key := fmt.Sprintf("%s:%d", order, product)
		switch status := records[order].Status; {
		case status == "completed" && !reserved[key]:
			w.t.Errorf("order %s is completed, and product %d is not reserved", order, product)
		case status != "completed" && status != "delayed" && reserved[key]:
			w.t.Errorf("order %s is %s, and product %d is reserved for it", order, status, product)
		}
		delete(reserved, key)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	for key := range reserved {
		w.t.Errorf("%s is reserved, and nobody ordered it", key)
	}
}

// firstStock is the stock of each product in migration 0002.
var firstStock = map[int64]int64{1: 50, 2: 100, 3: 200, 4: 30, 5: 75, 6: 150, 7: 300, 8: 100}

// stockFits compares the stock with what came and what was taken.
func (w *town) stockFits(db *pgxpool.Pool) {
	w.t.Helper()
	rows, err := db.Query(w.t.Context(), `
		SELECT p.id, p.stock, p.delivered, coalesce(sum(l.quantity) FILTER (WHERE l.taken), 0)
		FROM shop.products p LEFT JOIN shop.order_lines l ON l.product_id = p.id
		GROUP BY p.id`)
	if err != nil {
		w.t.Fatal(err)
	}
	var id, stock, delivered, taken int64
	_, err = pgx.ForEachRow(rows, []any{&id, &stock, &delivered, &taken}, func() error {
		if want := firstStock[id] + delivered - taken; stock != want {
			w.t.Errorf("of product %d there are %d; there were %d, %d came and %d were taken, which leaves %d", id, stock, firstStock[id], delivered, taken, want)
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// couponsFit compares the uses of coupons with the orders that they came with.
func (w *town) couponsFit(db *pgxpool.Pool) {
	w.t.Helper()
	rows, err := db.Query(w.t.Context(), `
		SELECT c.code, c.used,
		       (SELECT count(*) FROM shop.orders o WHERE upper(o.coupon) = c.code AND o.status IN ('completed', 'delayed'))
		FROM promotions.coupons c`)
	if err != nil {
		w.t.Fatal(err)
	}
	var code string
	var used, orders int64
	_, err = pgx.ForEachRow(rows, []any{&code, &used, &orders}, func() error {
		if used != orders {
			w.t.Errorf("coupon %s was used %d times, by %d orders that stand", code, used, orders)
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// promisesHold compares what shoppers were told with what became of it: nothing that
// was acknowledged is lost, and a key has one order.
func (w *town) promisesHold(records map[string]record, told []promise) {
	w.t.Helper()
	byKey := map[string]record{}
	for _, r := range records {
		if before, ok := byKey[r.Key]; ok {
			w.t.Errorf("orders %s and %s have the key %s", before.ID, r.ID, r.Key)
		}
		byKey[r.Key] = r
	}
	for _, p := range told {
		r, ok := byKey[p.key]
		switch {
		case p.code >= 400 && p.code != http.StatusPaymentRequired:
			// It was told why there is no order, or that there will be none.
			if ok && (r.Status == "completed" || r.Status == "delayed") {
				w.t.Errorf("the shopper was answered %d to %s, and order %s is %s", p.code, p.key, r.ID, r.Status)
			}
		case !ok:
			w.t.Errorf("the shopper was told that %s is order %s (%s), which is lost", p.key, p.order, p.status)
		case p.order != r.ID:
			w.t.Errorf("the shopper was told that %s is order %s; it is %s", p.key, p.order, r.ID)
		case p.status != r.Status && p.status != "paid":
			w.t.Errorf("the shopper was told that order %s is %s; it is %s", r.ID, p.status, r.Status)
		}
	}
}

// read gets what a third party keeps.
func (w *town) read(part, path string, v any) {
	w.t.Helper()
	eventually(w.t, path+" of "+part, func() error {
		response, err := http.Get("http://" + w.at[part] + path)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s", response.Status)
		}
		return json.NewDecoder(response.Body).Decode(v)
	})
}
