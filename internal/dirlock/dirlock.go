//go:build unix

// Package dirlock keeps a directory to one process at a time.
//
// The lock is a kernel lock on a file named "lock", so it is gone the moment
// its holder is, however it died. The file holds the holder's process id, for
// the message to whoever comes second; it is left behind and means nothing by
// itself.
package dirlock

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Lock is a held lock.
type Lock struct{ file *os.File }

// HeldError reports that another process holds the directory.
type HeldError struct {
	Dir string
	PID int // the holder's, 0 if it is not known
}

func (e *HeldError) Error() string {
	if e.PID == 0 {
		return e.Dir + " is in use by another process"
	}
	return fmt.Sprintf("%s is in use by process %d", e.Dir, e.PID)
}

// Take locks dir, which must exist. It does not wait: if another process, or
// another Take in this one, holds dir, the error is a *HeldError.
func Take(dir string) (*Lock, error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		pid := holder(file)
		file.Close()
		return nil, &HeldError{Dir: dir, PID: pid}
	}
	if err == nil {
		err = sign(file)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	return &Lock{file}, nil
}

// Release gives the directory free.
func (l *Lock) Release() error { return l.file.Close() }

func sign(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

func holder(file *os.File) int {
	text, _ := io.ReadAll(io.LimitReader(file, 20))
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return pid
}
