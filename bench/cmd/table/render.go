package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"time"
)

var nan = math.NaN()

// titles say what the benchmarks of a package are about, in the order of the page.
var titles = [][2]string{
	{"metrics", "Recording a metric"},
	{"http", "Serving and calling over HTTP"},
	{"slog", "Logging"},
	{"exemplar", "Exemplars"},
	{"setup", "Starting, and what it weighs"},
	{"postgres", "PostgreSQL"},
	{"redis", "Redis"},
	{"ratelimit", "Deciding on a rate limit"},
	{"health", "Answering a probe"},
	{"profiles", "Labelling a profile"},
}

// render returns the page's tables.
func render(r results, runs int) (string, error) {
	var page, losses strings.Builder
	machine, err := machine()
	if err != nil {
		return "", err
	}
	fmt.Fprintf(&page, "Measured on %s. Each figure is the median of %d runs; a ratio is the median of the ratios within a run, ours to the peer's, so less than 1 is faster or less.\n", machine, runs)
	for _, pkg := range packages(r) {
		fmt.Fprintf(&page, "\n### %s\n\n    cd bench && go test -run '^$' -bench . -benchmem ./%s\n\n", title(pkg), pkg)
		fmt.Fprintf(&page, "| | otelkit | beside | ratio | allocations |\n|---|---|---|---|---|\n")
		for _, g := range r.groups {
			if g.pkg != pkg {
				continue
			}
			for _, pair := range g.pairs() {
				ours, peer := pair[0], pair[1]
				unit := ours.units()[0]
				fmt.Fprintf(&page, "| %s | %s | %s | %s | %s |\n", row(g, ours), cell(ours), peer.name+": "+cell(peer),
					times(ratio(ours, peer, unit)), times(ratio(ours, peer, "allocs/op")))
				if worse := lost(ours, peer); worse != "" {
					fmt.Fprintf(&losses, "- %s, %s, beside %s: %s.\n", title(pkg), row(g, ours), peer.name, worse)
				}
			}
		}
	}
	page.WriteString("\n### Where we lose\n\n")
	if losses.Len() == 0 {
		losses.WriteString("In none of the above.\n")
	}
	page.WriteString(losses.String())
	return page.String(), nil
}

// lost says what of ours is more than the peer's, "" if nothing is. A time is only
// when that is beyond what runs differ by.
func lost(ours, peer *measured) string {
	var worse []string
	for _, unit := range ours.units() {
		least := 1.0
		if unit == "ns/op" {
			least = 1.05
		}
		if r := ratio(ours, peer, unit); r > least {
			worse = append(worse, fmt.Sprintf("%s the %s", times(r), unitNames(unit)))
		}
	}
	return strings.Join(worse, ", ")
}

func unitNames(unit string) string {
	switch unit {
	case "ns/op":
		return "time"
	case "B/op":
		return "bytes"
	case "allocs/op":
		return "allocations"
	default:
		return unit
	}
}

// row names what was measured; ours only if it is one of several ways.
func row(g *group, ours *measured) string {
	if way := strings.TrimLeft(strings.TrimPrefix(ours.name, "otelkit"), " ,"); way != "" {
		return g.name + ", " + way
	}
	return g.name
}

func cell(m *measured) string {
	units := m.units()
	if len(units) == 1 {
		return fmt.Sprintf("%.3g %s", m.median(units[0]), units[0])
	}
	return fmt.Sprintf("%s, %.0f B, %.0f", duration(m.median("ns/op")), m.median("B/op"), m.median("allocs/op"))
}

// duration is a time in its usual unit, to three digits.
func duration(ns float64) string {
	switch {
	case ns < 1e3:
		return fmt.Sprintf("%.3g ns", ns)
	case ns < 1e6:
		return fmt.Sprintf("%.3g µs", ns/1e3)
	case ns < 1e9:
		return fmt.Sprintf("%.3g ms", ns/1e6)
	default:
		return fmt.Sprintf("%.3g s", ns/1e9)
	}
}

func times(ratio float64) string {
	if math.IsNaN(ratio) || math.IsInf(ratio, 0) {
		return "–"
	}
	return fmt.Sprintf("%.2fx", ratio)
}

// packages are those that were measured, in the order of titles.
func packages(r results) []string {
	var measured []string
	for _, g := range r.groups {
		if !slices.Contains(measured, g.pkg) && len(g.pairs()) > 0 {
			measured = append(measured, g.pkg)
		}
	}
	place := func(pkg string) int {
		return slices.IndexFunc(titles, func(t [2]string) bool { return t[0] == pkg })
	}
	slices.SortStableFunc(measured, func(a, b string) int { return place(a) - place(b) })
	return measured
}

func title(pkg string) string {
	for _, t := range titles {
		if t[0] == pkg {
			return t[1]
		}
	}
	return pkg
}

// machine describes what the figures hold for.
func machine() (string, error) {
	peers, err := peers()
	if err != nil {
		return "", fmt.Errorf("listing the peers' versions: %w", err)
	}
	return fmt.Sprintf("%s, %d cores, %s/%s, %s, %s, with %s",
		processor(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(),
		time.Now().UTC().Format(time.DateOnly), strings.Join(peers, ", ")), nil
}

// peers returns what this module requires, with versions.
func peers() ([]string, error) {
	output, err := exec.Command("go", "mod", "edit", "-json").Output()
	if err != nil {
		return nil, err
	}
	var module struct {
		Require []struct {
			Path, Version string
			Indirect      bool
		}
	}
	if err := json.Unmarshal(output, &module); err != nil {
		return nil, err
	}
	var list []string
	for _, m := range module.Require {
		if !m.Indirect && m.Path != "github.com/otelkit/kit" {
			list = append(list, m.Path+" "+m.Version)
		}
	}
	return list, nil
}

// processor is the model's name, where the system tells it.
func processor() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}
