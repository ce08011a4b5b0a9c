package crm

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/otelkit/kit/examples/webstore/thirdparty"
)

// Order is an order as the CRM is told of it.
type Order struct {
	CustomerID string `json:"customer_id"`
	OrderID    string `json:"order_id"`
	Amount     int64  `json:"amount"`   // in minor units of the currency
	Currency   string `json:"currency"` // ISO 4217
	Country    string `json:"country"`
	Status     string `json:"status"` // in the shop
}

// Record is an order as it was written down.
type Record struct {
	Order
	RecordedAt time.Time `json:"recorded_at"`
}

// Change is what is new about a customer; what is empty stays as it is.
type Change struct {
	CustomerID string `json:"customer_id"`
	Country    string `json:"country"`
}

// Customer is who ordered or was told of.
type Customer struct {
	ID        string    `json:"customer_id"`
	Country   string    `json:"country"`
	Orders    int       `json:"orders"`
	UpdatedAt time.Time `json:"updated_at"`
}

// orderIDReused is the answer to an order whose id is another order's.
var orderIDReused = &thirdparty.Failure{Status: http.StatusConflict, Code: "order_id_reused", Message: "order_id came with another order before", Final: true}

// records is the CRM's memory. It is safe for concurrent use.
type records struct {
	mu   sync.Mutex
	told thirdparty.Memory[Record]   // by order
	know thirdparty.Memory[Customer] // by customer
}

// order writes an order down, once. Told of it again, it notes the status that the
// order has come to.
func (r *records) order(order Order) (Record, *thirdparty.Failure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	record, again := r.told.Get(order.OrderID)
	if again {
		was := record.Order
		was.Status = order.Status
		if was != order {
			return Record{}, orderIDReused
		}
	} else {
		record.RecordedAt = time.Now().UTC()
		r.note(Change{CustomerID: order.CustomerID, Country: order.Country}, 1)
	}
	record.Order = order
	r.told.Put(order.OrderID, record)
	return record, nil
}

// update notes what is new about a customer.
func (r *records) update(change Change) Customer {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.note(change, 0)
}

func (r *records) note(change Change, orders int) Customer {
	customer, _ := r.know.Get(change.CustomerID)
	customer.ID = change.CustomerID
	if change.Country != "" {
		customer.Country = change.Country
	}
	customer.Orders += orders
	customer.UpdatedAt = time.Now().UTC()
	r.know.Put(change.CustomerID, customer)
	return customer
}

func (r *records) listOrders() []Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Record{}, slices.Collect(r.told.All())...)
}

func (r *records) listCustomers() []Customer {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Customer{}, slices.Collect(r.know.All())...)
}
