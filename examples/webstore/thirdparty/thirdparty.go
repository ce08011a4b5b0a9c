// Package thirdparty is what the companies that the store depends on have in
// common, as they are played here: one that takes money, one that keeps goods, one
// that knows customers.
//
// Each is a package of its own, with its own API over its own memory. What they
// share is how they treat who calls them. A [Table] says for each call, in each
// country, how long it takes and how it fails, and [Party.Do] has it so:
//
//	call ── what its row of the table and the seed decide
//	  ├── it fails at the door      nothing has happened; another try may go well
//	  ├── it is refused             which stands for the key that it came with
//	  ├── its answer is lost        it took effect, and the caller cannot know
//	  └── it goes well
//	then its latency passes, and it is answered
//
// An answer that is lost, or that comes when nobody waits for it any more, is what
// idempotency keys are for: the same call with the same key has its effect once, and
// tells what that was.
//
// While a fault of package faults is on, a [Trouble] takes the place of what is decided.
//
// A real third party shows its callers no telemetry. So nothing here has any, or
// knows of otelkit, and what the store knows of a third party is what the store's
// client measures.
package thirdparty

import (
	"context"
	"log/slog"
	"net/http"
	"os"

	"github.com/otelkit/kit/examples/webstore/faults"
	"github.com/otelkit/kit/examples/webstore/service"
)

// Config configures a third party. To run one, Addr is required.
type Config struct {
	Addr         string            // to listen on
	LatencyScale float64           // multiplies every latency; 0 means that it answers at once
	FailureScale float64           // multiplies every chance of a failure; 0 means that none happens
	Seed         uint64            // of all that is drawn: the same calls, one after the other, end the same way
	Faults       *faults.Board     // that can be started; nil means none
	Ready        func(addr string) // called once it takes connections; may be nil
}

// Run serves a third party's API until ctx is done, and returns nil when what was
// in flight has been answered.
func Run(ctx context.Context, cfg Config, api http.Handler) error {
	defer cfg.Faults.Close()
	api = faults.NewControl(cfg.Faults, nil).Wrap(api)
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	return service.Serve(ctx, service.Config{Addr: cfg.Addr, Handler: api, Log: log, Ready: cfg.Ready})
}
