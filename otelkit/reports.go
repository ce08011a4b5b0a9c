package otelkit

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"
)

const (
	reportEvery = time.Minute // the least time between two lines about one cause
	maxCauses   = 100         // that are told apart; further ones share a line
)

// reports logs what goes wrong with the telemetry itself: the first time that it
// does, and from then on once a minute with how often it did. It is an
// otel.ErrorHandler.
type reports struct {
	logger *slog.Logger // writes lines only
	now    func() time.Time

	mu     sync.Mutex
	causes map[string]*cause
}

// cause is something that went wrong, perhaps repeatedly.
type cause struct {
	message string
	err     error // the last one
	logged  time.Time
	times   int // since it was logged
}

func newReports(logger *slog.Logger) *reports {
	return &reports{logger: logger, now: time.Now, causes: map[string]*cause{}}
}

// Handle reports an error that reached OpenTelemetry's error handler.
func (r *reports) Handle(err error) {
	if err != nil {
		r.add("telemetry error", err)
	}
}

// add reports an error.
func (r *reports) add(message string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := message + ": " + withoutNumbers(err.Error())
	c, ok := r.causes[key]
	if !ok && len(r.causes) >= maxCauses {
		key = message
		c, ok = r.causes[key]
	}
	if !ok {
		c = &cause{message: message}
		r.causes[key] = c
	}
	c.err = err
	c.times++
	if now := r.now(); now.Sub(c.logged) >= reportEvery {
		r.log(c)
		c.logged = now
	}
}

// flush logs what was counted and not yet logged.
func (r *reports) flush() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.causes {
		if c.times > 0 {
			r.log(c)
		}
	}
}

// log logs and starts to count anew.
func (r *reports) log(c *cause) {
	r.logger.LogAttrs(context.Background(), slog.LevelWarn, c.message, slog.Any("err", c.err), slog.Int("times", c.times))
	c.times = 0
}

// withoutNumbers makes errors alike that differ in a port, a size or a count.
func withoutNumbers(text string) string {
	return strings.Join(strings.FieldsFunc(text, unicode.IsDigit), "#")
}
