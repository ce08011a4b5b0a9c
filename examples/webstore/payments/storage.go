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
	_, err := s.pool.Exec(ctx, `
		INSERT INTO payments (key, amount, currency, market, method)
		VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (key) DO NOTHING`,
		key, order.Amount, order.Currency, order.Market, order.Method)
	if err != nil {
		return Payment{}, err
	}
	return s.payment(ctx, key)
}

// settle writes the provider's verdict into a payment that is pending, and
// returns the payment. ours is false if it was settled before.
func (s *store) settle(ctx context.Context, key string, v verdict) (p Payment, ours bool, err error) {
	tag, err := s.pool.Exec(ctx, `
		UPDATE payments
		SET state = $2, charge_id = nullif($3, ''), decline_code = nullif($4, ''), updated_at = now()
		WHERE key = $1 AND state = 'pending'`,
		key, v.state, v.chargeID, v.declineCode)
	if err != nil {
		return Payment{}, false, err
	}
	p, err = s.payment(ctx, key)
	return p, tag.RowsAffected() == 1, err
}

// payment returns the payment with a key, or errNoPayment.
func (s *store) payment(ctx context.Context, key string) (Payment, error) {
	var p Payment
	err := s.pool.QueryRow(ctx, `
		SELECT key, amount, currency, market, method, state,
		       coalesce(charge_id, ''), coalesce(decline_code, ''), created_at
		FROM payments WHERE key = $1`, key,
	).Scan(&p.Key, &p.Amount, &p.Currency, &p.Market, &p.Method, &p.State, &p.ChargeID, &p.DeclineCode, &p.CreatedAt)
	if errors.Is(err, pgx.ErrNoRows) {
		return Payment{}, errNoPayment
	}
	return p, err
}
