//go:build unix

package platform

import (
	"os"
	"path/filepath"
	"sync"
)

// logFileMax is the size at which a log file makes way for a new one. With the
// one before it, a process's log takes at most twice that.
const logFileMax = 10 << 20

// logFile is DIR/logs/NAME.log. A file that is full becomes NAME.log.1, in
// place of the one that was.
type logFile struct {
	path string
	max  int64

	mu   sync.Mutex
	file *os.File
	size int64
}

func (d *Dir) openLog(name string) (*logFile, error) {
	logs := filepath.Join(d.Path, "logs")
	if err := os.MkdirAll(logs, 0o700); err != nil {
		return nil, err
	}
	l := &logFile{path: filepath.Join(logs, name+".log"), max: logFileMax}
	return l, l.open()
}

func (l *logFile) open() error {
	file, err := os.OpenFile(l.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return err
	}
	l.file, l.size = file, info.Size()
	return nil
}

func (l *logFile) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.size > 0 && l.size+int64(len(b)) > l.max {
		if err := l.rotate(); err != nil {
			return 0, err
		}
	}
	n, err := l.file.Write(b)
	l.size += int64(n)
	return n, err
}

func (l *logFile) rotate() error {
	if err := os.Rename(l.path, l.path+".1"); err != nil {
		return err
	}
	l.file.Close()
	return l.open()
}

func (l *logFile) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.file.Close()
}
