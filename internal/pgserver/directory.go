//go:build unix

package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/otelkit/kit/internal/child"
	"github.com/otelkit/kit/internal/dirlock"
)

// socketMax is the longest path of a Unix socket: 107 bytes on Linux, 103 on
// macOS.
const socketMax = 103

// directory is a Config.Dir, held for the life of a server:
//
//	DIR/lock           who holds it
//	DIR/data/          PostgreSQL's data directory
//	DIR/data.new/      one that initdb is still making
//	DIR/socket/        where the server listens
type directory struct {
	path      string
	data      string
	socket    string // DIR/socket, or a temporary directory if that is too long
	temporary bool   // the directory goes with the server
	lock      *dirlock.Lock
}

// openDirectory makes the directory if need be and locks it. An empty path
// means a temporary one.
func openDirectory(path string) (*directory, error) {
	temporary := path == ""
	if temporary {
		removeAbandoned()
		made, err := os.MkdirTemp("", temporaryPrefix)
		if err != nil {
			return nil, err
		}
		if err := os.Chmod(made, 0o711); err != nil { // the server may be another user
			return nil, err
		}
		path = made
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := makeDir(path); err != nil {
		return nil, fmt.Errorf("make the data directory: %w", err)
	}
	lock, err := dirlock.Take(path)
	var held *dirlock.HeldError
	if errors.As(err, &held) {
		return nil, fmt.Errorf("%w; stop that one, or use another data directory", err)
	}
	if err != nil {
		return nil, fmt.Errorf("the data directory cannot be written: %w", err)
	}
	return &directory{
		path:      path,
		data:      filepath.Join(path, "data"),
		socket:    filepath.Join(path, "socket"),
		temporary: temporary,
		lock:      lock,
	}, nil
}

// close gives the directory free once its server is gone.
func (d *directory) close() {
	os.RemoveAll(d.socket)
	if d.temporary {
		os.RemoveAll(d.path)
	}
	d.lock.Release()
}

func (d *directory) socketFile() string { return filepath.Join(d.socket, ".s.PGSQL.5432") }

// major is the version of the data, 0 if there is none yet.
func (d *directory) major() (int, error) {
	text, err := os.ReadFile(filepath.Join(d.data, "PG_VERSION"))
	if err == nil {
		major, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil || major <= 0 {
			return 0, fmt.Errorf("%s/PG_VERSION is damaged; nothing was changed: repair it or move %s away to begin with new data", d.data, d.path)
		}
		return major, nil
	}
	if _, missing := os.Stat(d.data); errors.Is(missing, fs.ErrNotExist) {
		return 0, nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("%s is there but is no PostgreSQL data directory; nothing was changed: move it away, or use another data directory", d.data)
	}
	return 0, err
}

// initialise makes a new database cluster. It gets its name only when it is
// whole, so one that was broken off is never taken for data.
func (d *directory) initialise(ctx context.Context, programs binaries, a account) error {
	making := d.data + ".new"
	if err := os.RemoveAll(making); err != nil {
		return err
	}
	if err := os.Mkdir(making, 0o700); err != nil {
		return err
	}
	if err := a.own(making); err != nil {
		return err
	}
	cmd := programs.command(ctx, a, "initdb", "-D", making, "-U", superuser, "-A", "trust",
		"-E", "UTF8", "--no-locale", "--no-sync", "--no-instructions")
	cmd.Dir = d.path
	process, err := child.Start(cmd, nil, syscall.SIGKILL)
	if err != nil {
		os.RemoveAll(making)
		return a.explain(err, programs.dir, d.path)
	}
	<-process.Done()
	if err := process.Err(); err != nil {
		os.RemoveAll(making)
		return fmt.Errorf("initdb: %w", withOutput(err, []byte(strings.Join(process.Tail(), "\n"))))
	}
	return os.Rename(making, d.data)
}

// awaitFormerServer gives a server that its parent's death has just told to
// stop the time to do so, and refuses a directory whose server does not stop:
// the lock keeps out other processes of ours, not a server that one of them
// left behind.
func (d *directory) awaitFormerServer(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	begun := time.Now()
	for {
		pid, stopping := d.formerServer()
		if pid == 0 {
			return nil
		}
		// The signal may not have arrived yet, hence a moment for one that
		// does not look as if it were stopping.
		if ctx.Err() != nil || !stopping && time.Since(begun) > time.Second {
			return fmt.Errorf("%s is in use by process %d (%s/postmaster.pid); if that is PostgreSQL, stop it (kill -INT %[2]d); if it is not, delete that file",
				d.data, pid, d.data)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}

// formerServer reads postmaster.pid, in which the first line is the server's
// process and the last is what it is about.
func (d *directory) formerServer() (pid int, stopping bool) {
	text, err := os.ReadFile(filepath.Join(d.data, "postmaster.pid"))
	if err != nil {
		return 0, false
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, err = strconv.Atoi(strings.TrimSpace(first))
	if err != nil || pid <= 0 || !alive(pid) {
		return 0, false // what was left by one that was killed; postgres replaces it
	}
	return pid, strings.HasSuffix(strings.TrimSpace(string(text)), "stopping")
}

func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}

// openSocket makes the directory that the server listens in, empty and closed
// to all but the server's user.
func (d *directory) openSocket(a account) error {
	if len(d.socketFile()) > socketMax {
		made, err := os.MkdirTemp("/tmp", "pgsocket-")
		if err != nil {
			return err
		}
		d.socket = made
	}
	if err := os.RemoveAll(d.socket); err != nil {
		return err
	}
	if err := os.Mkdir(d.socket, 0o700); err != nil {
		return err
	}
	return a.own(d.socket)
}

const temporaryPrefix = "pgserver-"

// removeAbandoned removes the temporary directories of processes that were
// killed: nobody locks them, and no server runs in them. Those of the last
// minute may be about to be locked.
func removeAbandoned() {
	found, _ := filepath.Glob(filepath.Join(os.TempDir(), temporaryPrefix+"*"))
	for _, path := range found {
		info, err := os.Lstat(filepath.Join(path, "lock"))
		if err != nil || info.Sys().(*syscall.Stat_t).Uid != uint32(os.Geteuid()) || time.Since(info.ModTime()) < time.Minute {
			continue
		}
		lock, err := dirlock.Take(path)
		if err != nil {
			continue
		}
		d := &directory{data: filepath.Join(path, "data")}
		if pid, _ := d.formerServer(); pid == 0 {
			os.RemoveAll(path)
		}
		lock.Release()
	}
}
