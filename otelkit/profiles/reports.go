package profiles

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// reportEvery is the least time between two lines about one kind of failure.
const reportEvery = time.Minute

// reports logs what pyroscope-go says goes wrong: the first time, and from then
// on once a minute with how often it did. It is a pyroscope.Logger.
type reports struct {
	log     *slog.Logger
	uploads bool // whether the uploads that fail are reported elsewhere

	mu    sync.Mutex
	kinds map[string]*kind // by pyroscope-go's format string, of which there are about ten
}

// kind is a kind of failure.
type kind struct {
	text   string // of the last one
	logged time.Time
	times  int // since it was logged
}

func newReports(kit Kit, uploads bool) *reports {
	r := &reports{log: slog.Default(), uploads: uploads, kinds: map[string]*kind{}}
	if kit != nil {
		r.log = kit.Logger()
	}
	return r
}

// Infof is not needed: it says what the configuration says.
func (*reports) Infof(string, ...any) {}

// Debugf is not needed: it says what goes well.
func (*reports) Debugf(string, ...any) {}

// Errorf reports a failure.
func (r *reports) Errorf(format string, args ...any) {
	if r.uploads && strings.HasPrefix(format, "upload profile") {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	k, ok := r.kinds[format]
	if !ok {
		k = &kind{}
		r.kinds[format] = k
	}
	k.text = fmt.Sprintf(format, args...)
	k.times++
	if time.Since(k.logged) >= reportEvery {
		r.write(k)
	}
}

// flush logs what was counted and not logged.
func (r *reports) flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range r.kinds {
		if k.times > 0 {
			r.write(k)
		}
	}
}

// write logs a kind of failure and starts to count anew.
func (r *reports) write(k *kind) {
	r.log.Warn("profiling failed", "err", k.text, "times", k.times)
	k.times = 0
	k.logged = time.Now()
}
