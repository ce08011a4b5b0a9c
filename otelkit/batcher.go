package otelkit

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// batcher hands what one signal produces to its exporter, in batches, from a
// goroutine of its own, for which put never waits. The SDK's batch processors do
// the same, but what finds their queue full, or comes after their end, is gone
// without a word (SDK v1.47: 84,600 of 87,200 spans). Here all that is put is
// exported, or counted as lost.
//
//	put ──> filling ──> full, full, full ──> export, one at a time
//	          └─ when delay is over ──────────┘
//
// Batches are handed over as they were filled, without being copied, and the
// memory of an exported one is filled again: it takes no more than was needed once.
type batcher[T any] struct {
	exports *exports
	limits  limits
	export  func(context.Context, []T) error

	queueFull, alreadyShutdown *tally

	mu      sync.Mutex
	filling []T
	full    [][]T       // of limits.batch items each
	spare   [][]T       // exported batches, to be filled
	waiting int         // items in filling and full
	noRoom  atomic.Bool // waiting is limits.queue; written under mu
	ended   bool        // nothing is taken in any more

	ready   chan struct{}      // a batch is full
	flushes chan chan struct{} // to be closed when exported
	end     chan struct{}
	done    chan struct{}
}

// limits are what the OTEL_BSP_* and OTEL_BLRP_* variables say.
type limits struct {
	queue   int           // items that wait, at most; those of the batch that is being exported are not among them
	batch   int           // items exported at once, at most
	delay   time.Duration // the longest time between two exports while there is something to export
	timeout time.Duration // of one export, retries included
}

// limitsOf reads the variables with a prefix. What is no positive number counts as
// unset.
func limitsOf(prefix string, delay time.Duration) limits {
	number := func(name string, otherwise int) int {
		if n, err := strconv.Atoi(variable(prefix + name)); err == nil && n > 0 {
			return n
		}
		return otherwise
	}
	milliseconds := func(name string, otherwise time.Duration) time.Duration {
		return time.Duration(number(name, int(otherwise.Milliseconds()))) * time.Millisecond
	}
	l := limits{
		queue:   number("_MAX_QUEUE_SIZE", 2048),
		batch:   number("_MAX_EXPORT_BATCH_SIZE", 512),
		delay:   milliseconds("_SCHEDULE_DELAY", delay),
		timeout: milliseconds("_EXPORT_TIMEOUT", 30*time.Second),
	}
	l.batch = min(l.batch, l.queue)
	return l
}

// newBatcher starts a batcher, which runs until shutdown.
func newBatcher[T any](e *exports, l limits, export func(context.Context, []T) error) *batcher[T] {
	b := &batcher[T]{
		exports: e,
		limits:  l,
		export:  export,

		queueFull:       e.lost[CauseQueueFull],
		alreadyShutdown: e.lost[CauseAlreadyShutdown],

		ready:   make(chan struct{}, 1),
		flushes: make(chan chan struct{}),
		end:     make(chan struct{}),
		done:    make(chan struct{}),
	}
	e.empty = b.empty
	go b.run()
	return b
}

// put takes an item in, or counts it as lost. It does not wait. What finds the
// queue full is lost itself, rather than what came before it.
func (b *batcher[T]) put(item T) {
	// A full queue is noticed without the lock, for which many wait then: 20 ns, not
	// 31 (BenchmarkOnEnd/full).
	if b.noRoom.Load() {
		b.exports.losses.addFromRequest(b.queueFull)
		return
	}
	b.mu.Lock()
	if cause := b.refusal(); cause != nil {
		b.mu.Unlock()
		b.exports.losses.addFromRequest(cause)
		return
	}
	b.filling = append(b.filling, item)
	b.waiting++
	if b.waiting == b.limits.queue {
		b.noRoom.Store(true)
	}
	filled := len(b.filling) == b.limits.batch
	if filled {
		b.full = append(b.full, b.filling)
		b.filling = b.vacant()
	}
	b.mu.Unlock()
	if filled {
		b.wake()
	}
}

// refusal returns as what an item is lost, if there is no place for it.
func (b *batcher[T]) refusal() *tally {
	switch {
	case b.ended:
		return b.alreadyShutdown
	case b.waiting == b.limits.queue:
		return b.queueFull
	default:
		return nil
	}
}

// vacant returns memory for a batch. Where one was filled, others will be: it has
// the room for it.
func (b *batcher[T]) vacant() []T {
	last := len(b.spare) - 1
	if last < 0 {
		return make([]T, 0, b.limits.batch)
	}
	batch := b.spare[last]
	b.spare = b.spare[:last]
	return batch
}

// wake has run look for a full batch.
func (b *batcher[T]) wake() {
	select {
	case b.ready <- struct{}{}:
	default:
	}
}

func (b *batcher[T]) run() {
	defer close(b.done)
	ticker := time.NewTicker(b.limits.delay)
	defer ticker.Stop()
	for {
		select {
		case <-b.ready:
			b.exportNext(b.limits.batch)
		case <-ticker.C:
			b.exportWaiting()
		case flushed := <-b.flushes:
			b.exportWaiting()
			close(flushed)
		case <-b.end:
			b.exportWaiting()
			return
		}
	}
}

// exportWaiting exports what is waiting now.
func (b *batcher[T]) exportWaiting() {
	b.mu.Lock()
	left := b.waiting
	b.mu.Unlock()
	for left > 0 {
		exported := b.exportNext(1)
		if exported == 0 { // the queue was emptied
			return
		}
		left -= exported
	}
}

// exportNext exports the next batch, if at least so many items wait, and returns
// how many it had.
func (b *batcher[T]) exportNext(least int) int {
	batch := b.take(least)
	if len(batch) == 0 {
		return 0
	}
	ctx, cancel := context.WithTimeout(context.Background(), b.limits.timeout)
	defer cancel()
	b.exports.run(ctx, len(batch), func(ctx context.Context) error { return b.export(ctx, batch) })
	clear(batch)
	b.mu.Lock()
	b.spare = append(b.spare, batch[:0])
	b.mu.Unlock()
	return len(batch)
}

// take takes the next batch out of the queue.
func (b *batcher[T]) take(least int) []T {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.waiting < least {
		return nil
	}
	var batch []T
	if len(b.full) > 0 {
		batch = b.full[0]
		b.full[0] = nil
		b.full = b.full[1:]
		if len(b.full) > 0 {
			b.wake()
		}
	} else {
		batch = b.filling
		b.filling = nil
		if len(b.spare) > 0 {
			b.filling = b.vacant()
		}
	}
	b.waiting -= len(batch)
	b.noRoom.Store(false)
	b.exports.begin(len(batch))
	return batch
}

// flush exports what was put until now.
func (b *batcher[T]) flush(ctx context.Context) error {
	flushed := make(chan struct{})
	select {
	case b.flushes <- flushed:
	case <-b.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-flushed:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// shutdown exports what is left. What is put from now on is lost.
func (b *batcher[T]) shutdown(ctx context.Context) error {
	b.mu.Lock()
	if !b.ended {
		b.ended = true
		close(b.end)
	}
	b.mu.Unlock()
	select {
	case <-b.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// empty empties the queue and returns how many items were in it.
func (b *batcher[T]) empty() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	left := b.waiting
	b.filling, b.full, b.waiting = nil, nil, 0
	b.noRoom.Store(false)
	return left
}

// spanProcessor batches the spans that are sampled.
type spanProcessor struct {
	*batcher[sdktrace.ReadOnlySpan]
}

func (p spanProcessor) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

func (p spanProcessor) OnEnd(s sdktrace.ReadOnlySpan) {
	if s.SpanContext().IsSampled() {
		p.put(s)
	}
}

func (p spanProcessor) ForceFlush(ctx context.Context) error { return p.flush(ctx) }
func (p spanProcessor) Shutdown(ctx context.Context) error   { return p.shutdown(ctx) }

// logProcessor batches log records.
type logProcessor struct{ *batcher[sdklog.Record] }

func (p logProcessor) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }

func (p logProcessor) OnEmit(_ context.Context, r *sdklog.Record) error {
	p.put(r.Clone()) // the caller goes on with r
	return nil
}

func (p logProcessor) ForceFlush(ctx context.Context) error { return p.flush(ctx) }
func (p logProcessor) Shutdown(ctx context.Context) error   { return p.shutdown(ctx) }
