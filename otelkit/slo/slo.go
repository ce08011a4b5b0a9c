// Package slo states service level objectives as values over metric
// definitions.
//
// An objective says which events of a metric count, which of them are bad, and
// what share has to be good over which window. What is left, the error budget,
// is what may go wrong before users notice:
//
//	events ──Where──> those that count ──Bad──> bad ──> share over the window
//	                                                      │
//	                                    objective 99.5% ──┴──> budget 0.5%
//
//	var Availability = slo.SLO{
//		Name:      "main-availability",
//		Help:      "Requests that the shop's API answers without failing itself.",
//		Service:   "main",
//		Objective: 0.995,
//		Events:    httpserver.RequestDuration,
//		Bad:       []slo.Match{{Key: "http.response.status_code", Pattern: "5.."}},
//	}
//
// Bad events are stated as a part of the events, never as a metric of their
// own, so that there cannot be more bad ones than there are events.
//
// The package knows neither Prometheus nor Grafana. Package query turns an
// objective into expressions, package alerts into rules.
package slo

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"time"

	"github.com/otelkit/kit/otelkit/metrics"
)

// SLO is a service level objective. Name, Help, Service, Objective, Events and
// Bad are required.
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
	// each of whose measurements is an event.
	Events metrics.Defined
	// Where says which events count: those that every Match matches. Empty means
	// all events of the service.
	Where []Match
	// Bad says which events that count are bad: those that every Match matches.
	Bad []Match
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
// of Where and Bad name the metric's definition and its line.
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
		faults = append(faults, fmt.Errorf("%q (%s) is of kind %s, which counts no events; give a counter or a histogram", m.Name, m.Source, m.Kind))
	}
	if len(s.Bad) == 0 {
		faults = append(faults, errors.New("no Bad; say which events are bad"))
	}
	for _, match := range append(s.Where[:len(s.Where):len(s.Where)], s.Bad...) {
		if err := match.Check(m); err != nil {
			faults = append(faults, fmt.Errorf("%q (%s): %w", m.Name, m.Source, err))
		}
	}
	return faults
}
