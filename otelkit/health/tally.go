package health

import "fmt"

// staleAfter is the number of intervals without a result after which nothing
// is believed any more.
const staleAfter = 3

// tally damps the results of one check:
//
//	none ──first result──> pass ──FailAfter failures in a row──> fail
//	                        ^                                     │
//	                        └──────PassAfter passes in a row──────┘
//
// As long as a check has never passed, the first pass counts: there is no
// flapping yet, and somebody waits for the service to start.
type tally struct {
	check     Check
	verdict   Status // Pass or Fail; "" before the first result
	last      result
	passes    int // in a row
	failures  int // in a row
	hasPassed bool
}

// add takes a result and returns whether the verdict has turned. The first
// result turns it only if it is a failure: that all is well is no news.
func (t *tally) add(r result) (turned bool) {
	before := t.verdict
	t.last = r
	if r.err == nil {
		t.passes, t.failures = t.passes+1, 0
	} else {
		t.passes, t.failures = 0, t.failures+1
	}
	switch {
	case t.passes >= t.check.PassAfter, t.passes > 0 && !t.hasPassed:
		t.verdict = Pass
	case t.failures >= t.check.FailAfter, t.failures > 0 && before == "", r.err != nil && r.took >= staleAfter*t.check.Interval:
		t.verdict = Fail
	}
	t.hasPassed = t.hasPassed || t.verdict == Pass
	return t.verdict != before && (before != "" || t.verdict == Fail)
}

// status returns what the check is at, which unlike the verdict tells that its
// last run did not go as those before.
func (t *tally) status() Status {
	if t.verdict == "" || t.verdict == Pass && t.failures > 0 {
		return Warn
	}
	return t.verdict
}

// output says what is wrong, or nothing.
func (t *tally) output() string {
	switch {
	case t.verdict == "":
		return "has not run yet"
	case t.verdict == Fail && t.passes > 0:
		return fmt.Sprintf("failed, and passes again: %d of %d times", t.passes, t.check.PassAfter)
	default:
		return t.last.output
	}
}
