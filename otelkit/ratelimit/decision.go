package ratelimit

import (
	"errors"
	"time"
)

// Ask asks for units of a limit.
type Ask struct {
	Limit string // required: the name of one of the limiter's limits
	Key   string // required: whose units, such as a user's id
	Cost  int    // how many units; 0 means 1. At most the limit's Burst
}

// ErrTooCostly is wrapped by the error of an Ask whose cost is more than its
// limit's Burst: it can never pass, so there is nothing to wait for.
var ErrTooCostly = errors.New("costs more than the limit's burst")

// Decision answers several asks: all pass, or none.
type Decision struct {
	Allowed    bool
	RetryAfter time.Duration // how long until the denied asks can pass, if nobody else takes units; 0 if allowed
	Results    []Result      // one for each ask, in order
}

// Result is what one limit says of one ask.
type Result struct {
	Limit      Limit
	Allowed    bool          // whether the limit lets the ask pass; in shadow mode it always does
	WouldDeny  bool          // whether the limit denies it, in shadow mode or not
	Remaining  int           // how many units can pass now; 0 if Source is FromPolicy
	RetryAfter time.Duration // how long until the ask can pass, if nobody else takes units; 0 if it can
	ResetAfter time.Duration // how long until the limit is at rest, if nobody takes units; 0 if Source is FromPolicy or FromLease
	Source     Source        // who decided; "" if nobody was asked, since another limit is known to deny
}

// Source is who decided on an ask.
type Source string

// The sources.
const (
	FromRedis  Source = "redis"
	FromLocal  Source = "local"  // this instance's memory: there is no Redis, or it does not answer
	FromCache  Source = "cache"  // this instance knows from Redis that the limit is used up
	FromLease  Source = "lease"  // this instance holds units that it took from Redis ahead
	FromPolicy Source = "policy" // nobody: Redis does not answer, and the policy is FailOpen or FailClosed
)

// Values returns all sources.
func (Source) Values() []Source {
	return []Source{FromRedis, FromLocal, FromCache, FromLease, FromPolicy}
}

// Policy is what a limiter does while Redis does not answer.
type Policy int

// The policies.
const (
	FailLocal  Policy = iota // decide in memory: each instance lets its share of the limit through
	FailOpen                 // let everything through
	FailClosed               // let nothing through, but for limits in shadow mode
)

// String says what is done.
func (p Policy) String() string {
	switch p {
	case FailLocal:
		return "each instance decides on its share of the limits"
	case FailOpen:
		return "everything is let through"
	default:
		return "nothing is let through"
	}
}
