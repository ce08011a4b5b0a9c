package probes_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/gorilla/mux"
	"go.uber.org/goleak"

	"github.com/otelkit/kit/examples/webstore/probes"
	"github.com/otelkit/kit/otelkit/health"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestProbesAreToldFromWork(t *testing.T) {
	for path, work := range map[string]bool{
		"/healthz": false, "/healthz/live": false, "/healthz/ready": false, "/DE/products": true, "/healthzzz": true,
	} {
		if probes.Not(httptest.NewRequest("GET", path, nil)) != work {
			t.Errorf("%s: want work %v", path, work)
		}
	}
}

func TestOnlyWhoAsksFromThisMachineIsToldWhyACheckFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		checks, err := health.New(health.Config{Checks: []health.Check{
			{Name: "redis", Layer: health.Datastore, FailAfter: 1, Run: func(context.Context) error { return errors.New("10.1.2.3 refuses") }},
		}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- checks.Run(ctx) }()
		synctest.Wait()
		router := mux.NewRouter()
		probes.Route(router, checks)

		for name, test := range map[string]struct {
			from, header string
			told         bool
		}{
			"this machine":                {"127.0.0.1:4711", "", true},
			"this machine over IPv6":      {"[::1]:4711", "", true},
			"elsewhere":                   {"10.9.9.9:4711", "", false},
			"a proxy on this machine":     {"127.0.0.1:4711", "X-Forwarded-For", false},
			"a proxy of the newer header": {"127.0.0.1:4711", "Forwarded", false},
			"nobody knows where":          {"@", "", false},
		} {
			request := httptest.NewRequest(http.MethodGet, "/healthz", nil)
			request.RemoteAddr = test.from
			if test.header != "" {
				request.Header.Set(test.header, "198.51.100.7")
			}
			response := httptest.NewRecorder()
			router.ServeHTTP(response, request)
			body := response.Body.String()
			if told := strings.Contains(body, "10.1.2.3"); told != test.told {
				t.Errorf("%s: told the error: %t, want %t; %s", name, told, test.told, body)
			}
			if response.Code != http.StatusOK || !strings.Contains(body, `"redis:responseTime"`) || !strings.Contains(body, `"layer":"datastore"`) {
				t.Errorf("%s: %d %s", name, response.Code, body)
			}
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}
