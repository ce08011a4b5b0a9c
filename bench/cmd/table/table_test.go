package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const firstRun = `goos: linux
pkg: github.com/otelkit/kit/bench/http
BenchmarkServer/sampled/bare-2         	 1000	        50.0 ns/op	       0 B/op	       0 allocs/op
BenchmarkServer/sampled/otelkit-2      	 1000	      4000 ns/op	    2100 B/op	      15 allocs/op
BenchmarkServer/sampled/otelhttp-2     	 1000	      8000 ns/op	    7400 B/op	      41 allocs/op
PASS
pkg: github.com/otelkit/kit/bench/ratelimit
BenchmarkDecision/one_key/otelkit,_leases-2 	 1000	      4000 ns/op	    0 B/op	      0 allocs/op
BenchmarkDecision/one_key/otelkit-2         	 1000	     30000 ns/op	  500 B/op	     13 allocs/op
BenchmarkDecision/one_key/redis_rate-2      	 1000	     20000 ns/op	  700 B/op	     21 allocs/op
pkg: github.com/otelkit/kit/bench/setup
BenchmarkBinary/otelkit-2     	       1	        16.5 MB
BenchmarkBinary/otelconf-2    	       1	        17.5 MB
`

// secondRun is one in which the machine was busy.
var secondRun = strings.NewReplacer(" 4000 ns", " 8000 ns", " 8000 ns", " 15000 ns").Replace(firstRun)

func tableOf(t *testing.T, outputs ...string) string {
	t.Helper()
	var r results
	for _, output := range outputs {
		if err := r.add(output); err != nil {
			t.Fatal(err)
		}
	}
	table, err := render(r, len(outputs))
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestOursIsComparedWithEachPeerAndNotWithTheBare(t *testing.T) {
	table := tableOf(t, firstRun)
	for _, want := range []string{
		"| Server, sampled | 4 µs, 2100 B, 15 | otelhttp: 8 µs, 7400 B, 41 | 0.50x | 0.37x |",
		"| Decision, one key, leases | 4 µs, 0 B, 0 | redis rate: 20 µs, 700 B, 21 | 0.20x | 0.00x |",
		"| Binary | 16.5 MB | otelconf: 17.5 MB | 0.94x | – |",
	} {
		if !strings.Contains(table, want) {
			t.Errorf("no row\n%s\nin\n%s", want, table)
		}
	}
	if strings.Contains(table, "bare") {
		t.Errorf("the bare benchmark is in\n%s", table)
	}
}

func TestARatioIsTakenWithinARun(t *testing.T) {
	// Across runs the medians are 6 and 11.5 µs.
	if table, want := tableOf(t, firstRun, secondRun), "| 6 µs, 2100 B, 15 | otelhttp: 11.5 µs, 7400 B, 41 | 0.52x |"; !strings.Contains(table, want) {
		t.Errorf("no %q in\n%s", want, table)
	}
}

func TestWhatIsSlowerIsListedAmongTheLosses(t *testing.T) {
	_, losses, _ := strings.Cut(tableOf(t, firstRun), "### Where we lose")
	if want := "- Deciding on a rate limit, Decision, one key, beside redis rate: 1.50x the time.\n"; strings.TrimSpace(losses) != strings.TrimSpace(want) {
		t.Errorf("got %q, want %q", losses, want)
	}
}

func TestABenchmarkThatDoesNotSayWhoIsRefused(t *testing.T) {
	var r results
	err := r.add("pkg: github.com/otelkit/kit/bench/http\nBenchmarkServer-2 10 5 ns/op\n")
	if err == nil || !strings.Contains(err.Error(), "BenchmarkServer/otelkit") {
		t.Errorf("got %v, want an error that says how to name it", err)
	}
}

func TestTheTableTakesThePlaceBetweenTheMarks(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.md")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# Before\n" + beginMark + "\nold\n" + endMark + "\nafter\n")
	if err := replace(file, "new"); err != nil {
		t.Fatal(err)
	}
	got, _ := os.ReadFile(file)
	if want := "# Before\n" + beginMark + "\n\nnew\n" + endMark + "\nafter\n"; string(got) != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	write("no marks")
	if err := replace(file, "new"); err == nil || !strings.Contains(err.Error(), beginMark) {
		t.Errorf("got %v, want an error that names the marks", err)
	}
}
