// Package paymentprovider plays a third party: a company that takes money for
// shops, as Stripe or Adyen do.
//
// It behaves as such companies do, seen from outside. It takes its time, it
// refuses cards, it fails now and then, more in some countries than in others
// ([Behaviours] is the table), and it charges once for each Idempotency-Key. It
// keeps everything in memory, of the last 100,000 keys. It has no telemetry, as
// package thirdparty explains.
//
//	POST /v1/charges               take money; header Idempotency-Key
//	POST /v1/voids                 see to it that no money is kept for the Idempotency-Key of a charge
//	GET  /v1/charges               what was taken, oldest first
//	GET  /v1/charges/{id}          one of them
//	GET  /v1/charges/by-key/{key}  the one of an Idempotency-Key
//	POST /v1/charges/{id}/refund   give it back
//	GET  /health
package paymentprovider

import (
	"context"

	"github.com/otelkit/kit/examples/webstore/thirdparty"
)

// Config is that of every third party.
type Config = thirdparty.Config

// Run serves until ctx is done, and returns nil when what was in flight has
// been answered.
func Run(ctx context.Context, cfg Config) error { return thirdparty.Run(ctx, cfg, Handler(cfg)) }
