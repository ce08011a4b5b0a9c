package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
)

// checkTimeout is how long a check takes at most when its context does not say.
const checkTimeout = time.Second

// Check returns a check for otelkit/health: does the database answer on a
// connection of this pool?
//
//	health.Check{Name: "postgres", Run: postgres.Check(pool), Criticality: health.Critical}
//
// A pool whose connections are all in use is no failure of the database, and the
// instance must not lose its traffic for being busy, which would leave the others
// busier. So a check that gets no connection within half of its time passes if
// others did meanwhile: to be handed on, a connection must have answered. It
// fails if none was: then all connections hang, or are held and forgotten.
//
// It ends with its context, after a second at the latest. It is not among the
// measured calls, but for the connection that it takes and, if need be, waits
// for.
func Check(pool *pgxpool.Pool) func(context.Context) error {
	return check(pool, checkTimeout)
}

func check(pool *pgxpool.Pool, atMost time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, atMost)
		defer cancel()
		deadline, _ := ctx.Deadline()
		patience, stop := context.WithTimeout(ctx, time.Until(deadline)/2)
		defer stop()

		before := pool.Stat().AcquireCount()
		conn, err := pool.Acquire(patience)
		if err != nil {
			stat := pool.Stat()
			switch busy := stat.AcquiredConns() == stat.MaxConns(); {
			case busy && stat.AcquireCount() > before:
				return nil
			case busy:
				return fmt.Errorf("postgres: all %d connections of the pool are in use, and none was returned while the check waited: %w", stat.MaxConns(), err)
			default:
				return fmt.Errorf("postgres: no connection: %w", err)
			}
		}
		defer conn.Release()
		if _, err := conn.Conn().PgConn().Exec(ctx, "").ReadAll(); err != nil {
			return fmt.Errorf("postgres: the database does not answer: %w", err)
		}
		return nil
	}
}
