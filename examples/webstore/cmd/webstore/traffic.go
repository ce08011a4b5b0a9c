package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/otelkit/kit/examples/webstore/traffic"
)

const trafficHelp = `
Half of the shoppers look around, three of ten fill a cart and leave it, two of
ten buy. The same seed makes the same decisions. At the end there is a report.

Each is somebody else, with an address of their own in X-Forwarded-For and, if
they need a cart, a guest's session; some register, some come back after a minute.
A store that does not believe the header (--trusted-proxies of serve main; that of
webstore up does) counts them all as one address, and soon answers 429.

Requests fall due at the rate, however fast the store is. What falls due while all
users wait for an answer is not sent, and is counted as unsent: give more --users.

The scenarios: shoppers; flash-sale, shoppers and for the second third of the time
(without --duration, of each minute) five times the rate by people who all want one
product; credential-stuffing, endpoint-scanning and abuse, to be noticed by the
store's rules; mixed, shoppers of whom one in twenty is up to one of those three.
`

func prepareTraffic(f *flags) func(context.Context, io.Writer, io.Writer) error {
	var cfg traffic.Config
	f.StringVar(&cfg.URL, "url", "http://127.0.0.1:8000", "`URL` of the shop's API")
	f.BoolVar(&cfg.AllowRemote, "allow-remote", false, "let it be another machine's")
	var scenarios []string
	for _, name := range traffic.Scenario("").Values() {
		scenarios = append(scenarios, string(name))
	}
	scenario := f.String("scenario", string(traffic.Shoppers), "`name` of what they come for")
	f.IntVar(&cfg.Users, "users", 5, fmt.Sprintf("`number` of users at a time, at most %d", traffic.MaxUsers))
	f.Uint64Var(&cfg.Seed, "seed", 1, "`number` that decides what they do")
	f.BoolVar(&cfg.Demo, "demo-users", true, "the demo users come, too")
	duration := f.span("duration", 0, "`time` to go on for, such as 2m; 0s is until ^C")
	perSecond := f.number("rate", 10, "`number` of requests per second of all together")
	asJSON := f.Bool("json", false, "print the report as JSON, for programs")
	return func(ctx context.Context, out, errs io.Writer) error {
		if cfg.Users < 1 || *perSecond == 0 {
			return usagef("traffic needs --users and --rate above 0; to send nobody, do not run it")
		}
		if cfg.Users > traffic.MaxUsers {
			return usagef("traffic plays at most %d --users; for more, run it several times with another --seed each", traffic.MaxUsers)
		}
		if !slices.Contains(scenarios, *scenario) {
			return usagef("there is no --scenario %q%s; there are %s", *scenario, didYouMean(*scenario, scenarios), strings.Join(scenarios, ", "))
		}
		cfg.Scenario, cfg.Duration, cfg.Rate = traffic.Scenario(*scenario), *duration, *perSecond
		if isTerminal(errs) {
			cfg.Progress = func(r traffic.Report) { fmt.Fprintf(errs, "\r\x1b[K%s", r.Line()) }
			defer fmt.Fprint(errs, "\r\x1b[K")
		}
		report, err := traffic.Run(ctx, cfg)
		if err != nil {
			return err
		}
		if *asJSON {
			return printJSON(out, report)
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
