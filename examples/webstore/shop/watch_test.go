package shop

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/internal/redistest"
)

// judged has what was answered until now be looked at.
func (f *fixture) judged() {
	over, cancel := context.WithCancel(f.t.Context())
	cancel()
	f.shop.suspicion.Run(over)
}

// suspicious returns how often an address was found so, by each rule.
func (f *fixture) suspicious() string {
	f.t.Helper()
	var counts []string
	for _, rule := range telemetry.SuspicionRule("").Values() {
		n := f.kit.Total(telemetry.SuspiciousActivity, attribute.String("webstore.security.rule", string(rule))).Value()
		counts = append(counts, fmt.Sprintf("%s %v", rule, n))
	}
	return strings.Join(counts, ", ")
}

func TestWhatSuspiciousClientsDoIsNoticed(t *testing.T) {
	redistest.Each(t, func(t *testing.T, url string, kill func()) {
		instances := twoInstances(t, limited(url))
		f := instances[0]
		attack := func(n int, method, path string, header ...string) {
			for i := range n {
				instances[i%2].from("192.0.2.66", method, path, header...)
				instances[i%2].from("192.0.2.1", http.MethodGet, "/DE/products")
			}
			f.judged()
			instances[1].judged()
		}
		attack(4, http.MethodGet, "/cart", "Authorization", "Bearer guessed")
		attack(9, http.MethodGet, "/.env")
		attack(6, http.MethodDelete, "/DE/products") // 405, of which no rule but abuse knows
		if n := f.suspicious(); n != "credential_stuffing 0, endpoint_scanning 0, abuse 0" {
			t.Fatalf("before any threshold: %s", n)
		}
		attack(1, http.MethodPost, "/auth/login") // 401: no such user
		attack(1, http.MethodGet, "/wp-login.php")
		if n := f.suspicious(); n != "credential_stuffing 1, endpoint_scanning 1, abuse 2" {
			t.Errorf("after 5 answers with 401, 10 with 404 and 21 of 4xx: %s", n)
		}
		if n := strings.Count(f.kit.Lines(), `"client.address":"192.0.2.66"`); n < 4 || strings.Contains(f.kit.Lines(), "192.0.2.1\"") {
			t.Errorf("lines about others than who attacks, or %d of that one:\n%s", n, f.kit.Lines())
		}
		kill()
		attack(10, http.MethodGet, "/.git/config") // five at each instance
		attack(10, http.MethodGet, "/.git/config")
		if n := f.suspicious(); n != "credential_stuffing 1, endpoint_scanning 2, abuse 2" {
			t.Errorf("after ten more at this instance, without Redis: %s", n)
		}
	})
}

func TestProbesAreNotSuspicious(t *testing.T) {
	f := start(t, nil)
	for range 30 {
		f.from("192.0.2.1", http.MethodPost, "/healthz/ready")
	}
	f.judged()
	if n := f.suspicious(); n != "credential_stuffing 0, endpoint_scanning 0, abuse 0" {
		t.Errorf("after thirty probes that got 405: %s", n)
	}
}
