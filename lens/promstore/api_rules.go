package promstore

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/rules"
)

// The answers of /api/v1/rules and /api/v1/alerts.
type (
	groupJSON struct {
		Name           string    `json:"name"`
		File           string    `json:"file"`
		Rules          []any     `json:"rules"`
		Interval       float64   `json:"interval"`
		Limit          int       `json:"limit"`
		EvaluationTime float64   `json:"evaluationTime"`
		LastEvaluation time.Time `json:"lastEvaluation"`
	}
	alertingJSON struct {
		State          string           `json:"state"`
		Name           string           `json:"name"`
		Query          string           `json:"query"`
		Duration       float64          `json:"duration"`
		KeepFiringFor  float64          `json:"keepFiringFor"`
		Labels         labels.Labels    `json:"labels"`
		Annotations    labels.Labels    `json:"annotations"`
		Alerts         []alertJSON      `json:"alerts"`
		Health         rules.RuleHealth `json:"health"`
		LastError      string           `json:"lastError,omitempty"`
		EvaluationTime float64          `json:"evaluationTime"`
		LastEvaluation time.Time        `json:"lastEvaluation"`
		Type           string           `json:"type"`
	}
	recordingJSON struct {
		Name           string           `json:"name"`
		Query          string           `json:"query"`
		Labels         labels.Labels    `json:"labels"`
		Health         rules.RuleHealth `json:"health"`
		LastError      string           `json:"lastError,omitempty"`
		EvaluationTime float64          `json:"evaluationTime"`
		LastEvaluation time.Time        `json:"lastEvaluation"`
		Type           string           `json:"type"`
	}
	alertJSON struct {
		Labels          labels.Labels `json:"labels"`
		Annotations     labels.Labels `json:"annotations"`
		State           string        `json:"state"`
		ActiveAt        time.Time     `json:"activeAt"`
		KeepFiringSince *time.Time    `json:"keepFiringSince,omitempty"`
		Value           string        `json:"value"`
	}
)

func (s *Store) apiAlerts(*http.Request) (answer, error) {
	alerts := []alertJSON{}
	for _, rule := range s.rules.manager.AlertingRules() {
		alerts = append(alerts, alertsJSON(rule)...)
	}
	return answer{data: map[string]any{"alerts": alerts}}, nil
}

func (s *Store) apiRules(r *http.Request) (answer, error) {
	typ := r.FormValue("type")
	if !slices.Contains([]string{"", "alert", "record"}, typ) {
		return answer{}, invalidParam("type", fmt.Errorf("not supported value %q", typ))
	}
	withoutAlerts := false
	if text := r.FormValue("exclude_alerts"); text != "" {
		var err error
		if withoutAlerts, err = strconv.ParseBool(text); err != nil {
			return answer{}, invalidParam("exclude_alerts", err)
		}
	}
	matchers, err := s.matchers(r)
	if err != nil {
		return answer{}, err
	}
	wanted := func(param, value string) bool {
		return len(r.Form[param]) == 0 || slices.Contains(r.Form[param], value)
	}
	groups := []groupJSON{}
	for _, g := range s.rules.manager.RuleGroups() {
		if !wanted("rule_group[]", g.Name()) || !wanted("file[]", g.File()) {
			continue
		}
		group := groupJSON{
			Name: g.Name(), File: g.File(), Interval: g.Interval().Seconds(), Limit: g.Limit(),
			EvaluationTime: g.GetEvaluationTime().Seconds(), LastEvaluation: g.GetLastEvaluation(),
		}
		for _, rule := range g.Rules(matchers...) {
			if !wanted("rule_name[]", rule.Name()) {
				continue
			}
			switch rule := rule.(type) {
			case *rules.AlertingRule:
				if typ != "record" {
					group.Rules = append(group.Rules, alertingRule(rule, withoutAlerts))
				}
			case *rules.RecordingRule:
				if typ != "alert" {
					group.Rules = append(group.Rules, recordingRule(rule))
				}
			}
		}
		if len(group.Rules) > 0 {
			groups = append(groups, group)
		}
	}
	return answer{data: map[string]any{"groups": groups}}, nil
}

func alertingRule(r *rules.AlertingRule, withoutAlerts bool) alertingJSON {
	out := alertingJSON{
		State: r.State().String(), Name: r.Name(), Query: r.Query().String(),
		Duration: r.HoldDuration().Seconds(), KeepFiringFor: r.KeepFiringFor().Seconds(),
		Labels: r.Labels(), Annotations: r.Annotations(), Health: r.Health(), LastError: lastError(r),
		EvaluationTime: r.GetEvaluationDuration().Seconds(), LastEvaluation: r.GetEvaluationTimestamp(), Type: "alerting",
	}
	if !withoutAlerts {
		out.Alerts = alertsJSON(r)
	}
	return out
}

func recordingRule(r *rules.RecordingRule) recordingJSON {
	return recordingJSON{
		Name: r.Name(), Query: r.Query().String(), Labels: r.Labels(), Health: r.Health(), LastError: lastError(r),
		EvaluationTime: r.GetEvaluationDuration().Seconds(), LastEvaluation: r.GetEvaluationTimestamp(), Type: "recording",
	}
}

func alertsJSON(r *rules.AlertingRule) []alertJSON {
	out := []alertJSON{}
	for _, a := range r.ActiveAlerts() {
		alert := alertJSON{
			Labels: a.Labels, Annotations: a.Annotations, State: a.State.String(), ActiveAt: a.ActiveAt,
			Value: strconv.FormatFloat(a.Value, 'e', -1, 64),
		}
		if !a.KeepFiringSince.IsZero() {
			alert.KeepFiringSince = &a.KeepFiringSince
		}
		out = append(out, alert)
	}
	return out
}

func lastError(r rules.Rule) string {
	if err := r.LastError(); err != nil {
		return err.Error()
	}
	return ""
}
