package paymentprovider

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

// mostKeys is how many keys are remembered with what became of them; of more,
// the oldest are forgotten.
const mostKeys = 100_000

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

// ledger is the provider's memory. It is safe for concurrent use.
type ledger struct {
	failureScale float64

	mu      sync.Mutex
	rand    *rand.Rand
	results map[string]*result // by idempotency key
	keys    []string           // of results, oldest first
	charges []*Charge          // of results, oldest first
	number  int                // of the charges ever made
}

// result is what became of a key: a charge, or a refusal that stands.
type result struct {
	order   Order
	charge  *Charge
	refusal *Failure
}

func newLedger(failureScale float64, seed uint64) *ledger {
	return &ledger{
		failureScale: failureScale,
		rand:         rand.New(rand.NewPCG(seed, seed)),
		results:      map[string]*result{},
	}
}

// charge takes money once for a key. It returns a charge or a failure, or
// reports that the key came with another order before. The decision is taken
// under the lock: of two calls with one key at the same time, the second gets
// the first's charge.
func (l *ledger) charge(key string, order Order, now time.Time) (charge Charge, failure *Failure, reused bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if before, ok := l.results[key]; ok {
		if before.order != order {
			return Charge{}, nil, true
		}
		if before.refusal != nil {
			return Charge{}, before.refusal, false
		}
		return *before.charge, nil, false
	}
	if failure := l.draw(order.Country); failure != nil {
		if failure.Final {
			l.remember(key, &result{order: order, refusal: failure})
		}
		return Charge{}, failure, false
	}
	l.number++
	made := &Charge{
		ID:  fmt.Sprintf("TXN-%d-%08x", l.number, l.rand.Uint32()),
		Key: key, Amount: order.Amount, Currency: order.Currency, Country: order.Country, Method: order.Method,
		CreatedAt: now,
	}
	l.charges = append(l.charges, made)
	l.remember(key, &result{order: order, charge: made})
	return *made, nil, false
}

func (l *ledger) remember(key string, r *result) {
	l.results[key] = r
	l.keys = append(l.keys, key)
	if len(l.keys) <= mostKeys {
		return
	}
	oldest := l.keys[0]
	l.keys = l.keys[1:]
	if l.results[oldest].charge != nil {
		l.charges = l.charges[1:]
	}
	delete(l.results, oldest)
}

// draw decides whether and how a charge fails.
func (l *ledger) draw(country string) *Failure {
	behaviour, ok := Markets[country]
	if !ok {
		behaviour = Elsewhere
	}
	if l.rand.Float64() >= behaviour.Failure*l.failureScale {
		return nil
	}
	return &Failures[l.rand.IntN(len(Failures))]
}

// refund gives a charge's money back. Doing it again changes nothing.
func (l *ledger) refund(id string) (Charge, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	charge := l.find(id)
	if charge == nil {
		return Charge{}, false
	}
	charge.Refunded = true
	return *charge, true
}

func (l *ledger) get(id string) (Charge, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	charge := l.find(id)
	if charge == nil {
		return Charge{}, false
	}
	return *charge, true
}

func (l *ledger) find(id string) *Charge {
	i := slices.IndexFunc(l.charges, func(c *Charge) bool { return c.ID == id })
	if i < 0 {
		return nil
	}
	return l.charges[i]
}

func (l *ledger) list() []Charge {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]Charge, len(l.charges))
	for i, charge := range l.charges {
		list[i] = *charge
	}
	return list
}
