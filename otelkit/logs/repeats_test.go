package logs_test

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelkit/kit/otelkit/logs"
)

// reports returns how many records each report says were suppressed.
func reports(e *exported) map[string]int64 {
	suppressed := map[string]int64{}
	for _, r := range e.records {
		if attrs := attributesOf(r); attrs["suppressed"].AsInt64() > 0 {
			suppressed[attrs["repeated"].AsString()] += attrs["suppressed"].AsInt64()
		}
	}
	return suppressed
}

func TestRepeatsAreSuppressedAndTheirNumberIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		var sent exported
		handler := logs.NewHandler(logs.Config{Output: &out, AddSource: true, Repeats: logs.Repeats{Max: 3, Interval: time.Second}})
		logger := slog.New(handler.Exporting(provider(&sent)))
		for range 2 {
			for i := range 10 {
				logger.With("request", i).Warn("cache is away", "try", i)
			}
			logger.Info("other")
			time.Sleep(time.Second)
			synctest.Wait()
		}
		if got := fmt.Sprint(reports(&sent)); got != "map[cache is away:14]" {
			t.Errorf("suppressed: %s", got)
		}
		if got := strings.Count(out.String(), `"msg":"cache is away"`); got != 6 {
			t.Errorf("%d lines are written in two intervals, want 6", got)
		}
		if got := strings.Count(out.String(), `"level":"WARN","source":{"function":"github.com/otelkit/kit/otelkit/logs_test.TestRepeats`); got != 8 {
			t.Errorf("%d lines, reports included, have level and source of the record; want 8:\n%s", got, out.String())
		}
		if got := strings.Count(out.String(), `"repeated":"cache is away","suppressed":7}`); got != 2 {
			t.Errorf("%d reports of 7, want 2:\n%s", got, out.String())
		}
	})
}

func TestErrorsAreNoRepeats(t *testing.T) {
	for name, c := range map[string]struct {
		below slog.Leveler
		want  int
	}{"by default": {nil, 10}, "unless it is said": {slog.LevelError + 1, 2}} { // one, and the report
		var sent exported
		handler := logs.NewHandler(logs.Config{Output: io.Discard, Repeats: logs.Repeats{Max: 1, Below: c.below}})
		logger := slog.New(handler.Exporting(provider(&sent)))
		for range 10 {
			logger.Error("failed")
		}
		handler.StopRepeats()
		if got := len(sent.records); got != c.want {
			t.Errorf("%s: %d records, want %d", name, got, c.want)
		}
	}
}

func TestCloseReportsWhatIsSuppressedAndSuppressesNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var sent exported
		handler := logs.NewHandler(logs.Config{Output: io.Discard, Repeats: logs.Repeats{Max: 1}})
		logger := slog.New(handler.Exporting(provider(&sent)))
		hello := func() { logger.Info("hello") }
		for range 5 {
			hello()
		}
		for range 2 {
			if err := handler.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := fmt.Sprint(reports(&sent)); got != "map[hello:4]" {
			t.Errorf("suppressed: %s", got)
		}
		for range 5 {
			hello()
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := len(sent.records); got != 1+1+5 {
			t.Errorf("%d records, want one, its report and 5 after Close", got)
		}
	})
}

func TestNoRepeatIsLostWithoutBeingCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out valve
		handler := logs.NewHandler(logs.Config{Output: &out, Repeats: logs.Repeats{Max: 2, Interval: 5 * time.Millisecond}})
		logger := slog.New(handler)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for i := range 1000 {
					logger.Info("hello")
					if i%100 == 0 {
						time.Sleep(time.Millisecond)
					}
				}
			})
		}
		wg.Wait()
		if err := handler.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		logged := strings.Count(out.out.String(), `"msg":"hello"`)
		suppressed := 0
		for line := range strings.Lines(out.out.String()) {
			var n int
			if _, rest, ok := strings.Cut(line, `"suppressed":`); ok {
				_, _ = fmt.Sscan(strings.TrimRight(rest, "}\n"), &n)
			}
			suppressed += n
		}
		if logged+suppressed != 4000 || suppressed == 0 {
			t.Errorf("%d logged and %d said to be suppressed, of 4000", logged, suppressed)
		}
	})
}

func TestManyMessagesTakeBoundedMemoryAndAreAllLogged(t *testing.T) {
	var written lineCounter
	handler := logs.NewHandler(logs.Config{Output: &written, Sync: true, Repeats: logs.Repeats{Max: 1, Interval: time.Hour}})
	logger := slog.New(handler)
	long := strings.Repeat("x", 4000)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	const kinds = 30_000
	for i := range kinds {
		for range 2 {
			logger.Info(fmt.Sprint(i, long))
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 2<<20 { // the messages have 120 MB
		t.Errorf("%d bytes are kept of %d messages", grown, kinds)
	}
	if err := handler.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if written.lines != 2*kinds { // for each that is suppressed there is one that reports it
		t.Errorf("%d lines are written, want %d", written.lines, 2*kinds)
	}
}

// lineCounter counts lines.
type lineCounter struct{ lines int }

func (c *lineCounter) Write(p []byte) (int, error) {
	c.lines += bytes.Count(p, []byte("\n"))
	return len(p), nil
}
