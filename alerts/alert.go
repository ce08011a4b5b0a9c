package alerts

import (
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/query"
)

// Severity says how soon somebody has to look.
type Severity string

// The severities. A page wakes somebody, so it needs a person now; a ticket
// waits for working hours.
const (
	Page   Severity = "page"
	Ticket Severity = "ticket"
)

// Alert is an alerting rule with all that it owes its reader. Every field but
// For, KeepFiring and Labels is required.
type Alert struct {
	Name       string            // CamelCase, unique in a file
	Expr       query.Expr        // fires for every series that it returns
	For        time.Duration     // how long it has to return one before the alert fires
	KeepFiring time.Duration     // how long the alert goes on when it no longer does
	Severity   Severity          // who looks, and when
	Service    string            // service.name of what is in trouble
	Labels     map[string]string // more labels

	Summary     string // one line; may hold Prometheus' templates
	Description string // what is wrong and what it means; may hold templates
	Dashboard   string // URL of the dashboard that shows it
	RunbookURL  string // URL of Runbook, where it is published
	Runbook     Runbook

	Fires []Case // on which it fires
	Quiet []Case // on which it does not
}

// Case is a stretch of series on which an alert proves itself.
type Case struct {
	Name   string        // a sentence: "fires when 8.6% of events are bad"
	Series []Series      // all that is recorded
	At     time.Duration // when to look, from the start of the series

	// What a firing alert shows: labels beside the alert's own, and its
	// annotations with the templates filled in. Empty for a case that stays quiet.
	Labels               map[string]string
	Summary, Description string
}

// Series is one series of a counter, or of a histogram's number of
// measurements or one of its buckets, sampled once a minute from the start.
type Series struct {
	Metric     metrics.Defined
	Bucket     float64           // the boundary at which the bucket ends; 0 for the number of measurements
	Attributes map[string]string // its attributes and those of its resource, in OpenTelemetry form
	Values     string            // in promtool's notation: "0+60x120" grows by 60 a minute for 2 hours
}

var alertName = regexp.MustCompile(`^([A-Z][a-z0-9]*)+$`)

// validate returns what the alert still owes.
func (a Alert) validate() error {
	var faults []error
	if !alertName.MatchString(a.Name) {
		faults = append(faults, errors.New(`the name has to be in CamelCase, such as "CheckoutFastBurn"`))
	}
	if a.Severity != Page && a.Severity != Ticket {
		faults = append(faults, fmt.Errorf("severity %q; it is page or ticket", a.Severity))
	}
	for _, owed := range []struct{ what, text string }{
		{"Service", a.Service}, {"Summary", a.Summary}, {"Description", a.Description},
		{"Dashboard", a.Dashboard}, {"RunbookURL", a.RunbookURL}, {"Runbook.Meaning", a.Runbook.Meaning},
	} {
		if owed.text == "" {
			faults = append(faults, fmt.Errorf("no %s, which it owes whoever it wakes", owed.what))
		}
	}
	if len(a.Fires) == 0 {
		faults = append(faults, errors.New("no case in Fires; give series on which it fires, else nobody knows that it can"))
	}
	if len(a.Quiet) == 0 {
		faults = append(faults, errors.New("no case in Quiet; give series on which it stays quiet, else nobody knows that it does"))
	}
	for i, fault := range faults {
		faults[i] = fmt.Errorf("alerts: %q: %w", a.Name, fault)
	}
	return errors.Join(faults...)
}
