//go:build unix

package postgres_test

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/otelkit/kit/internal/pgserver/pgtest"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/postgres"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Runner{M: m}) }

// kit keeps what a pool under test records.
type kit struct {
	spans    *tracetest.SpanRecorder
	reader   *sdkmetric.ManualReader
	tracers  *sdktrace.TracerProvider
	recorder *metrics.Recorder
}

func newKit() *kit {
	k := &kit{spans: tracetest.NewSpanRecorder(), reader: sdkmetric.NewManualReader()}
	k.tracers = sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(k.spans))
	k.recorder = metrics.NewRecorder(sdkmetric.NewMeterProvider(sdkmetric.WithReader(k.reader)))
	return k
}

func (k *kit) TracerProvider() trace.TracerProvider { return k.tracers }
func (k *kit) Recorder() *metrics.Recorder          { return k.recorder }

// inSpan returns a context within a span that has not ended.
func (k *kit) inSpan(t *testing.T) context.Context {
	ctx, _ := k.tracers.Tracer("test").Start(t.Context(), "work")
	return ctx
}

// span returns the only span that ended.
func (k *kit) span(t *testing.T) sdktrace.ReadOnlySpan {
	t.Helper()
	ended := k.spans.Ended()
	if len(ended) != 1 {
		t.Fatalf("%d spans ended, want 1: %v", len(ended), ended)
	}
	return ended[0]
}

// series returns the values of a metric by their attributes: counts of a
// histogram, else sums.
func (k *kit) series(t *testing.T, name string) map[string]float64 {
	t.Helper()
	var all metricdata.ResourceMetrics
	if err := k.reader.Collect(t.Context(), &all); err != nil {
		t.Fatal(err)
	}
	series := map[string]float64{}
	for _, s := range all.ScopeMetrics {
		for _, m := range s.Metrics {
			if m.Name != name {
				continue
			}
			switch data := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, p := range data.DataPoints {
					series[text(p.Attributes.ToSlice())] = float64(p.Count)
				}
			case metricdata.Sum[float64]:
				for _, p := range data.DataPoints {
					series[text(p.Attributes.ToSlice())] = p.Value
				}
			}
		}
	}
	return series
}

// counted returns how many operations were measured with that in their
// attributes.
func (k *kit) counted(t *testing.T, attributes string) float64 {
	t.Helper()
	n := 0.0
	for key, count := range k.series(t, "db.client.operation.duration") {
		if strings.Contains(key, attributes) {
			n += count
		}
	}
	return n
}

// text writes attributes as "key=value key=value", sorted by key.
func text(attrs []attribute.KeyValue) string {
	set := attribute.NewSet(attrs...)
	var list []string
	for _, kv := range set.ToSlice() {
		list = append(list, fmt.Sprintf("%s=%s", kv.Key, kv.Value.String()))
	}
	return strings.Join(list, " ")
}

// open opens a pool of a fresh database, which ends with the test.
func open(t *testing.T, k *kit, cfg postgres.Config) *pgxpool.Pool {
	t.Helper()
	cfg.URL, cfg.Kit, cfg.Name = pgtest.URL(t), k, "orders"
	pool, err := postgres.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

func exec(t *testing.T, ctx context.Context, pool *pgxpool.Pool, sql string, args ...any) {
	t.Helper()
	if _, err := pool.Exec(ctx, sql, args...); err != nil {
		t.Fatal(err)
	}
}

func TestAStatementIsASpanAndAMeasurement(t *testing.T) {
	k := newKit()
	pool := open(t, k, postgres.Config{})
	exec(t, k.inSpan(t), pool, "select $1::text", "secret")

	span := k.span(t)
	if span.Name() != "SELECT" || span.SpanKind() != trace.SpanKindClient || span.Status().Code != codes.Unset || !span.Parent().IsValid() {
		t.Errorf("span %q, kind %v, status %v", span.Name(), span.SpanKind(), span.Status())
	}
	conn := pool.Config().ConnConfig
	got := text(span.Attributes())
	for _, want := range []string{
		"db.system.name=postgresql", "db.namespace=" + conn.Database, "db.operation.name=SELECT",
		"db.query.text=select $1::text", "server.address=" + conn.Host,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	if strings.Contains(got, "secret") || strings.Contains(got, "user.name") {
		t.Errorf("span has %s", got)
	}
	want := fmt.Sprintf("db.namespace=%s db.operation.name=SELECT db.system.name=postgresql server.address=%s", conn.Database, conn.Host)
	if got := k.series(t, "db.client.operation.duration"); got[want] != 1 || len(got) != 1 {
		t.Errorf("durations %v, want one of\n%s", got, want)
	}
}

// otelpgx traces these as well: pool.acquire (its issues #48 and #76), connect,
// prepare, and each statement of a batch.
func TestOnlyWhatTheServiceAskedForIsASpan(t *testing.T) {
	for name, ask := range map[string]func(context.Context, *pgxpool.Pool) error{
		"SELECT": func(ctx context.Context, pool *pgxpool.Pool) error { // acquires, connects, prepares
			return pool.QueryRow(ctx, "select count(*) from numbers where n > $1", 1).Scan(new(int))
		},
		"BATCH": func(ctx context.Context, pool *pgxpool.Pool) error {
			var batch pgx.Batch
			for range 3 {
				batch.Queue("insert into numbers values ($1)", 1)
			}
			return pool.SendBatch(ctx, &batch).Close()
		},
		"COPY": func(ctx context.Context, pool *pgxpool.Pool) error {
			_, err := pool.CopyFrom(ctx, pgx.Identifier{"numbers"}, []string{"n"}, pgx.CopyFromRows([][]any{{1}, {2}}))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit()
			pool := open(t, k, postgres.Config{})
			exec(t, t.Context(), pool, "create table numbers (n int)")
			held, err := pool.Acquire(t.Context()) // so that a connection has to be made
			if err != nil {
				t.Fatal(err)
			}
			defer held.Release()
			if err := ask(k.inSpan(t), pool); err != nil {
				t.Fatal(err)
			}
			if got := k.span(t).Name(); got != name {
				t.Errorf("span %q, want %q", got, name)
			}
			if got := k.counted(t, "db.operation.name="+name); got != 1 {
				t.Errorf("%v measured as %s, want 1: %v", got, name, k.series(t, "db.client.operation.duration"))
			}
		})
	}
}

func TestWithoutASpanThereIsAMeasurementAndNoTrace(t *testing.T) {
	k := newKit()
	pool := open(t, k, postgres.Config{})
	exec(t, t.Context(), pool, "select 1")
	if started := k.spans.Started(); len(started) > 0 || k.counted(t, "SELECT") != 1 {
		t.Errorf("%d spans, %v measured; want none and 1", len(started), k.counted(t, "SELECT"))
	}
}

func TestTheSpanAroundAStatementGoesOn(t *testing.T) {
	k := newKit()
	pool := open(t, k, postgres.Config{})
	ctx := k.inSpan(t)
	exec(t, ctx, pool, "select 1")
	if err := pool.Ping(ctx); err != nil {
		t.Fatal(err)
	}
	if !trace.SpanFromContext(ctx).IsRecording() {
		t.Error("it was ended")
	}
}

func TestAnErrorOfTheDatabaseIsItsSQLSTATE(t *testing.T) {
	k := newKit()
	pool := open(t, k, postgres.Config{})
	exec(t, t.Context(), pool, "create table orders (id int primary key)")
	exec(t, t.Context(), pool, "insert into orders values (1)")
	if _, err := pool.Exec(k.inSpan(t), "insert into orders values ($1)", 1); err == nil {
		t.Fatal("no error")
	}
	span := k.span(t)
	got := text(span.Attributes())
	if span.Status().Code != codes.Error || !strings.Contains(got, "db.response.status_code=23505") || !strings.Contains(got, "error.type=23505") {
		t.Errorf("status %v, attributes %s", span.Status(), got)
	}
	if k.counted(t, "error.type=23505") != 1 {
		t.Errorf("durations %v", k.series(t, "db.client.operation.duration"))
	}
}

func TestADeadlineIsATimeout(t *testing.T) {
	k := newKit()
	pool := open(t, k, postgres.Config{})
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	ctx, cancel := context.WithTimeout(k.inSpan(t), 20*time.Millisecond)
	defer cancel()
	if _, err := conn.Exec(ctx, "select pg_sleep(60)"); err == nil {
		t.Fatal("no error")
	}
	if got := text(k.span(t).Attributes()); !strings.Contains(got, "error.type=timeout") {
		t.Errorf("span has %s", got)
	}
}

func TestStatementsAreToldApartByTheirFirstWord(t *testing.T) {
	k := newKit()
	pool := open(t, k, postgres.Config{})
	exec(t, t.Context(), pool, "create table orders (id int)")
	for sql, want := range map[string]string{
		"-- name: PutOrder :exec\ninsert into orders values (1)": "INSERT",
		"  /* hint */ update orders set id = 2":                  "UPDATE",
		"with x as (select 1) select * from x":                   "WITH",
		"values(1)":                                              "VALUES",
		"nonsense from a stranger":                               metrics.Other,
	} {
		before := k.counted(t, "db.operation.name="+want)
		_, _ = pool.Exec(t.Context(), sql) // the nonsense is an error
		if got := k.counted(t, "db.operation.name="+want) - before; got != 1 {
			t.Errorf("%q is not counted as %s", sql, want)
		}
	}
}

func TestThePoolIsObserved(t *testing.T) {
	k := newKit()
	pool := open(t, k, postgres.Config{MaxConns: 1})
	held, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	const ofPool = "db.client.connection.pool.name=orders db.system.name=postgresql"
	pending := func() float64 { return k.series(t, "db.client.connection.pending_requests")[ofPool] }
	ctx, giveUp := context.WithCancel(t.Context())
	defer giveUp()
	waiting := make(chan error)
	go func() {
		_, err := pool.Exec(ctx, "select 1")
		waiting <- err
	}()
	for pending() != 1 {
		runtime.Gosched()
	}
	count := k.series(t, "db.client.connection.count")
	const state = "db.client.connection.pool.name=orders db.client.connection.state=%s db.system.name=postgresql"
	if count[fmt.Sprintf(state, "used")] != 1 || count[fmt.Sprintf(state, "idle")] != 0 {
		t.Errorf("connections %v, want 1 used and 0 idle", count)
	}
	giveUp()
	if err := <-waiting; err == nil {
		t.Fatal("a connection came from nowhere")
	}
	expired, stop := context.WithDeadline(t.Context(), time.Now())
	defer stop()
	if _, err := pool.Exec(expired, "select 1"); err == nil {
		t.Fatal("a connection came from nowhere")
	}
	held.Release()
	for name, want := range map[string]float64{"max": 1, "pending_requests": 0, "timeouts": 1, "create_time": 1, "wait_time": 2} {
		if got := k.series(t, "db.client.connection."+name)[ofPool]; got != want {
			t.Errorf("%s = %v, want %v", name, got, want)
		}
	}
}

func TestAClosedPoolIsNotObservedForEver(t *testing.T) {
	k := newKit()
	func() {
		pool, err := postgres.Open(t.Context(), postgres.Config{URL: pgtest.URL(t), Kit: k})
		if err != nil {
			t.Fatal(err)
		}
		pool.Close()
	}()
	for len(k.series(t, "db.client.connection.max")) > 0 {
		runtime.GC()
	}
}

func TestTheSearchPathIsSet(t *testing.T) {
	pool := open(t, newKit(), postgres.Config{SearchPath: "payments"})
	var path string
	if err := pool.QueryRow(t.Context(), "show search_path").Scan(&path); err != nil || path != "payments" {
		t.Errorf("search_path %q, %v", path, err)
	}
}

func TestTheURLCanSayWhatConfigDoesNot(t *testing.T) {
	u := pgtest.URL(t)
	for name, tt := range map[string]struct {
		cfg  postgres.Config
		want int32
	}{
		"neither": {postgres.Config{URL: u}, 10},
		"the URL": {postgres.Config{URL: with(t, u, "pool_max_conns", "3")}, 3},
		"Config":  {postgres.Config{URL: with(t, u, "pool_max_conns", "3"), MaxConns: 5}, 5},
	} {
		t.Run(name, func(t *testing.T) {
			pool, err := postgres.Open(t.Context(), tt.cfg)
			if err != nil {
				t.Fatal(err)
			}
			defer pool.Close()
			if got := pool.Config().MaxConns; got != tt.want {
				t.Errorf("MaxConns %d, want %d", got, tt.want)
			}
		})
	}
}

// with adds a parameter to a URL.
func with(t *testing.T, address, key, value string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set(key, value)
	u.RawQuery = q.Encode()
	return u.String()
}

func TestADatabaseThatCannotBeReachedIsAnErrorWithoutThePassword(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // whose connections nobody serves
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for name, tt := range map[string]struct{ url, want string }{
		"no URL":           {"", "Config.URL is missing"},
		"no URL at all":    {"postgres://shop:s3cret%zz@db:5432/shop", "percent-encoded"},
		"a wrong setting":  {"postgres://shop:s3cret@db:5432/shop?sslmode=maybe", "sslmode"},
		"nothing listens":  {"postgres://shop:s3cret@" + closed.Addr().String() + "/shop", closed.Addr().String()},
		"nobody answers":   {"postgres://shop:s3cret@" + silent.Addr().String() + "/shop", silent.Addr().String()},
		"no such database": {strings.Replace(pgtest.URL(t), "/test_", "/missing_", 1), "does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			timeout := time.Duration(0)
			if name == "nobody answers" {
				timeout = 50 * time.Millisecond
			}
			_, err := postgres.Open(t.Context(), postgres.Config{URL: tt.url, ConnectTimeout: timeout})
			if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") {
				t.Errorf("error %v, want it to say %q and not the password", err, tt.want)
			}
		})
	}
}

func TestTheCatalogIsRight(t *testing.T) {
	if err := postgres.Catalog.Err(); err != nil {
		t.Error(err)
	}
}
