package shop

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// errNameTaken says that another user has the name.
var errNameTaken = errors.New("the name is taken")

// newSession is a session that is to be opened.
type newSession struct {
	token   []byte // the hash of it
	expires time.Time
	guest   []byte // the hash of a guest's token, whose cart comes along; nil for none
}

// credentials returns a user and the hash of the password. Demo users exist
// only where demo says so.
func (s *store) credentials(ctx context.Context, name string, demo bool) (User, string, error) {
	var u User
	var hash string
	err := s.pool.QueryRow(ctx, `
		SELECT id, role, password_hash FROM users WHERE name = $1 AND (NOT demo OR $2)`, name, demo,
	).Scan(&u.ID, &u.Role, &hash)
	u, err = found(u, err)
	return u, hash, err
}

// openSession lets a token stand for a user until it expires.
func (s *store) openSession(ctx context.Context, user int64, session newSession) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error { return insertSession(ctx, tx, user, session) })
}

// register makes an account and opens its first session, or returns
// errNameTaken.
func (s *store) register(ctx context.Context, name, passwordHash string, session newSession) (User, error) {
	user := User{Role: Shopper}
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `
			INSERT INTO users (name, password_hash, role) VALUES ($1, $2, $3)
			ON CONFLICT (name) DO NOTHING
			RETURNING id`, name, passwordHash, user.Role).Scan(&user.ID)
		if errors.Is(err, pgx.ErrNoRows) {
			return errNameTaken
		}
		if err != nil {
			return err
		}
		if err := enqueue(ctx, tx, crmUpdate(user.ID)); err != nil {
			return err
		}
		return insertSession(ctx, tx, user.ID, session)
	})
	return user, err
}

// admit makes a guest and opens the one session that a guest has.
func (s *store) admit(ctx context.Context, session newSession) (User, error) {
	user := User{Role: Guest}
	err := pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		err := tx.QueryRow(ctx, `INSERT INTO users (role, forget_at) VALUES ($1, $2) RETURNING id`,
			user.Role, session.expires.Add(guestKept)).Scan(&user.ID)
		if err != nil {
			return err
		}
		return insertSession(ctx, tx, user.ID, session)
	})
	return user, err
}

// insertSession opens a session, and moves a guest's cart into that of the user:
// what can still be changed of it, not what is being ordered. A token that is no
// guest's, or not any more, has no cart to move.
func insertSession(ctx context.Context, tx pgx.Tx, user int64, session newSession) error {
	if _, err := tx.Exec(ctx, `
		INSERT INTO sessions (token_hash, user_id, expires_at) VALUES ($1, $2, $3)`,
		session.token, user, session.expires); err != nil {
		return err
	}
	if session.guest == nil {
		return nil
	}
	_, err := tx.Exec(ctx, `
		WITH guest AS (
			SELECT u.id FROM sessions s JOIN users u ON u.id = s.user_id
			WHERE s.token_hash = $2 AND s.expires_at > now() AND u.role = 'guest'
		), moved AS (
			DELETE FROM cart_lines c USING guest g
			WHERE c.user_id = g.id AND c.order_id IS NULL
			RETURNING c.market, c.product_id, c.quantity
		)
		INSERT INTO cart_lines (user_id, market, product_id, quantity)
		SELECT $1::bigint, market, product_id, quantity FROM moved ORDER BY market, product_id
		ON CONFLICT (user_id, market, product_id) WHERE order_id IS NULL
		DO UPDATE SET quantity = least(99, cart_lines.quantity + excluded.quantity)`, user, session.guest)
	return err
}

// session returns the user that a token stands for, and until when.
func (s *store) session(ctx context.Context, tokenHash []byte, demo bool) (Session, error) {
	var session Session
	err := s.pool.QueryRow(ctx, `
		SELECT u.id, u.role, s.expires_at
		FROM sessions s JOIN users u ON u.id = s.user_id
		WHERE s.token_hash = $1 AND s.expires_at > now() AND (NOT u.demo OR $2)`, tokenHash, demo,
	).Scan(&session.User.ID, &session.User.Role, &session.Expires)
	return found(session, err)
}

// endSession lets a token stand for nobody any more.
func (s *store) endSession(ctx context.Context, tokenHash []byte) error {
	_, err := s.pool.Exec(ctx, `DELETE FROM sessions WHERE token_hash = $1`, tokenHash)
	return err
}

// forgetSessions removes up to limit sessions that have expired, and says how
// many. Instances that do it at once remove different ones.
func (s *store) forgetSessions(ctx context.Context, limit int) (int, error) {
	tag, err := s.pool.Exec(ctx, `
		DELETE FROM sessions WHERE token_hash IN (
			SELECT token_hash FROM sessions WHERE expires_at < now()
			ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)`, limit)
	return int(tag.RowsAffected()), err
}

// forgetGuests removes up to limit guests whose time is over, with their carts,
// and says how many it has seen. Those who ordered are kept, as their orders
// are, and are not looked at again.
func (s *store) forgetGuests(ctx context.Context, limit int) (seen int, err error) {
	err = s.pool.QueryRow(ctx, `
		WITH over AS (
			SELECT u.id, EXISTS (SELECT FROM orders o WHERE o.user_id = u.id) AS ordered
			FROM users u WHERE u.forget_at < now()
			ORDER BY u.forget_at LIMIT $1 FOR UPDATE SKIP LOCKED
		), kept AS (
			UPDATE users SET forget_at = NULL WHERE id IN (SELECT id FROM over WHERE ordered)
		), forgotten AS (
			DELETE FROM users WHERE id IN (SELECT id FROM over WHERE NOT ordered)
		)
		SELECT count(*) FROM over`, limit).Scan(&seen)
	return seen, err
}

// saveDemoUser makes a demo user if there is none of that name, and lets its
// token stand for it for ever.
func (s *store) saveDemoUser(ctx context.Context, name string, role Role, passwordHash string, tokenHash []byte) error {
	return pgx.BeginFunc(ctx, s.pool, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `
			INSERT INTO users (name, password_hash, role, demo) VALUES ($1, $2, $3, true)
			ON CONFLICT (name) DO NOTHING`, name, passwordHash, role); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `
			INSERT INTO sessions (token_hash, user_id, expires_at)
			SELECT $2, id, timestamptz '9999-12-31' FROM users WHERE name = $1 AND demo
			ON CONFLICT (token_hash) DO NOTHING`, name, tokenHash)
		return err
	})
}

// hasUser reports whether there is a user of that name.
func (s *store) hasUser(ctx context.Context, name string) (exists bool, err error) {
	err = s.pool.QueryRow(ctx, `SELECT EXISTS (SELECT FROM users WHERE name = $1)`, name).Scan(&exists)
	return exists, err
}
