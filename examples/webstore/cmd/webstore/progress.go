package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// patience is how long a start may take before somebody wonders about it.
const patience = 3 * time.Second

// progress names the parts of the store as they become ready, to who asked for
// it or has waited for long.
type progress struct {
	out   io.Writer
	begin time.Time
	late  *time.Timer

	mu     sync.Mutex
	aloud  bool
	unsaid []string
}

func newProgress(out io.Writer, aloud bool) *progress {
	p := &progress{out: out, begin: time.Now(), aloud: aloud}
	p.late = time.AfterFunc(patience, p.speakUp)
	return p
}

// ready says that a part is.
func (p *progress) ready(part string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unsaid = append(p.unsaid, fmt.Sprintf("  %-16s ready after %s", part, seconds(time.Since(p.begin))))
	p.tell()
}

func (p *progress) speakUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.aloud {
		p.aloud = true
		fmt.Fprintln(p.out, "starting; this time it takes longer:")
	}
	p.tell()
}

// tell says what there is to say. The caller holds mu.
func (p *progress) tell() {
	if !p.aloud {
		return
	}
	for _, line := range p.unsaid {
		fmt.Fprintln(p.out, line)
	}
	p.unsaid = nil
}

// end says no more, and returns how long it all took.
func (p *progress) end() time.Duration {
	p.late.Stop()
	return time.Since(p.begin)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
