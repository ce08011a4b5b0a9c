package health

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Check is something that the instance needs, and how to ask whether it is
// there. Name and Run are required.
type Check struct {
	// Name says what is checked, such as "postgres". It has no colon, which the
	// form of the answer gives a meaning.
	Name string
	// Run returns nil if what is checked is there, else why it is not. It may be
	// a method of the pool that serves requests, such as (*pgxpool.Pool).Ping.
	// Its context ends after Timeout. A run that does not heed that is given up,
	// and the check fails, but is not run again before the run has returned: a
	// check never runs twice at once.
	Run func(ctx context.Context) error

	Criticality Criticality   // what a failure means; "" means Noncritical
	Layer       Layer         // what kind of thing is checked; "" means Component
	Interval    time.Duration // from the start of one run to that of the next; 0 means 5 s
	Timeout     time.Duration // longest time for a run, at most Interval; 0 means 1 s, or Interval if that is less
	FailAfter   int           // failures in a row after which a check that passed fails; 0 means 2
	PassAfter   int           // passes in a row after which a check that failed passes again; 0 means 2

	// DependsOn names the checks of what this one needs in turn. If both fail,
	// the report tells which is the cause.
	DependsOn []string
	// Endpoints are URI templates (RFC 6570) of what does not work while the
	// check fails, such as "/orders/{id}". The report adds those of the checks
	// that depend on this one.
	Endpoints []string
}

// Criticality is what the failure of a check means for the instance.
type Criticality string

// The criticalities.
const (
	Critical      Criticality = "critical"      // not ready: takes no traffic
	Noncritical   Criticality = "noncritical"   // degraded: takes traffic, does not do all of it
	Informational Criticality = "informational" // nothing: it is reported
)

// Values returns the closed set of criticalities.
func (Criticality) Values() []Criticality {
	return []Criticality{Critical, Noncritical, Informational}
}

// Layer is the kind of thing that a check is about. Reports sum up each layer.
// Besides the three below, which the form of the answer defines, a layer may
// have any name, such as "third party".
type Layer string

// The layers that have a meaning in the form of the answer (componentType).
const (
	System    Layer = "system"    // the machine: disk, memory, clock
	Datastore Layer = "datastore" // what holds data: databases, caches, queues
	Component Layer = "component" // other services
)

// The defaults of a check.
const (
	defaultInterval = 5 * time.Second
	defaultTimeout  = time.Second
	defaultTimes    = 2
)

// maxChecks keeps metrics bounded. It is repeated in the tags of metrics.go.
const maxChecks = 50

// prepare returns the checks with their defaults and how they depend on each
// other, or everything that is wrong with them.
func prepare(checks []Check) ([]Check, graph, error) {
	checks = slices.Clone(checks)
	var errs []error
	if len(checks) > maxChecks {
		errs = append(errs, fmt.Errorf("%d checks; more than %d would make metrics unbounded, so put what is alike into one", len(checks), maxChecks))
	}
	names := map[string]int{}
	for i := range checks {
		check := &checks[i]
		check.fillIn()
		if err := check.validate(); err != nil {
			errs = append(errs, fmt.Errorf("check %q: %w", check.Name, err))
		}
		if _, ok := names[check.Name]; ok {
			errs = append(errs, fmt.Errorf("check %q stands twice", check.Name))
		}
		names[check.Name] = i
	}
	g, err := newGraph(checks, names)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, graph{}, fmt.Errorf("health: %w", err)
	}
	return checks, g, nil
}

func (c *Check) fillIn() {
	c.Criticality = cmp.Or(c.Criticality, Noncritical)
	c.Layer = cmp.Or(c.Layer, Component)
	c.Interval = cmp.Or(c.Interval, defaultInterval)
	c.Timeout = cmp.Or(c.Timeout, min(defaultTimeout, c.Interval))
	c.FailAfter = cmp.Or(c.FailAfter, defaultTimes)
	c.PassAfter = cmp.Or(c.PassAfter, defaultTimes)
}

func (c *Check) validate() error {
	switch {
	case c.Name == "" || strings.Contains(c.Name, ":"):
		return errors.New(`the name has to say what is checked, without a colon, such as "postgres"`)
	case c.Run == nil:
		return errors.New("no Run; give the function that checks")
	case !slices.Contains(c.Criticality.Values(), c.Criticality):
		return fmt.Errorf("criticality %q is none; there are %v", c.Criticality, c.Criticality.Values())
	case c.Interval < 0 || c.Timeout < 0:
		return fmt.Errorf("interval %v or timeout %v is negative", c.Interval, c.Timeout)
	case c.Timeout > c.Interval:
		return fmt.Errorf("a timeout of %v does not fit into an interval of %v; lengthen Interval or shorten Timeout", c.Timeout, c.Interval)
	case c.FailAfter < 0 || c.PassAfter < 0:
		return fmt.Errorf("FailAfter %d or PassAfter %d is negative", c.FailAfter, c.PassAfter)
	}
	return nil
}
