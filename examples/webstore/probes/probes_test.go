package probes_test

import (
	"net/http/httptest"
	"testing"

	"github.com/otelkit/kit/examples/webstore/probes"
)

func TestProbesAreToldFromWork(t *testing.T) {
	for path, work := range map[string]bool{"/healthz/live": false, "/healthz/ready": false, "/DE/products": true} {
		if probes.Not(httptest.NewRequest("GET", path, nil)) != work {
			t.Errorf("%s: want work %v", path, work)
		}
	}
}
