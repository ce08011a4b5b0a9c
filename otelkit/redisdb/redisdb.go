// Package redisdb opens a go-redis client that is observed: a span and a
// measurement a command or pipeline, and the state of the connection pool.
//
//	client, err := redisdb.Open(ctx, redisdb.Config{URL: url, Kit: kit})
//	if err != nil {
//		return err // says which server could not be reached, never the password
//	}
//	defer client.Close()
//
// What is returned is an ordinary *redis.Client, but for its patience: go-redis
// waits 5 s for each of several things, and a cache that is down would hold up
// every request by as much. Here a command keeps to its context's deadline, and to
// [Config.Timeout] for each of connecting, waiting for a connection, writing and
// reading; it is tried twice.
//
// # Spans
//
// Spans are named after the command and never hold its keys or values. A pipeline
// or transaction is one, with the number of its commands: "PIPELINE SET" if all
// are of one name, else "PIPELINE". There are none for connecting and for what a
// connection is set up with, and a command whose context holds no span has none:
// Redis is asked by background work as well, whose traces would be one span each.
// How long a command waited for its connection is an attribute of its span from
// 1 ms on (otelkit.db.connection_wait, in seconds).
//
// # Metrics
//
// They are OpenTelemetry's db.client.* (semantic conventions v1.43.0), shared with
// otelkit/postgres:
//
//	db.client.operation.duration           commands and pipelines, retries included
//	db.client.connection.count             idle and used connections
//	db.client.connection.max               Config.PoolSize
//	db.client.connection.idle.max          what the URL says as max_idle_conns, else Config.PoolSize
//	db.client.connection.idle.min          what the URL says as min_idle_conns
//	db.client.connection.pending_requests  calls that wait for a connection
//	db.client.connection.timeouts          calls that gave up waiting
//	db.client.connection.wait_time         how long a call waited for its turn, connecting not included
//	db.client.connection.create_time       how long connecting took, without the greeting that follows
//
// db.client.connection.use_time has no series of Redis: go-redis does not tell when
// a connection is returned.
//
// # What is global
//
// go-redis has one logger and one recorder of measurements (redis.SetLogger,
// redis.SetOTelRecorder) for the process. The first Open takes both: complaints,
// which go-redis would write to stderr, one for each connection that it cannot
// make, go to the logger of the Kit that was given last, once a minute and kind;
// and wait_time comes from the recorder. A service that wants either for itself
// sets it after the first Open.
package redisdb

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"time"

	"github.com/otelkit/kit/otelkit/internal/dbclient"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"go.opentelemetry.io/otel/trace"
)

// Kit is what Open needs of a *otelkit.Kit.
type Kit interface {
	Logger() *slog.Logger
	TracerProvider() trace.TracerProvider
	Recorder() *metrics.Recorder
}

// Config configures Open. The zero value of every field but URL is useful.
type Config struct {
	URL      string        // required: redis://user:password@host:port/0; rediss:// is with TLS
	Kit      Kit           // where telemetry goes; nil means OpenTelemetry's globals and the default recorder
	PoolSize int           // most connections; 0 means 10 for each CPU
	Timeout  time.Duration // longest time to connect, to wait for a connection, to write and to read, each; 0 means 500 ms
	Name     string        // of the pool, in metrics; "" means host:port/database

	// Dial makes the connections below TLS, such as those of a tunnel or of a test that
	// cuts them; nil means go-redis' own dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
}

// Open opens a client and makes sure that the server can be reached. Close the
// client when done.
func Open(ctx context.Context, cfg Config) (*redis.Client, error) {
	client, target, err := open(ctx, cfg)
	if err != nil {
		return nil, err
	}
	if err := client.Ping(ctx).Err(); err != nil {
		return nil, fmt.Errorf("redisdb: Redis at %s cannot be reached: %w", client.Options().Addr, errors.Join(err, client.Close()))
	}
	dbclient.ObservePool(dbclient.Recording(ctx, recorderOf(cfg.Kit)), target, client, state)
	return client, nil
}

func open(ctx context.Context, cfg Config) (*redis.Client, dbclient.Target, error) {
	if cfg.URL == "" {
		return nil, dbclient.Target{}, errors.New("redisdb: Config.URL is missing")
	}
	options, err := redis.ParseURL(cfg.URL)
	if err != nil {
		// The parser's message may hold the password.
		return nil, dbclient.Target{}, errors.New(`redisdb: Config.URL is not a URL of Redis; it has to look like redis://user:password@host:6379/0, with what is special in the password percent-encoded`)
	}
	timeout := cmp.Or(cfg.Timeout, 500*time.Millisecond)
	options.DialTimeout, options.ReadTimeout, options.WriteTimeout, options.PoolTimeout = timeout, timeout, timeout, timeout
	options.ContextTimeoutEnabled = true
	options.DialerRetries = 1
	options.MaxRetries = 1
	options.PoolSize = cfg.PoolSize
	options.PipelinePoolSize = -1 // one pool, with one size, for all
	// Notifications of Redis Enterprise, which each connection would ask for.
	options.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}

	if cfg.Dial != nil {
		options.Dialer = dialer(cfg.Dial, options.TLSConfig)
	}

	observeProcess(cfg.Kit)
	target := targetOf(options, cfg.Name)
	client := redis.NewClient(options)
	client.AddHook(newHook(cfg.Kit, target))
	return client, target, nil
}

// dialer returns what dials and begins TLS, if there is to be any: go-redis leaves both
// to a dialer that is not its own.
func dialer(dial func(context.Context, string, string) (net.Conn, error), config *tls.Config) func(context.Context, string, string) (net.Conn, error) {
	if config == nil {
		return dial
	}
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		secure := tls.Client(conn, config)
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
		return secure, nil
	}
}

func targetOf(options *redis.Options, name string) dbclient.Target {
	t := dbclient.Target{
		System:    dbclient.Redis,
		Namespace: strconv.Itoa(options.DB),
		Server:    options.Addr,
		Pool:      cmp.Or(name, options.Addr+"/"+strconv.Itoa(options.DB)),
	}
	if host, port, err := net.SplitHostPort(options.Addr); err == nil {
		t.Server = host
		t.Port, _ = strconv.Atoi(port)
	}
	return t
}

// state tells the state of a client's pool.
func state(client *redis.Client) dbclient.PoolState {
	s, options := client.PoolStats(), client.Options()
	return dbclient.PoolState{
		Idle:     int64(s.IdleConns),
		Used:     int64(s.TotalConns) - int64(s.IdleConns),
		Max:      int64(options.PoolSize),
		IdleMin:  int64(options.MinIdleConns),
		IdleMax:  int64(options.MaxIdleConns),
		Pending:  int64(s.PendingRequests),
		Timeouts: int64(s.Timeouts),
	}
}
