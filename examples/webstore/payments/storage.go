package payments

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// store is the service's part of the database. Every method takes a connection
// and gives it back.
type store struct{ pool *pgxpool.Pool }

// errNoPayment says that there is none with a key.
var errNoPayment = errors.New("no such payment")

// begin writes a payment as pending if there is none with that key, and returns
// the one that there is.
func (s *store) begin(ctx context.Context, key string, order Order) (Payment, error) {
	p := Payment{Key: key, Order: order, State: StatePending}
	err := s.pool.QueryRow(ctx, `
		INSERT INTO payments (key, amount, currency, market, method)
		VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (key) DO NOTHING
		RETURNING created_at`,
		key, order.Amount, order.Currency, order.Market, order.Method,
	).Scan(&p.CreatedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return s.payment(ctx, key)
	}
	return p, err
}

// settle writes the provider's verdict into a payment that is pending, and
// returns the payment. ours is false if it was settled or cancelled before.
func (s *store) settle(ctx context.Context, p Payment, v verdict) (settled Payment, ours bool, err error) {
	tag, err := s.pool.Exec(ctx, `
		UPDATE payments
		SET state = $2, charge_id = nullif($3, ''), decline_code = nullif($4, ''), updated_at = now()
		WHERE key = $1 AND state = 'pending'`,
		p.Key, v.state, v.chargeID, v.declineCode)
	if err != nil {
		return p, true, err
	}
	if tag.RowsAffected() == 0 {
		p, err = s.payment(ctx, p.Key)
		return p, false, err
	}
	p.State, p.ChargeID, p.DeclineCode = v.state, v.chargeID, v.declineCode
	return p, true, nil
}

// cancel writes that no money is to be kept for a key, and returns what that leaves
// to be done. A payment that may have been charged is cancelling from then on. Of
// one that there is not, none will come: it is cancelled. What is declined or
// failed stays so.
func (s *store) cancel(ctx context.Context, key string) (Payment, error) {
	return scan(s.pool.QueryRow(ctx, `
		INSERT INTO payments AS p (key, state)
		VALUES ($1, 'cancelled')
		ON CONFLICT (key) DO UPDATE
		SET state = CASE WHEN p.state IN ('pending', 'authorised') THEN 'cancelling' ELSE p.state END,
		    updated_at = now()
		RETURNING key, coalesce(amount, 0), coalesce(currency, ''), coalesce(market, ''), coalesce(method, ''),
		          state, coalesce(charge_id, ''), coalesce(decline_code, ''), created_at`,
		key))
}

// void writes what the provider did with a payment that is cancelling, and returns
// the payment. A charge that is known stays known.
func (s *store) void(ctx context.Context, p Payment, v verdict) (Payment, error) {
	_, err := s.pool.Exec(ctx, `
		UPDATE payments
		SET state = $2, charge_id = coalesce(nullif($3, ''), charge_id), updated_at = now()
		WHERE key = $1 AND state = 'cancelling'`,
		p.Key, v.state, v.chargeID)
	if err != nil {
		return p, err
	}
	return s.payment(ctx, p.Key)
}

// payment returns the payment with a key, or errNoPayment.
func (s *store) payment(ctx context.Context, key string) (Payment, error) {
	return scan(s.pool.QueryRow(ctx, `
		SELECT key, coalesce(amount, 0), coalesce(currency, ''), coalesce(market, ''), coalesce(method, ''),
		       state, coalesce(charge_id, ''), coalesce(decline_code, ''), created_at
		FROM payments WHERE key = $1`,
		key))
}

func scan(row pgx.Row) (Payment, error) {
	var p Payment
	err := row.Scan(&p.Key, &p.Amount, &p.Currency, &p.Market, &p.Method, &p.State, &p.ChargeID, &p.DeclineCode, &p.CreatedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return Payment{}, errNoPayment
	}
	return p, err
}
