package shop_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/otelkit/kit/examples/webstore/crm"
	"github.com/otelkit/kit/examples/webstore/inventory"
	"github.com/otelkit/kit/examples/webstore/paymentprovider"
	"github.com/otelkit/kit/examples/webstore/payments"
	"github.com/otelkit/kit/examples/webstore/promotions"
	"github.com/otelkit/kit/examples/webstore/shop"
	"github.com/otelkit/kit/internal/pgserver/pgtest"
)

// services is the store's services, each listening, over one database.
type services struct {
	t      *testing.T
	client *http.Client
	main   string
}

// run starts the services with a provider at that URL, or with one of their
// own if it is "". They have to end well when the test does.
func run(t *testing.T, providerURL string) (s *services, provider string) {
	t.Helper()
	database := pgtest.URL(t)
	ctx, stop := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	t.Cleanup(func() {
		stop()
		ended.Wait()
	})
	up := func(serve func(ready func(string)) error) string {
		t.Helper()
		ready, failed := make(chan string, 1), make(chan error, 1)
		ended.Go(func() {
			err := serve(func(addr string) { ready <- addr })
			if err != nil {
				t.Error(err)
			}
			failed <- err
		})
		select {
		case addr := <-ready:
			return "http://" + addr
		case err := <-failed:
			t.Fatalf("a service ended before it was ready: %v", err)
			return ""
		}
	}
	if providerURL == "" {
		providerURL = up(func(ready func(string)) error {
			return paymentprovider.Run(ctx, paymentprovider.Config{Addr: "127.0.0.1:0", Ready: ready})
		})
	}
	paymentsURL := up(func(ready func(string)) error {
		return payments.Run(ctx, payments.Config{Addr: "127.0.0.1:0", DatabaseURL: database, ProviderURL: providerURL, Ready: ready})
	})
	promotionsURL := up(func(ready func(string)) error {
		return promotions.Run(ctx, promotions.Config{Addr: "127.0.0.1:0", DatabaseURL: database, Ready: ready})
	})
	inventoryURL := up(func(ready func(string)) error {
		return inventory.Run(ctx, inventory.Config{Addr: "127.0.0.1:0", Ready: ready})
	})
	crmURL := up(func(ready func(string)) error {
		return crm.Run(ctx, crm.Config{Addr: "127.0.0.1:0", Ready: ready})
	})
	mainURL := up(func(ready func(string)) error {
		return shop.Run(ctx, shop.Config{
			Addr: "127.0.0.1:0", DatabaseURL: database, DemoData: true, Ready: ready,
			PaymentsURL: paymentsURL, PromotionsURL: promotionsURL, InventoryURL: inventoryURL, CRMURL: crmURL,
		})
	})
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	return &services{t, client, mainURL}, providerURL
}

func (s *services) do(method, url, body string) (int, map[string]any) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer user-token-123")
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Idempotency-Key", "k1")
	response, err := s.client.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	var answer map[string]any
	if err := json.Unmarshal(text, &answer); err != nil {
		s.t.Fatalf("%s %s: %d %q: %v", method, url, response.StatusCode, text, err)
	}
	return response.StatusCode, answer
}

func (s *services) checkout() (int, map[string]any) {
	s.t.Helper()
	if status, answer := s.do("POST", s.main+"/cart/add", `{"product_id": 1, "quantity": 1, "country": "BR"}`); status != http.StatusOK {
		s.t.Fatalf("POST /cart/add: %d %v", status, answer)
	}
	return s.do("POST", s.main+"/orders/checkout", `{"payment_method": "paypal", "country": "BR"}`)
}

func TestAnOrderIsPaidAcrossTheServices(t *testing.T) {
	s, provider := run(t, "")
	status, order := s.checkout()
	if status != http.StatusOK || order["status"] != "completed" {
		t.Fatalf("got %d %v, want 200 and an order that is completed", status, order)
	}
	_, answer := s.do("GET", provider+"/v1/charges", "")
	charges := answer["charges"].([]any)
	if len(charges) != 1 {
		t.Fatalf("charges %v, want one", charges)
	}
	charge := charges[0].(map[string]any)
	if charge["id"] != order["payment_transaction_id"] || charge["idempotency_key"] != order["order_id"] ||
		charge["amount"] != 549900.0*0.9 || charge["currency"] != "BRL" {
		t.Errorf("charge %v is not that of order %v", charge, order)
	}
}

func TestWithoutAProviderNothingIsSold(t *testing.T) {
	s, _ := run(t, "http://127.0.0.1:1")
	status, answer := s.checkout()
	if status != http.StatusServiceUnavailable || answer["type"] != "urn:webstore:problem:payment_unavailable" {
		t.Errorf("got %d %v, want 503 payment_unavailable", status, answer)
	}
	if _, product := s.do("GET", s.main+"/BR/products/1", ""); product["stock"] != 50.0 {
		t.Errorf("product %v, want all 50 in stock", product)
	}
	if _, answer := s.do("GET", s.main+"/orders", ""); answer["orders"].([]any)[0].(map[string]any)["status"] != "pending" {
		t.Errorf("orders %v, want one that is pending", answer)
	}
}
