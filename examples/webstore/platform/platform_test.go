//go:build unix

package platform_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/otelkit/kit/examples/webstore/platform"
)

// The test binary plays the processes that the tests need.
func TestMain(m *testing.M) {
	if role, ok := roles[os.Getenv("PLATFORM_TEST_ROLE")]; ok {
		role()
		os.Exit(0)
	}
	goleak.VerifyTestMain(m)
}

// tempDir is a temporary directory that other users may pass through, unlike
// t.TempDir: as root, PostgreSQL is another user.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "platform-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func openDir(t *testing.T, path string) *platform.Dir {
	t.Helper()
	dir, err := platform.OpenDir(platform.DirConfig{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return dir
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

func TestADirectoryHasOneUserAtATimeAndTheSecondIsToldWhoTheFirstIs(t *testing.T) {
	path := filepath.Join(tempDir(t), "new", "store")
	dir := openDir(t, path)
	if dir.Path != path || dir.Ephemeral() {
		t.Errorf("got %+v", dir)
	}
	_, err := platform.OpenDir(platform.DirConfig{Path: path})
	wantError(t, err, path, fmt.Sprintf("process %d", os.Getpid()), "stop that one")
	if err := dir.Close(); err != nil {
		t.Fatal(err)
	}
	openDir(t, path)
}

func TestADirectoryThatCannotBeUsedIsAnError(t *testing.T) {
	file := filepath.Join(tempDir(t), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		cfg  platform.DirConfig
		want string
	}{
		"a file":            {platform.DirConfig{Path: file}, "is not a directory"},
		"below a file":      {platform.DirConfig{Path: file + "/dir"}, "not a directory"},
		"of the kernel":     {platform.DirConfig{Path: "/proc/webstore"}, "choose a directory that you may write"},
		"not writable":      {platform.DirConfig{Path: "/proc/self"}, "make it writable, or choose another"},
		"kept and not kept": {platform.DirConfig{Path: file, Ephemeral: true}, "leave out one"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := platform.OpenDir(test.cfg)
			wantError(t, err, "data directory: ", test.want)
		})
	}
}

func TestAnEphemeralDirectoryGoesWhenItIsClosed(t *testing.T) {
	dir, err := platform.OpenDir(platform.DirConfig{Ephemeral: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir.Path, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := dir.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir.Path); !os.IsNotExist(err) {
		t.Errorf("%s is still there", dir.Path)
	}
}

func TestTheDefaultDirectoryIsTheUsersState(t *testing.T) {
	if os.Geteuid() == 0 {
		if path, err := platform.DefaultPath(); path != "/var/lib/webstore" {
			t.Errorf("for root got %s (%v)", path, err)
		}
		return
	}
	t.Setenv("HOME", "/home/ann")
	for state, want := range map[string]string{
		"":         "/home/ann/.local/state/webstore",
		"relative": "/home/ann/.local/state/webstore", // as the XDG specification wants
		"/state":   "/state/webstore",
	} {
		t.Setenv("XDG_STATE_HOME", state)
		if path, err := platform.DefaultPath(); path != want {
			t.Errorf("with XDG_STATE_HOME=%s got %s (%v), want %s", state, path, err, want)
		}
	}
}

// What concerns users must hold for those who are not root, too.
func TestAllThatConcernsUsersAlsoHoldsForAUserWhoIsNotRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		return // this whole run proves it
	}
	home := tempDir(t)
	if err := os.Chmod(home, 0o777); err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(home, "platform.test")
	text, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(binary, text, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary, "-test.v", "-test.run=Director|PrivatePostgres|PortThatIsTaken")
	cmd.Dir = home
	cmd.Env = append(os.Environ(), "HOME="+home, "TMPDIR="+home)
	asNobody(t, cmd)
	out, err := cmd.CombinedOutput()
	if err != nil || bytes.Count(out, []byte("\n--- PASS")) < 6 {
		t.Fatalf("%v\n%s", err, out)
	}
}
