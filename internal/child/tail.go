//go:build unix

package child

import (
	"bytes"
	"io"
	"slices"
	"strings"
	"sync"
)

const (
	tailLines   = 10
	tailLineLen = 500 // bytes kept of a line
)

// tail hands on all that is written to it and keeps the last lines.
type tail struct {
	out io.Writer // may be nil

	mu      sync.Mutex
	kept    []string
	partial []byte // the start of a line whose end is not here yet
}

// Write never fails: exec would stop reading the child's output, and the child
// would die of its next line.
func (t *tail) Write(b []byte) (int, error) {
	if t.out != nil {
		t.out.Write(b)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	rest := b
	for {
		line, after, whole := bytes.Cut(rest, []byte("\n"))
		room := max(0, tailLineLen-len(t.partial))
		t.partial = append(t.partial, line[:min(len(line), room)]...)
		if !whole {
			return len(b), nil
		}
		t.keep(string(t.partial))
		t.partial = t.partial[:0]
		rest = after
	}
}

func (t *tail) keep(line string) {
	if line = strings.TrimRight(line, " \r"); line == "" {
		return
	}
	if len(t.kept) == tailLines {
		t.kept = slices.Delete(t.kept, 0, 1)
	}
	t.kept = append(t.kept, line)
}

func (t *tail) lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := slices.Clone(t.kept)
	if len(t.partial) > 0 {
		lines = append(lines, string(t.partial))
	}
	return lines[max(0, len(lines)-tailLines):]
}
