package promotions

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// store is the service's part of the database. Every method takes a connection
// and gives it back.
type store struct{ pool *pgxpool.Pool }

var (
	errNoCoupon = errors.New("no such coupon")
	errUsedUp   = errors.New("the coupon is used up")
	errReleased = errors.New("the redemption was released")
)

// coupon returns the coupon with a code, or errNoCoupon.
func (s *store) coupon(ctx context.Context, code string) (Coupon, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT code, discount_type, discount_value, min_amount, max_uses - used
		FROM coupons WHERE code = $1`, code)
	if err != nil {
		return Coupon{}, err
	}
	coupon, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[Coupon])
	if errors.Is(err, pgx.ErrNoRows) {
		return Coupon{}, errNoCoupon
	}
	return coupon, err
}

// coupons returns all coupons.
func (s *store) coupons(ctx context.Context) ([]Coupon, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT code, discount_type, discount_value, min_amount, max_uses - used
		FROM coupons ORDER BY code`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[Coupon])
}

// redeem writes what an order gets, and takes a use of the coupon if it is by one, or
// returns errUsedUp and has done neither. If there is a redemption with that key it
// returns that one, and ours is false, or errReleased.
//
// The key is written before the coupon is touched, and release does it in the same
// order, so that neither waits for the other in a circle.
func (s *store) redeem(ctx context.Context, r redemption) (stands redemption, ours bool, err error) {
	err = pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `
			INSERT INTO redemptions (key, state, user_id, market, amount, currency, coupon, discount, promotion_code, description)
			VALUES ($1, 'redeemed', $2, $3, $4, $5, nullif($6, ''), $7, $8, $9)
			ON CONFLICT (key) DO NOTHING`,
			r.key, r.order.UserID, r.order.Market, r.order.Amount, r.order.Currency, r.coupon,
			r.discount.Amount, r.discount.Code, r.discount.Description)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			stands, err = redeemed(ctx, tx, r.key)
			return err
		}
		stands, ours = r, true
		if r.coupon == "" {
			return nil
		}
		tag, err = tx.Exec(ctx, `UPDATE coupons SET used = used + 1 WHERE code = $1 AND used < max_uses`, r.coupon)
		if err == nil && tag.RowsAffected() == 0 {
			err = errUsedUp
		}
		return err
	})
	return stands, ours, err
}

// redeemed returns the redemption with a key, which there is, or errReleased.
func redeemed(ctx context.Context, tx pgx.Tx, key string) (redemption, error) {
	r := redemption{key: key}
	err := tx.QueryRow(ctx, `
		SELECT user_id, market, amount, currency, coalesce(coupon, ''), discount, currency, promotion_code, description
		FROM redemptions WHERE key = $1 AND state = 'redeemed'`, key,
	).Scan(&r.order.UserID, &r.order.Market, &r.order.Amount, &r.order.Currency, &r.coupon,
		&r.discount.Amount, &r.discount.Currency, &r.discount.Code, &r.discount.Description)
	if errors.Is(err, pgx.ErrNoRows) {
		return redemption{}, errReleased
	}
	return r, err
}

// release releases what was redeemed with a key, and gives the use of its coupon back.
// If nothing stands it returns false, and nothing will: the key is kept as released.
func (s *store) release(ctx context.Context, key string) (coupon string, released bool, err error) {
	// Now, or before whoever is about to write the key: from here on it is written.
	tag, err := s.pool.Exec(ctx, `
		INSERT INTO redemptions (key, state, released_at) VALUES ($1, 'released', now())
		ON CONFLICT (key) DO NOTHING`, key)
	if err != nil || tag.RowsAffected() == 1 {
		return "", false, err
	}
	err = s.pool.QueryRow(ctx, `
		WITH released AS (
			UPDATE redemptions SET state = 'released', released_at = now()
			WHERE key = $1 AND state = 'redeemed'
			RETURNING coupon
		), returned AS (
			UPDATE coupons SET used = used - 1 FROM released WHERE code = released.coupon
		)
		SELECT coalesce(coupon, '') FROM released`, key,
	).Scan(&coupon)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", false, nil
	}
	return coupon, err == nil, err
}

// renew gives coupons that have run low further uses. Of several instances that do so
// at the same time one does.
func (s *store) renew(ctx context.Context) error {
	_, err := s.pool.Exec(ctx, `UPDATE coupons SET max_uses = max_uses + renewal WHERE max_uses - used < renewal / 2`)
	return err
}
