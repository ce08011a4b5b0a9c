// Package crm plays a third party: a company that keeps what a shop knows of its
// customers, as Salesforce does.
//
// It is told of each order and writes it down once, however often it is told. It
// takes its time and fails now and then, as [Behaviours] says. It keeps everything
// in memory, of the last 100,000 orders and customers. It has no telemetry, as
// package thirdparty explains.
//
//	POST /api/customer/order      a customer ordered
//	POST /api/customer/update     a customer changed
//	GET  /api/customer/orders     what it was told of, oldest first
//	GET  /api/customer/customers  whom it knows, oldest first
//	GET  /health
package crm

import (
	"context"

	"github.com/otelkit/kit/examples/webstore/thirdparty"
)

// Config is that of every third party.
type Config = thirdparty.Config

// Run serves until ctx is done, and returns nil when what was in flight has
// been answered.
func Run(ctx context.Context, cfg Config) error { return thirdparty.Run(ctx, cfg, Handler(cfg)) }
