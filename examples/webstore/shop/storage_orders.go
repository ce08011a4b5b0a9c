package shop

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/otelkit/kit/examples/webstore/money"
)

// recentOrders is how many orders a user is shown.
const recentOrders = 50

// createOrder makes the lines of a cart into an order that is pending, and ties
// them to it. If the user has an order with that key, it returns that one and
// changes nothing; created is false.
//
// Two checkouts of one user wait for each other here, whatever their keys are,
// so that each line goes into one order.
func (s *store) createOrder(ctx context.Context, c checkout) (order Order, created bool, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT FROM users WHERE id = $1 FOR NO KEY UPDATE`, c.user); err != nil {
			return err
		}
		order, err = oneOrder(ctx, tx, `WHERE o.user_id = $1 AND o.idempotency_key = $2`, c.user, c.key)
		if !errors.Is(err, errNotFound) {
			return err
		}
		lines, err := freeLines(ctx, tx, c)
		if err != nil {
			return err
		}
		order, err = insertOrder(ctx, tx, c, lines)
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

// freeLines returns what is in a cart, or why it cannot be ordered.
func freeLines(ctx context.Context, tx pgx.Tx, c checkout) ([]freeLine, error) {
	rows, err := tx.Query(ctx, `
		SELECT c.id, c.product_id, p.name, pr.amount, c.quantity, p.stock
		FROM cart_lines c JOIN products p ON p.id = c.product_id JOIN prices pr USING (market, product_id)
		WHERE c.user_id = $1 AND c.market = $2 AND c.order_id IS NULL
		ORDER BY c.product_id
		FOR UPDATE OF c`, c.user, c.market)
	if err != nil {
		return nil, err
	}
	lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (freeLine, error) {
		var l freeLine
		err := row.Scan(&l.id, &l.ProductID, &l.ProductName, &l.Price.Amount, &l.Quantity, &l.stock)
		l.Price = money.Price(c.market, l.Price.Amount)
		l.Subtotal = l.Price.Times(l.Quantity)
		return l, err
	})
	if err != nil {
		return nil, err
	}
	if len(lines) == 0 {
		return nil, noLines(ctx, tx, c)
	}
	if i := slices.IndexFunc(lines, func(l freeLine) bool { return l.Quantity > l.stock }); i >= 0 {
		return nil, &outOfStockError{lines[i].ProductName, lines[i].stock}
	}
	return lines, nil
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

func insertOrder(ctx context.Context, tx pgx.Tx, c checkout, lines []freeLine) (Order, error) {
	order := Order{Status: StatusPending, Market: c.market, Method: c.method, Total: money.Price(c.market, 0)}
	var ids, products, prices []int64
	var names []string
	var quantities []int
	for _, l := range lines {
		order.Total.Amount += l.Subtotal.Amount
		order.Lines = append(order.Lines, l.OrderLine)
		ids = append(ids, l.id)
		products = append(products, l.ProductID)
		names = append(names, l.ProductName)
		prices = append(prices, l.Price.Amount)
		quantities = append(quantities, l.Quantity)
	}
	err := tx.QueryRow(ctx, `
		INSERT INTO orders (user_id, idempotency_key, market, method, currency, total)
		VALUES ($1, $2, $3, $4, $5, $6)
		RETURNING id, created_at`,
		c.user, c.key, c.market, c.method, order.Total.Currency, order.Total.Amount,
	).Scan(&order.ID, &order.CreatedAt)
	if err != nil {
		return Order{}, err
	}
	if _, err := tx.Exec(ctx, `
		INSERT INTO order_lines (order_id, product_id, name, price, quantity)
		SELECT $1, l.* FROM unnest($2::bigint[], $3::text[], $4::bigint[], $5::integer[]) l`,
		order.ID, products, names, prices, quantities); err != nil {
		return Order{}, err
	}
	_, err = tx.Exec(ctx, `UPDATE cart_lines SET order_id = $1 WHERE id = ANY($2)`, order.ID, ids)
	return order, err
}

// completeOrder marks an order as paid, takes its products from the stock and
// its lines from the cart. What the stock has too little of makes the order
// delayed, and stays in stock. ours is false if the order was not pending any
// more; then nothing is changed.
func (s *store) completeOrder(ctx context.Context, id, chargeID string) (order Order, ours bool, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if ours, err = lockPending(ctx, tx, id); err != nil || !ours {
			return err
		}
		status, err := takeStock(ctx, tx, id)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM cart_lines WHERE order_id = $1`, id); err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `UPDATE orders SET status = $2, charge_id = $3, updated_at = now() WHERE id = $1`, id, status, chargeID)
		return err
	})
	if err != nil {
		return Order{}, false, err
	}
	order, err = oneOrder(ctx, s.pool, `WHERE o.id = $1`, id)
	return order, ours, err
}

// lockPending reports whether an order is pending, and keeps others from
// changing that.
func lockPending(ctx context.Context, tx pgx.Tx, id string) (bool, error) {
	var status Status
	err := tx.QueryRow(ctx, `SELECT status FROM orders WHERE id = $1 FOR UPDATE`, id).Scan(&status)
	return status == StatusPending, err
}

func takeStock(ctx context.Context, tx pgx.Tx, id string) (Status, error) {
	// Locked in the order of their ids: two orders of the same products, locked
	// as they come, can wait for each other for ever.
	if _, err := tx.Exec(ctx, `
		SELECT FROM products
		WHERE id IN (SELECT product_id FROM order_lines WHERE order_id = $1)
		ORDER BY id FOR UPDATE`, id); err != nil {
		return "", err
	}
	var missing int
	err := tx.QueryRow(ctx, `
		WITH taken AS (
			UPDATE products p SET stock = p.stock - l.quantity
			FROM order_lines l
			WHERE l.order_id = $1 AND l.product_id = p.id AND p.stock >= l.quantity
			RETURNING p.id
		)
		SELECT (SELECT count(*) FROM order_lines WHERE order_id = $1) - (SELECT count(*) FROM taken)`, id).Scan(&missing)
	if missing > 0 {
		return StatusDelayed, err
	}
	return StatusCompleted, err
}

// declineOrder ends an order that will not be paid, and gives its lines back to
// the cart. ours is false if the order was not pending any more; then nothing
// is changed.
func (s *store) declineOrder(ctx context.Context, id string) (order Order, ours bool, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if ours, err = lockPending(ctx, tx, id); err != nil || !ours {
			return err
		}
		// The cart may have lines of the same products by now.
		if _, err := tx.Exec(ctx, `
			WITH back AS (DELETE FROM cart_lines WHERE order_id = $1 RETURNING user_id, market, product_id, quantity)
			INSERT INTO cart_lines (user_id, market, product_id, quantity)
			SELECT user_id, market, product_id, quantity FROM back ORDER BY product_id
			ON CONFLICT (user_id, market, product_id) WHERE order_id IS NULL
			DO UPDATE SET quantity = least(99, cart_lines.quantity + excluded.quantity)`, id); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `UPDATE orders SET status = 'declined', updated_at = now() WHERE id = $1`, id)
		return err
	})
	if err != nil {
		return Order{}, false, err
	}
	order, err = oneOrder(ctx, s.pool, `WHERE o.id = $1`, id)
	return order, ours, err
}

// orders returns a user's latest orders, the newest first.
func (s *store) orders(ctx context.Context, user int64) ([]Order, error) {
	return readOrders(ctx, s.pool, `
		WHERE o.id IN (SELECT id FROM orders WHERE user_id = $1 ORDER BY created_at DESC, id LIMIT $2)`, user, recentOrders)
}

// order returns one of a user's orders.
func (s *store) order(ctx context.Context, user int64, id string) (Order, error) {
	return oneOrder(ctx, s.pool, `WHERE o.user_id = $1 AND o.id = $2`, user, id)
}

// querier is a connection, a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

func oneOrder(ctx context.Context, q querier, where string, args ...any) (Order, error) {
	orders, err := readOrders(ctx, q, where, args...)
	if err == nil && len(orders) == 0 {
		return Order{}, errNotFound
	}
	if err != nil {
		return Order{}, err
	}
	return orders[0], nil
}

// readOrders returns orders with their lines, the newest first. where is one of
// the constants of this file.
func readOrders(ctx context.Context, q querier, where string, args ...any) ([]Order, error) {
	rows, err := q.Query(ctx, `
		SELECT o.id, o.status, o.market, o.method, o.total, coalesce(o.charge_id, ''), o.created_at,
		       l.product_id, l.name, l.price, l.quantity
		FROM orders o JOIN order_lines l ON l.order_id = o.id `+where+`
		ORDER BY o.created_at DESC, o.id, l.product_id`, args...)
	if err != nil {
		return nil, err
	}
	orders := []Order{}
	var (
		o     Order
		l     OrderLine
		total int64
		cost  int64
	)
	_, err = pgx.ForEachRow(rows, []any{
		&o.ID, &o.Status, &o.Market, &o.Method, &total, &o.ChargeID, &o.CreatedAt,
		&l.ProductID, &l.ProductName, &cost, &l.Quantity,
	}, func() error {
		if n := len(orders); n == 0 || orders[n-1].ID != o.ID {
			o.Total = money.Price(o.Market, total)
			orders = append(orders, o)
		}
		l.Price = money.Price(o.Market, cost)
		l.Subtotal = l.Price.Times(l.Quantity)
		last := &orders[len(orders)-1]
		last.Lines = append(last.Lines, l)
		return nil
	})
	return orders, err
}
