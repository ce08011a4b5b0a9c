package shop

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// enqueue writes a message in the transaction that makes it necessary.
func enqueue(ctx context.Context, tx pgx.Tx, m message) error {
	_, err := tx.Exec(ctx, `INSERT INTO outbox (kind, key, payload, traceparent) VALUES ($1, $2, $3, $4)`, m.Kind, m.Key, m.Payload, traceparent(ctx))
	return err
}

// claim gives some of the messages that are due, of these kinds, to the caller, until
// the lease is over.
func (s *store) claim(ctx context.Context, kinds []telemetry.OutboxKind, limit int, lease time.Duration) ([]message, error) {
	rows, err := s.pool.Query(ctx, `
		UPDATE outbox SET next_at = now() + $3::interval, attempts = attempts + 1
		WHERE id IN (
			SELECT id FROM outbox
			WHERE kind = ANY($1) AND next_at <= now()
			ORDER BY next_at LIMIT $2
			FOR UPDATE SKIP LOCKED
		)
		RETURNING id, kind, key, payload, traceparent, attempts, extract(epoch FROM now() - created_at)::float8`, kinds, limit, lease)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (message, error) {
		var m message
		var age float64
		err := row.Scan(&m.id, &m.Kind, &m.Key, &m.Payload, &m.traceparent, &m.attempts, &age)
		m.age = time.Duration(age * float64(time.Second))
		return m, err
	})
}

// settle writes down what became of messages that were claimed: those that are done
// with are deleted, orders whose money was given back say so, and the others are due
// again later. If another has claimed one meanwhile, it is that one's.
func (s *store) settle(ctx context.Context, deliveries []delivery) error {
	batch := new(pgx.Batch)
	var done []int64
	for _, d := range deliveries {
		if d.refund != "" {
			batch.Queue(`
				UPDATE orders SET refunded = true, charge_id = coalesce(charge_id, $2), updated_at = now()
				WHERE id = $1 AND status = 'cancelled'`, d.Key, d.refund)
		}
		if d.done {
			done = append(done, d.id)
			continue
		}
		batch.Queue(`UPDATE outbox SET next_at = now() + $3::interval WHERE id = $1 AND attempts = $2`, d.id, d.attempts, d.pause)
	}
	if len(done) > 0 {
		batch.Queue(`DELETE FROM outbox WHERE id = ANY($1)`, done)
	}
	return s.pool.SendBatch(ctx, batch).Close()
}

// backlog is what of a kind waits to be delivered.
type backlog struct {
	kind     telemetry.OutboxKind
	messages float64
	oldest   float64 // in seconds
}

func (s *store) backlogs(ctx context.Context) ([]backlog, error) {
	rows, err := s.pool.Query(ctx, `
		SELECT kind, count(*)::float8, extract(epoch FROM now() - min(created_at))::float8 FROM outbox GROUP BY kind`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (backlog, error) {
		var b backlog
		err := row.Scan(&b.kind, &b.messages, &b.oldest)
		return b, err
	})
}
