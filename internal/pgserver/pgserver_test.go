//go:build unix

package pgserver_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/otelkit/kit/internal/pgserver"
)

// The test binary plays a process that runs a server and is killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv("PGSERVER_TEST_DIR"); dir != "" {
		runUntilKilled(dir)
	}
	goleak.VerifyTestMain(m)
}

// openDir is a temporary directory that other users may pass through, unlike
// t.TempDir: as root, the server is another user.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "pgtest-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func start(t *testing.T, cfg pgserver.Config) *pgserver.Server {
	t.Helper()
	server, err := pgserver.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Stop(context.Background()) })
	return server
}

// made is a directory with a stopped server's data.
func made(t *testing.T) string {
	t.Helper()
	dir := openDir(t)
	if err := start(t, pgserver.Config{Dir: dir}).Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func execute(t *testing.T, url, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), statement); err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// orders counts the rows of the table that the tests write.
func orders(t *testing.T, url string) (count int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM orders").Scan(&count); err != nil {
		t.Fatal(err)
	}
	return count
}

const makeOrder = "CREATE TABLE IF NOT EXISTS orders (id int); INSERT INTO orders VALUES (1)"

func TestDataSurvivesARestart(t *testing.T) {
	cfg := pgserver.Config{Dir: filepath.Join(openDir(t), "new", "and a space"), Databases: []string{"shop", `odd "name"`}}
	for run := 1; run <= 2; run++ {
		server := start(t, cfg)
		for _, database := range cfg.Databases {
			execute(t, server.URL(database), makeOrder)
			if got := orders(t, server.URL(database)); got != run {
				t.Errorf("run %d: %d orders in %s", run, got, database)
			}
		}
		if err := server.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if server.Stop(t.Context()) != nil || server.Err() != nil {
			t.Error("a second Stop, or Err after it, tells of an error")
		}
		<-server.Done()
	}
}

func TestALongPathHasItsSocketElsewhere(t *testing.T) {
	dir := filepath.Join(openDir(t), strings.Repeat("long", 30))
	server := start(t, pgserver.Config{Dir: dir})
	execute(t, server.URL("postgres"), "SELECT 1")
	at, err := url.Parse(server.URL("postgres"))
	socket := at.Query().Get("host")
	if err != nil || !strings.HasPrefix(socket, "/tmp/pgsocket-") {
		t.Fatalf("the socket is in %q, %v", socket, err)
	}
	server.Stop(t.Context())
	if _, err := os.Stat(socket); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is left behind: %v", socket, err)
	}
}

func TestAServerThatIsKilledIsReportedAndKeepsWhatWasCommitted(t *testing.T) {
	dir := openDir(t)
	server := start(t, pgserver.Config{Dir: dir, Databases: []string{"shop"}})
	execute(t, server.URL("shop"), makeOrder)
	if err := syscall.Kill(serverPID(t, dir), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-server.Done()
	if err := server.Err(); err == nil || !strings.Contains(err.Error(), "signal: killed") || !strings.Contains(err.Error(), "ready to accept connections") {
		t.Errorf("Err is %v, want how it ended and its last lines", err)
	}
	if server.Stop(t.Context()) == nil {
		t.Error("Stop of a server that was killed tells of no error")
	}
	again := start(t, pgserver.Config{Dir: dir})
	if got := orders(t, again.URL("shop")); got != 1 {
		t.Errorf("%d orders after the restart, want 1", got)
	}
}

func TestAServerWhoseParentIsKilledStopsAndKeepsWhatWasCommitted(t *testing.T) {
	dir := openDir(t)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "PGSERVER_TEST_DIR="+dir)
	cmd.Stderr = os.Stderr
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(output).ReadString('\n'); line != "committed\n" {
		t.Fatalf("the parent said %q (%v)", line, err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	server := start(t, pgserver.Config{Dir: dir}) // waits for the one that is stopping
	if got := orders(t, server.URL("shop")); got != 1 {
		t.Errorf("%d orders after the restart, want 1", got)
	}
}

// runUntilKilled starts a server, commits an order, says so and waits.
func runUntilKilled(dir string) {
	ctx := context.Background()
	server, err := pgserver.Start(ctx, pgserver.Config{Dir: dir, Databases: []string{"shop"}})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	conn, err := pgx.Connect(ctx, server.URL("shop"))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if _, err := conn.Exec(ctx, makeOrder); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("committed")
	select {}
}

func serverPID(t *testing.T, dir string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	pid, err := strconv.Atoi(string(line))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestTemporaryDataGoesWithTheServer(t *testing.T) {
	t.Setenv("TMPDIR", openDir(t))
	server := start(t, pgserver.Config{Databases: []string{"shop"}})
	execute(t, server.URL("shop"), makeOrder)
	if err := server.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(os.TempDir()); len(left) > 0 {
		t.Errorf("%v is left behind", left)
	}
}

func TestTemporaryDataOfAKilledProcessGoesWithTheNextServer(t *testing.T) {
	t.Setenv("TMPDIR", openDir(t))
	abandoned := filepath.Join(os.TempDir(), "pgserver-1")
	recent := filepath.Join(os.TempDir(), "pgserver-2") // may be about to be locked
	for dir, age := range map[string]time.Duration{abandoned: time.Hour, recent: 0} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		lock := filepath.Join(dir, "lock")
		if err := os.WriteFile(lock, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(lock, time.Time{}, time.Now().Add(-age)); err != nil {
			t.Fatal(err)
		}
	}
	start(t, pgserver.Config{})
	if _, err := os.Stat(abandoned); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%s is still there", abandoned)
	}
	if _, err := os.Stat(recent); err != nil {
		t.Error(err)
	}
}

func TestAnInitdbThatWasBrokenOffLeavesNoData(t *testing.T) {
	programs := openDir(t)
	script := func(name, text string) {
		if err := os.WriteFile(filepath.Join(programs, name), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script("postgres", "echo 'postgres (PostgreSQL) 18.4'")
	script("initdb", "echo 18 > $2/PG_VERSION; echo 'no space left' >&2; kill -9 $$")
	dir := openDir(t)
	t.Run("broken", func(t *testing.T) {
		t.Setenv("PG_BIN", programs)
		_, err := pgserver.Start(t.Context(), pgserver.Config{Dir: dir})
		wantError(t, err, "initdb", "no space left")
	})
	if err := os.Mkdir(filepath.Join(dir, "data.new"), 0o700); err != nil { // by one that was killed
		t.Fatal(err)
	}
	start(t, pgserver.Config{Dir: dir})
	if _, err := os.Stat(filepath.Join(dir, "data.new")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("data.new is still there")
	}
}

func TestADirectoryThatDoesNotFitIsRefusedAndLeftAlone(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(t *testing.T, data string) // what is wrong with DIR/data
		want  []string
	}{
		{"of another version", func(t *testing.T, data string) {
			write(t, data, "PG_VERSION", "9\n")
		}, []string{"made by PostgreSQL 9", "install PostgreSQL 9", "move"}},
		{"with a damaged version", func(t *testing.T, data string) {
			write(t, data, "PG_VERSION", "\x00")
		}, []string{"PG_VERSION is damaged", "move"}},
		{"with damaged data", func(t *testing.T, data string) {
			write(t, data, "global/pg_control", "rubbish")
		}, []string{"does not start", "pg_control", "move"}},
		{"of something else", func(t *testing.T, data string) {
			if err := os.RemoveAll(data); err != nil {
				t.Fatal(err)
			}
			write(t, data, "precious.txt", "mine")
		}, []string{"no PostgreSQL data directory", "move it away"}},
		{"of another server", func(t *testing.T, data string) {
			write(t, data, "postmaster.pid", fmt.Sprint(os.Getpid(), "\n", data, "\n"))
		}, []string{fmt.Sprintf("in use by process %d", os.Getpid()), "stop it"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := made(t)
			data := filepath.Join(dir, "data")
			test.spoil(t, data)
			before := contents(t, data)
			_, err := pgserver.Start(t.Context(), pgserver.Config{Dir: dir})
			wantError(t, err, append(test.want, dir)...)
			if after := contents(t, data); after != before {
				t.Errorf("the files changed from\n%s\nto\n%s", before, after)
			}
		})
	}
}

// write replaces a file and leaves it to the owner of the directory.
func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	if err := os.Chown(path, int(owner.Uid), int(owner.Gid)); err != nil {
		t.Fatal(err)
	}
}

// contents lists the files of a tree with their sizes, without those that tell
// of a process.
func contents(t *testing.T, dir string) string {
	t.Helper()
	var list strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(entry.Name(), "postmaster.") {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			fmt.Fprintln(&list, path, info.Size())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list.String()
}

// wantError checks that an error is one line with all the words.
func wantError(t *testing.T, err error, words ...string) {
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

func TestADirectoryInUseIsRefused(t *testing.T) {
	dir := openDir(t)
	start(t, pgserver.Config{Dir: dir})
	_, err := pgserver.Start(t.Context(), pgserver.Config{Dir: dir})
	wantError(t, err, dir, fmt.Sprintf("in use by process %d", os.Getpid()), "use another")
}

func TestAnImpossibleDirectoryIsAnError(t *testing.T) {
	file := filepath.Join(openDir(t), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := pgserver.Start(t.Context(), pgserver.Config{Dir: filepath.Join(file, "dir")})
	wantError(t, err, file, "not a directory")
}

func TestADirectoryThatIsClosedIsAnError(t *testing.T) {
	closed := openDir(t)
	dir := filepath.Join(closed, "data")
	if os.Geteuid() == 0 {
		// Ours, but not of the user that the server runs as.
		if err := os.Chmod(closed, 0o700); err != nil {
			t.Fatal(err)
		}
		_, err := pgserver.Start(t.Context(), pgserver.Config{Dir: dir})
		wantError(t, err, "cannot reach "+dir, closed+" is closed")
		return
	}
	if err := os.Chmod(closed, 0o500); err != nil {
		t.Fatal(err)
	}
	_, err := pgserver.Start(t.Context(), pgserver.Config{Dir: dir})
	wantError(t, err, dir, "permission denied")
}

func TestAStartThatIsCalledOffLeavesNothingBehind(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	dir := openDir(t)
	if _, err := pgserver.Start(ctx, pgserver.Config{Dir: dir}); err == nil {
		t.Fatal("no error")
	}
	start(t, pgserver.Config{Dir: dir})
}

// Root steps down; the other half is to be no root in the first place.
func TestAllThatConcernsUsersAlsoHoldsForAUserWhoIsNotRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		return // this whole run proves it
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	uid, _ := strconv.Atoi(nobody.Uid)
	gid, _ := strconv.Atoi(nobody.Gid)
	home := openDir(t)
	if err := os.Chown(home, uid, gid); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(home, "pgserver.test")
	text, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(binary, text, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-test.v", "-test.run=Restart|Committed|Temporary|Closed|InUse|CalledOff")
	cmd.Dir = home
	cmd.Env = append(os.Environ(), "HOME="+home, "TMPDIR="+home)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	out, err := cmd.CombinedOutput()
	if err != nil || bytes.Count(out, []byte("--- PASS")) != 8 {
		t.Fatalf("%v\n%s", err, out)
	}
}

func TestDataOfRootIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		return // only root can make such data
	}
	dir := made(t)
	if err := os.Chown(filepath.Join(dir, "data"), 0, 0); err != nil {
		t.Fatal(err)
	}
	_, err := pgserver.Start(t.Context(), pgserver.Config{Dir: dir})
	wantError(t, err, "belongs to root", "chown")
}
