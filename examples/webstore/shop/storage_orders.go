package shop

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/otelkit/kit/examples/webstore/money"
	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// recentOrders is how many orders a user is shown.
const recentOrders = 50

// createOrder makes the lines of a cart into an order that is pending, and ties
// them to it. If the user has an order with that key, it returns that one and
// changes nothing; created is false. Nobody else attends to the order for a while.
//
// Two checkouts of one user wait for each other here, whatever their keys are,
// so that each line goes into one order.
func (s *store) createOrder(ctx context.Context, c checkout, attend time.Duration) (order Order, created bool, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		var before []Order
		var lines []freeLine
		batch := new(pgx.Batch)
		batch.Queue(`SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE`, c.user)
		batch.Queue(ordersWhere(`o.user_id = $1 AND o.idempotency_key = $2`), c.user, c.key).Query(collectOrders(&before))
		batch.Queue(freeLinesOf, c.user, c.market).Query(collectFreeLines(&lines, c.market))
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return err
		}
		if len(before) > 0 {
			order = before[0]
			return nil
		}
		if len(lines) == 0 {
			return noLines(ctx, tx, c)
		}
		if i := slices.IndexFunc(lines, func(l freeLine) bool { return l.Quantity > l.stock }); i >= 0 {
			return &outOfStockError{lines[i].ProductName, lines[i].stock}
		}
		order, err = insertOrder(ctx, tx, c, lines, attend)
		created = true
		return err
	})
	return order, created, err
}

// freeLine is a line of a cart, with what is needed to sell it.
type freeLine struct {
	id int64
	OrderLine
	stock int
}

const freeLinesOf = `
	SELECT c.id, c.product_id, p.name, pr.amount, c.quantity, p.stock
	FROM cart_lines c JOIN products p ON p.id = c.product_id JOIN prices pr USING (market, product_id)
	WHERE c.user_id = $1 AND c.market = $2 AND c.order_id IS NULL
	ORDER BY c.product_id
	FOR UPDATE OF c`

func collectFreeLines(lines *[]freeLine, m telemetry.Market) func(pgx.Rows) error {
	return func(rows pgx.Rows) (err error) {
		*lines, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (freeLine, error) {
			var l freeLine
			err := row.Scan(&l.id, &l.ProductID, &l.ProductName, &l.Price.Amount, &l.Quantity, &l.stock)
			l.Price = money.Price(m, l.Price.Amount)
			l.Subtotal = l.Price.Times(l.Quantity)
			return l, err
		})
		return err
	}
}

// noLines says why a cart has no lines: they may be tied to an order that is
// pending.
func noLines(ctx context.Context, tx pgx.Tx, c checkout) error {
	var pending string
	err := tx.QueryRow(ctx, `
		SELECT order_id FROM cart_lines
		WHERE user_id = $1 AND market = $2 AND order_id IS NOT NULL
		ORDER BY created_at DESC LIMIT 1`, c.user, c.market).Scan(&pending)
	if errors.Is(err, pgx.ErrNoRows) {
		return errCartEmpty
	}
	if err != nil {
		return err
	}
	return &orderPendingError{pending}
}

// insertOrder writes an order with its lines and ties those of the cart to it.
func insertOrder(ctx context.Context, tx pgx.Tx, c checkout, lines []freeLine, attend time.Duration) (Order, error) {
	order := Order{
		Status: StatusPending, Market: c.market, Method: c.method, Coupon: c.coupon,
		Subtotal: money.Price(c.market, 0), userID: c.user, traceparent: traceparent(ctx),
	}
	var ids, products, prices []int64
	var names []string
	var quantities []int
	for _, l := range lines {
		order.Subtotal.Amount += l.Subtotal.Amount
		order.Lines = append(order.Lines, l.OrderLine)
		ids = append(ids, l.id)
		products = append(products, l.ProductID)
		names = append(names, l.ProductName)
		prices = append(prices, l.Price.Amount)
		quantities = append(quantities, l.Quantity)
	}
	order.Total = order.Subtotal
	order.Discount = money.Price(c.market, 0)
	err := tx.QueryRow(ctx, `
		WITH o AS (
			INSERT INTO orders (user_id, idempotency_key, market, method, currency, coupon, subtotal, total, traceparent, attend_at)
			VALUES ($1, $2, $3, $4, $5, nullif($6, ''), $7, $7, $8, now() + $9)
			RETURNING id, created_at
		), l AS (
			INSERT INTO order_lines (order_id, product_id, name, price, quantity)
			SELECT o.id, l.* FROM o, unnest($10::bigint[], $11::text[], $12::bigint[], $13::integer[]) l
		), c AS (
			UPDATE cart_lines SET order_id = o.id FROM o WHERE cart_lines.id = ANY($14)
		)
		SELECT id, created_at FROM o`,
		c.user, c.key, c.market, c.method, order.Total.Currency, c.coupon, order.Total.Amount, order.traceparent, attend,
		products, names, prices, quantities, ids,
	).Scan(&order.ID, &order.CreatedAt)
	return order, err
}

// change makes a change of an order in one transaction that is one round trip, and
// returns the order as it is then. sql is one of the constants of this file; it
// changes nothing of an order that is not in the state that it names, and then ours
// is false. Whoever comes second finds what the first has made of the order.
func (s *store) change(ctx context.Context, sql, id string, args ...any) (order Order, ours bool, err error) {
	var after []Order
	batch := new(pgx.Batch) // which PostgreSQL runs as one transaction
	batch.Queue(sql, append([]any{id}, args...)...).QueryRow(func(row pgx.Row) error { return row.Scan(&ours) })
	batch.Queue(ordersWhere(`o.id = $1`), id).Query(collectOrders(&after))
	if err := s.pool.SendBatch(ctx, batch).Close(); err != nil {
		return Order{}, false, err
	}
	if len(after) == 0 {
		return Order{}, false, errNotFound
	}
	return after[0], ours, nil
}

// price settles what an order costs. What was settled before stays: from then on
// nobody asks for another amount. ours is false if the order is not pending.
func (s *store) price(ctx context.Context, order Order, o offer, attend time.Duration) (priced Order, ours bool, err error) {
	return s.change(ctx, setPrice, order.ID, o.Discount, o.Code, append([]string{}, order.Warnings...), attend)
}

const setPrice = `
	WITH o AS (
		UPDATE orders SET
			discount       = CASE WHEN priced THEN discount ELSE $2 END,
			total          = CASE WHEN priced THEN total ELSE subtotal - $2 END,
			promotion_code = CASE WHEN priced THEN promotion_code ELSE nullif($3, '') END,
			warnings       = CASE WHEN priced THEN warnings ELSE $4 END,
			priced = true, attend_at = now() + $5::interval, updated_at = now()
		WHERE id = $1 AND status = 'pending'
		RETURNING id
	)
	SELECT count(*) = 1 FROM o`

// pay marks a pending order as paid, takes its products from the stock and its lines
// from the cart. Of what the stock has too little it takes nothing.
func (s *store) pay(ctx context.Context, id, chargeID string, attend time.Duration) (paid Order, ours bool, err error) {
	return s.change(ctx, takeWhatIsPaid, id, chargeID, attend)
}

// Products are locked in the order of their ids: two orders of the same products,
// locked as they come, could wait for each other for ever.
const takeWhatIsPaid = `
	WITH o AS (
		UPDATE orders SET status = 'paid', charge_id = $2, attend_at = now() + $3::interval, updated_at = now()
		WHERE id = $1 AND status = 'pending'
		RETURNING id
	), locked AS (
		SELECT p.id, l.quantity
		FROM o JOIN order_lines l ON l.order_id = o.id JOIN products p ON p.id = l.product_id
		ORDER BY p.id
		FOR NO KEY UPDATE OF p
	), taken AS (
		UPDATE products p SET stock = p.stock - locked.quantity
		FROM locked
		WHERE p.id = locked.id AND p.stock >= locked.quantity
		RETURNING p.id
	), marked AS (
		UPDATE order_lines l SET taken = true FROM o, taken WHERE l.order_id = o.id AND l.product_id = taken.id
	), emptied AS (
		DELETE FROM cart_lines c USING o WHERE c.order_id = o.id
	)
	SELECT count(*) = 1 FROM o`

// decline ends a pending order that will not be paid, and gives its lines back to
// the cart.
func (s *store) decline(ctx context.Context, order Order) (declined Order, ours bool, err error) {
	return s.change(ctx, giveCartBack, order.ID, StatusDeclined, nil, false, messages(couponRelease(order)), traceparent(ctx))
}

// refuse cancels a pending order whose price is not settled, and gives its lines
// back to the cart. Nobody has asked for money, and nobody will.
func (s *store) refuse(ctx context.Context, order Order, reason cancelReason) (refused Order, ours bool, err error) {
	return s.change(ctx, giveCartBack, order.ID, StatusCancelled, reason, true, messages(couponRelease(order)), traceparent(ctx))
}

// abandon cancels a pending order, and gives its lines back to the cart. If money
// may have been asked for, payments is told to give it back.
func (s *store) abandon(ctx context.Context, order Order) (abandoned Order, ours bool, err error) {
	return s.change(ctx, giveCartBack, order.ID, StatusCancelled, cancelledUnsettled, false,
		messages(couponRelease(order), paymentCancel(order)), traceparent(ctx))
}

// The cart may have lines of the same products by now.
const giveCartBack = `
	WITH o AS (
		UPDATE orders SET status = $2, cancel_reason = $3, updated_at = now()
		WHERE id = $1 AND status = 'pending' AND NOT ($4 AND priced)
		RETURNING id, priced
	), back AS (
		DELETE FROM cart_lines c USING o WHERE c.order_id = o.id
		RETURNING c.user_id, c.market, c.product_id, c.quantity
	), given AS (
		INSERT INTO cart_lines (user_id, market, product_id, quantity)
		SELECT user_id, market, product_id, quantity FROM back ORDER BY product_id
		ON CONFLICT (user_id, market, product_id) WHERE order_id IS NULL
		DO UPDATE SET quantity = least(99, cart_lines.quantity + excluded.quantity)
	), told AS (
		INSERT INTO outbox (kind, key, payload, traceparent)
		SELECT m.kind, m.key, m.payload, $6
		FROM o, jsonb_to_recordset($5) m(kind text, key text, payload text)
		WHERE o.priced OR m.kind <> 'payment.cancel'
	)
	SELECT count(*) = 1 FROM o`

// finish ends a paid order, with what warehouses have reserved for it.
func (s *store) finish(ctx context.Context, order Order, status Status, reserved []reservedLine) (finished Order, ours bool, err error) {
	return s.change(ctx, finishPaid, order.ID, status, reserved, messages(ending(order, status, reserved)...), traceparent(ctx))
}

// reservedLine is a line of an order that a warehouse has reserved.
type reservedLine struct {
	ProductID int64 `json:"product"`
	reservation
}

const finishPaid = `
	WITH o AS (
		UPDATE orders SET status = $2, updated_at = now() WHERE id = $1 AND status = 'paid'
		RETURNING id
	), reserved AS (
		UPDATE order_lines l SET warehouse = r.warehouse, fulfillment_days = r.fulfillment_days
		FROM o, jsonb_to_recordset($3) r(product bigint, warehouse text, fulfillment_days integer)
		WHERE l.order_id = o.id AND l.product_id = r.product
	), told AS (
		INSERT INTO outbox (kind, key, payload, traceparent)
		SELECT m.kind, m.key, m.payload, $5
		FROM o, jsonb_to_recordset($4) m(kind text, key text, payload text)
	)
	SELECT count(*) = 1 FROM o`

// unsell cancels a paid order that cannot be delivered, and gives back the stock and
// the money, and whatever else was taken for it.
func (s *store) unsell(ctx context.Context, order Order) (cancelled Order, ours bool, err error) {
	return s.change(ctx, unsellPaid, order.ID, messages(ending(order, StatusCancelled, nil)...), traceparent(ctx))
}

const unsellPaid = `
	WITH o AS (
		UPDATE orders SET status = 'cancelled', cancel_reason = 'out_of_stock', updated_at = now()
		WHERE id = $1 AND status = 'paid'
		RETURNING id
	), locked AS (
		SELECT p.id, l.quantity
		FROM o JOIN order_lines l ON l.order_id = o.id JOIN products p ON p.id = l.product_id
		WHERE l.taken
		ORDER BY p.id
		FOR NO KEY UPDATE OF p
	), restocked AS (
		UPDATE products p SET stock = p.stock + locked.quantity FROM locked WHERE p.id = locked.id
	), unmarked AS (
		UPDATE order_lines l SET taken = false FROM o WHERE l.order_id = o.id
	), told AS (
		INSERT INTO outbox (kind, key, payload, traceparent)
		SELECT m.kind, m.key, m.payload, $3
		FROM o, jsonb_to_recordset($2) m(kind text, key text, payload text)
	)
	SELECT count(*) = 1 FROM o`

// unattended is an order that nobody has worked on for a while.
type unattended struct {
	id          string
	old         bool   // too old to be paid for
	traceparent string // of its checkout
}

// takeUp gives some of the orders that nobody works on to the caller, until the
// lease is over.
func (s *store) takeUp(ctx context.Context, limit int, lease, cancelAfter time.Duration) ([]unattended, error) {
	rows, err := s.pool.Query(ctx, `
		UPDATE orders SET attend_at = now() + $2::interval
		WHERE id IN (
			SELECT id FROM orders
			WHERE status IN ('pending', 'paid') AND attend_at <= now()
			ORDER BY attend_at LIMIT $1
			FOR NO KEY UPDATE SKIP LOCKED
		)
		RETURNING id, created_at < now() - $3::interval, traceparent`, limit, lease, cancelAfter)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (unattended, error) {
		var u unattended
		err := row.Scan(&u.id, &u.old, &u.traceparent)
		return u, err
	})
}

// openOrders returns how many orders there are in each state that is not an end.
func (s *store) openOrders(ctx context.Context) (map[Status]float64, error) {
	rows, err := s.pool.Query(ctx, `SELECT status, count(*)::float8 FROM orders WHERE status IN ('pending', 'paid') GROUP BY status`)
	if err != nil {
		return nil, err
	}
	open := map[Status]float64{}
	var status Status
	var n float64
	_, err = pgx.ForEachRow(rows, []any{&status, &n}, func() error {
		open[status] = n
		return nil
	})
	return open, err
}

// orders returns a user's latest orders, the newest first.
func (s *store) orders(ctx context.Context, user int64) ([]Order, error) {
	return s.readOrders(ctx, ordersWhere(`o.id IN (SELECT id FROM orders WHERE user_id = $1 ORDER BY created_at DESC, id LIMIT $2)`), user, recentOrders)
}

// order returns one of a user's orders.
func (s *store) order(ctx context.Context, user int64, id string) (Order, error) {
	return oneOf(s.readOrders(ctx, ordersWhere(`o.user_id = $1 AND o.id = $2`), user, id))
}

// orderByID returns an order, whoever's it is.
func (s *store) orderByID(ctx context.Context, id string) (Order, error) {
	return oneOf(s.readOrders(ctx, ordersWhere(`o.id = $1`), id))
}

func oneOf(orders []Order, err error) (Order, error) {
	if err != nil {
		return Order{}, err
	}
	if len(orders) == 0 {
		return Order{}, errNotFound
	}
	return orders[0], nil
}

// ordersWhere reads orders with their lines, the newest first. where is a constant.
func ordersWhere(where string) string {
	return `
		SELECT o.id, o.user_id, o.status, o.market, o.method, o.subtotal, o.discount, o.total, o.priced,
		       coalesce(o.coupon, ''), coalesce(o.promotion_code, ''), coalesce(o.charge_id, ''), coalesce(o.cancel_reason, ''),
		       o.warnings, o.refunded, o.traceparent, o.created_at,
		       l.product_id, l.name, l.price, l.quantity, l.taken, coalesce(l.warehouse, ''), coalesce(l.fulfillment_days, 0)
		FROM orders o JOIN order_lines l ON l.order_id = o.id
		WHERE ` + where + `
		ORDER BY o.created_at DESC, o.id, l.product_id`
}

func (s *store) readOrders(ctx context.Context, sql string, args ...any) (orders []Order, err error) {
	rows, err := s.pool.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	err = collectOrders(&orders)(rows)
	return orders, err
}

// collectOrders reads the rows of ordersWhere.
func collectOrders(orders *[]Order) func(pgx.Rows) error {
	return func(rows pgx.Rows) error {
		*orders = []Order{}
		var (
			o                               Order
			l                               OrderLine
			subtotal, discount, total, cost int64
		)
		_, err := pgx.ForEachRow(rows, []any{
			&o.ID, &o.userID, &o.Status, &o.Market, &o.Method, &subtotal, &discount, &total, &o.priced,
			&o.Coupon, &o.PromotionCode, &o.ChargeID, &o.cancelReason,
			&o.Warnings, &o.Refunded, &o.traceparent, &o.CreatedAt,
			&l.ProductID, &l.ProductName, &cost, &l.Quantity, &l.taken, &l.Warehouse, &l.FulfillmentDays,
		}, func() error {
			if n := len(*orders); n == 0 || (*orders)[n-1].ID != o.ID {
				o.Subtotal = money.Price(o.Market, subtotal)
				o.Discount = money.Price(o.Market, discount)
				o.Total = money.Price(o.Market, total)
				*orders = append(*orders, o)
			}
			l.Price = money.Price(o.Market, cost)
			l.Subtotal = l.Price.Times(l.Quantity)
			last := &(*orders)[len(*orders)-1]
			last.Lines = append(last.Lines, l)
			return nil
		})
		return err
	}
}
