package e2e_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"testing"
)

// provider is a payment provider that the test runs itself, so that it can be
// down.
type provider struct{ addr string }

func (p provider) up(t *testing.T) {
	t.Helper()
	run(t, "serve", "payment-provider", "--addr", p.addr, "--latency-scale", "0", "--failure-scale", "0")
	eventually(t, "the payment provider to listen", func() error {
		conn, err := net.Dial("tcp", p.addr)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
}

// charges asks the provider how much money it took, and how often.
func (p provider) charges(t *testing.T) int {
	t.Helper()
	res, err := http.Get("http://" + p.addr + "/v1/charges")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct{ Charges []json.RawMessage }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return len(answer.Charges)
}

func TestWithTheProviderDownACheckoutAnswers503AndTakesNoMoney(t *testing.T) {
	t.Parallel()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := provider{addr: free.Addr().String()}
	if err := free.Close(); err != nil { // nothing listens there from here on: the provider is down
		t.Fatal(err)
	}
	s := start(t, "--ephemeral", "--payment-provider-url", "http://"+p.addr)
	l := lens{t: t, url: s.at.Lens}

	status, problem := s.checkout("e2e-outage")
	if status != http.StatusServiceUnavailable {
		t.Fatalf("checkout without a payment provider: %d %v, want 503", status, problem)
	}
	id, _ := problem["trace_id"].(string)
	if id == "" {
		t.Fatalf("the problem does not quote the trace: %v", problem)
	}
	if state := orderStates(s); len(state) != 1 || state[0] != "pending" {
		t.Errorf("orders are %v, want one that is pending", state)
	}
	eventually(t, "the failed attempts in the trace", func() error {
		spans, err := l.trace(id)
		if err != nil {
			return err
		}
		attempts := 0
		for _, sp := range spans {
			if sp.service == "payments" && sp.kind == "CLIENT" && sp.attributes["error.type"] != "" && sp.attributes["db.system.name"] == "" {
				attempts++
			}
		}
		if attempts < 2 {
			return fmt.Errorf("%d failed attempts at the provider, want each retry to be seen; there are %s", attempts, list(spans))
		}
		return nil
	})
	for expr, want := range map[string]float64{completed: 0, paid: 0, checkouts: 1, payments: 1} {
		eventually(t, fmt.Sprintf("%s to be %v", expr, want), func() error {
			n, err := l.value(expr)
			if err == nil && n != want {
				err = fmt.Errorf("it is %v", n)
			}
			return err
		})
	}

	// The provider comes back: it was never charged, and the same key settles the
	// same order, once.
	p.up(t)
	if n := p.charges(t); n != 0 {
		t.Errorf("the provider took money %d times during the outage", n)
	}
	eventually(t, "the same key to settle the order", func() error {
		if status, answer := s.pay("e2e-outage"); status >= 300 {
			return fmt.Errorf("%d %v", status, answer)
		}
		return nil
	})
	if status, answer := s.pay("e2e-outage"); status >= 300 {
		t.Errorf("a replay of the settled checkout: %d %v", status, answer)
	}
	if n := p.charges(t); n != 1 {
		t.Errorf("the order was charged %d times, want once", n)
	}
	if state := orderStates(s); len(state) != 1 || state[0] != "completed" {
		t.Errorf("orders are %v, want one that is completed", state)
	}
}

// orderStates returns the states of the shopper's orders.
func orderStates(s *store) []string {
	s.t.Helper()
	status, answer := s.call(http.MethodGet, "/orders", nil)
	if status != http.StatusOK {
		s.t.Fatalf("GET /orders: %d %v", status, answer)
	}
	var states []string
	orders, _ := answer["orders"].([]any)
	for _, o := range orders {
		order, _ := o.(map[string]any)
		states = append(states, fmt.Sprint(order["status"]))
	}
	return states
}
