package paymentprovider

import (
	"encoding/json"
	"net/http"
	"time"
)

// maxBody is the most bytes that a request's body may have.
const maxBody = 64 << 10

// Handler is the provider's API. Of cfg it does not use Addr and Ready.
func Handler(cfg Config) http.Handler {
	a := &api{ledger: newLedger(cfg.FailureScale, cfg.Seed), latencyScale: cfg.LatencyScale}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", a.health)
	mux.HandleFunc("POST /v1/charges", a.charge)
	mux.HandleFunc("GET /v1/charges", a.list)
	mux.HandleFunc("GET /v1/charges/{id}", a.get)
	mux.HandleFunc("POST /v1/charges/{id}/refund", a.refund)
	return mux
}

type api struct {
	ledger       *ledger
	latencyScale float64
}

func (a *api) health(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]string{"status": "healthy"})
}

func (a *api) charge(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Idempotency-Key")
	if key == "" {
		fail(w, http.StatusBadRequest, "bad_request", "Idempotency-Key header is missing")
		return
	}
	var order Order
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&order); err != nil {
		fail(w, http.StatusBadRequest, "bad_request", "Body is not a charge in JSON")
		return
	}
	if order.Amount <= 0 || len(order.Currency) != 3 {
		fail(w, http.StatusBadRequest, "bad_request", "Amount has to be positive and currency an ISO 4217 code")
		return
	}
	// As with a real one, the money is taken before the answer is on its way:
	// a caller that does not wait has paid all the same.
	charge, failure, reused := a.ledger.charge(key, order, time.Now().UTC())
	behaviour, ok := Markets[order.Country]
	if !ok {
		behaviour = Elsewhere
	}
	if _, err := behaviour.Latency.Wait(r.Context(), a.latencyScale); err != nil {
		return // nobody is there to be answered
	}
	switch {
	case reused:
		fail(w, http.StatusConflict, "idempotency_key_reused", "Idempotency-Key came with another charge before")
	case failure != nil:
		fail(w, failure.Status, failure.Code, failure.Message)
	default:
		answer(w, http.StatusCreated, charge)
	}
}

func (a *api) list(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"charges": a.ledger.list()})
}

func (a *api) get(w http.ResponseWriter, r *http.Request) {
	charge, ok := a.ledger.get(r.PathValue("id"))
	if !ok {
		fail(w, http.StatusNotFound, "charge_not_found", "No such charge")
		return
	}
	answer(w, http.StatusOK, charge)
}

func (a *api) refund(w http.ResponseWriter, r *http.Request) {
	charge, ok := a.ledger.refund(r.PathValue("id"))
	if !ok {
		fail(w, http.StatusNotFound, "charge_not_found", "No such charge")
		return
	}
	answer(w, http.StatusOK, charge)
}

// fail answers with an error of the provider's own form.
func fail(w http.ResponseWriter, status int, code, message string) {
	answer(w, status, map[string]string{"status": "failed", "code": code, "error": message})
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // an error means that the caller has gone
}
