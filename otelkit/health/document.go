package health

import (
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// document is an answer as draft-inadarei-api-health-check-06 has it.
type document struct {
	Status    Status                 `json:"status"`
	Version   string                 `json:"version,omitempty"`
	ReleaseID string                 `json:"releaseId,omitempty"`
	ServiceID string                 `json:"serviceId,omitempty"`
	Notes     []string               `json:"notes,omitempty"`
	Output    string                 `json:"output,omitempty"`
	Checks    map[string][]component `json:"checks,omitempty"`
}

// component is a check in the document. The last four keys are ours, which
// section 4.10 allows.
type component struct {
	ComponentType     Layer    `json:"componentType"`
	ObservedValue     *float64 `json:"observedValue,omitempty"` // of the response time
	ObservedUnit      string   `json:"observedUnit,omitempty"`
	Status            Status   `json:"status"`
	AffectedEndpoints []string `json:"affectedEndpoints,omitempty"`
	Time              string   `json:"time,omitempty"`
	Output            string   `json:"output,omitempty"`

	Layer       Layer       `json:"layer"`
	Criticality Criticality `json:"criticality"`
	CausedBy    []string    `json:"causedBy,omitempty"`
	Affects     []string    `json:"affects,omitempty"`
}

// newAnswer renders a document. The draft ties the code to the status.
func newAnswer(status Status, d document) answer {
	a := answer{code: http.StatusOK}
	if status == Fail {
		a.code = http.StatusServiceUnavailable
	}
	a.body, _ = json.Marshal(d) // strings and finite numbers: it cannot fail
	a.body = append(a.body, '\n')
	return a
}

func (c *Checker) documentOf(r Report) document {
	d := document{
		Status:    r.State.Status(),
		Version:   c.cfg.Version,
		ReleaseID: c.cfg.Release,
		ServiceID: c.cfg.Service,
		Notes:     r.notes(),
		Output:    r.Output,
	}
	if d.Status == Pass {
		d.Output = ""
	}
	if len(r.Checks) > 0 {
		d.Checks = map[string][]component{}
	}
	for _, check := range r.Checks {
		d.Checks[check.Name+":responseTime"] = []component{componentOf(check)}
	}
	return d
}

// withoutErrors returns a copy that holds no output.
func (d document) withoutErrors() document {
	d.Output = ""
	checks := make(map[string][]component, len(d.Checks))
	for name, list := range d.Checks {
		list = slices.Clone(list)
		for i := range list {
			list[i].Output = ""
		}
		checks[name] = list
	}
	d.Checks = checks
	return d
}

func componentOf(r CheckReport) component {
	c := component{
		ComponentType:     r.Layer.componentType(),
		Status:            r.Status,
		AffectedEndpoints: r.Endpoints,
		Output:            r.Output,
		Layer:             r.Layer,
		Criticality:       r.Criticality,
		CausedBy:          r.CausedBy,
		Affects:           r.Affects,
	}
	if r.At.IsZero() {
		return c
	}
	ms := float64(r.Took.Microseconds()) / 1000
	c.ObservedValue, c.ObservedUnit = &ms, "ms"
	c.Time = r.At.UTC().Format(time.RFC3339)
	return c
}

// componentType returns the layer's type, one of those that the draft defines.
func (l Layer) componentType() Layer {
	if slices.Contains([]Layer{System, Datastore, Component}, l) {
		return l
	}
	return Component
}
