//go:build unix

package exemplar_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/otelkit/kit/internal/pgserver/pgtest"
	"github.com/otelkit/kit/otelkit/exemplar"
	"github.com/otelkit/kit/otelkit/httpclient"
	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/postgres"
	"github.com/otelkit/kit/otelkit/redisdb"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Runner{M: m}) }

// The service is the Kit of otelkit's packages.
func (s *service) TracerProvider() trace.TracerProvider    { return s.tracers }
func (s *service) Recorder() *metrics.Recorder             { return metrics.NewRecorder(s.meters) }
func (*service) Propagator() propagation.TextMapPropagator { return propagation.TraceContext{} }
func (*service) Logger() *slog.Logger                      { return slog.New(slog.DiscardHandler) }

// Only a span that has not ended can be marked, so each of otelkit's packages has to
// record before it ends a span.
func TestWhatOtelkitMeasuresHasExemplarsWithMarkedSpans(t *testing.T) {
	s := newService(exemplar.Config{})
	serveOrder(t, s)

	var data metricdata.ResourceMetrics
	if err := s.reader.Collect(t.Context(), &data); err != nil {
		t.Fatal(err)
	}
	marked := s.marked()
	found := map[string]bool{}
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			h, ok := m.Data.(metricdata.Histogram[float64])
			if !ok {
				continue
			}
			for _, p := range h.DataPoints {
				for _, e := range p.Exemplars {
					if !slices.Contains(marked, trace.SpanID(e.SpanID)) {
						t.Errorf("an exemplar of %s leads to span %x, which is not marked", m.Name, e.SpanID)
					}
					found[m.Name+" "+operation(p.Attributes)] = true
				}
			}
		}
	}
	for _, want := range []string{
		"http.server.request.duration GET",
		"http.client.request.duration GET",
		"db.client.operation.duration SELECT", "db.client.operation.duration BATCH INSERT", "db.client.operation.duration COPY",
		"db.client.operation.duration SET", "db.client.operation.duration PIPELINE", "db.client.operation.duration MULTI",
		"db.client.connection.wait_time ",
	} {
		if !found[want] {
			t.Errorf("no exemplar of %s; there are %v", want, found)
		}
	}
}

// operation names the operation that a series is of, if it is of one.
func operation(attrs attribute.Set) string {
	for _, key := range []attribute.Key{"http.request.method", "db.operation.name"} {
		if value, ok := attrs.Value(key); ok {
			return value.AsString()
		}
	}
	return ""
}

// serveOrder serves one request, in which all else is called.
func serveOrder(t *testing.T, s *service) {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: pgtest.URL(t), Kit: s})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(t.Context(), "create table orders (id int)"); err != nil {
		t.Fatal(err)
	}
	cache, err := redisdb.Open(t.Context(), redisdb.Config{URL: "redis://" + miniredis.RunT(t).Addr(), Kit: s})
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	payments := httptest.NewServer(http.NotFoundHandler())
	defer payments.Close()

	shop := httptest.NewServer(httpserver.Wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if err := order(r.Context(), db, cache); err != nil {
			t.Error(err)
		}
		client := &http.Client{Transport: httpclient.Transport(nil, httpclient.Config{Kit: s})}
		defer client.CloseIdleConnections()
		request, err := http.NewRequestWithContext(r.Context(), http.MethodGet, payments.URL, nil)
		if err != nil {
			t.Error(err)
			return
		}
		response, err := client.Do(request)
		if err != nil {
			t.Error(err)
			return
		}
		_ = response.Body.Close()
	}), httpserver.Config{Kit: s}))
	defer shop.Close() // waits for the handler, and so for its span
	response, err := shop.Client().Get(shop.URL)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
}

// order calls the databases in every way that is observed.
func order(ctx context.Context, db *pgxpool.Pool, cache *redis.Client) error {
	var n int
	if err := db.QueryRow(ctx, "select count(*) from orders").Scan(&n); err != nil {
		return err
	}
	batch := &pgx.Batch{}
	batch.Queue("insert into orders values (1)")
	batch.Queue("insert into orders values (2)")
	if err := db.SendBatch(ctx, batch).Close(); err != nil {
		return err
	}
	if _, err := db.CopyFrom(ctx, pgx.Identifier{"orders"}, []string{"id"}, pgx.CopyFromRows([][]any{{3}})); err != nil {
		return err
	}
	if err := cache.Set(ctx, "orders", "3", 0).Err(); err != nil {
		return err
	}
	read := func(p redis.Pipeliner) error { p.Get(ctx, "orders"); p.Exists(ctx, "orders"); return nil }
	if _, err := cache.Pipelined(ctx, read); err != nil {
		return err
	}
	_, err := cache.TxPipelined(ctx, read)
	return err
}
