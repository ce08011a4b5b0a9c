package observability_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	dashboards "github.com/otelkit/kit/dashboards-as-code"
	"github.com/otelkit/kit/examples/webstore/faults"
	"github.com/otelkit/kit/examples/webstore/observability"
	"github.com/otelkit/kit/query"
)

func TestTheTableOfFaultsAndThePackageHaveTheSame(t *testing.T) {
	var have, want []faults.Name
	for _, trouble := range observability.Troubles {
		have = append(have, trouble.Fault)
	}
	for _, f := range faults.All {
		want = append(want, f.Name)
	}
	if !slices.Equal(have, want) {
		t.Errorf("the table has\n%v\nand the package\n%v", have, want)
	}
}

func TestEveryFaultIsToBeSeen(t *testing.T) {
	panels := map[observability.PanelOf]bool{}
	for _, d := range []dashboards.Dashboard{observability.Overview(), observability.Business()} {
		for _, row := range d.Rows {
			for _, p := range row.Panels {
				panels[observability.PanelOf{Dashboard: d.UID, Panel: p.Title}] = true
			}
		}
	}
	rules, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(observability.RulesFile)))
	if err != nil {
		t.Fatal(err)
	}
	for _, trouble := range observability.Troubles {
		if len(trouble.Shows) == 0 || len(trouble.Panels) == 0 || !strings.HasSuffix(trouble.Help, ".") {
			t.Errorf("%s: %+v is not whole", trouble.Fault, trouble)
		}
		for _, symptom := range trouble.Shows {
			// Fails for a metric, an attribute or a value that is not defined.
			if _, err := symptom.Expr.PromQL(query.Target{Rule: true}); err != nil || symptom.Does == "" {
				t.Errorf("%s: what %q: %v", trouble.Fault, symptom.Does, err)
			}
		}
		for _, p := range trouble.Panels {
			if !panels[p] {
				t.Errorf("%s: there is no panel %q on %s", trouble.Fault, p.Panel, p.Dashboard)
			}
		}
		for _, alert := range trouble.Alerts {
			if !bytes.Contains(rules, []byte("alert: "+alert+"\n")) {
				t.Errorf("%s: there is no alert %s", trouble.Fault, alert)
			}
			if _, err := os.Stat(filepath.Join(root, filepath.FromSlash(observability.RunbooksDir), alert+".md")); err != nil {
				t.Errorf("%s: %v", trouble.Fault, err)
			}
		}
	}
}

func TestTheReferenceOfFaultsIsWhatIsGenerated(t *testing.T) {
	page, err := observability.FaultsPage()
	if err != nil {
		t.Fatal(err)
	}
	committed, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(page.Path)))
	if err != nil || !bytes.Equal(committed, page.Data) {
		t.Errorf("%s is not what is generated (%v); run `make generate`", page.Path, err)
	}
}
