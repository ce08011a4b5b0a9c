package slo

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/otelkit/kit/otelkit/metrics"
)

// New returns s ready to be kept: a Threshold becomes a boundary of the histogram's
// buckets, and an objective over Counted knows its events. What is wrong is found
// by Validate.
//
// It is for package variables, since the boundaries of a histogram are settled when
// it first records. A histogram that several objectives, or several packages, share
// gets the boundaries of all.
func New(s SLO) SLO {
	if s.counted() {
		return s.ofItsOwn()
	}
	le, ok := s.Boundary()
	histogram, grows := s.Events.(interface {
		AddBoundary(le float64, source string) error
	})
	if ok && grows {
		s.fault = histogram.AddBoundary(le, caller())
	}
	return s
}

// caller returns the line that New was called on, as metrics writes lines.
func caller() string {
	_, path, line, ok := runtime.Caller(2)
	if !ok {
		return "unknown"
	}
	dir, file := filepath.Split(path)
	return fmt.Sprintf("%s/%s:%d", filepath.Base(dir), file, line)
}

// units are those of UCUM that a time is measured in.
var units = map[string]time.Duration{
	"ns": time.Nanosecond, "us": time.Microsecond, "ms": time.Millisecond,
	"s": time.Second, "min": time.Minute, "h": time.Hour, "d": day,
}

// Boundary returns the threshold in the unit of the histogram: 0.3 for 300 ms of
// one in seconds. Good events are in the buckets up to it. ok is false for an
// objective that is not about time, or whose events are not in a histogram of
// times.
func (s SLO) Boundary() (le float64, ok bool) {
	if s.Threshold <= 0 || s.Events == nil {
		return 0, false
	}
	m := s.Events.Metric()
	unit, ok := units[m.Unit]
	if !ok || m.Kind != metrics.KindHistogram {
		return 0, false
	}
	return float64(s.Threshold) / float64(unit), true
}

// validateThreshold returns what is wrong with a threshold on metric m.
func (s SLO) validateThreshold(m metrics.Metric) error {
	le, ok := s.Boundary()
	switch {
	case s.Threshold == 0 || s.counted() && s.Threshold > 0:
		return nil
	case s.Threshold < 0:
		return fmt.Errorf("threshold %v is negative; say the longest that a good event takes", s.Threshold)
	case m.Kind != metrics.KindHistogram:
		return fmt.Errorf("is a %s, which does not know how long anything took; give a histogram, or count events by a Recorder with Events: slo.Counted", m.Kind)
	case !ok:
		return fmt.Errorf("unit %q is not a time, so nothing of it is longer than %v; give a histogram of durations", m.Unit, s.Threshold)
	case len(s.Bad) > 1:
		return errors.New("has more than one Match in Bad beside a Threshold; say by one attribute which events failed, and do not count")
	case !slices.Contains(m.Buckets, le) && s.fault == nil:
		return fmt.Errorf("no bucket ends at %v (%v), so nobody can say how many events were faster; make the objective by slo.New, in a package variable that the service has too", le, s.Threshold)
	}
	return nil
}
