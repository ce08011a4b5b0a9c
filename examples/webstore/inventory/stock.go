package inventory

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/otelkit/kit/examples/webstore/thirdparty"
)

// Wish is what a caller asks for.
type Wish struct {
	Product  int    `json:"product_id"`
	Quantity int    `json:"quantity"`
	Country  string `json:"country"` // that it is sent to
}

// Check is what there is for a wish.
type Check struct {
	Product   int       `json:"product_id"`
	Quantity  int       `json:"quantity"`
	Available bool      `json:"available"`
	Warehouse string    `json:"warehouse"`        // that it would be sent from
	Stock     int       `json:"stock"`            // of that warehouse
	Days      int       `json:"fulfillment_days"` // until it arrives
	CheckedAt time.Time `json:"checked_at"`
}

// Reservation is goods that are kept for a key.
type Reservation struct {
	ID         string    `json:"reservation_id"`
	Key        string    `json:"idempotency_key"`
	Product    int       `json:"product_id"`
	Quantity   int       `json:"quantity"`
	Country    string    `json:"country"`
	Warehouse  string    `json:"warehouse"`
	Days       int       `json:"fulfillment_days"`
	ReservedAt time.Time `json:"reserved_at"`
	Status     Status    `json:"status"`
}

// Status is what has become of a reservation.
type Status string

// The statuses of a reservation.
const (
	Reserved Status = "reserved"
	Released Status = "released" // the goods are back
)

// Level is what a warehouse has of a product.
type Level struct {
	Product  int `json:"product_id"`
	Stock    int `json:"stock"`
	Reserved int `json:"reserved"` // with Stock, what there was at first
}

// reason is why there is no reservation.
type reason interface{ Reply() thirdparty.Reply }

// What is wrong with a call in itself.
var (
	keyReused = &thirdparty.Failure{Status: http.StatusConflict, Code: "idempotency_key_reused", Message: "Idempotency-Key came with another reservation before", Final: true}
	released  = &thirdparty.Failure{Status: http.StatusConflict, Code: "released", Message: "Idempotency-Key was released; nothing will be reserved for it", Final: true}
	noProduct = &thirdparty.Failure{Status: http.StatusNotFound, Code: "product_not_found", Message: "No warehouse has such a product", Final: true}
)

// outOfStock says that no warehouse on the route has enough, and what the first one has.
type outOfStock int

func (available outOfStock) Reply() thirdparty.Reply {
	return thirdparty.Reply{Status: http.StatusConflict, Body: struct {
		Status    string `json:"status"`
		Code      string `json:"code"`
		Error     string `json:"error"`
		Available int    `json:"available_stock"`
	}{"out_of_stock", "out_of_stock", "Insufficient stock", int(available)}}
}

// stock is the inventory's memory. It is safe for concurrent use: what becomes of a
// key is decided under its lock, so that of two calls with one key at the same
// time the second finds what the first did.
type stock struct {
	newID func(prefix string) string
	empty func(country string) bool // the warehouses on its route have nothing this time, whatever levels says

	mu      sync.Mutex
	levels  map[string][]Level         // by warehouse; product n is at n-1
	results thirdparty.Memory[*result] // by idempotency key
}

// result is what became of a key: a reservation, or a refusal that stands, or
// neither if it was released first. A release may follow either.
type result struct {
	wish        Wish
	reservation *Reservation
	refusal     *thirdparty.Failure
	released    bool
}

// newStock fills the warehouses.
func newStock(seed uint64, newID func(prefix string) string) *stock {
	random := rand.New(rand.NewPCG(seed, seed))
	s := &stock{newID: newID, levels: map[string][]Level{}}
	for _, warehouse := range Warehouses {
		levels := make([]Level, Products)
		for i := range levels {
			levels[i] = Level{Product: i + 1, Stock: MinStock + random.IntN(MaxStock-MinStock+1)}
		}
		s.levels[warehouse.Name] = levels
	}
	return s
}

// check says what there is for a wish.
func (s *stock) check(wish Wish) Check {
	s.mu.Lock()
	defer s.mu.Unlock()
	warehouse, level, enough := s.find(wish)
	check := Check{
		Product: wish.Product, Quantity: wish.Quantity,
		Available: enough, Warehouse: warehouse.Name, Stock: level.Stock, Days: warehouse.Days,
		CheckedAt: time.Now().UTC(),
	}
	if !enough {
		check.Days += MoreDays
	}
	return check
}

// find finds the first warehouse for a wish that has enough. If none has, it is the
// first at all.
func (s *stock) find(wish Wish) (warehouse Warehouse, level *Level, enough bool) {
	route := routeTo(wish.Country)
	if s.empty(wish.Country) {
		return route[0], &Level{Product: wish.Product}, false
	}
	for _, w := range route {
		if level := &s.levels[w.Name][wish.Product-1]; level.Stock >= wish.Quantity {
			return w, level, true
		}
	}
	return route[0], &s.levels[route[0].Name][wish.Product-1], false
}

// reserve keeps goods once for a key. It returns the reservation or why there is
// none. That goods are out of stock is not remembered, since they may come back. A
// refusal is for a key that is new: it stands from then on.
func (s *stock) reserve(key string, wish Wish, refusal *thirdparty.Failure) (Reservation, reason) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if before, ok := s.results.Get(key); ok {
		switch {
		case before.released:
			return Reservation{}, released
		case before.wish != wish:
			return Reservation{}, keyReused
		case before.refusal != nil:
			return Reservation{}, before.refusal
		}
		return *before.reservation, nil
	}
	if refusal != nil {
		s.results.Put(key, &result{wish: wish, refusal: refusal})
		return Reservation{}, refusal
	}
	warehouse, level, enough := s.find(wish)
	if !enough {
		return Reservation{}, outOfStock(level.Stock)
	}
	level.Stock -= wish.Quantity
	level.Reserved += wish.Quantity
	made := &Reservation{
		ID: s.newID("RES"), Key: key,
		Product: wish.Product, Quantity: wish.Quantity, Country: wish.Country,
		Warehouse: warehouse.Name, Days: warehouse.Days,
		ReservedAt: time.Now().UTC(), Status: Reserved,
	}
	s.results.Put(key, &result{wish: wish, reservation: made})
	return *made, nil
}

// release gives back what is kept for a key, and closes the key to reservations that
// come later. It reports whether there was a reservation. Doing it again changes
// nothing.
func (s *stock) release(key string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	known, ok := s.results.Get(key)
	if !ok {
		known = &result{}
		s.results.Put(key, known)
	}
	if reservation := known.reservation; reservation != nil && !known.released {
		level := &s.levels[reservation.Warehouse][reservation.Product-1]
		level.Stock += reservation.Quantity
		level.Reserved -= reservation.Quantity
		reservation.Status = Released
	}
	known.released = true
	return known.reservation != nil
}

// reservations is every reservation, oldest first.
func (s *stock) reservations() []Reservation {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []Reservation{}
	for known := range s.results.All() {
		if known.reservation != nil {
			list = append(list, *known.reservation)
		}
	}
	return list
}

// stocked is a warehouse with what it has.
type stocked struct {
	Warehouse
	Levels []Level `json:"products"`
}

func (s *stock) warehouses() []stocked {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]stocked, len(Warehouses))
	for i, warehouse := range Warehouses {
		list[i] = stocked{warehouse, slices.Clone(s.levels[warehouse.Name])}
	}
	return list
}
