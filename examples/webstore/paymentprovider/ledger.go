package paymentprovider

import (
	"net/http"
	"sync"
	"time"

	"github.com/otelkit/kit/examples/webstore/thirdparty"
)

// Charge is money taken.
type Charge struct {
	ID        string    `json:"id"`
	Key       string    `json:"idempotency_key"`
	Amount    int64     `json:"amount"`   // in minor units of the currency
	Currency  string    `json:"currency"` // ISO 4217
	Country   string    `json:"country"`
	Method    string    `json:"payment_method"`
	Refunded  bool      `json:"refunded"`
	CreatedAt time.Time `json:"created_at"`
}

// Order is what a caller asks to be charged.
type Order struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"`
	Country  string `json:"country"`
	Method   string `json:"payment_method"`
}

// Void is what became of the money of a key for which none is to be kept.
type Void struct {
	ChargeID string `json:"charge_id"` // empty if nothing was taken
	Refunded bool   `json:"refunded"`
}

// What is wrong with a call in itself.
var (
	keyReused = &thirdparty.Failure{Status: http.StatusConflict, Code: "idempotency_key_reused", Message: "Idempotency-Key came with another charge before", Final: true}
	voided    = &thirdparty.Failure{Status: http.StatusConflict, Code: "voided", Message: "Idempotency-Key was voided; nothing will be charged for it", Final: true}
	notFound  = &thirdparty.Failure{Status: http.StatusNotFound, Code: "charge_not_found", Message: "No such charge", Final: true}
)

// ledger is the provider's memory. It is safe for concurrent use: what becomes of a
// key is decided under its lock, so that of two calls with one key at the same
// time the second finds what the first did.
type ledger struct {
	newID func(prefix string) string

	mu      sync.Mutex
	results thirdparty.Memory[*result] // by idempotency key
	charges map[string]*Charge         // of results, by id
}

// result is what became of a key: a charge, or a refusal that stands, or neither if
// it was voided first. A void may follow either.
type result struct {
	order   Order
	charge  *Charge
	refusal *thirdparty.Failure
	voided  bool
}

func newLedger(newID func(prefix string) string) *ledger {
	return &ledger{newID: newID, charges: map[string]*Charge{}}
}

// charge takes money once for a key. It returns the charge or why there is none. A
// refusal is for a key that is new: it stands from then on.
func (l *ledger) charge(key string, order Order, refusal *thirdparty.Failure) (Charge, *thirdparty.Failure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if before, ok := l.results.Get(key); ok {
		switch {
		case before.voided:
			return Charge{}, voided
		case before.order != order:
			return Charge{}, keyReused
		case before.refusal != nil:
			return Charge{}, before.refusal
		}
		return *before.charge, nil
	}
	if refusal != nil {
		l.remember(key, &result{order: order, refusal: refusal})
		return Charge{}, refusal
	}
	made := &Charge{
		ID:  l.newID("TXN"),
		Key: key, Amount: order.Amount, Currency: order.Currency, Country: order.Country, Method: order.Method,
		CreatedAt: time.Now().UTC(),
	}
	l.charges[made.ID] = made
	l.remember(key, &result{order: order, charge: made})
	return *made, nil
}

// void refunds the charge of a key if there is one, and refuses any that comes
// later. Doing it again changes nothing.
func (l *ledger) void(key string) Void {
	l.mu.Lock()
	defer l.mu.Unlock()
	known, ok := l.results.Get(key)
	if !ok {
		known = &result{}
		l.remember(key, known)
	}
	known.voided = true
	if known.charge == nil {
		return Void{}
	}
	known.charge.Refunded = true
	return Void{ChargeID: known.charge.ID, Refunded: true}
}

func (l *ledger) remember(key string, r *result) {
	if oldest, full := l.results.Put(key, r); full && oldest.charge != nil {
		delete(l.charges, oldest.charge.ID)
	}
}

// refund gives a charge's money back. Doing it again changes nothing.
func (l *ledger) refund(id string) (Charge, *thirdparty.Failure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	charge, ok := l.charges[id]
	if !ok {
		return Charge{}, notFound
	}
	charge.Refunded = true
	return *charge, nil
}

func (l *ledger) get(id string) (Charge, *thirdparty.Failure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	charge, ok := l.charges[id]
	if !ok {
		return Charge{}, notFound
	}
	return *charge, nil
}

func (l *ledger) byKey(key string) (Charge, *thirdparty.Failure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	known, ok := l.results.Get(key)
	if !ok || known.charge == nil {
		return Charge{}, notFound
	}
	return *known.charge, nil
}

// list is every charge, oldest first.
func (l *ledger) list() []Charge {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]Charge, 0, len(l.charges))
	for known := range l.results.All() {
		if known.charge != nil {
			list = append(list, *known.charge)
		}
	}
	return list
}
