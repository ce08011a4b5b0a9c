package alerts

import (
	"fmt"
	"regexp"

	"github.com/otelkit/kit/query"
)

// openSLO is a document of OpenSLO v1 (github.com/OpenSLO/OpenSLO, "Object
// Types").
type openSLO struct {
	APIVersion string          `yaml:"apiVersion"`
	Kind       string          `yaml:"kind"`
	Metadata   openSLOMetadata `yaml:"metadata"`
	Spec       any             `yaml:"spec"`
}

type openSLOMetadata struct {
	Name string `yaml:"name"`
}

type openSLOService struct {
	Description string `yaml:"description,omitempty"`
}

type openSLOSpec struct {
	Description     string             `yaml:"description"`
	Service         string             `yaml:"service"`
	Indicator       openSLOIndicator   `yaml:"indicator"`
	TimeWindow      []openSLOWindow    `yaml:"timeWindow"`
	BudgetingMethod string             `yaml:"budgetingMethod"`
	Objectives      []openSLOObjective `yaml:"objectives"`
}

type openSLOIndicator struct {
	Metadata openSLOMetadata `yaml:"metadata"`
	Spec     struct {
		RatioMetric openSLORatio `yaml:"ratioMetric"`
	} `yaml:"spec"`
}

type openSLORatio struct {
	Counter bool          `yaml:"counter"`
	Bad     openSLOMetric `yaml:"bad"`
	Total   openSLOMetric `yaml:"total"`
}

type openSLOMetric struct {
	MetricSource struct {
		Type string            `yaml:"type"`
		Spec map[string]string `yaml:"spec"`
	} `yaml:"metricSource"`
}

type openSLOWindow struct {
	Duration  string `yaml:"duration"`
	IsRolling bool   `yaml:"isRolling"`
}

type openSLOObjective struct {
	DisplayName string  `yaml:"displayName"`
	Target      float64 `yaml:"target"`
}

// openSLOName is what may name an object of OpenSLO: a label of DNS (RFC 1123).
var openSLOName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// OpenSLO returns the objectives as OpenSLO v1: a Service each, and an SLO each with
// a ratio of bad events to all, both as counters. It has no alert policies, since a
// condition of OpenSLO looks at one window, and an alert of ours at two.
func (s Specs) OpenSLO() ([]byte, error) {
	services, err := s.services()
	if err != nil {
		return nil, err
	}
	var list []openSLO
	for _, objectives := range services {
		service := objectives[0].SLO.Service
		if !openSLOName.MatchString(service) {
			return nil, fmt.Errorf("alerts: %q: OpenSLO cannot name service %q; there it takes lower case letters, digits and hyphens, at most 63", objectives[0].SLO.Name, service)
		}
		list = append(list, openSLOObject("Service", service, openSLOService{}))
		for _, b := range objectives {
			spec, err := s.openSLO(b)
			if err != nil {
				return nil, err
			}
			list = append(list, openSLOObject("SLO", b.SLO.Name, spec))
		}
	}
	return documents(list, s.Notice)
}

func openSLOObject(kind, name string, spec any) openSLO {
	return openSLO{APIVersion: "openslo/v1", Kind: kind, Metadata: openSLOMetadata{name}, Spec: spec}
}

func (s Specs) openSLO(b BurnRate) (openSLOSpec, error) {
	spec := openSLOSpec{
		Description:     b.SLO.Help,
		Service:         b.SLO.Service,
		TimeWindow:      []openSLOWindow{{Duration: query.Duration(b.SLO.Period()), IsRolling: true}},
		BudgetingMethod: "Occurrences",
		Objectives:      []openSLOObjective{{DisplayName: percent(b.SLO.Objective), Target: b.SLO.Objective}},
	}
	spec.Indicator.Metadata.Name = b.SLO.Name
	ratio := &spec.Indicator.Spec.RatioMetric
	ratio.Counter = true
	for _, metric := range []struct {
		expr query.Expr
		to   *openSLOMetric
	}{{query.BadEventTotal(b.SLO), &ratio.Bad}, {query.EventTotal(b.SLO), &ratio.Total}} {
		text, err := metric.expr.PromQL(query.Target{Strategy: s.Strategy, Rule: true})
		if err != nil {
			return spec, fmt.Errorf("alerts: %q: %w", b.SLO.Name, err)
		}
		metric.to.MetricSource.Type = "Prometheus"
		metric.to.MetricSource.Spec = map[string]string{"query": text}
	}
	return spec, nil
}
