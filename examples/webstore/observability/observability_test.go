package observability_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/otelkit/kit/examples/webstore/observability"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit/slo"
)

// root is the root of the repository.
const root = "../../.."

func TestTheCommittedFilesAreWhatIsGenerated(t *testing.T) {
	files, err := observability.Files()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		committed, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(f.Path)))
		if err != nil {
			t.Errorf("%v; run `make generate`", err)
			continue
		}
		if !bytes.Equal(committed, f.Data) {
			t.Errorf("%s is not what is generated; run `make generate`", f.Path)
		}
	}
}

func TestEveryGeneratedFileSaysSo(t *testing.T) {
	files, err := observability.Files()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !bytes.Contains(f.Data, []byte(observability.Notice)) {
			t.Errorf("%s does not say that it is generated", f.Path)
		}
	}
}

func TestEveryMetricOfTheStoreIsOnThePanelOfADashboard(t *testing.T) {
	shown := map[string]bool{}
	for _, d := range observability.Dashboards() {
		for _, m := range d.Metrics() {
			shown[m.Name] = true
		}
	}
	for _, catalog := range telemetry.Catalogs() {
		for _, m := range catalog.Metrics() {
			if !shown[m.Name] {
				t.Errorf("%q (%s) is on no panel; what nobody looks at need not be recorded", m.Name, m.Source)
			}
		}
	}
}

func TestTheObjectivesAreRight(t *testing.T) {
	for _, s := range []slo.SLO{telemetry.Availability, telemetry.BrowsingLatency, telemetry.CheckoutLatency} {
		if err := s.Validate(); err != nil {
			t.Error(err)
		}
	}
}

func TestWriteMakesTheFilesOfARun(t *testing.T) {
	dir := t.TempDir()
	if err := observability.Write(dir); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{observability.RulesFile, observability.DashboardsDir + "/webstore-overview.json", observability.DashboardsDir + "/webstore-business.json"} {
		if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(path))); err != nil {
			t.Error(err)
		}
	}
	blocked := filepath.Join(dir, "file")
	if err := os.WriteFile(blocked, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := observability.Write(blocked); err == nil {
		t.Error("no error for a folder that cannot be made")
	}
}
