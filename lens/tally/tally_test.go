package tally

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestACauseIsLoggedOnceAMinuteWithAllThatWasLostMeanwhile(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(1000, 0)
	tl := New(slog.New(slog.NewTextHandler(&out, nil)))
	tl.now = func() time.Time { return now }

	for range 50 {
		tl.Count(Logs, lost("busy", 2))
	}
	tl.Count(Logs, lost("too late", 1))
	if got := strings.Count(out.String(), "\n"); got != 2 {
		t.Fatalf("logged %d lines, want one for each of two causes:\n%s", got, &out)
	}

	out.Reset()
	now = now.Add(time.Minute)
	tl.Count(Logs, lost("busy", 2))
	if want := "records=100"; !strings.Contains(out.String(), want) {
		t.Errorf("after a minute: log %q does not contain %q", &out, want)
	}
	if got := tl.Snapshot()[Logs].Dropped["busy"]; got != 102 {
		t.Errorf("counted %d dropped, want 102", got)
	}
}

func TestASnapshotDoesNotChangeAfterwards(t *testing.T) {
	tl := New(slog.New(slog.DiscardHandler))
	tl.Count(Traces, lost("busy", 1))
	before := tl.Snapshot()
	tl.Count(Traces, lost("busy", 1))
	tl.Evicted(Traces, 5)
	if got := before[Traces]; got.Dropped["busy"] != 1 || got.Evicted != 0 {
		t.Errorf("snapshot moved to %+v", got)
	}
}

func TestAnOutcomeKeepsTheFirstExampleOfACause(t *testing.T) {
	var o Outcome
	o.Drop("no trace id", 1, "first")
	o.Drop("no trace id", 2, "second")
	o.Drop("too late", 4, "")
	if o.Dropped() != 7 || len(o.Drops) != 2 || o.Drops[0] != (Drop{"no trace id", 3, "first"}) {
		t.Errorf("got %+v", o)
	}
}

func lost(cause string, n int64) Outcome {
	var o Outcome
	o.Drop(cause, n, "")
	return o
}
