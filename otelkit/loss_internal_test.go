package otelkit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// buffer is where lines go, also those that a timer writes.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

// take returns the lines since it was last called.
func (b *buffer) take() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.buf.Reset()
	return b.buf.String()
}

func TestALossIsOneLineForEachCauseAndMinuteWithTheItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &buffer{}
		l := newLosses(slog.New(slog.NewTextHandler(out, nil)))
		traces, logs := l.expect(SignalTraces), l.expect(SignalLogs)

		l.add(traces[CauseUnavailable], 512, errors.New("refused"))
		for range 3 {
			l.add(traces[CauseUnavailable], 100, errors.New("reset"))
		}
		l.add(logs[CauseUnavailable], 7, errors.New("refused"))
		got := out.take()
		for _, want := range []string{"signal=traces cause=unavailable items=512 err=refused", "signal=logs cause=unavailable items=7 err=refused"} {
			if !strings.Contains(got, want) {
				t.Errorf("want a line with %q at once:\n%s", want, got)
			}
		}
		if lines := strings.Count(got, "\n"); lines != 2 {
			t.Errorf("%d lines for two causes in a minute, want 2:\n%s", lines, got)
		}

		time.Sleep(reportEvery)
		synctest.Wait()
		if got := out.take(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "items=300 err=reset") {
			t.Errorf("a minute later: want one line with the 300 held back, though nothing was lost since:\n%s", got)
		}
		time.Sleep(10 * reportEvery)
		synctest.Wait()
		if got := out.take(); got != "" {
			t.Errorf("lines though nothing was lost:\n%s", got)
		}

		l.add(traces[CauseUnavailable], 1, nil)
		l.add(traces[CauseUnavailable], 2, nil)
		_ = out.take()
		l.flush()
		if got := out.take(); !strings.Contains(got, "items=2") {
			t.Errorf("flush does not log the rest:\n%s", got)
		}
	})
}

func TestARequestDoesNotWaitForALineAboutALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		out := &buffer{}
		l := newLosses(slog.New(slog.NewTextHandler(writerFunc(func(p []byte) (int, error) {
			<-release
			return out.Write(p)
		}), nil)))
		full := l.expect(SignalTraces)[CauseQueueFull]
		for range 1000 { // each returns though no line can be written
			l.addFromRequest(full)
		}
		close(release)
		time.Sleep(reportEvery)
		synctest.Wait()
		l.flush()
		total := 0
		for line := range strings.Lines(out.take()) {
			items := 0
			_, err := fmt.Sscanf(line[strings.Index(line, "items="):], "items=%d", &items)
			if err != nil {
				t.Fatal(err)
			}
			total += items
		}
		if total != 1000 {
			t.Errorf("the lines tell of %d items, want 1000", total)
		}
	})
}

type writerFunc func([]byte) (int, error)

func (w writerFunc) Write(p []byte) (int, error) { return w(p) }

// What Shutdown gave up was counted then; how its export ends, a moment later, must
// not count it again.
func TestWhatWasGivenUpIsCountedOnce(t *testing.T) {
	for _, end := range []error{nil, context.Canceled} {
		e := newTestExports(SignalTraces)
		e.begin(5)
		e.run(t.Context(), 5, func(context.Context) error {
			e.abandon()
			return end
		})
		e.abandon()
		if got := e.losses.snapshot(); len(got) != 1 || got[0] != (Loss{SignalTraces, CauseShutdown, 5}) {
			t.Errorf("an export that ended with %v: lost %v, want 5 for shutdown", end, got)
		}
	}
}

// A callback that hangs lets go of what was collected after Shutdown gave it up.
func TestWhatComesToBeExportedAfterTheEndIsCounted(t *testing.T) {
	ended, end := context.WithCancel(context.Background())
	l := newLosses(slog.New(slog.NewTextHandler(io.Discard, nil)))
	e := &exports{signal: SignalMetrics, ended: ended, losses: l, lost: l.expect(SignalMetrics)}
	e.abandon()
	end()
	e.begin(5)
	e.run(context.Background(), 5, func(ctx context.Context) error { return ctx.Err() })
	if got, want := l.snapshot(), []Loss{{SignalMetrics, CauseAlreadyShutdown, 5}}; !slices.Equal(got, want) {
		t.Errorf("lost %v, want %v", got, want)
	}
}

func TestAWarningOfTheReceiverIsNoLoss(t *testing.T) {
	out := &buffer{}
	lines := slog.New(slog.NewTextHandler(out, nil))
	l := newLosses(lines)
	e := &exports{signal: SignalTraces, ended: t.Context(), reports: newReports(lines), losses: l, lost: l.expect(SignalTraces)}
	e.begin(5)
	e.run(t.Context(), 5, func(context.Context) error { return PartialSuccess{ErrorMessage: "old protocol"} })
	if lost := l.snapshot(); len(lost) > 0 || e.take() != nil {
		t.Errorf("lost %v", lost)
	}
	if got := out.take(); !strings.Contains(got, "the receiver of traces has a warning") {
		t.Errorf("lines:\n%s", got)
	}
}

// PartialSuccess and retryableError look like the types of the exporters; that the
// real ones do too is what TestAFaultyReceiver... shows.
type PartialSuccess struct {
	ErrorMessage  string
	RejectedItems int64
}

func (PartialSuccess) Error() string { return "partial success" }

type retryableError struct{ error }

func (e retryableError) Unwrap() error { return e.error }

func TestACauseIsToldByWhatTheExporterReturns(t *testing.T) {
	over, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	refused := &url.Error{Op: "Post", URL: "http://collector", Err: os.NewSyscallError("connect", errors.New("refused"))}
	for name, tt := range map[string]struct {
		ctx   context.Context
		err   error
		cause Cause
		lost  int
	}{
		"a part is rejected":              {err: fmt.Errorf("traces export: %w", errors.Join(PartialSuccess{RejectedItems: 3})), cause: CausePartialSuccess, lost: 3},
		"more is rejected than was sent":  {err: PartialSuccess{RejectedItems: 1000}, cause: CausePartialSuccess, lost: 10},
		"less than nothing is rejected":   {err: PartialSuccess{RejectedItems: -1}, cause: CausePartialSuccess, lost: 0},
		"a text that only reads like one": {err: errors.New("OTLP partial success: x (3 spans rejected)"), cause: CauseRejected, lost: 10},
		"a status that is final":          {err: errors.New("failed to send to http://collector: 400 Bad Request"), cause: CauseRejected, lost: 10},
		"a status that is not":            {err: fmt.Errorf("max retry time elapsed: %w", retryableError{errors.New("503")}), cause: CauseUnavailable, lost: 10},
		"no time to try again":            {ctx: over, err: fmt.Errorf("%w: %w", context.DeadlineExceeded, retryableError{errors.New("503")}), cause: CauseUnavailable, lost: 10},
		"tries that all took too long":    {err: fmt.Errorf("max retry time elapsed: %w", retryableError{&url.Error{Err: os.ErrDeadlineExceeded}}), cause: CauseTimeout, lost: 10},
		"a refused connection":            {err: refused, cause: CauseUnavailable, lost: 10},
		"a connection cut in the answer":  {err: io.ErrUnexpectedEOF, cause: CauseUnavailable, lost: 10},
		"no answer in time":               {ctx: over, err: &url.Error{Err: errors.New("reader collect and export timeout")}, cause: CauseTimeout, lost: 10},
		"gRPC: no answer in time":         {err: status.Error(codes.DeadlineExceeded, ""), cause: CauseTimeout, lost: 10},
		"gRPC: away":                      {ctx: over, err: status.Error(codes.Unavailable, ""), cause: CauseUnavailable, lost: 10},
		"gRPC: a batch too large":         {err: status.Error(codes.ResourceExhausted, "larger than max"), cause: CauseRejected, lost: 10},
		"gRPC: who are you":               {err: fmt.Errorf("failed to upload metrics: %w", status.Error(codes.Unauthenticated, "")), cause: CauseRejected, lost: 10},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.ctx == nil {
				tt.ctx = t.Context()
			}
			if cause, lost := causeOf(tt.ctx, tt.err, 10); cause != tt.cause || lost != tt.lost {
				t.Errorf("got %d %s of 10, want %d %s: %v", lost, cause, tt.lost, tt.cause, tt.err)
			}
		})
	}
}
