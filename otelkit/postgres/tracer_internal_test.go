package postgres

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/otelkit/kit/otelkit/internal/dbclient"
	"github.com/otelkit/kit/otelkit/otelkittest"
)

// A pool pings a connection that was idle for a second before it hands it out.
func TestThePingOfAnAcquiredConnectionIsNoCall(t *testing.T) {
	kit := otelkittest.New(t)
	tracer := newTracer(kit, dbclient.Target{System: dbclient.PostgreSQL, Pool: "orders"})
	ctx, span := kit.TracerProvider().Tracer("test").Start(t.Context(), "request")

	acquiring := tracer.TraceAcquireStart(ctx, nil, pgxpool.TraceAcquireStartData{})
	ping := tracer.TraceQueryStart(acquiring, nil, pgx.TraceQueryStartData{SQL: "-- ping"})
	tracer.TraceQueryEnd(ping, nil, pgx.TraceQueryEndData{})
	tracer.TraceAcquireEnd(acquiring, nil, pgxpool.TraceAcquireEndData{})
	span.End()

	kit.Span("request").Tree(`request`)
	kit.Total(OperationDuration).Is(0)
	kit.Series(ConnectionWaitTime).Is(1)
}
