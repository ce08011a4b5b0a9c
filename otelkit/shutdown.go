package otelkit

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// pipeline is a started signal.
type pipeline struct {
	exports  *exports
	flush    func(context.Context) error
	shutdown func(context.Context) error
}

// batching is the pipeline of a batcher. The batcher is shut down, not the SDK's
// provider around it: that would not show it what is recorded afterwards.
func batching[T any](b *batcher[T], shutdown func(context.Context) error) *pipeline {
	return &pipeline{b.exports, b.flush, func(ctx context.Context) error {
		err := b.shutdown(ctx)
		<-b.done // an exporter is not to be shut down while it exports
		return errors.Join(err, shutdown(ctx))
	}}
}

// stopping is what Shutdown needs.
type stopping struct {
	budget time.Duration
	ended  context.Context // ends when Shutdown has
	end    context.CancelFunc
	once   sync.Once
	err    error
}

func newStopping(budget time.Duration) stopping {
	if budget <= 0 {
		budget = 5 * time.Second
	}
	ended, end := context.WithCancel(context.Background())
	return stopping{budget: budget, ended: ended, end: end}
}

func (k *Kit) newExports(signal Signal) *exports {
	return &exports{
		signal: signal, ended: k.stopping.ended,
		reports: k.reports, losses: k.losses, lost: k.losses.expect(signal),
	}
}

// Shutdown exports what is left and ends the telemetry. Traces, metrics, logs and
// profiles are each given the whole time, side by side: until ctx's deadline, or
// [Config.ShutdownTimeout] if it has none. A ctx that was cancelled counts as one
// without a deadline, since what cancelled it most often is what ends the
// service. The error names each signal of which something was lost. Lines of the
// logger that wait for a standard output that has stalled are given that time too.
//
// Shutdown works once; further calls wait for the first and return its result.
// What is left when the time is over, and what is recorded from now on, is lost and
// counted in [Kit.Loss], profiles a moment later; the logger still writes its lines.
func (k *Kit) Shutdown(ctx context.Context) error {
	s := &k.stopping
	s.once.Do(func() {
		ctx, cancel := s.within(ctx)
		defer cancel()
		ctx = context.WithValue(ctx, lastKey{}, true)
		k.logs.StopRepeats() // what they report is exported
		s.err = k.each(ctx, "shutting down", func(p *pipeline) func(context.Context) error { return p.shutdown })
		for _, p := range k.pipelines {
			p.exports.abandon()
		}
		s.end()
		k.losses.flush()
		k.reports.flush()
		s.err = errors.Join(s.err, k.logs.Close(ctx))
	})
	return s.err
}

// ForceFlush exports what was recorded until now, but for profiles, within ctx's
// deadline or else [Config.ShutdownTimeout]. A service need not call it; tests and
// short-lived programs may.
func (k *Kit) ForceFlush(ctx context.Context) error {
	ctx, cancel := k.stopping.within(ctx)
	defer cancel()
	return k.each(ctx, "flushing", func(p *pipeline) func(context.Context) error { return p.flush })
}

// within returns a context that ends in time.
func (s *stopping) within(ctx context.Context) (context.Context, context.CancelFunc) {
	if errors.Is(ctx.Err(), context.Canceled) {
		ctx = context.WithoutCancel(ctx)
	}
	if _, ok := ctx.Deadline(); ok {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, s.budget)
}

// each does one thing with all signals at once.
func (k *Kit) each(ctx context.Context, doing string, what func(*pipeline) func(context.Context) error) error {
	errs := make([]error, len(k.pipelines))
	var wg sync.WaitGroup
	for i, p := range k.pipelines {
		wg.Go(func() {
			if err := p.exports.during(ctx, what(p)); err != nil {
				errs[i] = fmt.Errorf("otelkit: %s %s: %w", doing, p.exports.signal, err)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
