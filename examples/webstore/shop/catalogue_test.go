package shop

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

func TestEveryMarketHasItsAssortmentInItsCurrency(t *testing.T) {
	f := start(t, nil)
	currency := map[string]string{"US": "USD", "UK": "GBP", "DE": "EUR", "FR": "EUR", "JP": "JPY", "BR": "BRL", "IN": "INR"}
	absent := map[string]float64{"JP": 4, "BR": 8}
	for _, market := range telemetry.Market("").Values() {
		market := string(market)
		status, answer := f.do("GET", "/"+market+"/products", "", "")
		want(t, status, answer, http.StatusOK, "")
		if answer["currency"] != currency[market] {
			t.Errorf("%s: currency %v, want %s", market, answer["currency"], currency[market])
		}
		ids := map[any]bool{}
		for _, p := range answer["products"].([]any) {
			product := p.(map[string]any)
			ids[product["id"]] = true
			if cost := product["price"].(map[string]any); cost["currency"] != currency[market] || cost["amount"].(float64) <= 0 {
				t.Errorf("%s: %v costs %v", market, product["name"], cost)
			}
		}
		for id := 1.0; id <= 8; id++ {
			if ids[id] == (absent[market] == id) {
				t.Errorf("%s: product %v sold: %v", market, id, ids[id])
			}
		}
		f.kit.Total(telemetry.CatalogueViews, attribute.String("webstore.market", market)).Is(1)
	}
}

func TestAProductIsShownWhereItIsSold(t *testing.T) {
	f := start(t, nil)
	status, product := f.do("GET", "/de/products/1", alice, "")
	want(t, status, product, http.StatusOK, "")
	if product["name"] != "Laptop" || product["stock"] != 50.0 {
		t.Errorf("product %v, want the laptop with 50 in stock", product)
	}
	f.kit.Total(telemetry.ProductViews, attribute.String("webstore.market", "DE")).Is(1)
	for path, problem := range map[string]string{
		"/JP/products/4":                    "unknown_product",
		"/DE/products/99":                   "unknown_product",
		"/DE/products/-1":                   "unknown_product",
		"/DE/products/laptop":               "unknown_product",
		"/DE/products/99999999999999999999": "unknown_product",
		"/MX/products/1":                    "unknown_market",
		"/MX/products":                      "unknown_market",
		"/%3Cscript%3E/products":            "unknown_market",
		"/products":                         "not_found",
		"/":                                 "not_found",
	} {
		status, answer := f.do("GET", path, "", "")
		want(t, status, answer, http.StatusNotFound, problem)
	}
	status, product = f.do("GET", "/DE/products/1", "an-old-token", "")
	want(t, status, product, http.StatusOK, "")
}

func TestACartCanBeFilledChangedAndEmptied(t *testing.T) {
	f := start(t, nil)
	f.add(alice, 1, 2)
	f.add(alice, 1, 1)
	f.do("POST", "/cart/add", alice, `{"product_id": 1, "quantity": 1, "country": "jp"}`)
	_, cart := f.do("GET", "/cart", alice, "")
	if totals := fmt.Sprint(cart["totals"]); totals != "[map[amount:299700 currency:EUR] map[amount:149800 currency:JPY]]" {
		t.Errorf("totals %s, want 299700 EUR and 149800 JPY", totals)
	}
	_, cart = f.do("GET", "/cart?country=DE", alice, "")
	items := cart["items"].([]any)
	if len(items) != 1 {
		t.Fatalf("items %v, want one of Germany", items)
	}
	item := "/cart/items/" + fmt.Sprint(items[0].(map[string]any)["id"])

	status, line := f.do("PATCH", item, alice, `{"quantity": 5}`)
	want(t, status, line, http.StatusOK, "")
	if subtotal := line["subtotal"].(map[string]any); subtotal["amount"] != 499500.0 {
		t.Errorf("subtotal %v, want 499500", subtotal)
	}
	for _, r := range []struct{ method, body string }{{"PATCH", `{"quantity": 1}`}, {"DELETE", ""}} {
		status, answer := f.do(r.method, item, bob, r.body)
		want(t, status, answer, http.StatusNotFound, "unknown_item")
	}
	if status, _ := f.do("DELETE", item, alice, ""); status != http.StatusNoContent {
		t.Errorf("DELETE: %d, want 204", status)
	}
	status, answer := f.do("DELETE", item, alice, "")
	want(t, status, answer, http.StatusNotFound, "unknown_item")
	f.kit.Total(telemetry.CartAdditions).Is(3)
}

func TestBadRequests(t *testing.T) {
	f := start(t, nil)
	f.add(alice, 1, 98)
	big := `{"country": "` + strings.Repeat("x", 1<<20) + `"}`
	for name, c := range map[string]struct {
		request, body string
		status        int
		problem       string
	}{
		"no quantity":             {"POST /cart/add", `{"product_id": 1, "country": "DE"}`, 422, "invalid_quantity"},
		"negative quantity":       {"POST /cart/add", `{"product_id": 1, "quantity": -1, "country": "DE"}`, 422, "invalid_quantity"},
		"quantity over 99":        {"POST /cart/add", `{"product_id": 2, "quantity": 100, "country": "DE"}`, 422, "invalid_quantity"},
		"sum over 99":             {"POST /cart/add", `{"product_id": 1, "quantity": 2, "country": "DE"}`, 422, "invalid_quantity"},
		"huge quantity":           {"POST /cart/add", `{"product_id": 1, "quantity": 99999999999999999999, "country": "DE"}`, 400, "malformed_body"},
		"fraction":                {"POST /cart/add", `{"product_id": 1, "quantity": 1.5, "country": "DE"}`, 400, "malformed_body"},
		"text for number":         {"POST /cart/add", `{"product_id": "1", "quantity": 1, "country": "DE"}`, 400, "malformed_body"},
		"unknown product":         {"POST /cart/add", `{"product_id": 99, "quantity": 1, "country": "DE"}`, 404, "unknown_product"},
		"not sold there":          {"POST /cart/add", `{"product_id": 4, "quantity": 1, "country": "JP"}`, 404, "unknown_product"},
		"unknown market":          {"POST /cart/add", `{"product_id": 1, "quantity": 1, "country": "MX"}`, 404, "unknown_market"},
		"no market":               {"POST /cart/add", `{"product_id": 1, "quantity": 1}`, 404, "unknown_market"},
		"a price of one's own":    {"POST /cart/add", `{"product_id": 1, "quantity": 1, "country": "DE", "price": 1}`, 400, "malformed_body"},
		"an array":                {"POST /cart/add", `[]`, 400, "malformed_body"},
		"not JSON":                {"POST /cart/add", `product_id=1`, 400, "malformed_body"},
		"cut off":                 {"POST /cart/add", `{"product_id": 1`, 400, "malformed_body"},
		"nothing":                 {"POST /cart/add", ``, 400, "malformed_body"},
		"two values":              {"POST /cart/add", `{"product_id": 1, "quantity": 1, "country": "DE"} {}`, 400, "malformed_body"},
		"too large":               {"POST /cart/add", big, 413, "body_too_large"},
		"quantity to 0":           {"PATCH /cart/items/1", `{"quantity": 0}`, 422, "invalid_quantity"},
		"item that is no number":  {"PATCH /cart/items/x", `{"quantity": 1}`, 404, "unknown_item"},
		"cart of unknown market":  {"GET /cart?country=MX", ``, 404, "unknown_market"},
		"unknown way to pay":      {"POST /orders/checkout", `{"payment_method": "cash", "country": "DE"}`, 422, "invalid_payment_method"},
		"pays in unknown market":  {"POST /orders/checkout", `{"payment_method": "paypal", "country": "MX"}`, 404, "unknown_market"},
		"pays a total of its own": {"POST /orders/checkout", `{"payment_method": "paypal", "country": "DE", "total": 1}`, 400, "malformed_body"},
		"wrong method":            {"DELETE /cart", ``, 405, "method_not_allowed"},
		"login with a number":     {"POST /auth/login", `{"username": 1, "password": "x"}`, 400, "malformed_body"},
	} {
		method, path, _ := strings.Cut(c.request, " ")
		status, answer := f.do(method, path, alice, c.body, "Idempotency-Key", "k1")
		if status != c.status || answer["type"] != "urn:webstore:problem:"+c.problem {
			t.Errorf("%s: got %d %v, want %d %s", name, status, answer, c.status, c.problem)
		}
		if answer["trace_id"] == "" || answer["status"] != float64(c.status) {
			t.Errorf("%s: problem %v has no trace id or another status", name, answer)
		}
	}
	status, answer := f.do("POST", "/cart/add", alice, `{}`, "Content-Type", "text/plain")
	want(t, status, answer, http.StatusUnsupportedMediaType, "not_json")
}

func TestWhatIsOursToMendIsNotTold(t *testing.T) {
	f := start(t, nil)
	f.check()
	f.untilReadyIs(http.StatusOK)
	f.shop.store.pool.Close()
	status, answer := f.do("GET", "/DE/products", "", "")
	want(t, status, answer, http.StatusInternalServerError, "internal")
	if text := fmt.Sprint(answer); strings.Contains(text, "pool") {
		t.Errorf("the answer tells of our insides: %s", text)
	}
	if !strings.Contains(f.kit.Lines(), "closed pool") {
		t.Errorf("the log does not tell the cause:\n%s", f.kit.Lines())
	}
	f.untilReadyIs(http.StatusServiceUnavailable)
	if status, _ := f.do("GET", "/healthz/live", "", ""); status != http.StatusOK {
		t.Errorf("live: %d, want 200", status)
	}
}

func TestTheWarehouseDeliversWhatHasRunLow(t *testing.T) {
	f := start(t, nil)
	f.setStock(1, 0)
	f.setStock(2, 60)
	if err := f.shop.store.replenish(t.Context()); err != nil {
		t.Fatal(err)
	}
	if laptops, phones := f.stock(1), f.stock(2); laptops != 50 || phones != 60 {
		t.Errorf("%d laptops and %d phones, want 50 and 60", laptops, phones)
	}
}
