package faults

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

// BurnCPU keeps as many CPUs busy as intensity says until ctx is done. It is the
// function to find in a CPU profile.
func BurnCPU(ctx context.Context, a Active) {
	var burning sync.WaitGroup
	for range int(a.Intensity) {
		burning.Go(func() {
			var sum [sha256.Size]byte
			for ctx.Err() == nil {
				for range 1000 {
					sum = sha256.Sum256(sum[:])
				}
			}
		})
	}
	burning.Wait()
}

// leakSteps is in how many pieces memory is leaked, and leakPause the time between two.
const (
	leakSteps = 64
	leakPause = 500 * time.Millisecond
)

// LeakHeap keeps ever more memory, up to as many MiB as intensity says, until ctx is
// done. It is the function to find in a heap profile.
func LeakHeap(ctx context.Context, a Active) {
	piece := int(a.Intensity * (1 << 20) / leakSteps)
	tick := time.NewTicker(leakPause)
	defer tick.Stop()
	var kept [][]byte
	for {
		if len(kept) < leakSteps {
			leaked := make([]byte, piece)
			for i := 0; i < piece; i += 4096 {
				leaked[i] = 1 // so that it is memory, and no promise of it
			}
			kept = append(kept, leaked)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Lock is one that nobody holds for long until its fault is on. The zero Lock is ready.
// It is safe for concurrent use.
type Lock struct{ mu sync.Mutex }

// lockHeld is how long each of those who fight for a lock holds it.
const lockHeld = 2 * time.Millisecond

// Fight has as many goroutines as intensity says take the lock in turn until ctx is
// done. Who waits behind them is found in a mutex profile.
func (l *Lock) Fight(ctx context.Context, a Active) {
	var fighting sync.WaitGroup
	for range int(a.Intensity) {
		fighting.Go(func() {
			for ctx.Err() == nil {
				l.hold(lockHeld)
			}
		})
	}
	fighting.Wait()
}

// Pass takes the lock and gives it back.
func (l *Lock) Pass() { l.hold(0) }

func (l *Lock) hold(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	time.Sleep(d)
}
