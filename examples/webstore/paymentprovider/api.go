package paymentprovider

import (
	"net/http"

	"github.com/otelkit/kit/examples/webstore/thirdparty"
)

// Handler is the provider's API. Of cfg it does not use Addr and Ready.
func Handler(cfg Config) http.Handler {
	party := thirdparty.New(cfg, Behaviours, Troubles...)
	a := &api{party: party, ledger: newLedger(party.ID)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", thirdparty.Health)
	mux.HandleFunc("POST /v1/charges", a.charge)
	mux.HandleFunc("POST /v1/voids", a.void)
	mux.HandleFunc("GET /v1/charges", a.list)
	mux.HandleFunc("GET /v1/charges/{id}", a.get)
	mux.HandleFunc("GET /v1/charges/by-key/{key}", a.byKey)
	mux.HandleFunc("POST /v1/charges/{id}/refund", a.refund)
	return reachable(cfg.Faults, mux)
}

type api struct {
	party  *thirdparty.Party
	ledger *ledger
}

func (a *api) charge(w http.ResponseWriter, r *http.Request) {
	key, ok := thirdparty.Key(w, r)
	if !ok {
		return
	}
	var order Order
	if !thirdparty.Decode(w, r, &order) {
		return
	}
	if order.Amount <= 0 || len(order.Currency) != 3 {
		thirdparty.BadRequest("Amount has to be positive and currency an ISO 4217 code").Write(w)
		return
	}
	a.party.Do(w, r, order.Country, func(refusal *thirdparty.Failure) thirdparty.Reply {
		charge, failure := a.ledger.charge(key, order, refusal)
		return reply(http.StatusCreated, charge, failure)
	})
}

func (a *api) void(w http.ResponseWriter, r *http.Request) {
	key, ok := thirdparty.Key(w, r)
	if !ok {
		return
	}
	a.party.Do(w, r, "", func(*thirdparty.Failure) thirdparty.Reply {
		return thirdparty.Reply{Status: http.StatusOK, Body: a.ledger.void(key)}
	})
}

func (a *api) refund(w http.ResponseWriter, r *http.Request) {
	a.party.Do(w, r, "", func(*thirdparty.Failure) thirdparty.Reply {
		charge, failure := a.ledger.refund(r.PathValue("id"))
		return reply(http.StatusOK, charge, failure)
	})
}

func (a *api) byKey(w http.ResponseWriter, r *http.Request) {
	a.party.Do(w, r, "", func(*thirdparty.Failure) thirdparty.Reply {
		charge, failure := a.ledger.byKey(r.PathValue("key"))
		return reply(http.StatusOK, charge, failure)
	})
}

func (a *api) get(w http.ResponseWriter, r *http.Request) {
	charge, failure := a.ledger.get(r.PathValue("id"))
	reply(http.StatusOK, charge, failure).Write(w)
}

func (a *api) list(w http.ResponseWriter, _ *http.Request) {
	thirdparty.Reply{Status: http.StatusOK, Body: map[string]any{"charges": a.ledger.list()}}.Write(w)
}

// reply is the answer to what gave a charge or failed.
func reply(status int, charge Charge, failure *thirdparty.Failure) thirdparty.Reply {
	if failure != nil {
		return failure.Reply()
	}
	return thirdparty.Reply{Status: status, Body: charge}
}
