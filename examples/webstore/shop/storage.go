package shop

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelkit/kit/examples/webstore/money"
	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// store is the service's part of the database. Every method takes a connection
// and gives it back; those that change more than one thing do it in one
// transaction.
type store struct{ pool *pgxpool.Pool }

// errNotFound says that what was looked for is not there, or not the user's.
var errNotFound = errors.New("not found")

// products returns what is sold in a market.
func (s *store) products(ctx context.Context, m telemetry.Market) ([]Product, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT p.id, p.name, p.category, p.stock, pr.amount
		FROM prices pr JOIN products p ON p.id = pr.product_id
		WHERE pr.market = $1
		ORDER BY p.id`, m)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Product, error) { return scanProduct(row, m) })
}

// product returns one product as it is sold in a market.
func (s *store) product(ctx context.Context, m telemetry.Market, id int64) (Product, error) {
	return found(scanProduct(s.pool.QueryRow(ctx, `
		SELECT p.id, p.name, p.category, p.stock, pr.amount
		FROM prices pr JOIN products p ON p.id = pr.product_id
		WHERE pr.market = $1 AND p.id = $2`, m, id), m))
}

func scanProduct(row pgx.Row, m telemetry.Market) (Product, error) {
	var p Product
	err := row.Scan(&p.ID, &p.Name, &p.Category, &p.Stock, &p.Price.Amount)
	p.Price = money.Price(m, p.Price.Amount)
	return p, err
}

// replenish lets the warehouse deliver what has run low.
func (s *store) replenish(ctx context.Context) error {
	// Locked in the order of their ids, as checkouts do.
	_, err := s.pool.Exec(ctx, `
		WITH low AS (SELECT id FROM products WHERE stock < delivery / 2 ORDER BY id FOR NO KEY UPDATE)
		UPDATE products p SET delivered = p.delivered + p.delivery - p.stock, stock = p.delivery
		FROM low WHERE p.id = low.id`)
	return err
}

// addLine puts a product into a cart, on top of what is in there of it.
func (s *store) addLine(ctx context.Context, user int64, m telemetry.Market, product int64, quantity int) (Line, error) {
	return found(scanLine(s.pool.QueryRow(ctx, `
		WITH line AS (
			INSERT INTO cart_lines (user_id, market, product_id, quantity)
			SELECT $1, pr.market, pr.product_id, $4
			FROM prices pr WHERE pr.market = $2 AND pr.product_id = $3
			ON CONFLICT (user_id, market, product_id) WHERE order_id IS NULL
			DO UPDATE SET quantity = cart_lines.quantity + excluded.quantity, changed_at = now()
			RETURNING id, market, product_id, quantity
		)
		SELECT c.id, c.market, c.product_id, p.name, pr.amount, c.quantity
		FROM line c JOIN products p ON p.id = c.product_id JOIN prices pr USING (market, product_id)`,
		user, m, product, quantity)))
}

// cart returns the lines of a cart, of one market or, if m is "", of all.
func (s *store) cart(ctx context.Context, user int64, m telemetry.Market) ([]Line, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT c.id, c.market, c.product_id, p.name, pr.amount, c.quantity
		FROM cart_lines c JOIN products p ON p.id = c.product_id JOIN prices pr USING (market, product_id)
		WHERE c.user_id = $1 AND c.order_id IS NULL AND ($2 = '' OR c.market = $2)
		ORDER BY c.id`, user, m)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (Line, error) { return scanLine(row) })
}

// setQuantity changes how many of something are in a cart.
func (s *store) setQuantity(ctx context.Context, user, line int64, quantity int) (Line, error) {
	return found(scanLine(s.pool.QueryRow(ctx, `
		UPDATE cart_lines c SET quantity = $3, changed_at = now()
		FROM products p, prices pr
		WHERE c.id = $2 AND c.user_id = $1 AND c.order_id IS NULL
		  AND p.id = c.product_id AND pr.market = c.market AND pr.product_id = c.product_id
		RETURNING c.id, c.market, c.product_id, p.name, pr.amount, c.quantity`,
		user, line, quantity)))
}

// removeLine takes a line out of a cart.
func (s *store) removeLine(ctx context.Context, user, line int64) error {
	tag, err := s.pool.Exec(ctx, `DELETE FROM cart_lines WHERE id = $2 AND user_id = $1 AND order_id IS NULL`, user, line)
	if err == nil && tag.RowsAffected() == 0 {
		return errNotFound
	}
	return err
}

// activeCarts returns how many carts with something in them have changed within the last
// hour, of each market that has some.
func (s *store) activeCarts(ctx context.Context) (map[telemetry.Market]int, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT market, count(DISTINCT user_id)
		FROM cart_lines
		WHERE order_id IS NULL AND changed_at > now() - interval '1 hour'
		GROUP BY market`)
	if err != nil {
		return nil, err
	}
	carts := map[telemetry.Market]int{}
	var m telemetry.Market
	var n int
	_, err = pgx.ForEachRow(rows, []any{&m, &n}, func() error {
		carts[m] = n
		return nil
	})
	return carts, err
}

func scanLine(row pgx.Row) (Line, error) {
	var l Line
	var amount int64
	err := row.Scan(&l.ID, &l.Market, &l.ProductID, &l.ProductName, &amount, &l.Quantity)
	l.Price = money.Price(l.Market, amount)
	l.Subtotal = l.Price.Times(l.Quantity)
	return l, err
}

// found makes the error of a row that is not there into errNotFound.
func found[T any](v T, err error) (T, error) {
	if errors.Is(err, pgx.ErrNoRows) {
		return v, errNotFound
	}
	return v, err
}

// violates reports whether an error is that a constraint was violated.
func violates(err error, constraint string) bool {
	var refused *pgconn.PgError
	return errors.As(err, &refused) && refused.ConstraintName == constraint
}
