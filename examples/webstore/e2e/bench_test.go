package e2e_test

import (
	"errors"
	"os"
	"testing"
)

// How long `webstore up` takes until the whole store is ready: on a new data
// directory, with everything to be set up, and on one that was there before. Run
// with
//
//	go test ./e2e -run '^$' -bench Ready -benchtime 5x
func BenchmarkReady(b *testing.B) {
	ready := func(flags ...string) func(*testing.B) {
		return func(b *testing.B) {
			for b.Loop() {
				s := start(b, flags...)
				b.StopTimer()
				stop(s.up)
				b.StartTimer()
			}
		}
	}
	b.Run("new", ready("--ephemeral"))

	dir, err := os.MkdirTemp("", "webstore-bench")
	if err := errors.Join(err, os.Chmod(dir, 0o755)); err != nil { // PostgreSQL may run as another user
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	b.Run("again", ready("--data-dir", dir))
}
