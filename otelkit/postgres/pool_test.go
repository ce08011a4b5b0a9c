//go:build unix

package postgres_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/otelkit/kit/internal/pgserver/pgtest"
	"github.com/otelkit/kit/otelkit/internal/dbclient/dbclienttest"
	"github.com/otelkit/kit/otelkit/otelkittest"
	"github.com/otelkit/kit/otelkit/postgres"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// hold takes the pool's connections, so that there is none left.
func hold(t *testing.T, pool *pgxpool.Pool) *pgxpool.Conn {
	t.Helper()
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestThePoolIsObserved(t *testing.T) {
	kit := otelkittest.New(t)
	pool := open(t, kit, postgres.Config{MaxConns: 1})
	held := hold(t, pool)
	kit.Series(postgres.ConnectionCount, semconv.DBClientConnectionStateUsed).Is(1)
	kit.Series(postgres.ConnectionCount, semconv.DBClientConnectionStateIdle).Is(0)
	kit.Series(postgres.ConnectionMax, semconv.DBClientConnectionPoolName("orders")).Is(1)
	kit.Series(postgres.ConnectionIdleMax).Is(1)
	kit.Series(postgres.ConnectionIdleMin).Is(0)

	pending := kit.Series(postgres.ConnectionPending)
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	waiting := make(chan error)
	go func() {
		_, err := pool.Exec(ctx, "select 1")
		waiting <- err
	}()
	dbclienttest.Until(func() bool { return pending.Value() == 1 })
	giveUp()
	if err := <-waiting; err == nil {
		t.Fatal("a connection came from nowhere")
	}
	pending.Is(0)
	expired, stop := context.WithDeadline(t.Context(), time.Now())
	defer stop()
	if _, err := pool.Exec(expired, "select 1"); err == nil {
		t.Fatal("a connection came from nowhere")
	}
	kit.Series(postgres.ConnectionTimeouts).Is(1)
	kit.Series(postgres.ConnectionCreateTime).Is(1)
	kit.Series(postgres.ConnectionWaitTime).Is(2) // of Open and of the test
	kit.Series(postgres.ConnectionUseTime).Is(1)
	held.Release()
	kit.Series(postgres.ConnectionUseTime).Is(2)
	kit.Series(postgres.ConnectionCount, semconv.DBClientConnectionStateIdle).Is(1)
}

// otelpgx tells the waiting as a sum in nanoseconds; what a request waited, a span
// each (pool.acquire).
func TestAStatementTellsHowLongItWaitedForItsConnection(t *testing.T) {
	kit := otelkittest.New(t)
	pool := open(t, kit, postgres.Config{MaxConns: 1})
	held := hold(t, pool)
	waits := kit.Series(postgres.ConnectionWaitTime)
	before := waits.Sum()

	started := make(chan struct{})
	ended := make(chan error)
	go dbclienttest.Request(t, kit, func(ctx context.Context) {
		close(started)
		_, err := pool.Exec(ctx, "select 1")
		if err == nil {
			_, err = pool.Exec(ctx, "values (1)") // which does not wait
		}
		ended <- err
	})
	<-started
	pending := kit.Series(postgres.ConnectionPending)
	dbclienttest.Until(func() bool { return pending.Value() == 1 })
	for since := time.Now(); time.Since(since) < 2*time.Millisecond; {
		runtime.Gosched()
	}
	held.Release()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	parent := kit.Span("request")
	waits.Grew(2).ExemplarOf(parent)
	span := kit.Span("SELECT").ChildOf(parent)
	told, waited := dbclienttest.Waited(span), waits.Sum()-before
	if told < 0.002 || told > waited {
		t.Errorf("the span tells of %v s, the histogram of %v s; want the same, at least 2 ms", told, waited)
	}
	if second := kit.Span("VALUES"); waited-told < 0.001 {
		second.Lacks("otelkit.db.connection_wait")
	}
}

func TestAWaitInVainIsAnEventOfTheRequest(t *testing.T) {
	kit := otelkittest.New(t)
	pool := open(t, kit, postgres.Config{MaxConns: 1})
	defer hold(t, pool).Release()
	parent := dbclienttest.Request(t, kit, func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
		defer cancel()
		if _, err := pool.Exec(ctx, "select 1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
	})
	parent.Tree(`request`).HasStatus(codes.Unset).HasEvent("db.client.connection.unavailable",
		semconv.DBClientConnectionPoolName("orders"), semconv.ErrorTypeKey.String("timeout"))
	kit.Series(postgres.ConnectionTimeouts).Is(1)
}

func TestACheckPassesWhenTheDatabaseAnswers(t *testing.T) {
	kit := otelkittest.New(t)
	pool := open(t, kit, postgres.Config{})
	calls := kit.Total(postgres.OperationDuration)
	if err := postgres.Check(pool)(t.Context()); err != nil {
		t.Error(err)
	}
	calls.Grew(0)
	kit.Series(postgres.ConnectionCreateTime).Is(1) // health-go v5.5 makes one a probe
}

// A check that took a busy pool for a dead database would take the traffic from
// one instance after the other.
func TestACheckPassesWhenThePoolIsBusy(t *testing.T) {
	kit := otelkittest.New(t)
	pool := open(t, kit, postgres.Config{MaxConns: 1})
	held := hold(t, pool)
	pending := kit.Series(postgres.ConnectionPending)

	acquired, done := make(chan error), make(chan struct{})
	go func() { // is before the check in the queue, and keeps what it gets
		conn, err := pool.Acquire(context.WithoutCancel(t.Context()))
		acquired <- err
		<-done
		conn.Release()
	}()
	dbclienttest.Until(func() bool { return pending.Value() == 1 })
	checked := make(chan error)
	go func() { checked <- postgres.CheckAtMost(pool, 8*time.Second)(t.Context()) }()
	dbclienttest.Until(func() bool { return pending.Value() == 2 })
	held.Release()
	if err := <-acquired; err != nil {
		t.Fatal(err)
	}
	if err := <-checked; err != nil {
		t.Errorf("the check fails although a connection was handed on meanwhile: %v", err)
	}
	close(done)
}

func TestACheckFailsWhenAllConnectionsHang(t *testing.T) {
	pool := open(t, otelkittest.New(t), postgres.Config{MaxConns: 1})
	defer hold(t, pool).Release()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	err := postgres.Check(pool)(ctx)
	if err == nil || !strings.Contains(err.Error(), "all 1 connections of the pool are in use") {
		t.Errorf("error %v", err)
	}
}

func TestACheckIsNotHeldUpByADatabaseThatDoesNotAnswer(t *testing.T) {
	proxy, address := proxied(t, pgtest.URL(t))
	pool, err := postgres.Open(t.Context(), postgres.Config{URL: address, Kit: otelkittest.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	defer proxy.Cut() // else Close waits for the database to say goodbye, for 15 s
	proxy.Swallow()
	err = postgres.Check(pool)(t.Context())
	if err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("error %v", err)
	}
}

// proxied puts a proxy before a database on a Unix socket.
func proxied(t *testing.T, address string) (*dbclienttest.Proxy, string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	proxy := dbclienttest.NewProxy(t, "unix", filepath.Join(u.Query().Get("host"), ".s.PGSQL.5432"))
	u.Host, u.RawQuery = proxy.Addr, "sslmode=disable"
	return proxy, u.String()
}

func TestACheckFailsWhenTheDatabaseIsGone(t *testing.T) {
	pool := open(t, otelkittest.New(t), postgres.Config{})
	pool.Close()
	if err := postgres.Check(pool)(t.Context()); err == nil {
		t.Error("no error")
	}
}

func TestConnectionsAreMadeByTheDialerThatIsGiven(t *testing.T) {
	var dialled atomic.Int32
	var gone atomic.Bool
	away := errors.New("away")
	cfg := postgres.Config{URL: pgtest.URL(t), Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
		if gone.Load() {
			return nil, away
		}
		dialled.Add(1)
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
	pool, err := postgres.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	if dialled.Load() == 0 {
		t.Error("the pool connected without the dialer")
	}
	gone.Store(true)
	if _, err := postgres.Open(t.Context(), cfg); !errors.Is(err, away) {
		t.Errorf("error %v, want the dialer's", err)
	}
}
