package redisdb

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

// complainEvery is the least time between two records of one kind. While Redis is
// away, go-redis complains about every connection that it cannot make.
const complainEvery = time.Minute

// logger is the logger of go-redis: each kind of complaint is logged once a
// minute, with how often it came. A kind is a format, of which go-redis has some
// two hundred.
type logger struct {
	mu    sync.Mutex
	to    *slog.Logger
	kinds map[string]*complaint
}

// complaint is what is known of one kind.
type complaint struct {
	logged time.Time
	times  int // since then
}

// redirect has complaints logged there from now on.
func (l *logger) redirect(to *slog.Logger) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to = to
}

// Printf logs a complaint, unless one of its kind was logged within the last
// minute.
func (l *logger) Printf(ctx context.Context, format string, args ...any) {
	to, times := l.admit(format)
	if times == 0 {
		return
	}
	to.LogAttrs(ctx, slog.LevelWarn, "go-redis complains",
		slog.String("exception.message", strings.TrimPrefix(fmt.Sprintf(format, args...), "redis: ")), slog.Int("otelkit.redisdb.complaints", times))
}

// admit counts a complaint. It returns how many there were, if they are to be
// logged, else 0.
func (l *logger) admit(format string) (*slog.Logger, int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.kinds[format]
	if c == nil {
		if l.kinds == nil {
			l.kinds = map[string]*complaint{}
		}
		c = &complaint{}
		l.kinds[format] = c
	}
	c.times++
	if now := time.Now(); now.Sub(c.logged) >= complainEvery {
		times := c.times
		c.logged, c.times = now, 0
		return l.to, times
	}
	return nil, 0
}
