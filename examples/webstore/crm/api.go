package crm

import (
	"net/http"

	"github.com/otelkit/kit/examples/webstore/thirdparty"
)

// Handler is the CRM's API. Of cfg it does not use Addr and Ready.
func Handler(cfg Config) http.Handler {
	a := &api{party: thirdparty.New(cfg, Behaviours, Troubles...), records: &records{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", thirdparty.Health)
	mux.HandleFunc("POST /api/customer/order", a.order)
	mux.HandleFunc("POST /api/customer/update", a.update)
	mux.HandleFunc("GET /api/customer/orders", a.orders)
	mux.HandleFunc("GET /api/customer/customers", a.customers)
	return mux
}

type api struct {
	party   *thirdparty.Party
	records *records
}

func (a *api) order(w http.ResponseWriter, r *http.Request) {
	var order Order
	if !thirdparty.Decode(w, r, &order) {
		return
	}
	if order.CustomerID == "" || order.OrderID == "" || order.Amount < 0 || len(order.Currency) != 3 {
		thirdparty.BadRequest("Order has to have a customer_id, an order_id, an amount from 0 up and an ISO 4217 currency").Write(w)
		return
	}
	a.party.Do(w, r, order.Country, func(refusal *thirdparty.Failure) thirdparty.Reply {
		if refusal != nil {
			return refusal.Reply()
		}
		recorded, failure := a.records.order(order)
		if failure != nil {
			return failure.Reply()
		}
		return thirdparty.Reply{Status: http.StatusCreated, Body: map[string]any{
			"status": "recorded", "customer_id": recorded.CustomerID, "order_id": recorded.OrderID, "recorded_at": recorded.RecordedAt,
		}}
	})
}

func (a *api) update(w http.ResponseWriter, r *http.Request) {
	var change Change
	if !thirdparty.Decode(w, r, &change) {
		return
	}
	if change.CustomerID == "" {
		thirdparty.BadRequest("Update has to have a customer_id").Write(w)
		return
	}
	a.party.Do(w, r, change.Country, func(refusal *thirdparty.Failure) thirdparty.Reply {
		if refusal != nil {
			return refusal.Reply()
		}
		customer := a.records.update(change)
		return thirdparty.Reply{Status: http.StatusOK, Body: map[string]any{
			"status": "updated", "customer_id": customer.ID, "updated_at": customer.UpdatedAt,
		}}
	})
}

func (a *api) orders(w http.ResponseWriter, _ *http.Request) {
	thirdparty.Reply{Status: http.StatusOK, Body: map[string]any{"orders": a.records.listOrders()}}.Write(w)
}

func (a *api) customers(w http.ResponseWriter, _ *http.Request) {
	thirdparty.Reply{Status: http.StatusOK, Body: map[string]any{"customers": a.records.listCustomers()}}.Write(w)
}
