package otelkit

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

func newTestExports(signal Signal) *exports {
	l := newLosses(slog.New(slog.DiscardHandler))
	return &exports{
		signal: signal, ended: context.Background(),
		reports: newReports(l.logger), losses: l, lost: l.expect(signal),
	}
}

func TestItemsAreExportedInTheOrderOfTheirComing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []int
		var sizes []int
		b := newBatcher(newTestExports(SignalTraces), limits{queue: 100, batch: 4, delay: time.Second, timeout: time.Second}, func(_ context.Context, batch []int) error {
			time.Sleep(time.Millisecond)
			got = append(got, batch...)
			sizes = append(sizes, len(batch))
			return nil
		})
		for i := range 50 {
			b.put(i)
		}
		if err := b.shutdown(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(got) != 50 || len(sizes) != 13 {
			t.Errorf("%d items in %d batches, want 50 in 13", len(got), len(sizes))
		}
		for i, item := range got {
			if item != i {
				t.Fatalf("item %d came in place of %d", item, i)
			}
		}
		if lost := b.exports.losses.snapshot(); len(lost) > 0 {
			t.Errorf("lost %v", lost)
		}
	})
}

func TestItemsThatAreNotABatchWaitNoLongerThanTheDelay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		exported := make(chan time.Time, 1)
		b := newBatcher(newTestExports(SignalTraces), limits{queue: 100, batch: 4, delay: time.Second, timeout: time.Second}, func(context.Context, []int) error {
			exported <- time.Now()
			return nil
		})
		put := time.Now()
		b.put(1)
		if waited := (<-exported).Sub(put); waited != time.Second {
			t.Errorf("an item waited %v, want 1s", waited)
		}
		if err := b.shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A flush among items that come faster than they are exported ends all the same.
func TestAFlushExportsWhatCameBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var exported atomic.Int64
		l := limits{queue: 100, batch: 10, delay: time.Hour, timeout: time.Second}
		var b *batcher[int]
		b = newBatcher(newTestExports(SignalTraces), l, func(_ context.Context, batch []int) error {
			exported.Add(int64(len(batch)))
			for range batch {
				b.put(0)
			}
			return nil
		})
		for range 25 {
			b.put(0)
		}
		if err := b.flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := exported.Load(); got < 25 {
			t.Errorf("%d items were exported, want the 25 that had come", got)
		}
		if err := b.shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// What is put, flushed, exported, shut down and abandoned at once adds up.
func TestAllThatIsPutIsExportedOrLost(t *testing.T) {
	for range 20 {
		e := newTestExports(SignalTraces)
		var exported atomic.Int64
		b := newBatcher(e, limits{queue: 50, batch: 10, delay: time.Millisecond, timeout: time.Second}, func(_ context.Context, batch []int) error {
			exported.Add(int64(len(batch)))
			return nil
		})
		const putters, each = 4, 1000
		var wg sync.WaitGroup
		for range putters {
			wg.Go(func() {
				for i := range each {
					b.put(i)
				}
			})
		}
		wg.Go(func() { _ = b.flush(t.Context()) })
		wg.Go(func() { _ = b.shutdown(t.Context()) })
		wg.Wait()
		e.abandon()
		total := exported.Load()
		for _, loss := range e.losses.snapshot() {
			total += loss.Items
		}
		if total != putters*each {
			t.Fatalf("%d were exported and %v lost, together %d; %d were put", exported.Load(), e.losses.snapshot(), total, putters*each)
		}
	}
}

func TestSpansThatAreNotSampledAreNotExported(t *testing.T) {
	b := newBatcher(newTestExports(SignalTraces), limitsOf("OTEL_BSP", time.Hour), func(_ context.Context, spans []sdktrace.ReadOnlySpan) error {
		t.Errorf("%d spans were exported", len(spans))
		return nil
	})
	spanProcessor{b}.OnEnd(tracetest.SpanStub{SpanContext: trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}})}.Snapshot())
	if err := b.shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// The benchmarks compare the processors with the SDK's: with a queue that has room,
// for -benchtime 50000x, and with one that is full, since its exporter hangs.

type noSpans struct{ hang <-chan struct{} }

func (e noSpans) ExportSpans(context.Context, []sdktrace.ReadOnlySpan) error { <-e.hang; return nil }
func (e noSpans) Shutdown(context.Context) error                             { return nil }

type noRecords struct{ hang <-chan struct{} }

func (e noRecords) Export(context.Context, []sdklog.Record) error { <-e.hang; return nil }
func (e noRecords) Shutdown(context.Context) error                { return nil }
func (e noRecords) ForceFlush(context.Context) error              { return nil }

func BenchmarkOnEnd(b *testing.B) {
	span := tracetest.SpanStub{SpanContext: trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{1}, SpanID: trace.SpanID{1}, TraceFlags: trace.FlagsSampled,
	})}.Snapshot()
	for name, processor := range map[string]func(noSpans) sdktrace.SpanProcessor{
		"otelkit": func(e noSpans) sdktrace.SpanProcessor {
			return spanProcessor{newBatcher(newTestExports(SignalTraces), limitsOf("OTEL_BSP", 5*time.Second), e.ExportSpans)}
		},
		"sdk": func(e noSpans) sdktrace.SpanProcessor { return sdktrace.NewBatchSpanProcessor(e) },
	} {
		benchmark(b, name, func(hang <-chan struct{}) (func(), stoppable) {
			p := processor(noSpans{hang})
			return func() { p.OnEnd(span) }, p
		})
	}
}

func BenchmarkOnEmit(b *testing.B) {
	var record sdklog.Record
	record.SetBody(attribute.StringValue("order placed"))
	record.AddAttributes(attribute.String("order.id", "o-1"), attribute.Int("items", 3))
	for name, processor := range map[string]func(noRecords) sdklog.Processor{
		"otelkit": func(e noRecords) sdklog.Processor {
			return logProcessor{newBatcher(newTestExports(SignalLogs), limitsOf("OTEL_BLRP", time.Second), e.Export)}
		},
		"sdk": func(e noRecords) sdklog.Processor { return sdklog.NewBatchProcessor(e) },
	} {
		benchmark(b, name, func(hang <-chan struct{}) (func(), stoppable) {
			p := processor(noRecords{hang})
			return func() { _ = p.OnEmit(context.Background(), &record) }, p
		})
	}
}

type stoppable interface {
	ForceFlush(context.Context) error
	Shutdown(context.Context) error
}

func benchmark(b *testing.B, name string, start func(hang <-chan struct{}) (put func(), processor stoppable)) {
	for queue, hung := range map[string]bool{"room": false, "full": true} {
		for way, parallel := range map[string]bool{"one": false, "parallel": true} {
			b.Run(queue+"/"+way+"/"+name, func(b *testing.B) {
				hang := make(chan struct{})
				if !hung {
					close(hang)
					b.Setenv("OTEL_BSP_MAX_QUEUE_SIZE", "65536")
					b.Setenv("OTEL_BLRP_MAX_QUEUE_SIZE", "65536")
				}
				put, processor := start(hang)
				for range 50_000 { // the queue has been filled before
					put()
				}
				if !hung {
					_ = processor.ForceFlush(context.Background())
				}
				b.ReportAllocs()
				b.ResetTimer()
				if parallel {
					b.RunParallel(func(pb *testing.PB) {
						for pb.Next() {
							put()
						}
					})
				} else {
					for b.Loop() {
						put()
					}
				}
				b.StopTimer()
				if hung {
					close(hang)
				}
				_ = processor.Shutdown(context.Background())
			})
		}
	}
}
