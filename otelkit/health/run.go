package health

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"
)

// result is what a run of a check came to.
type result struct {
	err     error // nil if the check passed
	outcome Outcome
	at      time.Time     // when it was known
	took    time.Duration // since the run began
	output  string        // the error, redacted
}

// grace is how long a run may go on after its context has ended.
const grace = 100 * time.Millisecond

// runner runs one check, never twice at once.
type runner struct {
	check   Check
	running chan error // gets the result of a run that was given up; nil if none is running
	began   time.Time
}

// run runs the check, and returns within its timeout and grace. While a run that
// was given up goes on, that is the result.
func (r *runner) run(ctx context.Context) result {
	if r.isRunning() {
		return r.result(stillRunning, errors.New("the run before has not ended yet"))
	}
	r.began = time.Now()
	ctx, cancel := context.WithTimeout(ctx, r.check.Timeout)
	defer cancel()
	answer := make(chan error, 1)
	go call(ctx, r.check.Run, answer)

	select {
	case err := <-answer:
		return r.judge(ctx, err)
	case <-ctx.Done():
	}
	// A function that heeds its context answers now, and knows more than that
	// time is up: which host, which step.
	select {
	case err := <-answer:
		return r.judge(ctx, err)
	case <-time.After(grace):
		r.running = answer
		return r.result(timeout, fmt.Errorf("no answer within %v, and the check does not heed its context", r.check.Timeout))
	}
}

// isRunning returns whether a run that was given up still runs. What it comes
// to is too old to be used.
func (r *runner) isRunning() bool {
	select {
	case <-r.running:
		r.running = nil
	default:
	}
	return r.running != nil
}

// isStuck returns whether a run goes on though it was given up, and does so
// for the grace once more.
func (r *runner) isStuck() bool {
	if r.running == nil {
		return false
	}
	select {
	case <-r.running:
		return false
	case <-time.After(grace):
		return true
	}
}

func (r *runner) judge(ctx context.Context, err error) result {
	switch {
	case ctx.Err() != nil && err == nil:
		return r.result(timeout, fmt.Errorf("no answer within %v", r.check.Timeout))
	case ctx.Err() != nil:
		return r.result(timeout, fmt.Errorf("no answer within %v: %w", r.check.Timeout, err))
	case err == nil:
		return r.result(pass, nil)
	}
	if _, ok := errors.AsType[*crashError](err); ok {
		return r.result(crash, err)
	}
	return r.result(fail, err)
}

func (r *runner) result(outcome Outcome, err error) result {
	now := time.Now()
	return result{err: err, outcome: outcome, at: now, took: now.Sub(r.began)}
}

// crashError is a check that panicked.
type crashError struct {
	value any
	stack string
}

func (e *crashError) Error() string { return fmt.Sprintf("the check panicked: %v", e.value) }

// call sends what f returns, or how else it ended: the check of one thing must
// not end the service.
func call(ctx context.Context, f func(context.Context) error, answer chan<- error) {
	err := errors.New("the check ended its goroutine without returning")
	defer func() {
		if value := recover(); value != nil {
			err = &crashError{value, string(debug.Stack())}
		}
		answer <- err
	}()
	err = f(ctx)
}
