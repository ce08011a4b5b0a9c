package rulestest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/common/promslog"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/rules"
	"go.yaml.in/yaml/v3"
)

func readRules(t *testing.T) *rulefmt.RuleGroups {
	t.Helper()
	groups, errs := rulefmt.ParseFile(rulesFile, false, model.LegacyValidation, parser.NewParser(parser.Options{}), promslog.NewNopLogger())
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return groups
}

func TestPrometheusTakesTheRules(t *testing.T) {
	alerts := 0
	for _, g := range readRules(t).Groups {
		for _, r := range g.Rules {
			if r.Alert != "" {
				alerts++
			}
		}
	}
	if alerts == 0 {
		t.Error("there is no alert")
	}
}

func TestEveryAlertHasARunbookAndADashboard(t *testing.T) {
	for _, g := range readRules(t).Groups {
		for _, r := range g.Rules {
			if r.Alert == "" {
				continue
			}
			page := filepath.Base(r.Annotations["runbook_url"])
			if _, err := os.Stat(filepath.Join(runbooksDir, page)); err != nil {
				t.Errorf("%s: runbook_url %q leads nowhere: %v", r.Alert, r.Annotations["runbook_url"], err)
			}
			uid, _, _ := strings.Cut(strings.TrimPrefix(r.Annotations["dashboard"], "/d/"), "?")
			if _, err := os.Stat(filepath.Join(dashboardsDir, uid+".json")); err != nil {
				t.Errorf("%s: dashboard %q leads nowhere: %v", r.Alert, r.Annotations["dashboard"], err)
			}
		}
	}
}

func TestPrometheusParsesEveryQueryOfEveryDashboard(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(dashboardsDir, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no dashboards in %s: %v", dashboardsDir, err)
	}
	variables := strings.NewReplacer("$__rate_interval", "1m", "$job", ".+", "$instance", ".+")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var dashboard struct {
			Panels []struct {
				Title   string
				Targets []struct{ Expr string }
			}
		}
		if err := json.Unmarshal(data, &dashboard); err != nil {
			t.Fatal(err)
		}
		queries := 0
		for _, panel := range dashboard.Panels {
			for _, target := range panel.Targets {
				queries++
				if _, err := parser.NewParser(parser.Options{}).ParseExpr(variables.Replace(target.Expr)); err != nil {
					t.Errorf("%s: panel %q: %s: %v", filepath.Base(file), panel.Title, target.Expr, err)
				}
			}
		}
		if queries == 0 {
			t.Errorf("%s has no queries", file)
		}
	}
}

// unitTests is the file that "promtool test rules" reads.
type unitTests struct {
	RuleFiles []string `yaml:"rule_files"`
	Tests     []struct {
		Name        string
		Interval    model.Duration
		InputSeries []struct{ Series, Values string } `yaml:"input_series"`
		AlertTests  []struct {
			EvalTime model.Duration `yaml:"eval_time"`
			Name     string         `yaml:"alertname"`
			Expected []struct {
				Labels      map[string]string `yaml:"exp_labels"`
				Annotations map[string]string `yaml:"exp_annotations"`
			} `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
	}
}

func readUnitTests(t *testing.T) unitTests {
	t.Helper()
	data, err := os.ReadFile(unitTestsFile)
	if err != nil {
		t.Fatal(err)
	}
	var file unitTests
	if err := yaml.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	return file
}

func TestTheGeneratedUnitTestsPass(t *testing.T) {
	objectives := map[string]string{} // by alert
	for _, g := range readRules(t).Groups {
		for _, r := range g.Rules {
			objectives[r.Alert] = r.Labels["slo"]
		}
	}
	for _, test := range readUnitTests(t).Tests {
		t.Run(test.Name, func(t *testing.T) {
			t.Parallel()
			if time.Duration(test.Interval) != sampled {
				t.Fatalf("interval %s; this test loads series at %s", test.Interval, sampled)
			}
			series := map[string]string{}
			for _, s := range test.InputSeries {
				series[s.Series] = s.Values
			}
			p := load(t, series, objectives[test.AlertTests[0].Name])
			for _, check := range test.AlertTests {
				p.run(time.Duration(check.EvalTime))
				var got []*rules.Alert
				for _, alert := range p.firing() {
					if alert.Labels.Get(labels.AlertName) == check.Name {
						got = append(got, alert)
					}
				}
				if len(got) != len(check.Expected) {
					t.Fatalf("%d alerts fire, want %d", len(got), len(check.Expected))
				}
				for i, want := range check.Expected {
					want.Labels[labels.AlertName] = check.Name
					if !labels.Equal(got[i].Labels, labels.FromMap(want.Labels)) {
						t.Errorf("labels are %s, want %s", got[i].Labels, labels.FromMap(want.Labels))
					}
					if !labels.Equal(got[i].Annotations, labels.FromMap(want.Annotations)) {
						t.Errorf("annotations are %s, want %s", got[i].Annotations, labels.FromMap(want.Annotations))
					}
				}
			}
		})
	}
}

func TestEveryAlertHasATestThatItFiresAndOneThatItIsQuiet(t *testing.T) {
	fires, quiet := map[string]bool{}, map[string]bool{}
	for _, test := range readUnitTests(t).Tests {
		for _, check := range test.AlertTests {
			if len(check.Expected) > 0 {
				fires[check.Name] = true
			} else {
				quiet[check.Name] = true
			}
		}
	}
	for _, g := range readRules(t).Groups {
		for _, r := range g.Rules {
			if r.Alert != "" && !(fires[r.Alert] && quiet[r.Alert]) {
				t.Errorf("%s: a test that it fires: %v, that it stays quiet: %v", r.Alert, fires[r.Alert], quiet[r.Alert])
			}
		}
	}
}
