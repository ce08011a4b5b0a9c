package health

import (
	"context"

	"github.com/otelkit/kit/otelkit/metrics"
)

// Catalog holds the metrics of health checks. OpenTelemetry's semantic
// conventions (v1.43.0) have none, hence the namespace of otelkit's own.
var Catalog = metrics.NewCatalog("github.com/otelkit/kit/otelkit/health")

// Outcome is how a run of a check ended.
type Outcome string

const (
	pass         Outcome = "pass"
	fail         Outcome = "fail"
	timeout      Outcome = "timeout"
	crash        Outcome = "panic"
	stillRunning Outcome = "" // it has not: nothing to record
)

// Values returns the closed set of outcomes.
func (Outcome) Values() []Outcome { return []Outcome{pass, fail, timeout, crash} }

// StateAttrs tell states of the instance apart.
type StateAttrs struct {
	State State `attr:"otelkit.health.state"`
}

// CheckAttrs tell checks and their statuses apart.
type CheckAttrs struct {
	Name        string      `attr:"otelkit.health.check.name,limit=50"`
	Layer       Layer       `attr:"otelkit.health.check.layer,limit=50"`
	Criticality Criticality `attr:"otelkit.health.check.criticality"`
	Status      Status      `attr:"otelkit.health.status"`
}

// CheckRunAttrs tell runs of checks apart by how they ended.
type CheckRunAttrs struct {
	Name    string  `attr:"otelkit.health.check.name,limit=50"`
	Outcome Outcome `attr:"otelkit.health.check.outcome"`
}

// CheckTransitionAttrs tell apart what checks turned to.
type CheckTransitionAttrs struct {
	Name   string `attr:"otelkit.health.check.name,limit=50"`
	Status Status `attr:"otelkit.health.status"` // Pass or Fail
}

// The definitions. Instances and Checks are 1 for the present state or status
// and 0 for the others, so that a sum over instances counts them.
var (
	Instances = metrics.NewObservableUpDownCounter[StateAttrs](Catalog, metrics.Definition{
		Name: "otelkit.health.instances",
		Unit: "{instance}",
		Help: "Instances, by the state they are in.",
	})
	Checks = metrics.NewObservableUpDownCounter[CheckAttrs](Catalog, metrics.Definition{
		Name:  "otelkit.health.checks",
		Unit:  "{check}",
		Help:  "Health checks, by their present status.",
		Limit: maxChecks * len(Status("").Values()),
	})
	CheckDuration = metrics.NewHistogram[CheckRunAttrs](Catalog, metrics.Definition{
		Name:    "otelkit.health.check.duration",
		Unit:    "s",
		Help:    "How long runs of health checks took, by how they ended.",
		Buckets: metrics.OperationBuckets(),
	})
	Transitions = metrics.NewCounter[StateAttrs](Catalog, metrics.Definition{
		Name: "otelkit.health.transitions",
		Unit: "{transition}",
		Help: "Changes of an instance's state, by the state that began.",
	})
	CheckTransitions = metrics.NewCounter[CheckTransitionAttrs](Catalog, metrics.Definition{
		Name: "otelkit.health.check.transitions",
		Unit: "{transition}",
		Help: "Health checks that began to fail or to pass again.",
	})
)

// observe has the present state reported whenever metrics are collected, until
// the function that it returns is called. What goes wrong is logged: an
// instance is no less healthy for its health not being recorded.
func (c *Checker) observe() (end func()) {
	instances, err := Instances.Register(c.telemetry(), func(_ context.Context, observe func(float64, StateAttrs)) error {
		now := c.current().report.State
		for _, state := range now.Values() {
			observe(oneIf(state == now), StateAttrs{state})
		}
		return nil
	})
	c.warn(err)
	checks, err := Checks.Register(c.telemetry(), func(_ context.Context, observe func(float64, CheckAttrs)) error {
		for _, check := range c.current().report.Checks {
			for _, status := range check.Status.Values() {
				observe(oneIf(status == check.Status), CheckAttrs{check.Name, check.Layer, check.Criticality, status})
			}
		}
		return nil
	})
	c.warn(err)
	return func() {
		for _, r := range []*metrics.Registration{instances, checks} {
			if r != nil {
				c.warn(r.Unregister())
			}
		}
	}
}

func (c *Checker) warn(err error) {
	if err != nil {
		c.log.Warn("health is not recorded", "exception.message", err.Error())
	}
}

func oneIf(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
