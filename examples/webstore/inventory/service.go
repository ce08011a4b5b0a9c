// Package inventory plays a third party: a company that keeps a shop's goods in its
// warehouses and sends them, as SAP's software runs them.
//
// A reservation takes goods out of the first warehouse on the country's [Routes]
// that has enough, once for each Idempotency-Key, and never more than are there. A
// release gives them back, and closes the key: it is for a shop that does not know
// whether its reservation was made, and wants none.
//
// It takes its time and fails now and then, as [Behaviours] says. It keeps
// everything in memory, of the last 100,000 keys. It has no telemetry, as package
// thirdparty explains.
//
//	POST /api/inventory/check         is there enough?
//	POST /api/inventory/reserve       keep goods for the header Idempotency-Key
//	POST /api/inventory/release       give back what is kept for the Idempotency-Key
//	GET  /api/inventory/reservations  all of them, oldest first
//	GET  /api/inventory/warehouses    what they have
//	GET  /health
package inventory

import (
	"context"

	"github.com/otelkit/kit/examples/webstore/thirdparty"
)

// Config is that of every third party. Its seed decides the first stock too.
type Config = thirdparty.Config

// Run serves until ctx is done, and returns nil when what was in flight has
// been answered.
func Run(ctx context.Context, cfg Config) error { return thirdparty.Run(ctx, cfg, Handler(cfg)) }
