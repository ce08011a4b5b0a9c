package health

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// State is what an instance can do.
type State string

// The states of an instance.
const (
	Starting State = "starting"  // some critical check has not passed yet
	Ready    State = "ready"     // takes traffic
	Degraded State = "degraded"  // takes traffic; a noncritical check fails
	NotReady State = "not_ready" // takes no traffic; a critical check fails
	Failed   State = "failed"    // still starting when StartTimeout was over
	Draining State = "draining"  // takes no more traffic, for good
)

// Values returns the closed set of states.
func (State) Values() []State {
	return []State{Starting, Ready, Degraded, NotReady, Failed, Draining}
}

// Status returns what the state is called in an answer.
func (s State) Status() Status {
	switch s {
	case Ready:
		return Pass
	case Degraded:
		return Warn
	default:
		return Fail
	}
}

// Status is a health status in the form of the answer.
type Status string

// The statuses. A check that passes by its verdict, though its last run failed,
// is at Warn; so is one that has not run yet.
const (
	Pass Status = "pass"
	Warn Status = "warn"
	Fail Status = "fail"
)

// Values returns the closed set of statuses.
func (Status) Values() []Status { return []Status{Pass, Warn, Fail} }

// Report tells the state of an instance and why it is so.
type Report struct {
	State  State
	Since  time.Time     // when the state began
	Output string        // what is wrong, causes only; "" if nothing is
	Layers []LayerReport // in the order of the checks
	Checks []CheckReport // in the order of Config
}

// LayerReport sums up a layer: Fail if a critical check fails, Warn if only
// noncritical ones do.
type LayerReport struct {
	Layer  Layer
	Status Status
}

// CheckReport tells what is known of one check.
type CheckReport struct {
	Name        string
	Layer       Layer
	Criticality Criticality
	Status      Status
	At          time.Time     // when the last result was known; zero before the first
	Took        time.Duration // how long it took
	Output      string        // what is wrong, without secrets; "" at Pass
	CausedBy    []string      // failing checks below a failing one that explain it
	Affects     []string      // checks that depend on it, directly or not
	Endpoints   []string      // what does not work while it fails; nil at Pass
}

// Report returns the present state. Like a probe, it waits for no check. The
// caller may keep and change what it gets.
func (c *Checker) Report() Report {
	r := c.current().report
	r.Layers, r.Checks = slices.Clone(r.Layers), slices.Clone(r.Checks)
	for i := range r.Checks {
		check := &r.Checks[i]
		check.CausedBy, check.Affects, check.Endpoints = slices.Clone(check.CausedBy), slices.Clone(check.Affects), slices.Clone(check.Endpoints)
	}
	return r
}

// report tells the state that was come to.
func (c *Checker) report() Report {
	r := Report{State: c.state, Since: c.since}
	for i := range c.tallies {
		r.Checks = append(r.Checks, c.checkReport(i))
	}
	r.Layers = layersOf(r.Checks)
	r.Output = r.output()
	return r
}

func (c *Checker) checkReport(i int) CheckReport {
	t := c.tallies[i]
	r := CheckReport{
		Name:        t.check.Name,
		Layer:       t.check.Layer,
		Criticality: t.check.Criticality,
		Status:      t.status(),
		At:          t.last.at,
		Took:        t.last.took,
		Output:      t.output(),
		Affects:     c.names(c.graph.affects[i]),
	}
	if r.Status == Fail {
		r.CausedBy = c.names(c.graph.causes(i, c.fails))
	}
	if r.Status != Pass {
		r.Endpoints = c.endpoints(i)
	}
	return r
}

// endpoints of check i and of those that depend on it.
func (c *Checker) endpoints(i int) []string {
	list := slices.Clone(c.cfg.Checks[i].Endpoints)
	for _, j := range c.graph.affects[i] {
		list = append(list, c.cfg.Checks[j].Endpoints...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (c *Checker) fails(i int) bool { return c.tallies[i].verdict == Fail }

func (c *Checker) names(indices []int) []string {
	var list []string
	for _, i := range indices {
		list = append(list, c.cfg.Checks[i].Name)
	}
	return list
}

// layersOf sums up the layers in the order in which the checks name them.
func layersOf(checks []CheckReport) []LayerReport {
	var layers []LayerReport
	for _, check := range checks {
		i := slices.IndexFunc(layers, func(l LayerReport) bool { return l.Layer == check.Layer })
		if i < 0 {
			i = len(layers)
			layers = append(layers, LayerReport{check.Layer, Pass})
		}
		switch {
		case check.Status != Fail || check.Criticality == Informational:
		case check.Criticality == Critical:
			layers[i].Status = Fail
		case layers[i].Status == Pass:
			layers[i].Status = Warn
		}
	}
	return layers
}

// output says what is wrong: the checks that fail by their own fault, and at
// the start the critical ones that have not run.
func (r Report) output() string {
	var list []string
	for _, check := range r.Checks {
		fails := check.Status == Fail && len(check.CausedBy) == 0
		if fails || check.At.IsZero() && check.Criticality == Critical {
			list = append(list, check.Name+": "+check.Output)
		}
	}
	return strings.Join(list, "; ")
}

// notes says in words what the fields of an answer have no place for.
func (r Report) notes() []string {
	notes := []string{strings.ReplaceAll(string(r.State), "_", " ")}
	for _, layer := range r.Layers {
		if layer.Status != Pass {
			notes = append(notes, fmt.Sprintf("layer %s: %s", layer.Layer, layer.Status))
		}
	}
	for _, check := range r.Checks {
		if len(check.CausedBy) > 0 {
			notes = append(notes, fmt.Sprintf("%s fails because of %s", check.Name, strings.Join(check.CausedBy, ", ")))
		}
	}
	return notes
}
