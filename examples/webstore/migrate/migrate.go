// Package migrate brings a schema of PostgreSQL to the state that a service
// needs.
//
// A migration is a file of SQL with its number in front, 0001_orders.sql. It is
// applied once, all new ones in one transaction, and is not to be changed
// afterwards: what has been applied is kept with a checksum in the table
// "migrations" of the schema, and a file that differs is an error. There is no
// way back but a further migration.
//
// Instances that start at the same time wait for one another.
package migrate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

type migration struct {
	version  int
	name     string
	sql      string
	checksum string
}

// Up applies those files of dir to the schema, which is made if it does not
// exist, that have not been applied yet, in the order of their numbers. The
// files' names are looked up in the schema alone.
func Up(ctx context.Context, pool *pgxpool.Pool, schema string, dir fs.FS) error {
	migrations, err := read(dir)
	if err != nil {
		return fmt.Errorf("migrate %s: %w", schema, err)
	}
	err = pool.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
		return up(ctx, conn.Conn(), schema, migrations)
	})
	if err != nil {
		return fmt.Errorf("migrate %s: %w", schema, err)
	}
	return nil
}

func read(dir fs.FS) ([]migration, error) {
	files, err := fs.Glob(dir, "*.sql") // sorted
	if err != nil {
		return nil, err
	}
	var list []migration
	for i, file := range files {
		number, _, _ := strings.Cut(file, "_")
		version, err := strconv.Atoi(number)
		if err != nil || version != i+1 {
			return nil, fmt.Errorf("%s: migrations are numbered 0001_, 0002_ and so on without a gap; this one should be %04d_", file, i+1)
		}
		text, err := fs.ReadFile(dir, file)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(text)
		list = append(list, migration{version, file, string(text), hex.EncodeToString(sum[:])})
	}
	return list, nil
}

// up runs one transaction, which holds a lock until it ends: either all
// migrations are applied or none.
func up(ctx context.Context, conn *pgx.Conn, schema string, migrations []migration) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock(hashtextextended('webstore migrate ' || $1, 0))`, schema); err != nil {
			return err
		}
		name := pgx.Identifier{schema}.Sanitize()
		prepare := `CREATE SCHEMA IF NOT EXISTS ` + name + `;
			SET LOCAL search_path TO ` + name + `;
			CREATE TABLE IF NOT EXISTS migrations (
				version    integer PRIMARY KEY,
				name       text NOT NULL,
				checksum   text NOT NULL,
				applied_at timestamptz NOT NULL DEFAULT now()
			);`
		if _, err := tx.Exec(ctx, prepare); err != nil {
			return err
		}
		applied, err := appliedIn(ctx, tx)
		if err != nil {
			return err
		}
		if len(applied) > len(migrations) {
			return fmt.Errorf("the database is at version %d and this program knows %d; run the newer program", len(applied), len(migrations))
		}
		for i, m := range migrations {
			if i < len(applied) {
				if applied[i] != m.checksum {
					return fmt.Errorf("%s was changed after it had been applied; restore it and write a further migration", m.name)
				}
				continue
			}
			if _, err := tx.Exec(ctx, m.sql); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			if _, err := tx.Exec(ctx, `INSERT INTO migrations (version, name, checksum) VALUES ($1, $2, $3)`,
				m.version, m.name, m.checksum); err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
		}
		return nil
	})
}

// appliedIn returns the checksums of what has been applied, version 1 first.
func appliedIn(ctx context.Context, tx pgx.Tx) ([]string, error) {
	rows, err := tx.Query(ctx, `SELECT checksum FROM migrations ORDER BY version`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
