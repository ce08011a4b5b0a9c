package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/otelkit/kit/examples/webstore/traffic"
)

const trafficHelp = `
Half of the shoppers look around, three of ten fill a cart and leave it, two of
ten buy. The same seed makes the same decisions. At the end there is a report.

The store must have its demo data: at most three shoppers have a cart at a time,
since there are three demo users.
`

func prepareTraffic(f *flags) func(context.Context, io.Writer, io.Writer) error {
	var cfg traffic.Config
	f.StringVar(&cfg.URL, "url", "http://127.0.0.1:8000", "`URL` of the shop's API")
	f.BoolVar(&cfg.AllowRemote, "allow-remote", false, "let it be another machine's")
	f.IntVar(&cfg.Users, "users", 5, "`number` of shoppers at a time")
	f.Uint64Var(&cfg.Seed, "seed", 1, "`number` that decides what they do")
	duration := f.span("duration", 0, "`time` to go on for, such as 2m; 0s is until ^C")
	perSecond := f.number("rate", 10, "requests per second of all together, at most this `number`")
	return func(ctx context.Context, out, errs io.Writer) error {
		if cfg.Users < 1 || *perSecond == 0 {
			return usagef("traffic needs --users and --rate above 0; to send nobody, do not run it")
		}
		cfg.Duration, cfg.Rate = *duration, *perSecond
		if isTerminal(errs) {
			cfg.Progress = func(r traffic.Report) { fmt.Fprintf(errs, "\r\x1b[K%s", r.Line()) }
			defer fmt.Fprint(errs, "\r\x1b[K")
		}
		report, err := traffic.Run(ctx, cfg)
		if err != nil {
			return err
		}
		_, err = fmt.Fprint(out, report)
		return err
	}
}

// isTerminal reports whether w is watched by a person, as far as a file's mode
// tells: the null device looks like one, and does not mind.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
