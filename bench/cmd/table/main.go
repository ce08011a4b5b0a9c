// Command table runs the benchmarks of this module and prints how otelkit does beside
// its peers: `make bench` writes it into docs/PERFORMANCE.md.
//
//	go run ./cmd/table [-runs 5] [-benchtime 1s] [-write ../docs/PERFORMANCE.md] [package ...]
//
// A benchmark takes part by its name: the last element says who was measured. What
// begins with "otelkit" is ours, "bare" is what both sides wrap, anything else is a
// peer:
//
//	BenchmarkServer/sampled/otelkit
//	BenchmarkServer/sampled/otelhttp
//
// All benchmarks are run once, then all again, so that a machine that slows down for a
// while slows both sides. A ratio is the median of the runs' own ratios.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
}

func run() error {
	runs := flag.Int("runs", 5, "how often to run each benchmark")
	benchtime := flag.String("benchtime", "500ms", "how long each run of a benchmark takes")
	write := flag.String("write", "", "file to write the table into, between its two marks, besides standard output")
	flag.Parse()
	packages := flag.Args()
	if len(packages) == 0 {
		packages = []string{"./..."}
	}
	if *runs < 1 {
		return fmt.Errorf("-runs is %d; it has to be 1 or more", *runs)
	}
	var results results
	for i := range *runs {
		fmt.Fprintf(os.Stderr, "run %d of %d\n", i+1, *runs)
		output, err := benchmarks(*benchtime, packages)
		if err != nil {
			return err
		}
		if err := results.add(output); err != nil {
			return err
		}
	}
	table, err := render(results, *runs)
	if err != nil {
		return err
	}
	fmt.Print(table)
	if *write == "" {
		return nil
	}
	return replace(*write, table)
}

// benchmarks runs the benchmarks of packages one after another.
func benchmarks(benchtime string, packages []string) (string, error) {
	args := []string{"test", "-p", "1", "-run", "^$", "-bench", ".", "-benchmem", "-benchtime", benchtime}
	command := exec.Command("go", append(args, packages...)...)
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, os.Stderr
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(command.Args[1:], " "), err, output.String())
	}
	return output.String(), nil
}

const (
	beginMark = "<!-- from here on written by `make bench` -->"
	endMark   = "<!-- until here -->"
)

// replace puts the table between the marks of a file.
func replace(file, table string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, begins := strings.Cut(string(text), beginMark)
	_, after, ends := strings.Cut(rest, endMark)
	if !begins || !ends {
		return errors.New(file + " lacks the lines " + beginMark + " and " + endMark + " between which the table belongs")
	}
	return os.WriteFile(file, []byte(before+beginMark+"\n\n"+table+"\n"+endMark+after), 0o644)
}
