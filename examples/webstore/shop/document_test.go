package shop

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/otelkit/kit/examples/webstore/openapi"
	"github.com/otelkit/kit/examples/webstore/openapi/openapitest"
)

func TestTheDocumentHasTheRoutesAndNoOthers(t *testing.T) {
	for breakable, edit := range map[bool]func(*Config){false: nil, true: withFaults} {
		contract, err := openapitest.Read(document(breakable).JSON())
		if err != nil {
			t.Fatal(err)
		}
		contract.SameRoutes(t, start(t, edit).shop.routes())
		contract.Closed(t, "Document")
	}
}

// example is a request for an operation, as the document has it.
func example(op openapi.Operation) (path, body string, header []string) {
	path = strings.NewReplacer("{country}", "DE", "{id}", "1", "{name}", "panics").Replace(op.Path)
	if op.Body != nil {
		body = op.Body.Example
	}
	for _, name := range op.Parameters {
		if name == "Idempotency-Key" {
			header = []string{name, "example"}
		}
	}
	return path, body, header
}

func TestEveryAnswerIsDocumentedAndEveryDocumentedAnswerIsGiven(t *testing.T) {
	f := start(t, withFaults)
	var err error
	if f.contract, err = openapitest.Read(document(true).JSON()); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/healthz/startup", "/healthz/ready", "/healthz"} {
		f.get(path, "", http.StatusServiceUnavailable)
	}
	f.check()
	f.untilReadyIs(http.StatusOK)
	for _, path := range []string{"/healthz/live", "/healthz/startup", "/healthz/ready", "/healthz", "/openapi.json"} {
		f.get(path, "", http.StatusOK)
	}
	f.contract.Exchange(t, f, httptest.NewRequestWithContext(t.Context(), "GET", "/docs", nil))
	f.get("/nothing", "", http.StatusNotFound)
	f.get("/auth/login", "", http.StatusMethodNotAllowed)

	for _, op := range document(true).Operations {
		f.refuseWhatNobodyMaySend(op)
	}
	f.browse()
	f.haveAccounts()
	f.fillTheCart()
	for i, path := range []string{"/orders/checkout", "/checkout"} {
		f.checkOut(path, fmt.Sprint("k", i, "-"))
	}
	f.get("/me/stats", alice, http.StatusOK)
	f.breakThings()
	f.askTooOften()

	f.shop.store.pool.Close()
	for _, op := range document(true).Operations {
		if path, body, header := example(op); mayAnswer(op, "internal") {
			f.expect(op.Method, path, alice, body, http.StatusInternalServerError, "internal", header...)
		}
	}
	f.contract.Complete(t)
}

// mayAnswer reports whether an operation's problems have one of that name.
func mayAnswer(op openapi.Operation, problem string) bool {
	return slices.ContainsFunc(op.Problems, func(p openapi.Problem) bool { return p.Name == problem })
}

// breakThings starts and stops faults, as an administrator and as somebody else.
func (f *fixture) breakThings() {
	expect := func(method, path, body string, status int, problem string) {
		f.t.Helper()
		f.expect(method, "/admin/faults"+path, admin, body, status, problem)
	}
	for _, op := range document(true).Operations {
		if path, body, _ := example(op); mayAnswer(op, "forbidden") {
			f.expect(op.Method, path, alice, body, http.StatusForbidden, "forbidden")
		}
	}
	expect("PUT", "/panics", `{"for": "1m"}`, http.StatusOK, "")
	expect("GET", "", "", http.StatusOK, "")
	expect("DELETE", "/panics", "", http.StatusOK, "")
	expect("PUT", "/nothing", `{}`, http.StatusNotFound, "unknown_fault")
	expect("DELETE", "/nothing", "", http.StatusNotFound, "unknown_fault")
	expect("PUT", "/panics", `{"for": "2h"}`, http.StatusUnprocessableEntity, "wrong_fault")
	expect("PUT", "/provider-slow", `{}`, http.StatusBadGateway, "fault_unreachable")
	expect("DELETE", "/provider-slow", "", http.StatusBadGateway, "fault_unreachable")
	expect("DELETE", "", "", http.StatusBadGateway, "fault_unreachable")
	for _, other := range []*fake{&f.payments.fake, &f.promotions.fake, &f.inventory.fake, &f.crm.fake} {
		other.mu.Lock()
		other.faults = `{"faults": [{"name": "provider-slow", "service": "payment-provider", "on": false}]}`
		other.mu.Unlock()
	}
	expect("DELETE", "", "", http.StatusOK, "")
}

// askTooOften asks another instance, which lets one request a minute pass, and
// returns it.
func (f *fixture) askTooOften() *fixture {
	f.t.Helper()
	busy := f.world.start(f.database.Config().ConnString(), func(cfg *Config) {
		withFaults(cfg)
		cfg.LimitPerAddress, cfg.limitClock = 1, noon
	})
	busy.contract = f.contract
	busy.get("/DE/products", "", http.StatusOK)
	busy.expect("GET", "/nothing", "", "", http.StatusTooManyRequests, "too_many_requests")
	for _, op := range document(true).Operations {
		if path, body, header := example(op); mayAnswer(op, "too_many_requests") {
			busy.expect(op.Method, path, alice, body, http.StatusTooManyRequests, "too_many_requests", header...)
		}
	}
	return busy
}

// expect makes a request and fails the test unless that is the answer.
func (f *fixture) expect(method, path, token, body string, status int, problem string, header ...string) map[string]any {
	f.t.Helper()
	got, answer := f.do(method, path, token, body, header...)
	if got != status || problem != "" && answer["type"] != "urn:webstore:problem:"+problem {
		f.t.Errorf("%s %s %s: got %d %v, want %d %s", method, path, body, got, answer, status, problem)
	}
	return answer
}

func (f *fixture) get(path, token string, status int) map[string]any {
	f.t.Helper()
	return f.expect("GET", path, token, "", status, "")
}

// refuseWhatNobodyMaySend sends an operation what its kind refuses.
func (f *fixture) refuseWhatNobodyMaySend(op openapi.Operation) {
	f.t.Helper()
	path, body, header := example(op)
	if op.Auth == openapi.Required {
		f.expect(op.Method, path, "", body, http.StatusUnauthorized, "unauthenticated", header...)
	}
	if op.Body == nil {
		return
	}
	who := alice
	if mayAnswer(op, "forbidden") {
		who = admin
	}
	f.expect(op.Method, path, who, `{"surprise": true}`, http.StatusBadRequest, "malformed_body", header...)
	f.expect(op.Method, path, who, `"`+strings.Repeat("x", 1<<20)+`"`, http.StatusRequestEntityTooLarge, "body_too_large", header...)
	f.expect(op.Method, path, who, body, http.StatusUnsupportedMediaType, "not_json", append(header, "Content-Type", "text/plain")...)

	slow := httptest.NewRequestWithContext(f.t.Context(), op.Method, path, io.MultiReader(strings.NewReader("{"), iotest.ErrReader(os.ErrDeadlineExceeded)))
	slow.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + who}, "Idempotency-Key": {"example"}}
	if answer := f.contract.Exchange(f.t, f, slow); answer.Code != http.StatusRequestTimeout {
		f.t.Errorf("%s %s, slowly: got %d %s, want 408", op.Method, path, answer.Code, answer.Body)
	}
}

func (f *fixture) browse() {
	f.get("/DE/products", "", http.StatusOK)
	f.get("/DE/products/1", alice, http.StatusOK)
	f.expect("GET", "/XX/products", "", "", http.StatusNotFound, "unknown_market")
	f.expect("GET", "/XX/products/1", "", "", http.StatusNotFound, "unknown_market")
	f.expect("GET", "/DE/products/4711", "", "", http.StatusNotFound, "unknown_product")
}

func (f *fixture) haveAccounts() {
	const ada = `{"username": "ada", "password": "correct horse"}`
	f.expect("POST", "/auth/register", "", ada, http.StatusCreated, "")
	f.expect("POST", "/auth/register", "", ada, http.StatusConflict, "username_taken")
	f.expect("POST", "/auth/register", "", `{"username": "a", "password": "correct horse"}`, http.StatusUnprocessableEntity, "invalid_username")
	f.expect("POST", "/auth/register", "", `{"username": "ada", "password": "short"}`, http.StatusUnprocessableEntity, "invalid_password")
	f.expect("POST", "/auth/login", "", `{"username": "ada", "password": "wrong"}`, http.StatusUnauthorized, "bad_credentials")
	login := f.expect("POST", "/auth/login", "", ada, http.StatusOK, "")
	f.expect("POST", "/auth/logout", login["token"].(string), "", http.StatusNoContent, "")
	f.expect("POST", "/auth/logout", alice, "", http.StatusConflict, "shared_token")
	f.guest()

	line := f.shop.passwords.waiting
	for range cap(line) {
		line <- struct{}{}
	}
	f.expect("POST", "/auth/login", "", ada, http.StatusServiceUnavailable, "busy")
	f.expect("POST", "/auth/register", "", `{"username": "bob", "password": "correct horse"}`, http.StatusServiceUnavailable, "busy")
	for range cap(line) {
		<-line
	}
}

func (f *fixture) fillTheCart() {
	const add = `{"product_id": %d, "quantity": %d, "country": %q}`
	line := f.expect("POST", "/cart/add", alice, fmt.Sprintf(add, 1, 1, "DE"), http.StatusOK, "")
	f.expect("POST", "/cart/add", alice, fmt.Sprintf(add, 1, 1, "XX"), http.StatusNotFound, "unknown_market")
	f.expect("POST", "/cart/add", alice, fmt.Sprintf(add, 4711, 1, "DE"), http.StatusNotFound, "unknown_product")
	f.expect("POST", "/cart/add", alice, fmt.Sprintf(add, 1, 100, "DE"), http.StatusUnprocessableEntity, "invalid_quantity")
	f.get("/cart", alice, http.StatusOK)
	f.get("/cart?country=DE", alice, http.StatusOK)
	f.expect("GET", "/cart?country=XX", alice, "", http.StatusNotFound, "unknown_market")
	item := fmt.Sprintf("/cart/items/%.0f", line["id"])
	f.expect("PATCH", item, alice, `{"quantity": 2}`, http.StatusOK, "")
	f.expect("PATCH", item, alice, `{"quantity": 0}`, http.StatusUnprocessableEntity, "invalid_quantity")
	f.expect("PATCH", item, bob, `{"quantity": 2}`, http.StatusNotFound, "unknown_item")
	f.expect("DELETE", item, alice, "", http.StatusNoContent, "")
	f.expect("DELETE", item, alice, "", http.StatusNotFound, "unknown_item")
}

// checkOut has a checkout end in each way that it can, with keys that begin so.
func (f *fixture) checkOut(path, keys string) {
	check := func(key, body string, status int, problem string) map[string]any {
		f.t.Helper()
		return f.expect("POST", path, alice, body, status, problem, "Idempotency-Key", keys+key)
	}
	f.expect("POST", path, alice, germany, http.StatusBadRequest, "idempotency_key_missing")
	check("1", germany, http.StatusConflict, "cart_empty")
	check("1", strings.Replace(germany, "DE", "XX", 1), http.StatusNotFound, "unknown_market")
	check("1", strings.Replace(germany, "credit_card", "cheque", 1), http.StatusUnprocessableEntity, "invalid_payment_method")

	f.add(alice, 4, 1)
	f.setStock(4, 0)
	check("1", germany, http.StatusConflict, "out_of_stock")
	f.setStock(4, 10)
	f.payments.declines(true)
	check("1", germany, http.StatusPaymentRequired, "payment_declined")
	f.payments.declines(false)

	coupon := func(code string) string {
		return strings.Replace(germany, "}", fmt.Sprintf(`, "coupon": %q}`, code), 1)
	}
	check("2", coupon("no code"), http.StatusNotFound, "unknown_coupon")
	check("2", coupon("NONE"), http.StatusNotFound, "unknown_coupon")
	f.promotions.next(refusing(http.StatusConflict, "coupon_used_up"))
	check("3", coupon("LAST"), http.StatusConflict, "coupon_used_up")
	f.promotions.next(refusing(http.StatusUnprocessableEntity, "below_minimum"))
	check("4", coupon("SAVE20"), http.StatusUnprocessableEntity, "below_minimum")
	f.promotions.always(failing(http.StatusServiceUnavailable))
	check("5", coupon("SAVE20"), http.StatusServiceUnavailable, "promotions_unavailable")
	f.promotions.next()

	f.payments.always(failing(http.StatusServiceUnavailable))
	check("6", germany, http.StatusServiceUnavailable, "payment_unavailable")
	check("7", germany, http.StatusConflict, "order_pending")
	f.payments.next()
	f.ageOrders()
	if _, err := f.shop.reconcileSome(f.t.Context()); err != nil {
		f.t.Fatal(err)
	}
	check("6", germany, http.StatusConflict, "order_cancelled")

	f.inventory.lacks(4, true)
	order := check("8", coupon("SAVE20"), http.StatusOK, "")
	check("8", strings.Replace(coupon("SAVE20"), "credit_card", "paypal", 1), http.StatusUnprocessableEntity, "idempotency_key_reused")
	f.add(alice, 7, 1)
	check("9", germany, http.StatusOK, "")

	f.get("/orders", alice, http.StatusOK)
	f.get("/orders/"+order["order_id"].(string), alice, http.StatusOK)
	f.expect("GET", "/orders/"+order["order_id"].(string), bob, "", http.StatusNotFound, "unknown_order")
}

// ageOrders makes all orders so old that they are not paid for any more.
func (f *fixture) ageOrders() {
	f.t.Helper()
	if _, err := f.shop.store.pool.Exec(f.t.Context(), `UPDATE orders SET attend_at = now(), created_at = created_at - interval '1 hour'`); err != nil {
		f.t.Fatal(err)
	}
}

func TestTheDocumentIsServedAsItIs(t *testing.T) {
	f := start(t, nil)
	recorder := httptest.NewRecorder()
	f.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), "GET", "/openapi.json", nil))
	if !json.Valid(recorder.Body.Bytes()) || recorder.Body.String() != string(document(false).JSON()) {
		t.Errorf("served %d bytes that are not the document", recorder.Body.Len())
	}
}
