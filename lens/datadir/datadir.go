// Package datadir owns the directory that lens keeps its data in: it creates
// it, proves that it can be written, marks it as lens' own and holds a lock
// for as long as lens runs, so that two processes never write one directory.
//
// It deletes nothing but the temporary directory that it made itself.
package datadir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// layout is the version of what lies in the directory. It changes when an
// older lens could no longer read what a newer one wrote, or the reverse.
const layout = "lens data, layout 1\n"

const (
	lockName   = "LOCK"
	layoutName = "LAYOUT"
)

// A Dir is a locked data directory.
type Dir struct {
	path      string
	lock      *os.File
	ephemeral bool
}

// Open creates the directory at path if need be and locks it. Its errors are
// for the person at the keyboard: they name the directory and say what to do.
func Open(path string) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, fmt.Errorf("data directory %s cannot be made: %w; choose another one", path, reason(err))
	}
	lock, err := lockFile(filepath.Join(path, lockName))
	if errors.Is(err, errLocked) {
		return nil, fmt.Errorf("data directory %s is in use by another lens%s; stop it or choose another directory", path, holder(path))
	}
	if err != nil {
		return nil, fmt.Errorf("data directory %s cannot be written: %w; choose another one", path, reason(err))
	}
	d := &Dir{path: path, lock: lock}
	if err := d.claim(); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// OpenTemp makes and locks a new temporary directory, which Close removes.
func OpenTemp() (*Dir, error) {
	path, err := os.MkdirTemp("", "lens-")
	if err != nil {
		return nil, fmt.Errorf("temporary data directory: %w", err)
	}
	d, err := Open(path)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(path))
	}
	d.ephemeral = true
	return d, nil
}

// Path returns the absolute path of the directory.
func (d *Dir) Path() string { return d.path }

// Join returns the path of a file or folder in the directory.
func (d *Dir) Join(name string) string { return filepath.Join(d.path, name) }

// Close releases the lock, and removes the directory if it is a temporary one.
func (d *Dir) Close() error {
	err := d.lock.Close()
	if d.ephemeral {
		err = errors.Join(err, os.RemoveAll(d.path))
	}
	return err
}

// claim writes the holder's process id into the lock file and the layout into
// the directory, or refuses a directory that is not lens' own.
func (d *Dir) claim() error {
	if err := errors.Join(d.lock.Truncate(0), writeAt0(d.lock, fmt.Sprintf("%d\n", os.Getpid()))); err != nil {
		return fmt.Errorf("data directory %s cannot be written: %w; choose another one", d.path, reason(err))
	}
	have, err := os.ReadFile(d.Join(layoutName))
	if errors.Is(err, os.ErrNotExist) {
		return d.claimNew()
	}
	if err != nil {
		return fmt.Errorf("data directory %s: %w", d.path, err)
	}
	if string(have) != layout {
		return fmt.Errorf("data directory %s is of another version of lens (%s says %q, this one needs %q); move it away or choose another one",
			d.path, layoutName, strings.TrimSpace(string(have)), strings.TrimSpace(layout))
	}
	return nil
}

func (d *Dir) claimNew() error {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return fmt.Errorf("data directory %s: %w", d.path, err)
	}
	for _, e := range entries {
		if e.Name() != lockName {
			return fmt.Errorf("data directory %s is not empty and not lens' own (it holds %s); choose another one", d.path, e.Name())
		}
	}
	if err := os.WriteFile(d.Join(layoutName), []byte(layout), 0o644); err != nil {
		return fmt.Errorf("data directory %s cannot be written: %w; choose another one", d.path, reason(err))
	}
	return nil
}

// holder names the process that holds the lock, if it wrote its id.
func holder(path string) string {
	pid, err := os.ReadFile(filepath.Join(path, lockName))
	if err != nil || len(pid) == 0 {
		return ""
	}
	return fmt.Sprintf(" (process %s)", strings.TrimSpace(string(pid)))
}

func writeAt0(f *os.File, s string) error {
	_, err := f.WriteAt([]byte(s), 0)
	return err
}

// reason strips the path from an error whose message names it already.
func reason(err error) error {
	var pe *os.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
