package postgres

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/otelkit/kit/otelkit/internal/dbclient"
	"github.com/otelkit/kit/otelkit/internal/dbclient/dbclienttest"
	"github.com/otelkit/kit/otelkit/otelkittest"
)

// A pool pings a connection that was idle for a second before it hands it out.
func TestThePingOfAnAcquiredConnectionIsNoCall(t *testing.T) {
	kit := otelkittest.New(t)
	tracer := newTracer(kit, dbclient.Target{System: dbclient.PostgreSQL, Pool: "orders"})
	dbclienttest.Request(t, kit, func(ctx context.Context) {
		acquiring := tracer.TraceAcquireStart(ctx, nil, pgxpool.TraceAcquireStartData{})
		ping := tracer.TraceQueryStart(acquiring, nil, pgx.TraceQueryStartData{SQL: "-- ping"})
		tracer.TraceQueryEnd(ping, nil, pgx.TraceQueryEndData{})
		tracer.TraceAcquireEnd(acquiring, nil, pgxpool.TraceAcquireEndData{})
	}).Tree(`request`)
	kit.Total(OperationDuration).Is(0)
	kit.Series(ConnectionWaitTime).Is(1)
}

func TestBeginAndCommitHaveASpanOnlyIfTheyAreSlowOrFail(t *testing.T) {
	for name, tt := range map[string]struct {
		sql   string
		takes time.Duration
		err   error
		want  string
	}{
		"quick":      {"begin", slow - 1, nil, "request"},
		"slow":       {"commit", slow, nil, "request\n\tCOMMIT"},
		"fails":      {"commit", 0, errors.New("serialisation"), "request\n\tCOMMIT"},
		"is another": {"select 1", 0, nil, "request\n\tSELECT"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				kit := otelkittest.New(t)
				tracer := newTracer(kit, dbclient.Target{System: dbclient.PostgreSQL, Pool: "orders"})
				dbclienttest.Request(t, kit, func(ctx context.Context) {
					call := tracer.TraceQueryStart(ctx, nil, pgx.TraceQueryStartData{SQL: tt.sql})
					time.Sleep(tt.takes)
					tracer.TraceQueryEnd(call, nil, pgx.TraceQueryEndData{Err: tt.err})
				}).Tree(tt.want)
				kit.Total(OperationDuration).Is(1)
			})
		})
	}
}
