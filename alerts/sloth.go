package alerts

import (
	"errors"
	"fmt"
	"math"

	"github.com/otelkit/kit/query"
)

// sloth is a specification of Sloth (github.com/slok/sloth,
// pkg/prometheus/api/v1).
type sloth struct {
	Version string     `yaml:"version"`
	Service string     `yaml:"service"`
	SLOs    []slothSLO `yaml:"slos"`
}

type slothSLO struct {
	Name        string        `yaml:"name"`
	Objective   float64       `yaml:"objective"` // in percent
	Description string        `yaml:"description"`
	SLI         slothSLI      `yaml:"sli"`
	Alerting    slothAlerting `yaml:"alerting"`
}

type slothSLI struct {
	Events slothEvents `yaml:"events"`
}

type slothEvents struct {
	ErrorQuery string `yaml:"error_query"`
	TotalQuery string `yaml:"total_query"`
}

type slothAlerting struct {
	Name        string            `yaml:"name"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
	Page        slothAlert        `yaml:"page_alert"`
	Ticket      slothAlert        `yaml:"ticket_alert"`
}

type slothAlert struct {
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

// Sloth returns the objectives as specifications of Sloth's, prometheus/v1, a
// document a service. The queries spare Sloth two of its defects: there is a ratio
// before the first error, and none while the service is idle. Two stay: one failure
// of a quiet night pages, and the ratio over the whole window is an average of
// ratios.
//
// The window of an objective is no part of the form: it is what sloth is run with,
// as --default-slo-period, which the head of the file says. So all objectives have
// to have one window, and one of 28 or 30 days, which Sloth has tables for.
func (s Specs) Sloth() ([]byte, error) {
	services, err := s.services()
	if err != nil {
		return nil, err
	}
	period := s.Objectives[0].SLO.Period()
	var list []sloth
	var faults []error
	for _, objectives := range services {
		spec := sloth{Version: "prometheus/v1", Service: objectives[0].SLO.Service}
		for _, b := range objectives {
			if p := b.SLO.Period(); p != period || p != 28*day && p != 30*day {
				faults = append(faults, fmt.Errorf("alerts: %q: window %s; Sloth takes one for all objectives of a file, 28d or 30d, and %q has %s",
					b.SLO.Name, query.Duration(p), s.Objectives[0].SLO.Name, query.Duration(period)))
			}
			slo, err := s.sloth(b)
			faults = append(faults, err)
			spec.SLOs = append(spec.SLOs, slo)
		}
		list = append(list, spec)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return documents(list, s.Notice, "sloth generate --default-slo-period "+query.Duration(period))
}

func (s Specs) sloth(b BurnRate) (slothSLO, error) {
	target := query.Target{Strategy: s.Strategy, Window: "{{.window}}"}
	bad, badErr := b.badEvents().By(b.keys()...).PromQL(target)
	total, totalErr := query.Events(b.SLO).By(b.keys()...).Above(0).PromQL(target)
	if err := errors.Join(badErr, totalErr); err != nil {
		return slothSLO{}, fmt.Errorf("alerts: %q: %w", b.SLO.Name, err)
	}
	return slothSLO{
		Name:        b.SLO.Name,
		Objective:   math.Round(b.SLO.Objective*100*1e10) / 1e10,
		Description: b.SLO.Help,
		SLI:         slothSLI{slothEvents{ErrorQuery: bad, TotalQuery: total}},
		Alerting: slothAlerting{
			Name:   b.alertName("Burn"),
			Labels: map[string]string{"service": b.SLO.Service, "slo": b.SLO.Name},
			Annotations: map[string]string{
				"summary":   fmt.Sprintf("%s: the error budget of %s burns too fast", b.SLO.Service, b.SLO.Name),
				"dashboard": b.dashboard(burns[0].long),
			},
			Page:   b.slothAlert(burns[0]),
			Ticket: b.slothAlert(burns[2]),
		},
	}, nil
}

// slothAlert is one of Sloth's two alerts; each is two of ours in one, the first of
// which has the runbook.
func (b BurnRate) slothAlert(first burn) slothAlert {
	return slothAlert{
		Labels:      map[string]string{"severity": string(first.severity)},
		Annotations: map[string]string{"runbook_url": b.runbook(b.alertName(first.name + "Burn"))},
	}
}
