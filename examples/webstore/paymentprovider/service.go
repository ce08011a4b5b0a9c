// Package paymentprovider plays a third party: a company that takes money for
// shops, as Stripe or Adyen do.
//
// It behaves as such companies do, seen from outside. It takes its time, it
// refuses cards, it fails now and then, more in some countries than in others
// ([Markets] is the table), and it charges once for each Idempotency-Key. It
// keeps everything in memory. It has no telemetry, knows nothing of otelkit,
// and imports nothing of the store but what serves HTTP: what the store knows
// of it is what the store's client measures.
//
//	POST /v1/charges               take money; header Idempotency-Key
//	GET  /v1/charges               what was taken, oldest first
//	GET  /v1/charges/{id}          one of them
//	POST /v1/charges/{id}/refund   give it back
//	GET  /health
package paymentprovider

import (
	"context"
	"log/slog"
	"os"

	"github.com/otelkit/kit/examples/webstore/service"
)

// Config configures Run. Addr is required.
type Config struct {
	Addr         string            // to listen on
	LatencyScale float64           // multiplies every latency; 0 means that it answers at once
	FailureScale float64           // multiplies every chance of a failure; 0 means that none happens
	Seed         uint64            // of the failures: the same seed and requests give the same answers
	Ready        func(addr string) // called once it takes connections; may be nil
}

// Run serves until ctx is done, and returns nil when what was in flight has
// been answered.
func Run(ctx context.Context, cfg Config) error {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	return service.Serve(ctx, service.Config{Addr: cfg.Addr, Handler: Handler(cfg), Log: log, Ready: cfg.Ready})
}
