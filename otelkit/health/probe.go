package health

import (
	"net/http"
	"sync"
	"time"
)

// snapshot is everything that probes and reports tell, made when a result
// arrives and never changed.
type snapshot struct {
	report   Report
	startup  answer
	ready    answer
	overview answer
	details  answer

	// After expires there should have been further results of critical checks.
	// There is something wrong with this process then, and stale is what holds.
	// Zero means never.
	expires time.Time
	stale   func() *snapshot
}

// answer is an answer to a request, ready to be sent.
type answer struct {
	code int
	body []byte
}

// picture makes the snapshot of what is known.
func (c *Checker) picture() *snapshot {
	report := c.report()
	s := c.snapshotOf(report, c.started)
	if report.State == Ready || report.State == Degraded {
		s.expires = c.expiry()
		s.stale = sync.OnceValue(func() *snapshot {
			report.State, report.Since = NotReady, s.expires
			report.Output = "critical checks have not reported in time, so what they said last is not believed"
			return c.snapshotOf(report, true)
		})
	}
	return s
}

func (c *Checker) snapshotOf(r Report, started bool) *snapshot {
	startup := Fail
	if started {
		startup = Pass
	}
	details := c.documentOf(r)
	return &snapshot{
		report:   r,
		startup:  newAnswer(startup, document{Status: startup, Notes: r.notes()[:1]}),
		ready:    newAnswer(r.State.Status(), document{Status: r.State.Status(), Notes: r.notes()[:1]}),
		overview: newAnswer(r.State.Status(), details.withoutErrors()),
		details:  newAnswer(r.State.Status(), details),
	}
}

// expiry is when the first critical check is overdue.
func (c *Checker) expiry() time.Time {
	var first time.Time
	for _, t := range c.tallies {
		if t.check.Criticality != Critical {
			continue
		}
		if due := t.last.at.Add(staleAfter*t.check.Interval + grace); first.IsZero() || due.Before(first) {
			first = due
		}
	}
	return first
}

// current returns the snapshot that holds now.
func (c *Checker) current() *snapshot {
	s := c.snapshot.Load()
	if !s.expires.IsZero() && time.Now().After(s.expires) {
		return s.stale()
	}
	return s
}

// Live returns the liveness probe: 200 as long as the process can answer. No
// check has a part in it, nor has the state.
func (c *Checker) Live() http.Handler {
	live := newAnswer(Pass, document{Status: Pass})
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { live.send(w) })
}

// Startup returns the startup probe: 503 until every critical check has passed,
// 200 ever after.
func (c *Checker) Startup() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { c.current().startup.send(w) })
}

// Ready returns the readiness probe: 200 when ready or degraded, else 503. Its
// answer tells the state and no more, so that anybody may ask.
func (c *Checker) Ready() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { c.current().ready.send(w) })
}

// Overview returns a handler that answers as Ready does and tells which checks
// there are, how each stands and how long it took, but none of their errors,
// which may hold addresses: for callers who may know what a service is made of,
// and no more.
func (c *Checker) Overview() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { c.current().overview.send(w) })
}

// Details returns a handler that answers as Ready does and tells everything
// about the checks. Put it where only those who operate the service get: on a
// port of its own, or behind what authenticates them.
func (c *Checker) Details() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { c.current().details.send(w) })
}

// The values of headers, shared by all answers, so that none allocates.
var (
	contentType  = []string{"application/health+json"}
	cacheControl = []string{"no-store, max-age=0"} // asking again costs nothing, and who drains must be seen to
)

func (a *answer) send(w http.ResponseWriter) {
	h := w.Header()
	h["Content-Type"] = contentType
	h["Cache-Control"] = cacheControl
	w.WriteHeader(a.code)
	_, _ = w.Write(a.body) // whoever asked has gone
}
