// Package testlimit has tests wait for what other goroutines and processes do.
//
// How long that takes is no property of what is tested: a machine may be busy for
// minutes. So the one limit is that of the test binary (go test -timeout), less what a
// test needs to say what it has waited for in vain:
//
//	ctx := testlimit.Context(t)
//	for !holds() {
//		select {
//		case <-ctx.Done():
//			t.Fatal("waited in vain until it holds")
//		case <-tick.C:
//		}
//	}
package testlimit

import (
	"context"
	"testing"
	"time"
)

// toSay is what a test has to say what it waited for, before its binary is ended.
const toSay = 10 * time.Second

// Context returns a context that ends with the test, or shortly before its binary is
// ended for taking too long. In a benchmark, which has no such limit, it is b's own.
func Context(t testing.TB) context.Context {
	limited, ok := t.(interface{ Deadline() (time.Time, bool) })
	if !ok {
		return t.Context()
	}
	end, ok := limited.Deadline()
	if !ok { // -timeout 0
		return t.Context()
	}
	ctx, cancel := context.WithDeadline(t.Context(), end.Add(-toSay))
	t.Cleanup(cancel)
	return ctx
}
