package alerts

import (
	"fmt"

	"github.com/otelkit/kit/query"
)

// unitTests is a test file of promtool.
type unitTests struct {
	RuleFiles          []string   `yaml:"rule_files"`
	EvaluationInterval string     `yaml:"evaluation_interval"`
	GroupOrder         []string   `yaml:"group_eval_order"`
	Tests              []unitTest `yaml:"tests"`
}

type unitTest struct {
	Name        string        `yaml:"name"`
	Interval    string        `yaml:"interval"`
	InputSeries []inputSeries `yaml:"input_series"`
	AlertTests  []alertTest   `yaml:"alert_rule_test"`
}

type inputSeries struct {
	Series string `yaml:"series"`
	Values string `yaml:"values"`
}

type alertTest struct {
	EvalTime string          `yaml:"eval_time"`
	Alert    string          `yaml:"alertname"`
	Expected []expectedAlert `yaml:"exp_alerts"`
}

type expectedAlert struct {
	Labels      map[string]string `yaml:"exp_labels"`
	Annotations map[string]string `yaml:"exp_annotations"`
}

// Tests returns the file for "promtool test rules" that proves, for every
// alert, that it fires on its cases in Fires and stays quiet on those in Quiet.
// rules is the path of the rule file as seen from the test file.
func (f File) Tests(rules string) ([]byte, error) {
	if err := f.validate(); err != nil {
		return nil, err
	}
	tests := unitTests{RuleFiles: []string{rules}, EvaluationInterval: query.Duration(baseInterval)}
	for _, g := range f.Groups {
		tests.GroupOrder = append(tests.GroupOrder, g.Name)
		for _, a := range g.Alerts {
			for _, c := range append(a.Fires[:len(a.Fires):len(a.Fires)], a.Quiet...) {
				test, err := f.unitTest(a, c)
				if err != nil {
					return nil, fmt.Errorf("alerts: %q: case %q: %w", a.Name, c.Name, err)
				}
				tests.Tests = append(tests.Tests, test)
			}
		}
	}
	return f.yaml(tests)
}

func (f File) unitTest(a Alert, c Case) (unitTest, error) {
	test := unitTest{Name: c.Name, Interval: "1m", InputSeries: []inputSeries{}}
	for _, s := range c.Series {
		series, err := s.name(f.target())
		if err != nil {
			return test, err
		}
		test.InputSeries = append(test.InputSeries, inputSeries{Series: series, Values: s.Values})
	}
	check := alertTest{EvalTime: query.Duration(c.At), Alert: a.Name, Expected: []expectedAlert{}}
	if fires := c.Summary != ""; fires {
		labels, err := a.labels(c, f.target())
		if err != nil {
			return test, err
		}
		check.Expected = append(check.Expected, expectedAlert{Labels: labels, Annotations: a.annotations(c.Summary, c.Description)})
	}
	test.AlertTests = []alertTest{check}
	return test, nil
}

// name is the series' name and labels in Prometheus.
func (s Series) name(t query.Target) (string, error) {
	if s.Bucket != 0 {
		return query.BucketSeries(s.Metric, s.Bucket, s.Attributes, t)
	}
	return query.Series(s.Metric, s.Attributes, t)
}
