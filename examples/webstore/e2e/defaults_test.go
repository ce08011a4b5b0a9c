package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"

	"github.com/otelkit/kit/internal/pgserver/pgtest"
)

// serve runs one service on a port of its own, and returns its URL.
func serve(t *testing.T, args ...string) (url string) {
	t.Helper()
	p, _ := run(t, append([]string{"serve"}, append(args, "--addr", "127.0.0.1:0")...)...)
	eventually(t, args[0]+" to listen", func() error {
		for _, line := range p.Tail() {
			var said struct{ Msg, Address string }
			if json.Unmarshal([]byte(line), &said) == nil && said.Msg == "listening" {
				url = "http://" + said.Address
				return nil
			}
		}
		return fmt.Errorf("it says %q", p.Tail())
	})
	return url
}

// Whoever runs a service for real and knows no flags gets nothing that is for a demo.
func TestWhatIsServedWithoutFurtherFlagsHasNoDemoUsersAndNoFaults(t *testing.T) {
	for _, variable := range []string{"WEBSTORE_FAULTS_KEY", "WEBSTORE_DEMO_DATA"} {
		t.Setenv(variable, "")
	}
	const nowhere = "http://127.0.0.1:1"
	database := pgtest.URL(t)
	ask := func(method, url, body string, header ...string) int {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			request.Header.Set(header[i], header[i+1])
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response.StatusCode
	}
	main := serve(t, "main", "--database-url", database, "--redis-url", "redis://"+miniredis.RunT(t).Addr(),
		"--payments-url", nowhere, "--promotions-url", nowhere, "--inventory-url", nowhere, "--crm-url", nowhere)
	for user, of := range map[string][2]string{
		"user123": {"password123", "user-token-123"}, "admin": {"admin123", "admin-token-456"}, "test": {"test123", "test-token-789"},
	} {
		if status := ask("GET", main+"/cart", "", "Authorization", "Bearer "+of[1]); status != http.StatusUnauthorized {
			t.Errorf("the token of %s: got %d, want 401", user, status)
		}
		if status := ask("POST", main+"/auth/login", fmt.Sprintf(`{"username": %q, "password": %q}`, user, of[0])); status != http.StatusUnauthorized {
			t.Errorf("a login of %s: got %d, want 401", user, status)
		}
	}
	if status := ask("GET", main+"/admin/faults", "", "Authorization", "Bearer admin-token-456"); status != http.StatusNotFound {
		t.Errorf("main's faults: got %d, want 404", status)
	}
	for service, args := range map[string][]string{
		"payments": {"--database-url", database, "--provider-url", nowhere}, "promotions": {"--database-url", database},
		"payment-provider": nil, "crm": nil, "inventory": nil,
	} {
		url := serve(t, append([]string{service}, args...)...)
		for _, r := range []string{"GET /faults", "PUT /faults/panics", "PUT /faults/provider-slow"} {
			method, path, _ := strings.Cut(r, " ")
			if status := ask(method, url+path, `{}`, "Webstore-Faults-Key", ""); status != http.StatusNotFound {
				t.Errorf("%s of %s: got %d, want 404", r, service, status)
			}
		}
	}
}
