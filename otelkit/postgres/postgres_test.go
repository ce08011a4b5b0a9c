//go:build unix

package postgres_test

import (
	"cmp"
	"context"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/otelkit/kit/internal/pgserver/pgtest"
	"github.com/otelkit/kit/otelkit/internal/dbclient/dbclienttest"
	"github.com/otelkit/kit/otelkit/otelkittest"
	"github.com/otelkit/kit/otelkit/postgres"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Runner{M: m}) }

// open opens a pool of a fresh database, which ends with the test. Connections may take
// the time that a slow machine needs.
func open(t *testing.T, kit *otelkittest.Kit, cfg postgres.Config) *pgxpool.Pool {
	t.Helper()
	cfg.URL, cfg.Kit, cfg.Name = pgtest.URL(t), kit, "orders"
	cfg.ConnectTimeout = cmp.Or(cfg.ConnectTimeout, time.Minute)
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

// table makes the table that the tests use, without a span.
func table(t *testing.T, pool *pgxpool.Pool) {
	t.Helper()
	exec(t, t.Context(), pool, "create table orders (id int primary key, note text)")
}

func TestAStatementIsASpanAndAMeasurement(t *testing.T) {
	kit := otelkittest.New(t)
	pool := open(t, kit, postgres.Config{})
	table(t, pool)
	parent := dbclienttest.Request(t, kit, func(ctx context.Context) {
		exec(t, ctx, pool, "select note from orders where id = $1 and note <> 'a secret'", 17)
	})

	conn := pool.Config().ConnConfig
	span := kit.Span("SELECT orders").ChildOf(parent).HasKind(trace.SpanKindClient).HasStatus(codes.Unset).HasOnly(
		semconv.DBSystemNamePostgreSQL,
		semconv.DBNamespace(conn.Database),
		semconv.ServerAddress(conn.Host),
		semconv.DBOperationName("SELECT"),
		semconv.DBCollectionName("orders"),
		semconv.DBQuerySummary("SELECT orders"),
		semconv.DBQueryText("select note from orders where id = $1 and note <> ?"),
	)
	measured := kit.Series(postgres.OperationDuration, semconv.DBQuerySummary("SELECT orders"), semconv.DBOperationName("SELECT")).Is(1).ExemplarOf(span)
	if took := span.EndTime().Sub(span.StartTime()).Seconds(); measured.Sum() != took {
		t.Errorf("measured %v s, but the span took %v s", measured.Sum(), took)
	}
}

// otelpgx v0.13 has spans for acquiring (its issues #48 and #76), connecting and
// preparing, for the pool's own pings, and for each statement of a batch once more.
func TestOnlyWhatTheServiceAskedForIsASpan(t *testing.T) {
	for name, ask := range map[string]func(context.Context, *pgxpool.Pool) error{
		"SELECT orders": func(ctx context.Context, pool *pgxpool.Pool) error { // acquires, connects, prepares
			return pool.QueryRow(ctx, "select count(*) from orders where id > $1", 1).Scan(new(int))
		},
		"BATCH INSERT orders": func(ctx context.Context, pool *pgxpool.Pool) error {
			var batch pgx.Batch
			for id := range 3 {
				batch.Queue("insert into orders values ($1)", id)
			}
			return pool.SendBatch(ctx, &batch).Close()
		},
		"COPY orders": func(ctx context.Context, pool *pgxpool.Pool) error {
			_, err := pool.CopyFrom(ctx, pgx.Identifier{"orders"}, []string{"id"}, pgx.CopyFromRows([][]any{{1}, {2}}))
			return err
		},
		"": func(ctx context.Context, pool *pgxpool.Pool) error {
			return pool.Ping(ctx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			kit := otelkittest.New(t)
			pool := open(t, kit, postgres.Config{})
			table(t, pool)
			held, err := pool.Acquire(t.Context()) // so that a connection has to be made
			if err != nil {
				t.Fatal(err)
			}
			defer held.Release()
			calls := kit.Total(postgres.OperationDuration)
			parent := dbclienttest.Request(t, kit, func(ctx context.Context) {
				if err := ask(ctx, pool); err != nil {
					t.Fatal(err)
				}
			})
			if name == "" {
				parent.Tree(`request`)
				calls.Grew(0)
				return
			}
			parent.Tree("request\n\t" + name)
			calls.Grew(1)
		})
	}
}

// Else background work is traces of one span each, of kind CLIENT (Instrumentation
// Score SPA-004).
func TestWithoutASpanThereIsAMeasurementAndNoTrace(t *testing.T) {
	kit := otelkittest.New(t)
	pool := open(t, kit, postgres.Config{})
	calls := kit.Total(postgres.OperationDuration)
	exec(t, t.Context(), pool, "select 1")
	calls.Grew(1)
	kit.NoOpenSpans()
	if spans := kit.Spans(); len(spans) > 0 {
		t.Errorf("spans %v, want none", spans)
	}
}

func TestWhatAnotherProcessBeganGoesOnHere(t *testing.T) {
	kit := otelkittest.New(t)
	pool := open(t, kit, postgres.Config{})
	carrier := map[string]string{"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
	exec(t, kit.Propagator().Extract(t.Context(), mapCarrier(carrier)), pool, "select 1")
	if got := kit.Span("SELECT").SpanContext().TraceID().String(); got != "0af7651916cd43dd8448eb211c80319c" {
		t.Errorf("trace %s", got)
	}
}

type mapCarrier map[string]string

func (c mapCarrier) Get(key string) string { return c[key] }
func (c mapCarrier) Set(key, value string) { c[key] = value }
func (c mapCarrier) Keys() []string        { return nil }

func TestTheSpanOfAQueryEndsWhenItsRowsAreRead(t *testing.T) {
	kit := otelkittest.New(t)
	pool := open(t, kit, postgres.Config{})
	dbclienttest.Request(t, kit, func(ctx context.Context) {
		rows, err := pool.Query(ctx, "select n from generate_series(1, 3) n")
		if err != nil {
			t.Fatal(err)
		}
		rows.Next()
		kit.NoSpan("SELECT generate_series")
		rows.Close()
		kit.Span("SELECT generate_series").HasStatus(codes.Unset)
	})
}

func TestAnErrorAmongTheRowsIsThatOfTheSpan(t *testing.T) {
	kit := otelkittest.New(t)
	pool := open(t, kit, postgres.Config{})
	dbclienttest.Request(t, kit, func(ctx context.Context) {
		rows, err := pool.Query(ctx, "select 1 / (3 - n) from generate_series(1, 3) n")
		if err != nil {
			t.Fatal(err)
		}
		for rows.Next() {
		}
	})
	kit.Span("SELECT generate_series").HasStatus(codes.Error).Has(semconv.ErrorTypeKey.String("22012"))
}

func TestAStatementThatWasPreparedByNameIsTheStatement(t *testing.T) {
	kit := otelkittest.New(t)
	pool := open(t, kit, postgres.Config{})
	table(t, pool)
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	dbclienttest.Request(t, kit, func(ctx context.Context) {
		if _, err := conn.Conn().Prepare(ctx, "rename", "update orders set note = $1"); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(ctx, "rename", "x"); err != nil {
			t.Fatal(err)
		}
	}).Tree(`
		request
			UPDATE orders
	`)
}

func TestWhatABatchHasInCommonIsTold(t *testing.T) {
	for name, tt := range map[string]struct {
		statements []string
		want       []attribute.KeyValue
		lacks      []attribute.Key
	}{
		"BATCH INSERT orders": {
			[]string{"insert into orders (id) values (1)", "insert into orders (id) values (2)"},
			[]attribute.KeyValue{
				semconv.DBOperationName("BATCH INSERT"), semconv.DBCollectionName("orders"), semconv.DBOperationBatchSize(2),
				semconv.DBQueryText("insert into orders (id) values (?)"),
			}, nil,
		},
		"BATCH": {
			[]string{"insert into orders (id) values (1)", "delete from orders"},
			[]attribute.KeyValue{
				semconv.DBOperationName("BATCH"), semconv.DBCollectionName("orders"), semconv.DBOperationBatchSize(2),
				semconv.DBQueryText("insert into orders (id) values (?); delete from orders"),
			}, nil,
		},
		"DELETE orders": {
			[]string{"delete from orders"},
			[]attribute.KeyValue{semconv.DBOperationName("DELETE"), semconv.DBQueryText("delete from orders")},
			[]attribute.Key{semconv.DBOperationBatchSizeKey},
		},
	} {
		t.Run(name, func(t *testing.T) {
			kit := otelkittest.New(t)
			pool := open(t, kit, postgres.Config{})
			table(t, pool)
			dbclienttest.Request(t, kit, func(ctx context.Context) {
				var batch pgx.Batch
				for _, sql := range tt.statements {
					batch.Queue(sql)
				}
				if err := pool.SendBatch(ctx, &batch).Close(); err != nil {
					t.Fatal(err)
				}
			})
			kit.Span(name).Has(tt.want...).Lacks(tt.lacks...)
			kit.Series(postgres.OperationDuration, semconv.DBQuerySummary(name)).Is(1)
		})
	}
}

func TestATransactionIsMeasuredAndItsStatementsAreSpans(t *testing.T) {
	kit := otelkittest.New(t)
	pool := open(t, kit, postgres.Config{})
	table(t, pool)
	transactions := kit.Series(postgres.OperationDuration, semconv.DBQuerySummary("BEGIN"))
	dbclienttest.Request(t, kit, func(ctx context.Context) {
		err := pgx.BeginFunc(ctx, pool, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "insert into orders (id) values ($1)", 1)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
	kit.Span("INSERT orders")
	transactions.Grew(1)
	kit.Series(postgres.OperationDuration, semconv.DBQuerySummary("COMMIT")).Is(1)
	for _, bracket := range kit.Spans("BEGIN", "COMMIT") {
		if took := bracket.EndTime().Sub(bracket.StartTime()); took < 5*time.Millisecond {
			t.Errorf("%s has a span although it took %v", bracket.Name(), took)
		}
	}
}

func TestAnErrorOfTheDatabaseIsItsSQLSTATE(t *testing.T) {
	kit := otelkittest.New(t)
	pool := open(t, kit, postgres.Config{})
	table(t, pool)
	exec(t, t.Context(), pool, "insert into orders values (1)")
	dbclienttest.Request(t, kit, func(ctx context.Context) {
		if _, err := pool.Exec(ctx, "insert into orders values ($1)", 1); err == nil {
			t.Fatal("no error")
		}
	})
	kit.Span("INSERT orders").HasStatus(codes.Error).Has(semconv.DBResponseStatusCode("23505"), semconv.ErrorTypeKey.String("23505"))
	kit.Series(postgres.OperationDuration, semconv.ErrorTypeKey.String("23505")).Is(1)
}

func TestADeadlineIsATimeout(t *testing.T) {
	kit := otelkittest.New(t)
	pool := open(t, kit, postgres.Config{})
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	dbclienttest.Request(t, kit, func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		if _, err := conn.Exec(ctx, "select pg_sleep(60)"); err == nil {
			t.Fatal("no error")
		}
	})
	kit.Span("SELECT").Has(semconv.ErrorTypeKey.String("timeout"))
}

// A text with a value in it, built by hand, is a series for each value elsewhere.
func TestValuesDoNotMultiplySeries(t *testing.T) {
	kit := otelkittest.New(t)
	pool := open(t, kit, postgres.Config{})
	table(t, pool)
	for _, id := range []string{"1", "2", "3"} {
		exec(t, t.Context(), pool, "select * from orders where id = "+id+" and note = 'note "+id+"'")
	}
	kit.Series(postgres.OperationDuration, semconv.DBQuerySummary("SELECT orders")).Is(3)
}

func TestTheCatalogIsRight(t *testing.T) {
	if err := postgres.Catalog.Err(); err != nil {
		t.Error(err)
	}
}

func TestTelemetryKeepsToTheConventions(t *testing.T) {
	kit := otelkittest.New(t)
	pool := open(t, kit, postgres.Config{})
	table(t, pool)
	dbclienttest.Request(t, kit, func(ctx context.Context) {
		exec(t, ctx, pool, "select * from orders where id = $1", 1)
		_, _ = pool.Exec(ctx, "select * from nothing")
		var batch pgx.Batch
		batch.Queue("delete from orders")
		batch.Queue("select 1")
		if err := pool.SendBatch(ctx, &batch).Close(); err != nil {
			t.Fatal(err)
		}
	})
	dbclienttest.KeepsToTheConventions(t, kit)
}

func TestAClosedPoolIsNotObservedForEver(t *testing.T) {
	kit := otelkittest.New(t)
	func() {
		pool, err := postgres.Open(t.Context(), postgres.Config{URL: pgtest.URL(t), Kit: kit})
		if err != nil {
			t.Fatal(err)
		}
		pool.Close()
	}()
	open := kit.Total(postgres.ConnectionMax)
	for open.Value() > 0 {
		runtime.GC()
	}
}

func TestTheSearchPathIsSet(t *testing.T) {
	pool := open(t, otelkittest.New(t), postgres.Config{SearchPath: "payments"})
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
	closed, silent := dbclienttest.Unreachable(t)
	for name, tt := range map[string]struct{ url, want string }{
		"no URL":           {"", "Config.URL is missing"},
		"no URL at all":    {"postgres://shop:s3cret%zz@db:5432/shop", "percent-encoded"},
		"a wrong setting":  {"postgres://shop:s3cret@db:5432/shop?sslmode=maybe", "sslmode"},
		"nothing listens":  {"postgres://shop:s3cret@" + closed + "/shop", closed},
		"nobody answers":   {"postgres://shop:s3cret@" + silent + "/shop", silent},
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
