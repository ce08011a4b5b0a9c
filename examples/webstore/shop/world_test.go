package shop

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// world is who the service calls, as the test wants them to be. It keeps what a real
// one would, so that the test can compare that with what the service believes.
type world struct {
	t          testing.TB
	payments   *fakePayments
	promotions *fakePromotions
	inventory  *fakeInventory
	crm        *fakeCRM

	mu       sync.Mutex
	instants int    // that have passed: each call has one before it is heeded and one after
	fatal    int    // the instant at which something dies, if death is not nil
	death    func() // of whoever calls
}

// passes lets an instant of a call pass. If it is the fatal one, there is no answer.
func (w *world) passes() {
	w.mu.Lock()
	w.instants++
	dies := w.death
	if w.instants != w.fatal {
		dies = nil
	}
	w.mu.Unlock()
	if dies != nil {
		dies()
		panic(http.ErrAbortHandler)
	}
}

// kill has something die at an instant from now, 1 for the first.
func (w *world) kill(instant int, death func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.instants, w.fatal, w.death = 0, instant, death
}

// passed returns how many instants there were since kill.
func (w *world) passed() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.instants
}

func newWorld(t testing.TB) *world {
	w := &world{
		t:          t,
		payments:   &fakePayments{payments: map[string]*fakePayment{}},
		promotions: &fakePromotions{left: map[string]int{"SAVE20": 100, "LAST": 1}, of: map[string]string{}, released: map[string]bool{}},
		inventory:  &fakeInventory{short: map[int64]bool{}, reserved: map[string]bool{}, released: map[string]bool{}},
		crm:        &fakeCRM{orders: map[string]string{}},
	}
	w.payments.fake = fake{world: w, well: w.payments.serve}
	w.promotions.fake = fake{world: w, well: w.promotions.serve}
	w.inventory.fake = fake{world: w, well: w.inventory.serve}
	w.crm.fake = fake{world: w, well: w.crm.serve}
	return w
}

// config is a configuration of the service that calls this world.
func (w *world) config(database string) Config {
	url := func(h http.Handler) string {
		server := httptest.NewServer(h)
		w.t.Cleanup(server.Close)
		return server.URL
	}
	return Config{
		DatabaseURL: database, DemoData: true, passwordMemory: 64,
		rests:       rests{pause: time.Millisecond, circuit: 10 * time.Millisecond},
		PaymentsURL: url(w.payments), PromotionsURL: url(w.promotions), InventoryURL: url(w.inventory), CRMURL: url(w.crm),
	}
}

// fake is a service that is well, but for the next calls.
type fake struct {
	world  *world
	mu     sync.Mutex
	well   http.HandlerFunc // holds mu
	script []trouble
	faults string // the answer to who asks about them, if there are some
	after  func() // is called after each call was heeded, and before it is answered
	calls  []string
}

// trouble is what happens to a call.
type trouble func(f *fake, w http.ResponseWriter, r *http.Request)

// failing heeds nothing.
func failing(status int) trouble {
	return func(_ *fake, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

// lost heeds the call, and its answer is lost.
func lost(f *fake, _ http.ResponseWriter, r *http.Request) {
	f.heed(httptest.NewRecorder(), r)
	panic(http.ErrAbortHandler)
}

// hanging heeds nothing and never answers.
func hanging(_ *fake, _ http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body) // only then the server sees its client go
	<-r.Context().Done()
}

// refusing answers with a problem.
func refusing(status int, name string) trouble {
	return func(_ *fake, w http.ResponseWriter, _ *http.Request) { problem(w, status, name) }
}

func problem(w http.ResponseWriter, status int, name string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"type": "urn:webstore:problem:%s", "code": %q}`, name, name)
}

func (f *fake) heed(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.well(w, r)
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/health") {
		return
	}
	if strings.HasPrefix(r.URL.Path, "/faults") {
		f.tellFaults(w, r)
		return
	}
	f.mu.Lock()
	f.calls = append(f.calls, r.Method+" "+r.URL.Path)
	var happens trouble
	if len(f.script) > 0 {
		happens, f.script = f.script[0], f.script[1:]
	}
	after := f.after
	f.mu.Unlock()
	if happens != nil {
		happens(f, w, r)
		return
	}
	f.world.passes()
	answer := httptest.NewRecorder()
	f.heed(answer, r)
	if after != nil {
		after()
	}
	f.world.passes()
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes())
}

// tellFaults answers who asks about faults: unless the test says something else, that
// there are none.
func (f *fake) tellFaults(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.faults == "" {
		http.NotFound(w, r)
		return
	}
	_, _ = w.Write([]byte(f.faults))
}

// next has these things happen to the next calls; nil is none.
func (f *fake) next(script ...trouble) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.script = script
}

// always has something happen to the next thousand calls.
func (f *fake) always(t trouble) { f.next(slices.Repeat([]trouble{t}, 1000)...) }

// then has do called after each call was heeded.
func (f *fake) then(do func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.after = do
}

// called returns how many calls there were whose method and path begin so.
func (f *fake) called(prefix string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, call := range f.calls {
		if strings.HasPrefix(call, prefix) {
			n++
		}
	}
	return n
}

// fakePayments is the payments service: it charges once for each key.
type fakePayments struct {
	fake
	payments map[string]*fakePayment
	decline  bool // all of them
}

type fakePayment struct {
	Key      string `json:"key"`
	State    string `json:"state"`
	ChargeID string `json:"charge_id,omitempty"`
	amount   int64
}

func (p *fakePayments) serve(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	if r.Method == http.MethodPost && len(parts) == 1 {
		p.pay(w, r)
		return
	}
	one := p.payments[parts[1]]
	if r.Method == http.MethodGet && one == nil {
		problem(w, http.StatusNotFound, "not_found")
		return
	}
	if r.Method == http.MethodPost {
		switch {
		case one == nil:
			one = &fakePayment{Key: parts[1], State: "cancelled"}
			p.payments[parts[1]] = one
		case one.State == "authorised":
			one.State = "refunded"
		}
	}
	_ = json.NewEncoder(w).Encode(one)
}

func (p *fakePayments) pay(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Idempotency-Key")
	var body struct{ Amount int64 }
	_ = json.NewDecoder(r.Body).Decode(&body)
	one := p.payments[key]
	if one == nil {
		one = &fakePayment{Key: key, State: "authorised", ChargeID: fmt.Sprint("TXN-", len(p.payments)+1), amount: body.Amount}
		if p.decline {
			one.State, one.ChargeID = "declined", ""
		}
		p.payments[key] = one
	}
	switch {
	case one.State == "declined":
		problem(w, http.StatusPaymentRequired, "payment_declined")
	case one.State != "authorised":
		problem(w, http.StatusConflict, "payment_cancelled")
	case one.amount != body.Amount:
		problem(w, http.StatusUnprocessableEntity, "idempotency_key_reused")
	default:
		_ = json.NewEncoder(w).Encode(one)
	}
}

// decliner makes payments be declined, or not.
func (p *fakePayments) declines(all bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.decline = all
}

// charged fails the test unless that many charges were made, given back or not.
func (f *fixture) charged(n int) {
	f.t.Helper()
	f.payments.mu.Lock()
	defer f.payments.mu.Unlock()
	charges := 0
	for _, one := range f.payments.payments {
		if one.ChargeID != "" {
			charges++
		}
	}
	if charges != n {
		f.t.Errorf("%d charges were made, want %d", charges, n)
	}
}

// fakePromotions gives 10% off by itself, and 20% with a coupon.
type fakePromotions struct {
	fake
	left     map[string]int    // uses, by coupon
	of       map[string]string // coupon, by key
	released map[string]bool
}

func (p *fakePromotions) serve(w http.ResponseWriter, r *http.Request) {
	if path, ok := strings.CutSuffix(r.URL.Path, "/release"); ok {
		key := path[strings.LastIndexByte(path, '/')+1:]
		coupon, redeemed := p.of[key]
		if redeemed && !p.released[key] {
			p.left[coupon]++
		}
		p.released[key] = true
		fmt.Fprintf(w, `{"released": %t}`, redeemed)
		return
	}
	var body struct {
		Amount   int64
		Currency string
		Coupon   string `json:"coupon_code"`
		UserID   string `json:"user_id"`
	}
	_ = json.NewDecoder(r.Body).Decode(&body)
	key := r.Header.Get("Idempotency-Key")
	if body.Coupon == "" {
		fmt.Fprintf(w, `{"discount": %d, "currency": %q, "promotion_code": "AUTO10"}`, body.Amount/10, body.Currency)
		return
	}
	left, known := p.left[body.Coupon]
	_, redeemed := p.of[key]
	switch {
	case p.released[key]:
		problem(w, http.StatusConflict, "redemption_released")
		return
	case !known:
		problem(w, http.StatusNotFound, "unknown_coupon")
		return
	case !redeemed && left == 0:
		problem(w, http.StatusConflict, "coupon_used_up")
		return
	case body.Amount < 1000:
		w.WriteHeader(http.StatusUnprocessableEntity)
		fmt.Fprint(w, `{"type": "urn:webstore:problem:below_minimum", "min_amount": 1000}`)
		return
	case !redeemed:
		p.left[body.Coupon]--
		p.of[key] = body.Coupon
	}
	fmt.Fprintf(w, `{"discount": %d, "currency": %q, "promotion_code": %q}`, body.Amount/5, body.Currency, body.Coupon)
}

// fakeInventory has everything but what is short.
type fakeInventory struct {
	fake
	short    map[int64]bool  // by product
	reserved map[string]bool // by key, released or not
	released map[string]bool
}

func (i *fakeInventory) serve(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Idempotency-Key")
	var body struct {
		Product  int64 `json:"product_id"`
		Quantity int
		Country  string
	}
	_ = json.NewDecoder(r.Body).Decode(&body)
	switch r.URL.Path {
	case "/api/inventory/check":
		fmt.Fprintf(w, `{"available": %t}`, !i.short[body.Product])
	case "/api/inventory/release":
		i.released[key] = true
		fmt.Fprintf(w, `{"released": %t}`, i.reserved[key])
	case "/api/inventory/reserve":
		switch {
		case i.released[key]:
			problem(w, http.StatusConflict, "released")
			return
		case i.short[body.Product] && !i.reserved[key]:
			problem(w, http.StatusConflict, "out_of_stock")
			return
		}
		i.reserved[key] = true
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"warehouse": "EU-CENTRAL", "fulfillment_days": 3}`)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

// lacks makes a product be nowhere, or everywhere again.
func (i *fakeInventory) lacks(product int64, nowhere bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.short[product] = nowhere
}

// fakeCRM keeps what it is told of each order.
type fakeCRM struct {
	fake
	orders map[string]string // status, by id
	twice  []string          // ids of which it was told different things
	known  []string          // customers
}

func (c *fakeCRM) serve(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Customer string `json:"customer_id"`
		Order    string `json:"order_id"`
		Status   string
	}
	_ = json.NewDecoder(r.Body).Decode(&body)
	if r.URL.Path == "/api/customer/update" {
		c.known = append(c.known, body.Customer)
		return
	}
	if before, ok := c.orders[body.Order]; ok && before != body.Status {
		c.twice = append(c.twice, body.Order)
	}
	c.orders[body.Order] = body.Status
	w.WriteHeader(http.StatusCreated)
}
