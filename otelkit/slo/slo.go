// Package slo states service level objectives as values over metric
// definitions, and counts their events where no metric does.
//
// An objective says which events of a metric count, which of them are bad, and
// what share has to be good over which window. What is left, the error budget,
// is what may go wrong before users notice:
//
//	events ──Where──> those that count ──Bad or Threshold──> bad ──> share over the window
//	                                                                  │
//	                                                objective 99.5% ──┴──> budget 0.5%
//
//	var Availability = slo.New(slo.SLO{
//		Name:      "main-availability",
//		Help:      "Requests that the shop's API answers without failing itself.",
//		Service:   "main",
//		Objective: 0.995,
//		Events:    httpserver.RequestDuration,
//		Bad:       []slo.Match{{Key: "http.response.status_code", Pattern: "5.."}},
//	})
//
// Bad events are stated as a part of the events, never as a metric of their
// own, so that there cannot be more bad ones than there are events.
//
// # Latency
//
// With a Threshold, slow events are bad: those that took longer than it. What
// Bad matches has failed then, and does not count at all, since how long a
// failure took says nothing about how long an answer takes; an objective of its
// own counts it. So each failure spends one budget:
//
//	Bad            an event that counts is good unless Bad matches it
//	Threshold      an event that counts is good if it took at most Threshold
//	both           an event that counts and is not Bad is good if it took at most Threshold
//	neither        is refused
//
// A histogram knows what was at or below a number at the boundaries of its
// buckets only. At 300 ms, with boundaries at 250 and 500, nobody can say how many
// requests were fast enough. So [New] makes the threshold a boundary, in the whole
// process, before anything is recorded. It has to run in the service that records,
// not only where rules are generated: state the objective as a package variable
// beside the service's definitions. An objective whose bucket does not exist is not
// kept by guessing. [SLO.Validate] refuses one that was not made by New; of a service
// that was built without the objective there are no events, which is a ticket
// (below) instead of an alert that cannot fire.
//
// # Counting
//
// Where no metric has the events, or a histogram would be too dear, Events is
// [Counted], and a [Recorder] counts each as good or bad, with an exemplar on the
// bad ones. [Recorder.Wrap] does so for HTTP requests.
//
// # Low traffic, idleness, silence
//
// What the rules that package alerts makes of an objective do:
//
//   - A share of few events is noise: one failure among ten requests in an hour
//     burns a budget of 0.1% 100 times too fast. So an alert also takes a least
//     number of bad events within its long window (alerts.BurnRate.MinBad, 5),
//     give or take one, since Prometheus counts by rates. Below some 5 events an
//     hour nothing pages by the fast alert, below 5 in 6 hours nothing by the
//     other, whatever fails. From 5 divided by the alert's threshold on, 347 events
//     an hour at 99.9% (5 / 0.0144), the least number changes nothing.
//   - A service without events is idle: it has no error ratio, neither 0 nor NaN,
//     the budget stays what it was, and no alert fires. The series are there and
//     do not grow.
//   - No series at all for 15 minutes means that nobody knows: the service does
//     not run, its telemetry does not arrive, it has had no event since it
//     started (a Recorder's series are there from its start), or its histogram has
//     no bucket that ends at the threshold. That is a ticket after 5 more minutes,
//     and never a page: most silences are the telemetry's. A service that is gone
//     altogether answers nobody and counts nothing; only a probe from outside, or
//     the objective of who calls it, pages for that.
//   - Events of an instance whose histogram lacks the bucket, such as one of the
//     release before, do not count; those of the others do.
//
// The package knows neither Prometheus nor Grafana. Package query turns an
// objective into expressions, package alerts into rules and into specifications of
// OpenSLO and Sloth.
package slo

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"time"

	"github.com/otelkit/kit/otelkit/metrics"
)

// SLO is a service level objective. Name, Help, Service, Objective and Events
// are required, and one of Bad and Threshold. Make it by [New].
type SLO struct {
	// Name identifies the objective in rules, alerts and links: lower case
	// words with hyphens, such as "main-availability".
	Name string
	// Help is one sentence that says what is promised, for whoever is paged.
	Help string
	// Service is the service.name of the service that promises.
	Service string
	// Objective is the share of events that has to be good, between 0 and 1:
	// 0.995 for 99.5%.
	Objective float64
	// Window is the time over which the objective holds, in whole days, at least
	// 7 of them; 0 means 30 days. Prometheus has to keep data for longer.
	Window time.Duration
	// Events is the metric that counts the events: a counter, or a histogram,
	// each of whose measurements is an event. With Counted, a Recorder counts
	// them, and New fills in Where and Bad.
	Events metrics.Defined
	// Where says which events count: those that every Match matches. Empty means
	// all events of the service.
	Where []Match
	// Bad says which events that count are bad: those that every Match matches.
	// With a Threshold it has at most one Match, and says which events do not
	// count since they failed.
	Bad []Match
	// Threshold is the longest that a good event takes; 0 means that time does
	// not matter. Events is a histogram of a time then, whichever unit it has, or
	// Counted.
	Threshold time.Duration

	fault error // what New found
}

const (
	day            = 24 * time.Hour
	defaultWindow  = 30 * day
	shortestWindow = 7 * day
)

// namePattern is what can stand in a label, a file name and a link alike.
var namePattern = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// Period returns the window over which the objective holds, the default filled
// in.
func (s SLO) Period() time.Duration {
	if s.Window == 0 {
		return defaultWindow
	}
	return s.Window
}

// Budget returns the share of events that may be bad: 1 - Objective, without
// the dust of binary fractions (1 - 0.999 is 0.0010000000000000009).
func (s SLO) Budget() float64 {
	return math.Round((1-s.Objective)*1e12) / 1e12
}

// Validate returns everything that is wrong with the objective, or nil. Faults
// of Events, Where, Bad and Threshold name the metric's definition and its line.
func (s SLO) Validate() error {
	var faults []error
	if !namePattern.MatchString(s.Name) {
		faults = append(faults, errors.New(`the name has to be lower case words with hyphens, such as "main-availability"`))
	}
	if s.Help == "" {
		faults = append(faults, errors.New("no Help; say in one sentence what is promised"))
	}
	if s.Service == "" {
		faults = append(faults, errors.New("no Service; say the service.name of the service that promises"))
	}
	if !(s.Objective > 0 && s.Objective < 1) {
		faults = append(faults, fmt.Errorf("objective %v is not between 0 and 1; write 0.995 for 99.5%%", s.Objective))
	}
	if p := s.Period(); p < shortestWindow || p%day != 0 {
		faults = append(faults, fmt.Errorf("window %v has to be whole days, at least 7; leave it out for 30", p))
	}
	faults = append(faults, s.validateEvents()...)
	for i, fault := range faults {
		faults[i] = fmt.Errorf("slo: %q: %w", s.Name, fault)
	}
	return errors.Join(faults...)
}

func (s SLO) validateEvents() []error {
	if s.Events == nil {
		return []error{errors.New("no Events; give the counter or histogram that counts them")}
	}
	m := s.Events.Metric()
	var faults []error
	if m.Kind != metrics.KindCounter && m.Kind != metrics.KindHistogram {
		faults = append(faults, fmt.Errorf("is of kind %s, which counts no events; give a counter or a histogram", m.Kind))
	}
	switch {
	case s.counted() && len(s.Where) == 0:
		faults = append(faults, errors.New("counts the events of many objectives; make this one by slo.New, which says which are its own"))
	case len(s.Bad) == 0 && s.Threshold == 0:
		faults = append(faults, errors.New("no Bad and no Threshold; say which events are bad"))
	}
	for _, match := range slices.Concat(s.Where, s.Bad) {
		if err := match.Check(m); err != nil {
			faults = append(faults, err)
		}
	}
	if err := s.validateThreshold(m); err != nil {
		faults = append(faults, err)
	}
	if s.fault != nil {
		faults = append(faults, s.fault)
	}
	for i, fault := range faults {
		faults[i] = fmt.Errorf("%q (%s): %w", m.Name, m.Source, fault)
	}
	return faults
}
