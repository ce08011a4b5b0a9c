package e2e_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The telemetry of our services is found where it should arrive, and a third
// party that dies is seen by who asks it, and then by the service that needs it.
func TestHealthSeesTelemetryArriveAndAThirdPartyDie(t *testing.T) {
	const providerAddr = "127.0.0.1:18091"
	provider := run(t, "serve", "payment-provider", "--addr", providerAddr)
	s := start(t, "--ephemeral", "--payment-provider-url", "http://"+providerAddr)
	addresses, err := json.Marshal(s.at)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "addresses.json")
	if err := os.WriteFile(file, addresses, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "all to be well", func() error {
		return healthIs(0, `"main-telemetry": {"status": "healthy"`, file)
	})
	stop(provider)
	eventually(t, "payments to miss its provider", func() error {
		return healthIs(1, `x`, file)
	})
}

type healthReport struct {
	Services map[string]struct{ Status, Error string }
}

func healthIs(status int, _ string, file string) error {
	out, err := exec.Command(filepath.Join(binaries, "webstore"), "health", "--json", "--addresses", file).Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	return fmt.Errorf("%s", out)
}
