package dbclient

import (
	"cmp"
	"context"
	"runtime"
	"weak"

	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel"
)

// PoolState is what a connection pool says of itself.
type PoolState struct {
	Idle     int64 // connections that wait for a call
	Used     int64 // connections that serve one
	Max      int64 // most connections
	IdleMin  int64 // fewest idle connections
	IdleMax  int64 // most idle connections; 0 is Max
	Pending  int64 // calls that wait for a connection
	Timeouts int64 // calls that gave up waiting, since the pool was made
}

// ObservePool has the state of a pool reported whenever metrics are collected,
// for the recorder in ctx. Clients have no hook for when they are closed, so the
// reports hold the pool weakly and end when it is closed and garbage. state must
// not hold the pool either. What goes wrong is left to OpenTelemetry's error
// handler: no database is worse for its pool not being watched.
func ObservePool[P any](ctx context.Context, target Target, pool *P, state func(*P) PoolState) {
	ref := weak.Make(pool)
	now := func(report func(PoolState)) error {
		if p := ref.Value(); p != nil {
			report(state(p))
		}
		return nil
	}
	attrs := PoolAttrs{System: target.System, Pool: target.Pool}
	var registrations []*metrics.Registration
	keep := func(r *metrics.Registration, err error) {
		if err != nil {
			otel.Handle(err)
			return
		}
		registrations = append(registrations, r)
	}
	keep(ConnectionCount.Register(ctx, func(_ context.Context, observe func(float64, ConnectionAttrs)) error {
		return now(func(s PoolState) {
			observe(float64(s.Idle), ConnectionAttrs{target.System, target.Pool, Idle})
			observe(float64(s.Used), ConnectionAttrs{target.System, target.Pool, Used})
		})
	}))
	keep(ConnectionMax.Register(ctx, func(_ context.Context, observe func(float64, PoolAttrs)) error {
		return now(func(s PoolState) { observe(float64(s.Max), attrs) })
	}))
	keep(ConnectionIdleMin.Register(ctx, func(_ context.Context, observe func(float64, PoolAttrs)) error {
		return now(func(s PoolState) { observe(float64(s.IdleMin), attrs) })
	}))
	keep(ConnectionIdleMax.Register(ctx, func(_ context.Context, observe func(float64, PoolAttrs)) error {
		return now(func(s PoolState) { observe(float64(cmp.Or(s.IdleMax, s.Max)), attrs) })
	}))
	keep(ConnectionPending.Register(ctx, func(_ context.Context, observe func(float64, PoolAttrs)) error {
		return now(func(s PoolState) { observe(float64(s.Pending), attrs) })
	}))
	keep(ConnectionTimeouts.Register(ctx, func(_ context.Context, observe func(float64, PoolAttrs)) error {
		return now(func(s PoolState) { observe(float64(s.Timeouts), attrs) })
	}))
	runtime.AddCleanup(pool, func(registrations []*metrics.Registration) {
		for _, r := range registrations {
			if err := r.Unregister(); err != nil {
				otel.Handle(err)
			}
		}
	}, registrations)
}
