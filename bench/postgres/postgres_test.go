//go:build unix

// Package postgres_test measures otelkit/postgres beside otelpgx v0.13.0, on a real
// PostgreSQL over a Unix socket.
//
//	go test -run '^$' -bench . -benchmem ./postgres
//
// The time is mostly the database's; what the instrumentation takes is the difference
// from "bare". Allocations are this process' alone. otelpgx is used as its documentation
// says: with its spans for acquiring a connection, and with the metrics of the pool.
package postgres_test

import (
	"os"
	"testing"

	"github.com/exaring/otelpgx"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/otelkit/kit/bench/providers"
	"github.com/otelkit/kit/internal/pgserver/pgtest"
	"github.com/otelkit/kit/otelkit/postgres"
)

func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }

// BenchmarkQuery is a query of one row by a statement with a parameter, which both sides
// have prepared.
func BenchmarkQuery(b *testing.B) {
	providers.Each(b, func(b *testing.B, kit *providers.Kit) {
		url := pgtest.URL(b)
		query(b, "bare", kit, func() (*pgxpool.Pool, error) { return pgxpool.New(b.Context(), url) })
		query(b, "otelkit", kit, func() (*pgxpool.Pool, error) {
			return postgres.Open(b.Context(), postgres.Config{URL: url, Kit: kit})
		})
		query(b, "otelpgx", kit, func() (*pgxpool.Pool, error) {
			config, err := pgxpool.ParseConfig(url)
			if err != nil {
				return nil, err
			}
			config.ConnConfig.Tracer = otelpgx.NewTracer(otelpgx.WithTracerProvider(kit.Tracers), otelpgx.WithMeterProvider(kit.Meters))
			pool, err := pgxpool.NewWithConfig(b.Context(), config)
			if err != nil {
				return nil, err
			}
			return pool, otelpgx.RecordStats(pool, otelpgx.WithStatsMeterProvider(kit.Meters))
		})
	})
}

func query(b *testing.B, name string, kit *providers.Kit, open func() (*pgxpool.Pool, error)) {
	b.Run(name, func(b *testing.B) {
		pool, err := open()
		if err != nil {
			b.Fatal(err)
		}
		defer pool.Close()
		ctx := kit.Request(b)
		b.ReportAllocs()
		for b.Loop() {
			var n int
			if err := pool.QueryRow(ctx, "select $1::int + n from generate_series(1, 1) n", 1).Scan(&n); err != nil {
				b.Fatal(err)
			}
		}
	})
}
