package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// results are what `go test -bench` printed, in the order in which benchmarks ran.
type results struct {
	groups []*group
}

// group is one thing, measured with all who do it.
type group struct {
	pkg  string // the last element of the package's path: "http"
	name string // "Server, sampled"
	who  []*measured
}

// measured is what one of them took, a value a run and unit.
type measured struct {
	name   string
	values map[string][]float64
}

// processors is what testing appends to a name.
var processors = regexp.MustCompile(`-\d+$`)

// add reads the output of one run.
func (r *results) add(output string) error {
	pkg := ""
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		if len(fields) == 2 && fields[0] == "pkg:" {
			pkg = fields[1][strings.LastIndexByte(fields[1], '/')+1:]
		}
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		path := strings.Split(processors.ReplaceAllString(fields[0], ""), "/")
		if len(path) < 2 {
			return fmt.Errorf("%s/%s does not say who is measured; name it %s/otelkit or after the peer", pkg, path[0], path[0])
		}
		m := r.measured(pkg, label(path[:len(path)-1]), strings.ReplaceAll(path[len(path)-1], "_", " "))
		for i := 2; i+1 < len(fields); i += 2 { // the name, how often it ran, then values and units
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return fmt.Errorf("%q is no result of a benchmark: %w", strings.TrimSpace(line), err)
			}
			m.values[fields[i+1]] = append(m.values[fields[i+1]], value)
		}
	}
	return nil
}

func label(path []string) string {
	text := strings.TrimPrefix(strings.Join(path, ", "), "Benchmark")
	return strings.ReplaceAll(text, "_", " ")
}

func (r *results) measured(pkg, name, who string) *measured {
	at := slices.IndexFunc(r.groups, func(g *group) bool { return g.pkg == pkg && g.name == name })
	if at < 0 {
		r.groups = append(r.groups, &group{pkg: pkg, name: name})
		at = len(r.groups) - 1
	}
	g := r.groups[at]
	for _, m := range g.who {
		if m.name == who {
			return m
		}
	}
	m := &measured{name: who, values: map[string][]float64{}}
	g.who = append(g.who, m)
	return m
}

// pairs returns each of ours with each peer.
func (g *group) pairs() [][2]*measured {
	var pairs [][2]*measured
	for _, ours := range g.who {
		if !strings.HasPrefix(ours.name, "otelkit") {
			continue
		}
		for _, peer := range g.who {
			if peer.name != "bare" && !strings.HasPrefix(peer.name, "otelkit") {
				pairs = append(pairs, [2]*measured{ours, peer})
			}
		}
	}
	return pairs
}

// units returns what was measured of it: the time first, then the memory. A benchmark
// that reports a unit of its own, such as MB, has measured nothing else.
func (m *measured) units() []string {
	for unit := range m.values {
		if !slices.Contains(memory, unit) && unit != "ns/op" {
			return []string{unit}
		}
	}
	return append([]string{"ns/op"}, memory...)
}

var memory = []string{"B/op", "allocs/op"}

func (m *measured) median(unit string) float64 { return median(m.values[unit]) }

// ratio returns the median of the runs' ratios of a unit, NaN without any.
func ratio(ours, peer *measured, unit string) float64 {
	var ratios []float64
	for i, value := range ours.values[unit] {
		if other := peer.values[unit]; i < len(other) {
			ratios = append(ratios, value/other[i])
		}
	}
	return median(ratios)
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	switch {
	case n == 0:
		return nan
	case n%2 == 1:
		return sorted[n/2]
	default:
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
}
