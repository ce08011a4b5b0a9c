// Command generate writes what is made of the store's tables into the repository:
// the dashboard, the rules with their tests, and the runbooks, from the definitions
// that its services record, and the page that says how its third parties behave. With
// --check it writes nothing, and fails with a
// diff when what is committed is not what would be generated.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/otelkit/kit/examples/webstore/observability"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

// run is the command; it returns the exit status: 2 for wrong usage, 1 when
// something is wrong or, with --check, different.
func run(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("generate", flag.ContinueOnError)
	flags.SetOutput(io.Discard) // one line says it here
	out := flags.String("out", "", "root of the repository (default: the folder above this one that has a go.work)")
	check := flags.Bool("check", false, "write nothing; exit 1 with a diff when the files there are not what is generated")
	err := flags.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(stdout, "generate writes the store's dashboard, rules, their tests, runbooks and reference pages from the tables in its code.")
		flags.SetOutput(stdout)
		flags.PrintDefaults()
		return 0
	case err != nil:
		fmt.Fprintf(stderr, "generate: %v; see --help\n", err)
		return 2
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "generate: unknown argument %q; see --help\n", flags.Arg(0))
		return 2
	}
	if err := generate(*out, *check, stdout); err != nil {
		fmt.Fprintf(stderr, "generate: %v\n", err)
		return 1
	}
	return 0
}

func generate(root string, check bool, stdout io.Writer) error {
	if root == "" {
		var err error
		if root, err = repository(); err != nil {
			return err
		}
	}
	files, err := observability.Files()
	if err != nil {
		return err
	}
	faultsPage, err := observability.FaultsPage()
	if err != nil {
		return err
	}
	differences, err := compare(root, append(files, thirdParties(), faultsPage))
	if err != nil {
		return err
	}
	if check {
		return report(differences, stdout)
	}
	return apply(root, differences, stdout)
}

// repository finds the root of the repository that the command is run in.
func repository() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.work")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.work here or above; run it in the repository, or pass --out")
		}
		dir = parent
	}
}
