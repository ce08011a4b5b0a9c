//go:build linux

// Command load measures what the whole store stands on one machine, with everything
// that `webstore up` runs, and what telemetry costs its services:
//
//	make build && go run ./examples/webstore/cmd/load [-rounds 3] [-write docs/PERFORMANCE.md]
//
// Each round starts the store anew for each way to be observed (nothing, every trace
// sampled, one in ten) and sends it the same requests, so that a machine that slows
// down for a while slows all of them. Shoppers are guests with addresses of their own:
// the documented rate limits hold, and nobody comes near them.
//
// Twice, shoppers come as fast as they are answered, a request at a time on each
// connection: that is what the store stands. Then they come at a rate that is given:
// that is where costs are compared, since what a request costs depends on how many there
// are. The CPU time is that of the processes main, payments and promotions, as the
// kernel counts it; of their memory the peak.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

// settings is what the flags say.
type settings struct {
	webstore  string
	rounds    int
	phase     time.Duration
	browsers  int
	buyers    int
	browsing  float64
	buying    float64
	writeFile string
}

func main() {
	var s settings
	flag.StringVar(&s.webstore, "webstore", "bin/webstore", "`path` of the program, lens beside it")
	flag.IntVar(&s.rounds, "rounds", 3, "`times` that each way to be observed is measured")
	flag.DurationVar(&s.phase, "phase", 10*time.Second, "`time` of each of the four phases of a measurement")
	flag.IntVar(&s.browsers, "browsers", 16, "connections that browse")
	flag.IntVar(&s.buyers, "buyers", 16, "connections that buy")
	flag.Float64Var(&s.browsing, "browsing", 2000, "requests per second of who browses, where costs are compared")
	flag.Float64Var(&s.buying, "buying", 150, "checkouts per second there")
	flag.StringVar(&s.writeFile, "write", "", "`file` to write the tables into, between its two marks, besides standard output")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	results := map[string][]round{}
	for n := range s.rounds {
		for _, m := range modes {
			fmt.Fprintf(os.Stderr, "round %d of %d: %s\n", n+1, s.rounds, m.name)
			r, err := measure(ctx, s, m)
			if err != nil {
				return fmt.Errorf("%s: %w", m.name, err)
			}
			results[m.name] = append(results[m.name], r)
		}
	}
	text := render(results, s)
	fmt.Print(text)
	if s.writeFile == "" {
		return nil
	}
	return replace(s.writeFile, text)
}

// round is what one measurement of one mode gave.
type round struct {
	browsing, buying           phase // at the rates that are given
	fastBrowsing, fastCheckout phase // as fast as they are answered
}

// phase is some time of load.
type phase struct {
	requests, failed int // answers, and those of them that were not what was asked for
	took             time.Duration
	latencies        []time.Duration  // of what the phase is about, sorted
	cpu              time.Duration    // of the services
	memory           map[string]int64 // of each at most, since it began
}

// measure starts the store, observed by a mode, and loads it.
func measure(ctx context.Context, s settings, m mode) (r round, err error) {
	store, err := startStore(ctx, s.webstore, m)
	if err != nil {
		return round{}, err
	}
	defer func() {
		if stopErr := store.stop(); err == nil {
			err = stopErr
		}
	}()
	guests, err := store.guests(max(s.browsers, s.buyers) * 128)
	if err != nil {
		return round{}, err
	}
	browsers := load{connections: s.browsers, guests: guests, visit: browse, duration: s.phase}
	buyers := load{connections: s.buyers, guests: guests, visit: buy, duration: s.phase}
	atRate := func(l load, perSecond float64) load {
		l.interval = time.Duration(float64(l.connections) / perSecond * float64(time.Second))
		return l
	}
	warm := func(l load) load { l.duration = s.phase / 3; return l }
	for _, step := range []struct {
		load
		into *phase
	}{
		{warm(browsers), nil},
		{atRate(browsers, s.browsing/visitRequests), &r.browsing},
		{warm(buyers), nil},
		{atRate(buyers, s.buying), &r.buying},
		{browsers, &r.fastBrowsing},
		{buyers, &r.fastCheckout},
	} {
		p, err := store.load(ctx, step.load)
		if err != nil {
			return round{}, err
		}
		if step.into != nil {
			*step.into = p
		}
	}
	return r, nil
}
