package datadir

import (
	"errors"
	"os"
	"syscall"
)

var errLocked = errors.New("locked")

// errorSharingViolation is what Windows answers when a file is open elsewhere
// and not shared for writing.
const errorSharingViolation syscall.Errno = 32

// lockFile opens the file so that others may read it and nobody else may
// write it until it is closed or the process dies.
func lockFile(path string) (*os.File, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return nil, err
	}
	h, err := syscall.CreateFile(name, syscall.GENERIC_READ|syscall.GENERIC_WRITE, syscall.FILE_SHARE_READ, nil,
		syscall.OPEN_ALWAYS, syscall.FILE_ATTRIBUTE_NORMAL, 0)
	if errors.Is(err, errorSharingViolation) {
		return nil, errLocked
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(h), path), nil
}
