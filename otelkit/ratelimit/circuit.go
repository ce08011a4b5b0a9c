package ratelimit

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	failuresToOpen = 5           // one after another, until Redis is left alone
	retryEvery     = time.Second // how often Redis is asked then, by one decision
)

// circuit keeps decisions from waiting for a Redis that does not answer. It has no
// goroutine: a decision that is to be made anyway finds out whether Redis is back.
// It is safe for concurrent use.
//
//	closed ──five failures──> open ──after a second──> one decision asks
//	   ^                       ^                          │        │
//	   └────────── it was answered ───────────────────────┘        │
//	                           └───────── it was not ──────────────┘
type circuit struct {
	trouble atomic.Bool // whether it is open or some failure was the last to happen; else nothing needs the lock

	mu       sync.Mutex
	failures int
	open     bool
	retry    int64 // when the next decision may ask, in microseconds
}

// allows says whether a decision may ask Redis now.
func (c *circuit) allows(now int64) bool {
	if !c.trouble.Load() {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.open {
		return true
	}
	if now < c.retry {
		return false
	}
	c.retry = now + retryEvery.Microseconds()
	return true
}

// isOpen says whether decisions do without Redis, but for one a second.
func (c *circuit) isOpen() bool {
	if !c.trouble.Load() {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open
}

// answered says whether the circuit was open until now.
func (c *circuit) answered() (closed bool) {
	if !c.trouble.Load() {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	closed = c.open
	c.trouble.Store(false)
	c.open, c.failures = false, 0
	return closed
}

// failed says whether the circuit is open from now on and was not before.
func (c *circuit) failed(now int64) (opened bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.trouble.Store(true)
	c.failures++
	if c.open || c.failures < failuresToOpen {
		return false
	}
	c.open = true
	c.retry = now + retryEvery.Microseconds()
	return true
}
