package health_test

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelkit/kit/otelkit/health"
)

// shop has dependencies in three layers: what it needs, and what that needs.
type shop struct {
	network, postgres, redis, payments dependency
}

func (s *shop) checks() []health.Check {
	return []health.Check{
		{Name: "network", Layer: health.System, Criticality: health.Informational, Run: s.network.check},
		{Name: "postgres", Layer: health.Datastore, Criticality: health.Critical, Run: s.postgres.check, DependsOn: []string{"network"}},
		{Name: "redis", Layer: health.Datastore, Run: s.redis.check, DependsOn: []string{"network"}, Endpoints: []string{"/cart"}},
		{Name: "payments", Layer: "third party", Run: s.payments.check, DependsOn: []string{"postgres", "redis"}, Endpoints: []string{"/orders/checkout", "/cart"}},
	}
}

func (s *shop) start(t *testing.T) *health.Checker {
	return start(t, health.Config{Service: "shop", Version: "1", Release: "v1.2.3", Checks: s.checks()})
}

// check returns what the report says of a check.
func check(t *testing.T, c *health.Checker, name string) health.CheckReport {
	t.Helper()
	checks := c.Report().Checks
	i := slices.IndexFunc(checks, func(r health.CheckReport) bool { return r.Name == name })
	if i < 0 {
		t.Fatalf("no check %q in %+v", name, checks)
	}
	return checks[i]
}

func TestTheCauseOfAFailureIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shop{}
		c := s.start(t)
		after(time.Second)
		s.network.set(errAway)
		s.redis.set(errAway)
		s.payments.set(errAway)
		after(10 * time.Second)
		for name, want := range map[string][]string{
			"network":  nil,         // the cause itself
			"redis":    {"network"}, //
			"payments": {"network"}, // by way of redis, which is no cause
			"postgres": nil,         // passes
		} {
			if got := check(t, c, name).CausedBy; !slices.Equal(got, want) {
				t.Errorf("%s is caused by %q, want %q", name, got, want)
			}
		}
		if got, want := c.Report().Output, "network: connection refused"; got != want {
			t.Errorf("the report says %q, want only the cause: %q", got, want)
		}
	})
}

func TestACauseIsNotSoughtBehindACheckThatPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shop{}
		c := s.start(t)
		after(time.Second)
		s.network.set(errAway)
		s.payments.set(errAway)
		after(10 * time.Second)
		if got := check(t, c, "payments").CausedBy; got != nil {
			t.Errorf("payments is caused by %q though what it depends on passes", got)
		}
	})
}

func TestAFailureTellsWhatItAffects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shop{}
		c := s.start(t)
		after(time.Second)
		if got := check(t, c, "redis").Endpoints; got != nil {
			t.Errorf("redis passes and affects %q", got)
		}
		s.redis.set(errAway)
		after(10 * time.Second)
		got := check(t, c, "redis")
		if want := []string{"/cart", "/orders/checkout"}; !slices.Equal(got.Endpoints, want) {
			t.Errorf("affected endpoints are %q, want those of redis and payments, each once: %q", got.Endpoints, want)
		}
		if want := []string{"payments"}; !slices.Equal(got.Affects, want) {
			t.Errorf("affected checks are %q, want %q", got.Affects, want)
		}
		if got, want := check(t, c, "network").Affects, []string{"postgres", "redis", "payments"}; !slices.Equal(got, want) {
			t.Errorf("the network affects %q, want %q", got, want)
		}
	})
}

func TestLayersSumUpTheirChecks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shop{}
		c := s.start(t)
		after(time.Second)
		layers := func(system, datastore, third health.Status) []health.LayerReport {
			return []health.LayerReport{{Layer: health.System, Status: system}, {Layer: health.Datastore, Status: datastore}, {Layer: "third party", Status: third}}
		}
		for _, step := range []struct {
			breaks *dependency
			want   []health.LayerReport
		}{
			{nil, layers(health.Pass, health.Pass, health.Pass)},
			{&s.network, layers(health.Pass, health.Pass, health.Pass)}, // informational
			{&s.redis, layers(health.Pass, health.Warn, health.Pass)},
			{&s.postgres, layers(health.Pass, health.Fail, health.Pass)},
			{&s.payments, layers(health.Pass, health.Fail, health.Warn)},
		} {
			if step.breaks != nil {
				step.breaks.set(errAway)
			}
			after(10 * time.Second)
			if got := c.Report().Layers; !reflect.DeepEqual(got, step.want) {
				t.Errorf("got %v, want %v", got, step.want)
			}
		}
	})
}

// The draft ties codes to statuses (3.1), and asks for output only where
// something is wrong (3.5, 4.8), affectedEndpoints likewise (4.6).
func TestDetailsHaveTheFormOfTheDraft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shop{}
		c := s.start(t)
		after(time.Second)
		s.redis.set(errAway)
		s.payments.set(errAway)
		after(10 * time.Second)
		answer := get(c.Details())
		if answer.Code != http.StatusOK {
			t.Errorf("warn is answered with %d, want 200", answer.Code)
		}
		for key, want := range map[string]string{"Content-Type": "application/health+json", "Cache-Control": "no-store, max-age=0"} {
			if got := answer.Header().Get(key); got != want {
				t.Errorf("%s is %q, want %q", key, got, want)
			}
		}
		want := `{
			"status": "warn", "version": "1", "releaseId": "v1.2.3", "serviceId": "shop",
			"notes": ["degraded", "layer datastore: warn", "layer third party: warn", "payments fails because of redis"],
			"output": "redis: connection refused",
			"checks": {
				"network:responseTime": [{"componentType": "system", "observedValue": 0, "observedUnit": "ms", "status": "pass", "time": "2000-01-01T00:00:10Z",
					"layer": "system", "criticality": "informational", "affects": ["postgres", "redis", "payments"]}],
				"postgres:responseTime": [{"componentType": "datastore", "observedValue": 0, "observedUnit": "ms", "status": "pass", "time": "2000-01-01T00:00:10Z",
					"layer": "datastore", "criticality": "critical", "affects": ["payments"]}],
				"redis:responseTime": [{"componentType": "datastore", "observedValue": 0, "observedUnit": "ms", "status": "fail", "time": "2000-01-01T00:00:10Z",
					"affectedEndpoints": ["/cart", "/orders/checkout"], "output": "connection refused",
					"layer": "datastore", "criticality": "noncritical", "affects": ["payments"]}],
				"payments:responseTime": [{"componentType": "component", "observedValue": 0, "observedUnit": "ms", "status": "fail", "time": "2000-01-01T00:00:10Z",
					"affectedEndpoints": ["/cart", "/orders/checkout"], "output": "connection refused",
					"layer": "third party", "criticality": "noncritical", "causedBy": ["redis"]}]
			}
		}`
		if got, want := decode(t, answer.Body.String()), decode(t, want); !reflect.DeepEqual(got, want) {
			t.Errorf("got %s, want %s", answer.Body, encode(t, want))
		}

		s.postgres.set(errAway)
		after(10 * time.Second)
		if answer := get(c.Details()); answer.Code != http.StatusServiceUnavailable || decode(t, answer.Body.String())["status"] != "fail" {
			t.Errorf("with a critical failure Details answers %d %s", answer.Code, answer.Body)
		}
		for _, d := range []*dependency{&s.redis, &s.postgres, &s.payments} {
			d.set(nil)
		}
		after(10 * time.Second)
		got := decode(t, get(c.Details()).Body.String())
		if _, ok := got["output"]; ok || got["status"] != "pass" {
			t.Errorf("when all is well Details answers %v", got)
		}
		s.network.set(errAway)
		after(10 * time.Second)
		got = decode(t, get(c.Details()).Body.String())
		if _, ok := got["output"]; ok || got["status"] != "pass" {
			t.Errorf("when what fails is informational Details answers %v", got)
		}
	})
}

func TestDetailsOfAnInstanceThatStartsSayWhatItWaitsFor(t *testing.T) {
	c, err := health.New(health.Config{Checks: (&shop{}).checks()})
	if err != nil {
		t.Fatal(err)
	}
	got := decode(t, get(c.Details()).Body.String())
	if got["output"] != "postgres: has not run yet" {
		t.Errorf("got output %q", got["output"])
	}
	redis := got["checks"].(map[string]any)["redis:responseTime"].([]any)[0].(map[string]any)
	if redis["status"] != "warn" || redis["time"] != nil || redis["observedValue"] != nil {
		t.Errorf("a check that has not run yet is shown as %v", redis)
	}
}

func TestProbesTellStrangersTheStateOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shop{}
		s.postgres.set(errAway)
		c := s.start(t)
		after(time.Second)
		for name, test := range map[string]struct {
			probe http.Handler
			want  string
		}{
			"live":    {c.Live(), `{"status":"pass"}`},
			"startup": {c.Startup(), `{"status":"fail","notes":["starting"]}`},
			"ready":   {c.Ready(), `{"status":"fail","notes":["starting"]}`},
		} {
			if got := get(test.probe).Body.String(); got != test.want+"\n" {
				t.Errorf("%s answers %s, want %s", name, got, test.want)
			}
		}
	})
}

func TestTheOverviewTellsEverythingButErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shop{}
		s.postgres.set(errAway)
		c := s.start(t)
		after(time.Second)
		overview, details := get(c.Overview()), get(c.Details())
		if overview.Code != details.Code || strings.Contains(overview.Body.String(), errAway.Error()) {
			t.Errorf("the overview answers %d %s", overview.Code, overview.Body)
		}
		want := decode(t, details.Body.String())
		delete(want, "output")
		for _, check := range want["checks"].(map[string]any) {
			delete(check.([]any)[0].(map[string]any), "output")
		}
		if got := decode(t, overview.Body.String()); !reflect.DeepEqual(got, want) {
			t.Errorf("the overview is\n%v, want\n%v", got, want)
		}
	})
}

func decode(t *testing.T, text string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}

func encode(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
