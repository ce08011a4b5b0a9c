package redisdb_test

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/otelkit/kit/otelkit/internal/dbclient/dbclienttest"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/otelkittest"
	"github.com/otelkit/kit/otelkit/redisdb"
	"github.com/redis/go-redis/v9"

	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens a client of a server of its own, both of which end with the test. Unless
// the test is about it, commands have the time that a slow machine may take.
func open(t *testing.T, kit *otelkittest.Kit, cfg redisdb.Config) (*redis.Client, *miniredis.Miniredis) {
	t.Helper()
	server := miniredis.RunT(t)
	cfg.Timeout = cmp.Or(cfg.Timeout, time.Minute)
	cfg.URL, cfg.Kit, cfg.Name = "redis://"+server.Addr()+"/1", kit, "cache"
	client, err := redisdb.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client, server
}

func TestACommandIsASpanAndAMeasurement(t *testing.T) {
	kit := otelkittest.New(t)
	client, server := open(t, kit, redisdb.Config{})
	parent := dbclienttest.Request(t, kit, func(ctx context.Context) {
		if err := client.Set(ctx, "secret-key", "secret-value", 0).Err(); err != nil {
			t.Fatal(err)
		}
	})
	span := kit.Span("SET").ChildOf(parent).HasKind(trace.SpanKindClient).HasStatus(codes.Unset).HasOnly(
		semconv.DBSystemNameRedis,
		semconv.DBNamespace("1"),
		semconv.ServerAddress("127.0.0.1"),
		semconv.ServerPort(server.Server().Addr().Port),
		semconv.DBOperationName("SET"),
	)
	measured := kit.Series(redisdb.OperationDuration, semconv.DBOperationName("SET")).Is(1).ExemplarOf(span)
	if took := span.EndTime().Sub(span.StartTime()).Seconds(); measured.Sum() != took {
		t.Errorf("measured %v s, but the span took %v s", measured.Sum(), took)
	}
}

// redisotel v9.23 gives a command of background work a trace of its own
// (Instrumentation Score SPA-004).
func TestWithoutASpanThereIsAMeasurementAndNoTrace(t *testing.T) {
	kit := otelkittest.New(t)
	client, _ := open(t, kit, redisdb.Config{})
	client.Get(t.Context(), "key")
	kit.Series(redisdb.OperationDuration, semconv.DBOperationName("GET")).Is(1)
	kit.NoOpenSpans()
	if spans := kit.Spans(); len(spans) > 0 {
		t.Errorf("spans %v, want none", spans)
	}
}

// redisotel v9.23 has a span redis.dial.
func TestConnectingIsMeasuredAndHasNoSpans(t *testing.T) {
	kit := otelkittest.New(t)
	client, _ := open(t, kit, redisdb.Config{})
	held := client.Conn() // so that the next command has to connect
	defer held.Close()
	if err := held.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	dbclienttest.Request(t, kit, func(ctx context.Context) { client.Get(ctx, "key") }).Tree(`
		request
			GET
	`)
	kit.Series(redisdb.ConnectionCreateTime).Is(2)
}

func TestAMissingKeyIsNoError(t *testing.T) {
	kit := otelkittest.New(t)
	client, _ := open(t, kit, redisdb.Config{})
	dbclienttest.Request(t, kit, func(ctx context.Context) {
		if err := client.Get(ctx, "none").Err(); !errors.Is(err, redis.Nil) {
			t.Fatal(err)
		}
	})
	kit.Span("GET").HasStatus(codes.Unset).Lacks(semconv.ErrorTypeKey)
}

func TestAnErrorOfTheServerIsItsCode(t *testing.T) {
	kit := otelkittest.New(t)
	client, _ := open(t, kit, redisdb.Config{})
	if err := client.Set(t.Context(), "text", "abc", 0).Err(); err != nil {
		t.Fatal(err)
	}
	dbclienttest.Request(t, kit, func(ctx context.Context) {
		if client.LPush(ctx, "text", 1).Err() == nil {
			t.Fatal("no error")
		}
	})
	kit.Span("LPUSH").HasStatus(codes.Error).Has(semconv.DBResponseStatusCode("WRONGTYPE"), semconv.ErrorTypeKey.String("WRONGTYPE"))
	kit.Series(redisdb.OperationDuration, semconv.ErrorTypeKey.String("WRONGTYPE")).Is(1)
}

func TestAPipelineIsOneSpanWithACount(t *testing.T) {
	same := func(p redis.Pipeliner, ctx context.Context) {
		p.Set(ctx, "a", 1, 0)
		p.Set(ctx, "b", 2, 0)
	}
	differing := func(p redis.Pipeliner, ctx context.Context) {
		same(p, ctx)
		p.Incr(ctx, "a")
	}
	one := func(p redis.Pipeliner, ctx context.Context) { p.Set(ctx, "a", 1, 0) }
	type run = func(*redis.Client, context.Context, func(redis.Pipeliner) error) ([]redis.Cmder, error)
	pipeline, transaction := run((*redis.Client).Pipelined), run((*redis.Client).TxPipelined)
	for name, tt := range map[string]struct {
		run      run
		commands func(redis.Pipeliner, context.Context)
		span     string
		size     int // 0 is none
	}{
		"a pipeline":                     {pipeline, differing, "PIPELINE", 3},
		"a pipeline of one command":      {pipeline, same, "PIPELINE SET", 2},
		"a pipeline that is no batch":    {pipeline, one, "SET", 0},
		"a transaction":                  {transaction, differing, "MULTI", 3},
		"a transaction of one command":   {transaction, same, "MULTI SET", 2},
		"a transaction that is no batch": {transaction, one, "SET", 0},
	} {
		t.Run(name, func(t *testing.T) {
			kit := otelkittest.New(t)
			client, _ := open(t, kit, redisdb.Config{})
			dbclienttest.Request(t, kit, func(ctx context.Context) {
				if _, err := tt.run(client, ctx, func(p redis.Pipeliner) error { tt.commands(p, ctx); return nil }); err != nil {
					t.Fatal(err)
				}
			}).Tree("request\n\t" + tt.span)
			span := kit.Span(tt.span).Has(semconv.DBOperationName(tt.span))
			if tt.size > 0 {
				span.Has(semconv.DBOperationBatchSize(tt.size))
			} else {
				span.Lacks(semconv.DBOperationBatchSizeKey)
			}
			kit.Series(redisdb.OperationDuration, semconv.DBOperationName(tt.span)).Is(1)
		})
	}
}

// A command's name may come from a stranger, by Client.Do.
func TestNamesOfCommandsDoNotMultiplySeries(t *testing.T) {
	kit := otelkittest.New(t)
	client, _ := open(t, kit, redisdb.Config{})
	for i := range 1000 {
		client.Do(t.Context(), strings.Repeat("x", i+1))
	}
	kit.Series(redisdb.OperationDuration, semconv.DBOperationName(metrics.Other))
	other := kit.Total(redisdb.OperationDuration, semconv.DBOperationName(metrics.Other)).Value()
	if other < 900 {
		t.Errorf("%v commands went to %s, want at least 900 of 1000", other, metrics.Other)
	}
}

func TestAServerThatCannotBeReachedIsAnErrorWithoutThePassword(t *testing.T) {
	server := miniredis.RunT(t)
	server.RequireAuth("right")
	closed, silent := dbclienttest.Unreachable(t)
	for name, tt := range map[string]struct{ url, want string }{
		"no URL":             {"", "Config.URL is missing"},
		"no Redis URL":       {"http://user:s3cret@" + server.Addr(), "redis://user:password@host:6379/0"},
		"no URL at all":      {"redis://user:s3cret%zz@" + server.Addr(), "redis://user:password@host:6379/0"},
		"nothing listens":    {"redis://:s3cret@" + closed, closed},
		"nobody answers":     {"redis://:s3cret@" + silent, silent},
		"the wrong password": {"redis://:s3cret@" + server.Addr(), server.Addr()},
	} {
		t.Run(name, func(t *testing.T) {
			timeout := time.Hour
			if name == "nobody answers" {
				timeout = 20 * time.Millisecond
			}
			_, err := redisdb.Open(t.Context(), redisdb.Config{URL: tt.url, Timeout: timeout})
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("error %v, want it to say %q and not the password", err, tt.want)
			}
		})
	}
}

func TestTheCatalogIsRight(t *testing.T) {
	if err := redisdb.Catalog.Err(); err != nil {
		t.Error(err)
	}
}

// redisotel v9.23: db.system and db.statement, metrics named db.client.connections.*
// without units or in ms and ns, roots of kind CLIENT.
func TestTelemetryKeepsToTheConventions(t *testing.T) {
	kit := otelkittest.New(t)
	client, _ := open(t, kit, redisdb.Config{})
	dbclienttest.Request(t, kit, func(ctx context.Context) {
		client.Set(ctx, "a", "b", 0)
		client.Incr(ctx, "a")
		client.Get(ctx, "none")
		_, _ = client.Pipelined(ctx, func(p redis.Pipeliner) error {
			p.Get(ctx, "a")
			p.Get(ctx, "b")
			return nil
		})
	})
	client.Get(t.Context(), "background")
	dbclienttest.KeepsToTheConventions(t, kit)
}

func TestConnectionsAreMadeByTheDialerThatIsGiven(t *testing.T) {
	for name, secure := range map[string]bool{"plain": false, "with TLS": true} {
		t.Run(name, func(t *testing.T) {
			server, scheme := miniredis.NewMiniRedis(), "redis"
			begin := server.Start
			options := ""
			if secure {
				certified := httptest.NewUnstartedServer(nil)
				certified.StartTLS()
				defer certified.Close()
				begin = func() error { return server.StartTLS(&tls.Config{Certificates: certified.TLS.Certificates}) }
				scheme, options = "rediss", "?skip_verify=true"
			}
			if err := begin(); err != nil {
				t.Fatal(err)
			}
			defer server.Close()
			var dialled atomic.Int32
			away := errors.New("away")
			var gone atomic.Bool
			cfg := redisdb.Config{URL: scheme + "://" + server.Addr() + options, Timeout: time.Minute, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				if gone.Load() {
					return nil, away
				}
				dialled.Add(1)
				return new(net.Dialer).DialContext(ctx, network, addr)
			}}
			client, err := redisdb.Open(t.Context(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if err := client.Set(t.Context(), "a", "b", 0).Err(); err != nil || dialled.Load() == 0 {
				t.Errorf("error %v after %d connections by the dialer", err, dialled.Load())
			}
			gone.Store(true)
			if _, err := redisdb.Open(t.Context(), cfg); !errors.Is(err, away) {
				t.Errorf("error %v, want the dialer's", err)
			}
		})
	}
}
