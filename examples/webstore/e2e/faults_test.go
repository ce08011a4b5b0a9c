package e2e_test

import (
	"fmt"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/otelkit/kit/examples/webstore/faults"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit"
	"github.com/otelkit/kit/query"
)

// fault runs webstore fault, and returns what it said.
func (s *store) fault(args ...string) string {
	s.t.Helper()
	args = append(append([]string{"fault"}, args...), "--url", s.at.Main)
	out, err := exec.CommandContext(s.t.Context(), filepath.Join(binaries, "webstore"), args...).CombinedOutput()
	if err != nil {
		s.t.Fatalf("webstore %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestFaultsOfARunningStoreAreStartedAndStopped(t *testing.T) {
	t.Parallel()
	s := start(t, "--ephemeral")
	l := lens{t: t, url: s.at.Lens}
	grows := func(t *testing.T, what, expr string, do func()) {
		t.Helper()
		before, err := l.value(expr)
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, what, func() error {
			do()
			now, err := l.value(expr)
			if err == nil && now <= before {
				err = fmt.Errorf("%s is %v, as before", expr, now)
			}
			return err
		})
	}
	browse := func() {
		if status, answer := s.call(http.MethodGet, "/DE/products", nil); status != http.StatusOK {
			t.Fatalf("GET /DE/products: %d %v", status, answer)
		}
	}

	t.Run("of every service that has some", func(t *testing.T) {
		for _, f := range faults.All {
			if f.Services[0] == faults.Main {
				continue // of the others one knows when they can be told
			}
			if said := s.fault("start", string(f.Name), "--for", "10m"); !strings.Contains(said, "on until") {
				t.Errorf("starting %s: %q", f.Name, said)
			}
		}
		said := s.fault("status")
		for _, f := range faults.All {
			if on := strings.Contains(said, string(f.Name)+" "); on != (f.Services[0] != faults.Main) {
				t.Errorf("%s is on: %v, in\n%s", f.Name, on, said)
			}
		}
		s.fault("stop", "all")
		if said := s.fault("status"); said != "no fault is on\n" {
			t.Errorf("all were stopped, and status says %q", said)
		}
	})

	t.Run("provider-failing", func(t *testing.T) {
		s.fault("start", "provider-failing")
		failed := total(telemetry.ProviderAttempts, map[string]string{"webstore.payment_provider.outcome": string(telemetry.AttemptError)})
		status, problem := s.checkout("e2e-fault")
		if status != http.StatusServiceUnavailable {
			t.Fatalf("checkout: %d %v, want 503", status, problem)
		}
		grows(t, "failed attempts at the provider", failed, func() {})
		s.fault("stop", "provider-failing")
		eventually(t, "the same checkout to go well", func() error {
			if status, answer := s.pay("e2e-fault"); status != http.StatusOK {
				return fmt.Errorf("%d %v", status, answer)
			}
			return nil
		})
	})

	t.Run("redis-away", func(t *testing.T) {
		lookups := func(outcome telemetry.CacheOutcome) string {
			return total(telemetry.CacheLookups, map[string]string{"webstore.cache.outcome": string(outcome)})
		}
		on := total(telemetry.ActiveFaults, map[string]string{"webstore.fault.name": string(faults.RedisAway)})
		s.fault("start", "redis-away")
		grows(t, "lookups without Redis", lookups(telemetry.CacheUnavailable), browse)
		if n, err := l.value(on); n != 1 {
			t.Errorf("%s is %v (%v), want 1", on, n, err)
		}
		s.fault("stop", "redis-away")
		grows(t, "lookups in Redis", lookups(telemetry.CacheHit), browse)
	})

	t.Run("telemetry-away", func(t *testing.T) {
		series, err := query.Series(otelkit.Lost, nil, query.Target{})
		if err != nil {
			t.Fatal(err)
		}
		// How many services say that they lost something. They can say it when it is over.
		lost := "count(sum by (service_name) (" + series + ") > 0)"
		said := s.fault("start", "telemetry-away")
		if n := strings.Count(said, "on until"); n != 3 {
			t.Errorf("it is on in %d services, want 3:\n%s", n, said)
		}
		for i := range 20 {
			browse()
			if status, answer := s.checkout(fmt.Sprint("e2e-away-", i)); status != http.StatusOK {
				t.Errorf("checkout: %d %v", status, answer)
			}
		}
		counted, err := query.Series(telemetry.Checkouts, nil, query.Target{})
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "lens to hear nothing", func() error {
			n, err := l.value("sum(count_over_time(" + counted + "[5s]))")
			if err == nil && n != 0 {
				err = fmt.Errorf("%v points came in 5 s", n)
			}
			return err
		})
		s.fault("stop", "telemetry-away")
		eventually(t, "all three services to tell what they lost", func() error {
			n, err := l.value(lost)
			if err == nil && n != 3 {
				err = fmt.Errorf("%v of 3 do", n)
			}
			return err
		})
	})
}
