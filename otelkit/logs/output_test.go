package logs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelkit/kit/otelkit/logs"
	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// valve is an output that stalls while it is shut.
type valve struct {
	mu   sync.Mutex
	open chan struct{} // nil: it is open
	out  bytes.Buffer
	err  error
}

func (v *valve) shut() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.open = make(chan struct{})
}

func (v *valve) release() { close(v.open) }

func (v *valve) fail(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.err = err
}

func (v *valve) Write(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if open := v.open; open != nil {
		v.mu.Unlock()
		<-open
		v.mu.Lock()
		v.open = nil
	}
	if v.err != nil {
		return 0, v.err
	}
	return v.out.Write(p)
}

// messages returns the messages written so far, and how many lines those that say
// so say were lost.
func (v *valve) messages(t *testing.T) (messages []string, lost uint64) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	for line := range strings.Lines(v.out.String()) {
		var l struct {
			Msg  string
			Lost uint64
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%q is no line: %v", line, err)
		}
		if lost += l.Lost; l.Lost == 0 {
			messages = append(messages, l.Msg)
		}
	}
	return messages, lost
}

func TestACrashLosesNoLine(t *testing.T) { // of an asynchronous writer it would lose the last ones, which matter most
	if os.Getenv("OTELKIT_TEST_CRASH") != "" {
		// In a bubble no time passes while a line is written, so that a machine that is
		// slow to write is not taken for an output that has stalled.
		synctest.Test(t, func(*testing.T) {
			logger := logs.New(logs.Config{}, nil)
			for i := range 100 {
				logger.Info(fmt.Sprint("line ", i))
			}
			panic("crash")
		})
	}
	crash := exec.Command(os.Args[0], "-test.run", "^"+t.Name()+"$")
	crash.Env = append(os.Environ(), "OTELKIT_TEST_CRASH=yes")
	out, err := crash.Output()
	if err == nil {
		t.Fatal("it did not crash")
	}
	if !strings.Contains(string(out), `"line 99"`) || strings.Count(string(out), `"msg":"line `) != 100 {
		t.Errorf("of 100 lines these are left:\n%s", out)
	}
}

func TestALineIsWrittenWhenTheCallReturns(t *testing.T) {
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	handler := logs.NewHandler(logs.Config{Output: write})
	slog.New(handler).Error("the last line")
	if err := handler.Close(t.Context()); err != nil { // on a machine that was slow beyond 10 ms
		t.Fatal(err)
	}
	write.Close()
	if got, _ := io.ReadAll(read); !strings.Contains(string(got), "the last line") {
		t.Errorf("got %q", got)
	}
}

func TestAStalledOutputHoldsUpOneCallForTenMilliseconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out valve
		logger := slog.New(logs.NewHandler(logs.Config{Output: &out}))
		logger.Info("before")
		out.shut()
		start := time.Now()
		for range 1000 {
			logger.Info("hello")
		}
		if waited := time.Since(start); waited > 10*time.Millisecond {
			t.Errorf("1000 calls took %v", waited)
		}
		out.release()
		synctest.Wait()
		if messages, lost := out.messages(t); len(messages) != 1001 || lost != 0 {
			t.Errorf("%d lines are written and %d lost, want 1001 and 0", len(messages), lost)
		}
	})
}

func TestAPipeThatNobodyReadsDoesNotStopTheService(t *testing.T) { // slog's and zap's handlers stop it, all goroutines
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	write.Fd() // makes it blocking, as standard output is
	handler := logs.NewHandler(logs.Config{Output: write, Buffer: 64 << 10})
	logger := slog.New(handler)
	const lines = 10_000
	for i := range lines {
		logger.InfoContext(inSpan(t), "hello", "i", i)
	}
	dropped := handler.Dropped()
	if dropped == 0 {
		t.Error("nothing was dropped")
	}

	counted := make(chan uint64)
	go func() {
		text, _ := io.ReadAll(read)
		counted <- uint64(bytes.Count(text, []byte(`"msg":"hello"`)))
	}()
	if err := handler.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	write.Close()
	if got := <-counted; got+dropped != lines {
		t.Errorf("%d lines are written and %d dropped, of %d", got, dropped, lines)
	}
}

func TestAnOutputThatStallsOverAndOverHoldsUpOneCallASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var waited time.Duration
		logger := slog.New(logs.NewHandler(logs.Config{Output: slowly{io.Discard}}))
		began := time.Now()
		for time.Since(began) < 10*time.Second {
			start := time.Now()
			logger.Info("hello")
			waited += time.Since(start)
			time.Sleep(100 * time.Millisecond)
		}
		if waited > 110*time.Millisecond {
			t.Errorf("in 10 s calls waited for %v", waited)
		}
	})
}

func TestWhatAStalledOutputLosesIsCountedAndSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out valve
		handler := logs.NewHandler(logs.Config{Output: &out, Buffer: 4096})
		logger := slog.New(handler)
		out.shut()
		const lines = 1000
		for i := range lines {
			logger.Info(fmt.Sprint("line ", i))
		}
		dropped := handler.Dropped()
		if dropped == 0 {
			t.Fatal("nothing was dropped: the queue is not bounded")
		}
		out.release()
		synctest.Wait()

		messages, lost := out.messages(t)
		if uint64(len(messages))+dropped != lines || lost != dropped {
			t.Errorf("%d lines are written, %d dropped, %d said to be lost; of %d", len(messages), dropped, lost, lines)
		}
		if len(messages) < 4096/200 {
			t.Errorf("only %d lines were kept in 4 KiB", len(messages))
		}
		for i, message := range messages {
			if message != fmt.Sprint("line ", i) {
				t.Fatalf("line %d is %q", i, message)
			}
		}
		logger.Info("afterwards")
		if _, again := out.messages(t); again != lost {
			t.Errorf("the loss is told twice: %d", again)
		}
	})
}

func TestALineOfAnySizeIsWrittenWhenNothingWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out valve
		handler := logs.NewHandler(logs.Config{Output: &out, Buffer: 100})
		slog.New(handler).Info(strings.Repeat("x", 1000))
		if messages, _ := out.messages(t); len(messages) != 1 || handler.Dropped() != 0 {
			t.Errorf("%d lines are written, %d dropped", len(messages), handler.Dropped())
		}
	})
}

// Each waits for its line, so that as many lines wait as goroutines log: they may be
// more than the queue takes, of an output that is well.
func TestManyWhoLogAtOnceLoseNoLineOfAnOutputThatIsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out valve
		handler := logs.NewHandler(logs.Config{Output: &out, Buffer: 1000})
		logger := slog.New(handler)
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() { logger.Info("hello") })
		}
		wg.Wait()
		if messages, lost := out.messages(t); len(messages) != 1000 || handler.Dropped() != 0 || lost != 0 {
			t.Errorf("%d of 1000 lines are written, %d dropped, %d said to be lost", len(messages), handler.Dropped(), lost)
		}
	})
}

func TestNoCallWaitsLongForRoomInAQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out valve
		handler := logs.NewHandler(logs.Config{Output: &out, Buffer: 1000})
		logger := slog.New(handler)
		out.shut()
		start := time.Now()
		var wg sync.WaitGroup
		for range 1000 {
			wg.Go(func() { logger.Info("hello") })
		}
		wg.Wait()
		if waited := time.Since(start); waited > 10*time.Millisecond {
			t.Errorf("a call waited for %v", waited)
		}
		out.release()
		synctest.Wait()
		if messages, lost := out.messages(t); uint64(len(messages))+handler.Dropped() != 1000 || lost != handler.Dropped() {
			t.Errorf("%d of 1000 lines are written, %d dropped, %d said to be lost", len(messages), handler.Dropped(), lost)
		}
	})
}

// slowly takes 50 ms for each write.
type slowly struct{ to io.Writer }

func (s slowly) Write(p []byte) (int, error) {
	time.Sleep(50 * time.Millisecond)
	return s.to.Write(p)
}

func TestCloseWaitsForTheLineThatTellsOfLostOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out valve
		handler := logs.NewHandler(logs.Config{Output: slowly{&out}, Buffer: 100})
		logger := slog.New(handler)
		logger.Info("is being written")
		logger.Info("finds no room")
		if err := handler.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if messages, lost := out.messages(t); len(messages) != 1 || lost != 1 || handler.Dropped() != 1 {
			t.Errorf("when Close returns %d lines are written and %d said to be lost, want 1 and 1", len(messages), lost)
		}

		out.fail(errors.New("no space left on device"))
		logger.Info("is lost")
		if err := handler.Close(t.Context()); err != nil { // which would never return
			t.Error(err)
		}
	})
}

func TestAFailingOutputIsCountedAndSaidWhenItRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out valve
		handler := logs.NewHandler(logs.Config{Output: &out})
		logger := slog.New(handler)
		out.fail(errors.New("no space left on device"))
		for range 3 {
			logger.Info("lost")
		}
		if handler.Dropped() != 3 {
			t.Errorf("Dropped() = %d, want 3", handler.Dropped())
		}
		out.fail(nil)
		logger.Info("written")
		synctest.Wait()
		if messages, lost := out.messages(t); len(messages) != 1 || lost != 3 {
			t.Errorf("%v is written, and %d said to be lost, want 3", messages, lost)
		}
	})
}

// bad is a writer that keeps to no rule.
type bad struct{ n int }

func (b bad) Write([]byte) (int, error) {
	if b.n == 0 {
		panic("no output")
	}
	return b.n, nil
}

func TestAnOutputThatBreaksTheRulesDoesNotBreakTheService(t *testing.T) {
	for _, n := range []int{0, -1, 1, 1 << 20} {
		synctest.Test(t, func(t *testing.T) {
			handler := logs.NewHandler(logs.Config{Output: bad{n}})
			slog.New(handler).Info("hello")
			if want := n < 1<<20; (handler.Dropped() == 1) != want {
				t.Errorf("a writer that returns %d: %d lines are lost", n, handler.Dropped())
			}
		})
	}
}

func TestCloseWaitsForAStalledOutputWithinItsBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out valve
		handler := logs.NewHandler(logs.Config{Output: &out})
		logger := slog.New(handler)
		out.shut()
		logger.Info("first")
		logger.Info("second")

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		err := handler.Close(ctx)
		if err == nil || !strings.Contains(err.Error(), "2 lines") || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close returned %v, want that 2 lines are not written", err)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("Close took %v of 1s", took)
		}
		if err := handler.Close(ctx); err == nil || time.Since(start) != time.Second+10*time.Millisecond {
			t.Errorf("when its time is over Close took %v and returned %v", time.Since(start), err)
		}
		go func() {
			time.Sleep(time.Second)
			out.release()
		}()
		if err := handler.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if messages, _ := out.messages(t); len(messages) != 2 {
			t.Errorf("%d lines are written, want 2", len(messages))
		}
		logger.Info("third")
		if messages, _ := out.messages(t); len(messages) != 3 {
			t.Errorf("after Close %d lines are written, want 3", len(messages))
		}
	})
}

func TestNoGoroutineIsLeftWhenNothingIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // fails if one stays
		var out valve
		slog.New(logs.NewHandler(logs.Config{Output: &out})).Info("hello")
	})
}

func TestLinesOfManyGoroutinesAreWholeAndAll(t *testing.T) {
	var out valve
	handler := logs.NewHandler(logs.Config{Output: &out})
	logger := slog.New(handler).With("a", strings.Repeat("x", 100))
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			for range 100 {
				logger.InfoContext(inSpan(t), "hello", "b", 1)
			}
		})
	}
	wg.Wait()
	if err := handler.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if messages, lost := out.messages(t); len(messages) != 2000 || lost != 0 {
		t.Errorf("%d lines are written and %d lost", len(messages), lost)
	}
}

func TestLossesAreMetrics(t *testing.T) {
	if err := logs.Catalog.Err(); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, testLossesAreMetrics)
}

func testLossesAreMetrics(t *testing.T) {
	var out valve
	out.fail(errors.New("closed"))
	handler := logs.NewHandler(logs.Config{Output: &out, Repeats: logs.Repeats{Max: 1}})
	logger := slog.New(handler)
	logger.Error("lost before there is a recorder")
	for range 3 {
		logger.Info("repeated")
	}
	reader := sdkmetric.NewManualReader()
	recorder := metrics.NewRecorder(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	if err := handler.Observe(metrics.NewContext(t.Context(), recorder)); err != nil {
		t.Fatal(err)
	}
	collect := func() map[string]float64 {
		var data metricdata.ResourceMetrics
		if err := reader.Collect(t.Context(), &data); err != nil {
			t.Fatal(err)
		}
		got := map[string]float64{}
		for _, scope := range data.ScopeMetrics {
			for _, m := range scope.Metrics {
				for _, point := range m.Data.(metricdata.Sum[float64]).DataPoints {
					got[m.Name+" "+point.Attributes.Encoded(attribute.DefaultEncoder())] = point.Value
				}
			}
		}
		return got
	}
	for name, want := range map[string]float64{
		"otelkit.logs.dropped otelkit.logs.reason=failed":  2, // the error, and one repeat
		"otelkit.logs.dropped otelkit.logs.reason=stalled": 0,
		"otelkit.logs.suppressed ":                         2,
	} {
		got := collect()
		if value, ok := got[name]; !ok || value != want {
			t.Errorf("%s = %v, want %v; metrics: %v", name, value, want, got)
		}
	}
}

func TestASynchronousOutputIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		handler := logs.NewHandler(logs.Config{Output: slowly{io.Discard}, Sync: true})
		start := time.Now()
		slog.New(handler).Info("hello")
		if took := time.Since(start); took != 50*time.Millisecond {
			t.Errorf("a write of 50 ms was waited for %v", took)
		}
		failing := logs.NewHandler(logs.Config{Output: bad{}, Sync: true})
		slog.New(failing).Info("hello")
		if failing.Dropped() != 1 {
			t.Errorf("%d lines are counted as lost, want 1", failing.Dropped())
		}
	})
}
