package alerts

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/otelkit/kit/query"
)

// Group is a group of rules: Prometheus evaluates its records and then its
// alerts, in order, every Interval.
type Group struct {
	Name     string
	Interval time.Duration
	Records  []Recording
	Alerts   []Alert
}

// Recording is a recording rule.
type Recording struct {
	Record query.Record
	Expr   query.Expr
	Labels map[string]string // added to what Expr returns
}

// File is a Prometheus rule file with all that belongs to it. What it writes is
// the same, byte for byte, each time.
type File struct {
	// Notice is the line at the head of every file: what generated it from what.
	Notice string
	// Strategy is how Prometheus translates names; "" means its default.
	Strategy query.Strategy
	Groups   []Group
}

func (f File) target() query.Target { return query.Target{Strategy: f.Strategy, Rule: true} }

// Rules returns the rule file. It returns an error that says all that is wrong:
// expressions that make no sense, and alerts that owe their reader something.
func (f File) Rules() ([]byte, error) {
	if err := f.validate(); err != nil {
		return nil, err
	}
	var groups []ruleGroup
	var faults []error
	for _, g := range f.Groups {
		group := ruleGroup{Name: g.Name, Interval: query.Duration(g.Interval)}
		for _, r := range g.Records {
			expr, err := r.Expr.PromQL(f.target())
			if err != nil {
				faults = append(faults, fmt.Errorf("alerts: record %s: %w", r.Record.Name, err))
			}
			group.Rules = append(group.Rules, rule{Record: r.Record.Name, Expr: expr, Labels: r.Labels})
		}
		for _, a := range g.Alerts {
			expr, err := a.Expr.PromQL(f.target())
			if err != nil {
				faults = append(faults, fmt.Errorf("alerts: %q: %w", a.Name, err))
			}
			group.Rules = append(group.Rules, a.rule(expr))
		}
		groups = append(groups, group)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return f.yaml(map[string][]ruleGroup{"groups": groups})
}

func (f File) validate() error {
	var faults []error
	names := map[string]bool{}
	once := func(what, name string) {
		if names[what+name] {
			faults = append(faults, fmt.Errorf("alerts: %s %q stands twice", what, name))
		}
		names[what+name] = true
	}
	for _, g := range f.Groups {
		once("group", g.Name)
		if g.Name == "" || g.Interval < time.Second || g.Interval%time.Second != 0 {
			faults = append(faults, fmt.Errorf("alerts: group %q with interval %v; it needs a name and whole seconds", g.Name, g.Interval))
		}
		for _, a := range g.Alerts {
			once("alert", a.Name)
			faults = append(faults, a.validate())
		}
	}
	return errors.Join(faults...)
}

// rule is a rule as Prometheus reads it.
type rule struct {
	Record      string            `yaml:"record,omitempty"`
	Alert       string            `yaml:"alert,omitempty"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for,omitempty"`
	KeepFiring  string            `yaml:"keep_firing_for,omitempty"`
	Labels      map[string]string `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

type ruleGroup struct {
	Name     string `yaml:"name"`
	Interval string `yaml:"interval"`
	Rules    []rule `yaml:"rules"`
}

func (a Alert) rule(expr string) rule {
	r := rule{Alert: a.Name, Expr: expr, Labels: map[string]string{"severity": string(a.Severity), "service": a.Service}}
	maps.Copy(r.Labels, a.Labels)
	if a.For > 0 {
		r.For = query.Duration(a.For)
	}
	if a.KeepFiring > 0 {
		r.KeepFiring = query.Duration(a.KeepFiring)
	}
	r.Annotations = a.annotations(a.Summary, a.Description)
	return r
}

func (a Alert) annotations(summary, description string) map[string]string {
	return map[string]string{
		"summary": summary, "description": description, "dashboard": a.Dashboard, "runbook_url": a.RunbookURL,
	}
}

// yaml writes a file below its notice.
func (f File) yaml(v any) ([]byte, error) {
	var out bytes.Buffer
	if f.Notice != "" {
		fmt.Fprintf(&out, "# %s\n", f.Notice)
	}
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(v); err != nil {
		return nil, fmt.Errorf("alerts: writing YAML: %w", err)
	}
	return out.Bytes(), nil
}
