package telemetry_test

import (
	"testing"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

func TestDefinitionsAreRight(t *testing.T) {
	for _, catalog := range telemetry.Catalogs() {
		if err := catalog.Err(); err != nil {
			t.Error(err)
		}
	}
}

func TestSeriesAreFew(t *testing.T) {
	// What one instance of a service can cost at worst, in the store that
	// Prometheus keeps in memory. Whoever raises it has thought about it.
	const most = 3500
	for _, catalog := range telemetry.Catalogs() {
		if n := catalog.Series(); n > most {
			t.Errorf("%s can have %d series, more than %d", catalog.Scope(), n, most)
		}
	}
}

func TestNoMetricIsInBothCatalogs(t *testing.T) {
	seen := map[string]string{}
	for _, catalog := range telemetry.Catalogs() {
		for _, m := range catalog.Metrics() {
			if before, ok := seen[m.Name]; ok {
				t.Errorf("%s is defined at %s and at %s", m.Name, before, m.Source)
			}
			seen[m.Name] = m.Source
		}
	}
}
