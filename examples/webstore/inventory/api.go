package inventory

import (
	"net/http"

	"github.com/otelkit/kit/examples/webstore/faults"
	"github.com/otelkit/kit/examples/webstore/thirdparty"
)

// Handler is the inventory's API. Of cfg it does not use Addr and Ready.
func Handler(cfg Config) http.Handler {
	party := thirdparty.New(cfg, Behaviours, Troubles...)
	a := &api{party: party, stock: newStock(cfg.Seed, party.ID)}
	a.stock.empty = func(country string) bool { return cfg.Faults.Hits(faults.InventoryOutOfStock, country) }
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", thirdparty.Health)
	mux.HandleFunc("POST /api/inventory/check", a.check)
	mux.HandleFunc("POST /api/inventory/reserve", a.reserve)
	mux.HandleFunc("POST /api/inventory/release", a.release)
	mux.HandleFunc("GET /api/inventory/reservations", a.reservations)
	mux.HandleFunc("GET /api/inventory/warehouses", a.warehouses)
	return mux
}

type api struct {
	party *thirdparty.Party
	stock *stock
}

func (a *api) check(w http.ResponseWriter, r *http.Request) {
	wish, ok := decode(w, r)
	if !ok {
		return
	}
	a.party.Do(w, r, wish.Country, func(refusal *thirdparty.Failure) thirdparty.Reply {
		if refusal != nil {
			return refusal.Reply()
		}
		return thirdparty.Reply{Status: http.StatusOK, Body: a.stock.check(wish)}
	})
}

func (a *api) reserve(w http.ResponseWriter, r *http.Request) {
	key, ok := thirdparty.Key(w, r)
	if !ok {
		return
	}
	wish, ok := decode(w, r)
	if !ok {
		return
	}
	a.party.Do(w, r, wish.Country, func(refusal *thirdparty.Failure) thirdparty.Reply {
		reservation, reason := a.stock.reserve(key, wish, refusal)
		if reason != nil {
			return reason.Reply()
		}
		return thirdparty.Reply{Status: http.StatusCreated, Body: reservation}
	})
}

func (a *api) release(w http.ResponseWriter, r *http.Request) {
	key, ok := thirdparty.Key(w, r)
	if !ok {
		return
	}
	a.party.Do(w, r, "", func(*thirdparty.Failure) thirdparty.Reply {
		return thirdparty.Reply{Status: http.StatusOK, Body: map[string]bool{"released": a.stock.release(key)}}
	})
}

func (a *api) reservations(w http.ResponseWriter, _ *http.Request) {
	thirdparty.Reply{Status: http.StatusOK, Body: map[string]any{"reservations": a.stock.reservations()}}.Write(w)
}

func (a *api) warehouses(w http.ResponseWriter, _ *http.Request) {
	thirdparty.Reply{Status: http.StatusOK, Body: map[string]any{"warehouses": a.stock.warehouses()}}.Write(w)
}

// decode reads what a caller asks for. If it cannot be, it answers so, and reports
// false.
func decode(w http.ResponseWriter, r *http.Request) (wish Wish, ok bool) {
	if !thirdparty.Decode(w, r, &wish) {
		return Wish{}, false
	}
	switch {
	case wish.Quantity <= 0:
		thirdparty.BadRequest("Quantity has to be positive").Write(w)
	case wish.Product < 1 || wish.Product > Products:
		noProduct.Reply().Write(w)
	default:
		return wish, true
	}
	return Wish{}, false
}
