//go:build linux

package main

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
)

// The tables stand between these in a file.
const (
	beginMark = "<!-- store load -->"
	endMark   = "<!-- /store load -->"
)

// render writes the tables, of medians.
func render(results map[string][]round, s settings) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Medians of %d rounds with phases of %s; PostgreSQL, Redis, lens, three third parties and the load itself are on the same machine.\n\n", s.rounds, s.phase)
	fmt.Fprintln(&b, "As fast as they are answered:")
	fmt.Fprintln(&b)
	fmt.Fprintf(&b, "| | browsing (%d connections) | p99 | checkouts (%d connections) | p99 |\n|---|---:|---:|---:|---:|\n", s.browsers, s.buyers)
	for _, m := range modes {
		rounds := results[m.name]
		fmt.Fprintf(&b, "| %s | %.0f requests/s | %.1f ms | %.0f /s | %.1f ms |\n", m.name,
			median(rounds, func(r round) float64 { return float64(r.fastBrowsing.requests) / r.fastBrowsing.took.Seconds() }),
			median(rounds, func(r round) float64 { return r.fastBrowsing.p99() }),
			median(rounds, func(r round) float64 {
				return float64(len(r.fastCheckout.latencies)) / r.fastCheckout.took.Seconds()
			}),
			median(rounds, func(r round) float64 { return r.fastCheckout.p99() }))
	}
	fmt.Fprintf(&b, "\nAt %.0f requests/s of who browses and, apart from that, at %.0f checkouts/s; the CPU time is that of %s together for each request, beside the same round without telemetry:\n\n", s.browsing, s.buying, strings.Join(measured, ", "))
	fmt.Fprintln(&b, "| | browsing, p99 | CPU time | ratio | checkout, p99 | CPU time | ratio | failed |")
	fmt.Fprintln(&b, "|---|---:|---:|---:|---:|---:|---:|---:|")
	for _, m := range modes {
		rounds := results[m.name]
		ratio := func(part func(round) phase) float64 {
			var list []float64
			for i, r := range rounds {
				list = append(list, part(r).cost()/part(results[modes[0].name][i]).cost())
			}
			return middle(list)
		}
		browsing, buying := func(r round) phase { return r.browsing }, func(r round) phase { return r.buying }
		fmt.Fprintf(&b, "| %s | %.1f ms | %.0f µs | %.2fx | %.1f ms | %.0f µs | %.2fx | %.0f |\n", m.name,
			median(rounds, func(r round) float64 { return r.browsing.p99() }),
			median(rounds, func(r round) float64 { return r.browsing.cost() }), ratio(browsing),
			median(rounds, func(r round) float64 { return r.buying.p99() }),
			median(rounds, func(r round) float64 { return r.buying.cost() }), ratio(buying),
			median(rounds, func(r round) float64 {
				return float64(r.browsing.failed + r.buying.failed + r.fastBrowsing.failed + r.fastCheckout.failed)
			}))
	}
	fmt.Fprintln(&b, "\nMost resident memory after that, and after all of it:")
	fmt.Fprintln(&b)
	fmt.Fprintf(&b, "| | %s |\n|---|%s\n", strings.Join(measured, " | "), strings.Repeat("---:|", len(measured)))
	for _, m := range modes {
		fmt.Fprintf(&b, "| %s ", m.name)
		for _, name := range measured {
			fmt.Fprintf(&b, "| %.0f, %.0f MiB ",
				median(results[m.name], func(r round) float64 { return float64(r.buying.memory[name]) / (1 << 20) }),
				median(results[m.name], func(r round) float64 { return float64(r.fastCheckout.memory[name]) / (1 << 20) }))
		}
		fmt.Fprintln(&b, "|")
	}
	return b.String()
}

// cost is the CPU time for each request, in microseconds.
func (p phase) cost() float64 { return float64(p.cpu.Microseconds()) / float64(p.requests) }

// p99 is the 99th percentile of the latencies, in milliseconds.
func (p phase) p99() float64 {
	n := len(p.latencies)
	if n == 0 {
		return 0
	}
	return float64(p.latencies[int(math.Ceil(0.99*float64(n)))-1].Microseconds()) / 1000
}

func median(rounds []round, f func(round) float64) float64 {
	var list []float64
	for _, r := range rounds {
		list = append(list, f(r))
	}
	return middle(list)
}

func middle(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// replace puts the tables between the marks of a file.
func replace(path, text string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(content), beginMark)
	_, after, ok2 := strings.Cut(rest, endMark)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no %s and %s", path, beginMark, endMark)
	}
	return os.WriteFile(path, []byte(before+beginMark+"\n"+text+endMark+after), 0o644)
}
