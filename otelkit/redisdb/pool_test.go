package redisdb_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/otelkit/kit/otelkit/internal/dbclient/dbclienttest"
	"github.com/otelkit/kit/otelkit/otelkittest"
	"github.com/otelkit/kit/otelkit/redisdb"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// hold takes a connection.
func hold(t *testing.T, client *redis.Client) *redis.Conn {
	t.Helper()
	conn := client.Conn()
	if err := conn.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestThePoolIsObserved(t *testing.T) {
	kit := otelkittest.New(t)
	client, _ := open(t, kit, redisdb.Config{PoolSize: 3})
	held := hold(t, client)
	defer held.Close()
	kit.Series(redisdb.ConnectionCount, semconv.DBClientConnectionStateUsed).Is(1)
	kit.Series(redisdb.ConnectionCount, semconv.DBClientConnectionStateIdle).Is(0)
	kit.Series(redisdb.ConnectionMax, semconv.DBClientConnectionPoolName("cache")).Is(3)
	kit.Series(redisdb.ConnectionIdleMax).Is(3)
	kit.Series(redisdb.ConnectionIdleMin).Is(0)
	kit.Series(redisdb.ConnectionPending).Is(0)
	kit.Series(redisdb.ConnectionTimeouts).Is(0)
	kit.Series(redisdb.ConnectionCreateTime).Is(1)
	kit.Series(redisdb.ConnectionWaitTime).Is(2) // of Open and of the test
}

func TestAClosedClientIsNotObservedForEver(t *testing.T) {
	kit := otelkittest.New(t)
	server := miniredis.RunT(t)
	func() {
		client, err := redisdb.Open(t.Context(), redisdb.Config{URL: "redis://" + server.Addr(), Kit: kit, Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		client.Close()
	}()
	open := kit.Total(redisdb.ConnectionMax)
	dbclienttest.Until(func() bool {
		runtime.GC()
		return open.Value() == 0
	})
}

// redisotel v9.23 tells the sum of the waiting in nanoseconds, without the
// percentile that a request would meet.
func TestACommandTellsHowLongItWaitedForItsConnection(t *testing.T) {
	kit := otelkittest.New(t)
	client, _ := open(t, kit, redisdb.Config{PoolSize: 1, Timeout: time.Minute})
	held := hold(t, client)
	waits := kit.Series(redisdb.ConnectionWaitTime)
	pending := kit.Series(redisdb.ConnectionPending)
	before := waits.Sum()

	ended := make(chan struct{})
	go dbclienttest.Request(t, kit, func(ctx context.Context) {
		client.Get(ctx, "key")
		client.Exists(ctx, "key") // which does not wait
		close(ended)
	})
	dbclienttest.Until(func() bool { return pending.Value() == 1 })
	for since := time.Now(); time.Since(since) < 2*time.Millisecond; {
		runtime.Gosched()
	}
	held.Close()
	<-ended
	span := kit.Span("GET").ChildOf(kit.Span("request"))
	waits.Grew(2).ExemplarOf(span)
	told, waited := dbclienttest.Waited(span), waits.Sum()-before
	if told < 0.002 || told > waited {
		t.Errorf("the span tells of %v s, the histogram of %v s; want the same, at least 2 ms", told, waited)
	}
	if waited-told < 0.001 {
		kit.Span("EXISTS").Lacks("otelkit.db.connection_wait")
	}
}

func TestAWaitInVainIsAnErrorOfTheCommand(t *testing.T) {
	kit := otelkittest.New(t)
	client, _ := open(t, kit, redisdb.Config{PoolSize: 1, Timeout: 5 * time.Second})
	defer hold(t, client).Close()
	dbclienttest.Request(t, kit, func(ctx context.Context) { client.Get(ctx, "key") })
	kit.Span("GET").HasStatus(codes.Error).Has(semconv.ErrorTypeKey.String("pool_timeout"))
	if timeouts := kit.Series(redisdb.ConnectionTimeouts).Value(); timeouts < 1 {
		t.Errorf("%v timeouts", timeouts)
	}
}

func TestACheckPassesWhenRedisAnswers(t *testing.T) {
	client, _ := open(t, otelkittest.New(t), redisdb.Config{})
	if err := redisdb.Check(client)(t.Context()); err != nil {
		t.Error(err)
	}
}

// A check that took a busy pool for a dead Redis would take the traffic from one
// instance after the other.
func TestACheckPassesWhenThePoolIsBusy(t *testing.T) {
	kit := otelkittest.New(t)
	client, _ := open(t, kit, redisdb.Config{PoolSize: 1, Timeout: time.Minute})
	held := hold(t, client)
	pending := kit.Series(redisdb.ConnectionPending)

	acquired, done := make(chan error), make(chan struct{})
	go func() { // is before the check in the queue, and keeps what it gets
		conn := client.Conn()
		acquired <- conn.Ping(context.WithoutCancel(t.Context())).Err()
		<-done
		conn.Close()
	}()
	dbclienttest.Until(func() bool { return pending.Value() == 1 })
	checked := make(chan error)
	go func() { checked <- redisdb.CheckAtMost(client, 4*time.Second)(t.Context()) }()
	dbclienttest.Until(func() bool { return pending.Value() == 2 })
	held.Close()
	if err := <-acquired; err != nil {
		t.Fatal(err)
	}
	if err := <-checked; err != nil {
		t.Errorf("the check fails although a connection was handed on meanwhile: %v", err)
	}
	close(done)
}

func TestACheckFailsWhenAllConnectionsHang(t *testing.T) {
	client, _ := open(t, otelkittest.New(t), redisdb.Config{PoolSize: 1})
	defer hold(t, client).Close()
	err := redisdb.Check(client)(t.Context())
	if err == nil || !strings.Contains(err.Error(), "all 1 connections of the pool are in use") {
		t.Errorf("error %v", err)
	}
}

func TestACheckFailsWhenRedisIsGone(t *testing.T) {
	client, server := open(t, otelkittest.New(t), redisdb.Config{})
	server.Close()
	if err := redisdb.Check(client)(t.Context()); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("error %v", err)
	}
}
