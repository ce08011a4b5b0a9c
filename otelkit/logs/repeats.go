package logs

import (
	"cmp"
	"context"
	"hash/maphash"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
)

// Repeats says how many records alike are logged. Alike are those of one level,
// one message and one line of code, whatever their attributes. The zero value
// logs all of them.
type Repeats struct {
	Max      int           // of records alike that are logged in an interval; 0 means all
	Interval time.Duration // 0 means 10 s
	Below    slog.Leveler  // records of this level and above are all logged; nil means slog.LevelError
}

const (
	maxKinds   = 1024 // of records that are counted in an interval; those of further kinds are all logged
	maxMessage = 256  // bytes of a message that a report repeats
)

// repeats counts records alike. An interval begins with the first record of any
// kind, and ends with a report of each kind of which records were suppressed.
type repeats struct {
	Repeats
	seed maphash.Seed

	reporting sync.Mutex // held while an interval is reported

	mu         sync.Mutex
	kinds      map[kind]*tally
	end        *time.Timer
	stopped    bool // everything is logged from now on
	suppressed uint64
}

// kind is what records alike have in common. Of the message it is a hash, so that
// messages are not kept.
type kind struct {
	handler *Handler
	level   slog.Level
	line    uintptr
	message uint64
}

// tally is how often a kind came in an interval.
type tally struct {
	logged     int
	suppressed int
	message    string
}

func newRepeats(cfg Repeats) *repeats {
	if cfg.Max <= 0 {
		return nil
	}
	if cfg.Interval <= 0 {
		cfg.Interval = 10 * time.Second
	}
	if cfg.Below == nil {
		cfg.Below = slog.LevelError
	}
	return &repeats{Repeats: cfg, seed: maphash.MakeSeed(), kinds: map[kind]*tally{}}
}

// admit reports whether a record is to be logged, and counts it if not. The
// report about it goes to the sinks of h.
func (s *repeats) admit(h *Handler, r slog.Record) bool {
	if r.Level >= s.Below.Level() {
		return true
	}
	k := kind{h, r.Level, r.PC, maphash.String(s.seed, r.Message)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped {
		return true
	}
	t, ok := s.kinds[k]
	if !ok {
		if len(s.kinds) >= maxKinds {
			return true
		}
		if len(s.kinds) == 0 {
			s.end = time.AfterFunc(s.Interval, s.report)
		}
		t = &tally{}
		s.kinds[k] = t
	}
	if t.logged < s.Max {
		t.logged++
		return true
	}
	if t.suppressed == 0 {
		t.message = strings.Clone(r.Message[:min(len(r.Message), maxMessage)])
	}
	t.suppressed++
	s.suppressed++
	return false
}

// report ends an interval: one record for each kind that was suppressed, of its
// level and its line of code.
func (s *repeats) report() {
	s.reporting.Lock()
	defer s.reporting.Unlock()
	s.mu.Lock()
	kinds := s.kinds
	s.kinds = map[kind]*tally{}
	s.mu.Unlock()

	var ks []kind
	for k, t := range kinds {
		if t.suppressed > 0 {
			ks = append(ks, k)
		}
	}
	slices.SortFunc(ks, func(a, b kind) int {
		return cmp.Or(cmp.Compare(b.level, a.level), strings.Compare(kinds[a].message, kinds[b].message))
	})
	for _, k := range ks {
		t := kinds[k]
		r := slog.NewRecord(time.Now(), k.level, "repeats of a log message were suppressed", k.line)
		r.AddAttrs(slog.String("repeated", t.message), slog.Int("suppressed", t.suppressed))
		k.handler.deliver(context.Background(), r)
	}
}

// stop reports what was suppressed and suppresses nothing any more.
func (s *repeats) stop() {
	s.mu.Lock()
	s.stopped = true
	if s.end != nil {
		s.end.Stop()
	}
	s.mu.Unlock()
	s.report()
}

// total returns how many records were suppressed so far.
func (s *repeats) total() uint64 {
	if s == nil {
		return 0
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.suppressed
}
