//go:build unix

package platform

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/otelkit/kit/internal/dirlock"
)

// DirConfig says where the data goes.
type DirConfig struct {
	// Path is the directory, made if it does not exist. Empty means the
	// user's state directory, $XDG_STATE_HOME/webstore or
	// ~/.local/state/webstore, and /var/lib/webstore for root.
	Path string

	// Ephemeral asks for a temporary directory, which Close removes, and
	// rules Path out.
	Ephemeral bool
}

// Dir is a data directory that this process holds. Its files:
//
//	lock           who holds it
//	postgres/      PostgreSQL's data
//	redis.json     a snapshot of what Redis held
//	logs/          a file for each process, NAME.log, and the one before it
type Dir struct {
	Path      string
	ephemeral bool
	lock      *dirlock.Lock
}

// OpenDir makes and locks a data directory. One that another process holds, or
// that cannot be written, is an error.
func OpenDir(cfg DirConfig) (*Dir, error) {
	path, err := choosePath(cfg)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	lock, err := dirlock.Take(path)
	var held *dirlock.HeldError
	if errors.As(err, &held) {
		return nil, fmt.Errorf("data directory: %w; stop that one, or choose another directory", err)
	}
	if err != nil {
		return nil, fmt.Errorf("data directory: %w; make it writable, or choose another directory", err)
	}
	return &Dir{Path: path, ephemeral: cfg.Ephemeral, lock: lock}, nil
}

// choosePath returns the absolute path of a directory that exists.
func choosePath(cfg DirConfig) (string, error) {
	if cfg.Ephemeral && cfg.Path != "" {
		return "", fmt.Errorf("an ephemeral run keeps no data, so it cannot use %s; leave out one of the two", cfg.Path)
	}
	if cfg.Ephemeral {
		path, err := os.MkdirTemp("", "webstore-")
		if err != nil {
			return "", err
		}
		return path, os.Chmod(path, dirMode)
	}
	path := cfg.Path
	if path == "" {
		var err error
		if path, err = DefaultPath(); err != nil {
			return "", err
		}
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(path)
	if err == nil && !info.IsDir() {
		return "", fmt.Errorf("%s is not a directory; choose another", path)
	}
	if err == nil {
		return path, nil
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return "", fmt.Errorf("%w; choose a directory that you may write", err)
	}
	return path, os.Chmod(path, dirMode)
}

// dirMode lets the user that PostgreSQL runs as, when we are root, through to
// its own directory, and lets nobody look around.
const dirMode = 0o711

// DefaultPath is the data directory of whoever names none.
func DefaultPath() (string, error) {
	if os.Geteuid() == 0 {
		return "/var/lib/webstore", nil
	}
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "webstore"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("%w; set it, or choose a directory", err)
	}
	return filepath.Join(home, ".local", "state", "webstore"), nil
}

// Ephemeral reports whether Close removes the directory.
func (d *Dir) Ephemeral() bool { return d.ephemeral }

// Close gives the directory free, and removes it if it is ephemeral. Stop what
// uses it first.
func (d *Dir) Close() error {
	var err error
	if d.ephemeral {
		err = os.RemoveAll(d.Path)
	}
	return errors.Join(err, d.lock.Release())
}
