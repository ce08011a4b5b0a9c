package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/otelkit/kit/examples/webstore/paymentprovider"
	"github.com/otelkit/kit/internal/reserved"
)

func TestHealthSeesTelemetryArriveAndAThirdPartyComeBack(t *testing.T) {
	t.Parallel()
	addr, listen := reserved.Port(t) // until it listens, the provider is down
	s := start(t, "--ephemeral", "--payment-provider-url", "http://"+addr)
	addresses, err := json.Marshal(map[string]string{
		"main": s.at.Main, "payments": s.at.Payments, "lens": s.at.Lens, "payment-provider": "http://" + addr,
	})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "addresses.json")
	if err := os.WriteFile(file, addresses, 0o600); err != nil {
		t.Fatal(err)
	}
	wait := func(what string, exit int, statuses map[string]string) {
		t.Helper()
		eventually(t, what, func() error { return wantHealth(file, exit, statuses) })
	}
	wait("the provider to be missed, and all else to be well", 1, map[string]string{
		"postgres": "healthy", "redis": "healthy", "lens": "healthy", "main": "healthy",
		"main-telemetry": "healthy", "payments-telemetry": "healthy",
		"payments": "degraded", "payment-provider": "unhealthy",
	})
	provider := http.Server{Handler: paymentprovider.Handler(paymentprovider.Config{})}
	t.Cleanup(func() { _ = provider.Close() })
	go provider.Serve(listen())
	wait("all to be well", 0, map[string]string{"payments": "healthy", "payment-provider": "healthy", "payments-telemetry": "healthy"})
}

// wantHealth looks at the store once and returns how it differs from what is
// wanted.
func wantHealth(file string, exit int, statuses map[string]string) error {
	command := exec.Command(filepath.Join(binaries, "webstore"), "health", "--json", "--timeout", "30s", "--addresses", file)
	out, err := command.Output()
	if failed := new(exec.ExitError); err != nil && !errors.As(err, &failed) {
		return err
	}
	var report struct {
		Services map[string]struct{ Status string }
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return fmt.Errorf("%w in %s", err, out)
	}
	for part, want := range statuses {
		if got := report.Services[part].Status; got != want {
			return fmt.Errorf("%s is %q, want %s; %s", part, got, want, out)
		}
	}
	if got := command.ProcessState.ExitCode(); got != exit {
		return fmt.Errorf("exit status %d, want %d; %s", got, exit, out)
	}
	return nil
}
