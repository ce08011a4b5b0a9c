package main_test

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestWhatCannotRunIsOneLineAndStatus1(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	_, takenPort, _ := net.SplitHostPort(taken.Addr().String())
	nothing := t.TempDir()
	file := filepath.Join(nothing, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const nobody = "127.0.0.1:1" // where nothing listens

	for name, test := range map[string]struct {
		env  string
		args []string
		want []string
	}{
		"a port is taken": {
			args: []string{"--ephemeral", "--main-addr", taken.Addr().String()},
			want: []string{"port " + takenPort + " (main) is taken by", "stop it or pass --main-addr"},
		},
		"a third party's port is taken": {
			args: []string{"--ephemeral", "--inventory-addr", taken.Addr().String()},
			want: []string{"port " + takenPort + " (inventory) is taken by", "pass --inventory-addr"},
		},
		"one of lens's ports is taken": {
			args: []string{"--ephemeral", "--otlp-grpc-addr", taken.Addr().String()},
			want: []string{"port " + takenPort, "pass --otlp-grpc-addr"},
		},
		"an address is none": {
			args: []string{"--ephemeral", "--main-addr", "8000"},
			want: []string{`"8000" (main) is no address to listen on`, "pass --main-addr"},
		},
		"the database is unreachable": {
			env:  "DATABASE_URL=postgres://shop:secret@" + nobody + "/webstore",
			args: []string{"--ephemeral"},
			want: []string{"PostgreSQL at " + nobody, "connection refused", "correct DATABASE_URL, or unset it"},
		},
		"the address of the database is none": {
			args: []string{"--ephemeral", "--database-url", "postgres://shop:secret@:::"},
			want: []string{"DATABASE_URL is not an address", "write postgres://"},
		},
		"Redis is unreachable": {
			env:  "REDIS_URL=redis://:secret@" + nobody,
			args: []string{"--ephemeral"},
			want: []string{"Redis at " + nobody, "correct REDIS_URL, or unset it"},
		},
		"PostgreSQL is not where it is said to be": {
			env:  "PG_BIN=" + nothing,
			args: []string{"--ephemeral"},
			want: []string{"PG_BIN=" + nothing, "no program postgres there"},
		},
		"the data directory is a file": {
			args: []string{"--data-dir", file},
			want: []string{file + " is not a directory; choose another"},
		},
		"data is kept and not kept": {
			args: []string{"--data-dir", nothing, "--ephemeral"},
			want: []string{"cannot use " + nothing, "leave out one"},
		},
		"lens is not there": {
			args: []string{"--ephemeral", "--lens", filepath.Join(nothing, "lens")},
			want: []string{"--lens " + filepath.Join(nothing, "lens"), "pass the path of the program lens"},
		},
		"lens is nowhere": {
			env:  "WEBSTORE_LENS=",
			args: []string{"--ephemeral"},
			want: []string{"no program lens beside " + webstore, "make build", "pass --lens"},
		},
		"lens does not start": {
			env:  roleVariable + "=damaged lens",
			args: []string{"--ephemeral"},
			want: []string{"lens ended (exit status 1): lens: /data/lens/traces.db is damaged"},
		},
		"the addresses cannot be written": {
			args: []string{"--ephemeral", "--addresses", filepath.Join(nothing, "no", "folder", "file")},
			want: []string{"--addresses", "no such file or directory"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			up(t, []string{test.env}, test.args...).start().refuses(test.want...)
		})
	}
}

// refuses waits for the end and checks that it is one line that says what is
// wrong, with status 1, and that nothing is left running.
func (p *process) refuses(want ...string) {
	p.t.Helper()
	if status := p.status(); status != 1 {
		p.t.Errorf("status %d, want 1", status)
	}
	p.saysOneLine(want...)
	if strings.Contains(p.errs.String(), "secret") {
		p.t.Errorf("a password is in %v", p)
	}
}

func TestAServiceWhosePortIsTakenSaysSo(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, role := range []string{"payment-provider", "crm", "inventory"} {
		p := command(t, nil, "serve", role, "--addr", taken.Addr().String()).start()
		p.refuses("("+role+") is taken by", "pass --addr")
	}
}

func TestDamagedDataIsRefusedAndLeftAlone(t *testing.T) {
	dir := dataDir(t)
	p, _ := startUp(t, "--data-dir", dir, "--traffic", "off")
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if status := p.status(); status != 0 {
		t.Fatalf("status %d, want 0 of %v", status, p)
	}
	for name, test := range map[string]struct {
		file, content string
		want          []string
	}{
		"PostgreSQL's": {"postgres/data/PG_VERSION", "rubbish", []string{"PG_VERSION is damaged", "move"}},
		"a version of PostgreSQL that is not here": {"postgres/data/PG_VERSION", "7", []string{"made by PostgreSQL 7", "not installed"}},
		"Redis'": {"redis.json", "{", []string{"redis.json cannot be used", "move it away"}},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, filepath.FromSlash(test.file))
			was, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			part, _, _ := strings.Cut(test.file, "/")
			before := contents(t, filepath.Join(dir, part))
			up(t, nil, "--data-dir", dir).start().refuses(test.want...)
			if after := contents(t, filepath.Join(dir, part)); !maps.Equal(before, after) {
				t.Errorf("the data was\n%v and is\n%v", before, after)
			}
			if err := os.WriteFile(file, was, 0o600); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// contents is the digest of each file below a path.
func contents(t *testing.T, path string) map[string]string {
	t.Helper()
	digests := map[string]string{}
	err := filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || entry.Name() == "lock" { // which says who looked last
			return err
		}
		content, err := os.ReadFile(path)
		digests[path] = fmt.Sprintf("%x", sha256.Sum256(content))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return digests
}

func TestDataThatAnotherRunUsesIsRefused(t *testing.T) {
	dir := dataDir(t)
	first, _ := startUp(t, "--data-dir", dir, "--traffic", "off")
	p := up(t, nil, "--data-dir", dir).start()
	if status := p.status(); status != 1 {
		t.Errorf("status %d, want 1", status)
	}
	for _, words := range []string{dir, fmt.Sprint(first.cmd.Process.Pid), "stop that one, or choose another directory"} {
		if !strings.Contains(p.errs.String(), words) {
			t.Errorf("want %q in %v", words, p)
		}
	}
}

func TestADirectoryThatCannotBeWrittenIsRefused(t *testing.T) {
	dir := dataDir(t)
	if err := os.Mkdir(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"as it is": dir, "nor made": filepath.Join(dir, "new")} {
		t.Run(name, func(t *testing.T) {
			p := up(t, nil, "--data-dir", path, "--lens", webstore) // any program
			if os.Geteuid() == 0 {                                  // who may write anything
				const nobody = 65534
				p.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
			}
			p.start().refuses("data directory:", path, "permission denied")
		})
	}
}
