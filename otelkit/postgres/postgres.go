// Package postgres opens a pgx connection pool that is observed: a span and a
// measurement a statement, and the state of the pool.
//
//	pool, err := postgres.Open(ctx, postgres.Config{URL: url, Kit: kit})
//	if err != nil {
//		return err // says which database could not be reached, never the password
//	}
//	defer pool.Close()
//
// What is returned is an ordinary *pgxpool.Pool.
//
// Spans are those of otelpgx (github.com/exaring/otelpgx): named after the
// statement's first word, with the text of the statement but none of its
// arguments. There are none for acquiring, connecting and preparing, which would
// outnumber the statements; how long a connection was waited for is a metric. A
// statement whose context holds no recording span has no span of its own.
//
// Metrics are OpenTelemetry's db.client.* (semantic conventions v1.43.0), shared
// with otelkit/redisdb:
//
//	db.client.operation.duration           statements, batches and copies, until their result is read
//	db.client.connection.count             idle and used connections; one that is being made is neither
//	db.client.connection.max               Config.MaxConns
//	db.client.connection.pending_requests  calls that are acquiring a connection
//	db.client.connection.timeouts          calls whose deadline passed meanwhile
//	db.client.connection.wait_time         how long acquiring took, making a connection included
//	db.client.connection.create_time       how long making a connection took
package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/otelkit/kit/otelkit/internal/dbclient"
	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel/trace"
)

// Kit is what Open needs of a *otelkit.Kit.
type Kit interface {
	TracerProvider() trace.TracerProvider
	Recorder() *metrics.Recorder
}

// Config configures Open. The zero value of every field but URL is useful.
type Config struct {
	URL            string        // required: postgres://user:password@host:port/database?sslmode=require
	Kit            Kit           // where telemetry goes; nil means OpenTelemetry's globals and the default recorder
	MaxConns       int           // most connections; 0 means what the URL says as pool_max_conns, else 10
	MinConns       int           // connections that are kept open; 0 means none
	SearchPath     string        // schemas in which names are looked up, such as "payments"; "" means the database's default
	ConnectTimeout time.Duration // longest time to make a connection; 0 means what the URL says as connect_timeout, else 5 s
	Name           string        // of the pool, in metrics; "" means host:port/database
}

// Open opens a pool and makes sure that the database can be reached, within
// [Config.ConnectTimeout]. Close the pool when done.
func Open(ctx context.Context, cfg Config) (*pgxpool.Pool, error) {
	poolConfig, err := cfg.parse()
	if err != nil {
		return nil, err
	}
	target := cfg.target(poolConfig.ConnConfig)
	tracer := newTracer(cfg.Kit, target)
	poolConfig.ConnConfig.Tracer = tracer

	pool, err := pgxpool.NewWithConfig(ctx, poolConfig)
	if err != nil {
		return nil, fmt.Errorf("postgres: opening a pool for %s: %w", target.Pool, err)
	}
	reach, cancel := context.WithTimeout(ctx, poolConfig.ConnConfig.ConnectTimeout)
	defer cancel()
	if err := pool.Ping(reach); err != nil {
		pool.Close()
		return nil, fmt.Errorf("postgres: the database at %s cannot be reached: %w", address(target), err)
	}
	dbclient.ObservePool(dbclient.Recording(ctx, tracer.kit), target, pool, tracer.state)
	return pool, nil
}

func (cfg Config) parse() (*pgxpool.Config, error) {
	if cfg.URL == "" {
		return nil, errors.New("postgres: Config.URL is missing")
	}
	poolConfig, err := pgxpool.ParseConfig(cfg.URL)
	if err != nil {
		// pgx takes the password out of its message only if it can find it.
		if _, unreadable := url.Parse(cfg.URL); unreadable != nil {
			return nil, errors.New(`postgres: Config.URL is not a URL; it has to look like postgres://user:password@host:5432/database, with what is special in the password percent-encoded`)
		}
		return nil, fmt.Errorf("postgres: Config.URL: %w", err)
	}
	switch {
	case cfg.MaxConns > 0:
		poolConfig.MaxConns = int32(cfg.MaxConns)
	case !strings.Contains(cfg.URL, "pool_max_conns"):
		poolConfig.MaxConns = 10
	}
	if cfg.MinConns > 0 {
		poolConfig.MinConns = int32(cfg.MinConns)
	}
	conn := poolConfig.ConnConfig
	if cfg.SearchPath != "" {
		conn.RuntimeParams["search_path"] = cfg.SearchPath
	}
	conn.ConnectTimeout = cmp.Or(cfg.ConnectTimeout, conn.ConnectTimeout)
	if cfg.ConnectTimeout == 0 && !strings.Contains(cfg.URL, "connect_timeout") {
		conn.ConnectTimeout = 5 * time.Second
	}
	return poolConfig, nil
}

// target describes the database. Of several hosts it is the first.
func (cfg Config) target(conn *pgx.ConnConfig) dbclient.Target {
	t := dbclient.Target{System: dbclient.PostgreSQL, Namespace: conn.Database, Server: conn.Host}
	if !strings.HasPrefix(conn.Host, "/") {
		t.Port = int(conn.Port)
	}
	t.Pool = cmp.Or(cfg.Name, address(t)+"/"+conn.Database)
	return t
}

// address writes where the database is.
func address(t dbclient.Target) string {
	if t.Port == 0 {
		return t.Server
	}
	return net.JoinHostPort(t.Server, strconv.Itoa(t.Port))
}
