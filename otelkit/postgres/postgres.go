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
// # Spans
//
// A span is named after what the statement does and to what (db.query.summary),
// and holds the statement without its literals (db.query.text), which are
// replaced even where a statement has parameters: one that was put together by
// hand may have both. Arguments are never recorded.
//
//	pool.Exec(ctx, "insert into orders select * from carts where id = $1 and kind = 'gift'", 17)
//
//	INSERT orders SELECT carts
//	  db.operation.name  INSERT
//	  db.query.text      insert into orders select * from carts where id = $1 and kind = ?
//
// It ends when the last row was read. A batch is one span, and so is a copy. A
// statement of background work, whose context holds no span, has none; it would be
// a trace by itself. There are no spans for acquiring, connecting, preparing and
// the pool's own pings. How long a statement waited for its connection is an
// attribute of its span from 1 ms on (otelkit.db.connection_wait, in seconds), and
// a wait that was in vain an event of the span around it
// (db.client.connection.unavailable).
//
// BEGIN, COMMIT and their like have a span if they fail or take 5 ms or more, as a
// COMMIT does that waits for a disk, and are measured always.
//
// # Metrics
//
// They are OpenTelemetry's db.client.* (semantic conventions v1.43.0), shared with
// otelkit/redisdb:
//
//	db.client.operation.duration           statements, batches and copies, until their result is read
//	db.client.connection.count             idle and used connections; one that is being made is neither
//	db.client.connection.max               Config.MaxConns
//	db.client.connection.idle.max          the same: pgx closes no idle connection for being one too many
//	db.client.connection.idle.min          what the URL says as pool_min_idle_conns
//	db.client.connection.pending_requests  calls that are acquiring a connection
//	db.client.connection.timeouts          calls whose deadline passed meanwhile
//	db.client.connection.wait_time         how long acquiring took, making a connection included
//	db.client.connection.create_time       how long making a connection took
//	db.client.connection.use_time          from acquiring to releasing
//
// # Reading SQL
//
// Statements are read by rules for all of PostgreSQL's ways to write a literal,
// once each. A text that the rules are not sure of, such as one with a quote that
// does not end, is not recorded, and its summary ends before the first literal.
// The conventions advise against taking db.operation.name and db.collection.name
// from a text that may have several; so both are left out unless there is one.
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

	// Dial makes the connections below TLS, such as those of a cloud's connector or of
	// a test that cuts them; nil means a net.Dialer of pgx.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
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
	dbclient.ObservePool(dbclient.Recording(ctx, tracer.kit), target, pool, tracer.state(poolConfig))
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
	if cfg.Dial != nil {
		conn.DialFunc = cfg.Dial
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
