package otelkit

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestReportsAreOneLineForEachCauseAndMinuteWithTheCount(t *testing.T) {
	var out bytes.Buffer
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	r := newReports(slog.New(slog.NewTextHandler(&out, nil)))
	r.now = func() time.Time { return now }

	for port := range 5 {
		r.add("traces could not be exported", fmt.Errorf("dial 127.0.0.1:%d: refused", 4000+port))
	}
	r.add("traces could not be exported", errors.New("timeout"))
	if got := strings.Count(out.String(), "\n"); got != 2 {
		t.Fatalf("%d lines for two causes in a minute, want 2:\n%s", got, &out)
	}

	out.Reset()
	now = now.Add(reportEvery)
	r.add("traces could not be exported", errors.New("dial 127.0.0.1:4000: refused"))
	if got := out.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "times=5") {
		t.Errorf("a minute later: want one line with times=5 (4 held back and this one):\n%s", got)
	}

	out.Reset()
	r.add("traces could not be exported", errors.New("timeout"))
	r.add("traces could not be exported", errors.New("timeout"))
	r.flush()
	if got := out.String(); !strings.Contains(got, "times=1") {
		t.Errorf("flush does not log the rest:\n%s", got)
	}
}

func TestReportsDoNotGrowWithTheirTexts(t *testing.T) {
	r := newReports(slog.New(slog.DiscardHandler))
	for i := range 10 * maxCauses {
		r.Handle(errors.New("odd " + strings.Repeat("x", i)))
	}
	if len(r.causes) > maxCauses+1 {
		t.Errorf("%d causes are kept, want at most %d", len(r.causes), maxCauses+1)
	}
}
