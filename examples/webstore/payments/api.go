package payments

import (
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/gorilla/mux"

	"github.com/otelkit/kit/examples/webstore/jsonhttp"
	"github.com/otelkit/kit/examples/webstore/probes"
	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// The problems of this API, beside those of jsonhttp.
var (
	UnknownMarket = &jsonhttp.Problem{
		Status: http.StatusNotFound, Name: "unknown_market", Title: "We do not sell there",
	}
	InvalidPayment = &jsonhttp.Problem{
		Status: http.StatusUnprocessableEntity, Name: "invalid_payment", Title: "This is no payment that can be made",
	}
	Declined = &jsonhttp.Problem{
		Status: http.StatusPaymentRequired, Name: "payment_declined", Title: "The payment was declined",
		Detail: "The payment provider refused it, and no money was taken. Try another way to pay.",
	}
	Unavailable = &jsonhttp.Problem{
		Status: http.StatusServiceUnavailable, Name: "provider_unavailable", Title: "The payment provider does not answer",
		Detail: "The payment is pending. Send the same request with the same Idempotency-Key again.",
		Header: http.Header{"Retry-After": {"5"}},
	}
)

func (p *payments) routes() *mux.Router {
	handle := func(h func(http.ResponseWriter, *http.Request) error) http.Handler { return jsonhttp.Handler(p.log, h) }
	router := mux.NewRouter()
	router.Handle("/payments", handle(p.post)).Methods(http.MethodPost)
	router.Handle("/payments/{key}", handle(p.get)).Methods(http.MethodGet)
	probes.Route(router, p.checks)
	router.NotFoundHandler = handle(func(http.ResponseWriter, *http.Request) error { return jsonhttp.NotFound })
	router.MethodNotAllowedHandler = handle(func(http.ResponseWriter, *http.Request) error { return jsonhttp.MethodNotAllowed })
	return router
}

// Order is what is to be paid.
type Order struct {
	Amount   int64                   `json:"amount"`   // in minor units of the currency
	Currency string                  `json:"currency"` // ISO 4217
	Market   telemetry.Market        `json:"country"`
	Method   telemetry.PaymentMethod `json:"payment_method"`
}

// Payment is what became of an order.
type Payment struct {
	Key string `json:"key"`
	Order
	State       State     `json:"state"`
	ChargeID    string    `json:"charge_id,omitempty"`    // the provider's, once authorised
	DeclineCode string    `json:"decline_code,omitempty"` // the provider's, once declined
	CreatedAt   time.Time `json:"created_at"`
}

// maxAmount keeps sums far from what an int64 holds.
const maxAmount = 1_000_000_000_000

func (o Order) validate() error {
	switch {
	case !o.Market.Known():
		return UnknownMarket.With("country %q is not one of %v.", o.Market, o.Market.Values())
	case !o.Method.Known():
		return InvalidPayment.With("payment_method %q is not one of %v.", o.Method, o.Method.Values())
	case o.Amount <= 0 || o.Amount > maxAmount:
		return InvalidPayment.With("amount %d is not between 1 and %d minor units.", o.Amount, int64(maxAmount))
	case len(o.Currency) != 3 || strings.ContainsFunc(o.Currency, func(r rune) bool { return r < 'A' || r > 'Z' }):
		return InvalidPayment.With("currency %q is not a code of ISO 4217, such as EUR.", o.Currency)
	}
	return nil
}

func (p *payments) post(w http.ResponseWriter, r *http.Request) error {
	key, err := jsonhttp.IdempotencyKey(r)
	if err != nil {
		return err
	}
	var order Order
	if err := jsonhttp.Decode(w, r, &order); err != nil {
		return err
	}
	if err := order.validate(); err != nil {
		return err
	}
	payment, err := p.pay(r.Context(), key, order)
	switch {
	case errors.Is(err, errKeyReused):
		return jsonhttp.KeyReused
	case err != nil:
		return err
	}
	switch payment.State {
	case StateAuthorised:
		return jsonhttp.Encode(w, http.StatusOK, payment)
	case StateDeclined:
		declined := *Declined
		declined.More = map[string]any{"decline_code": payment.DeclineCode}
		return &declined
	case StatePending:
		return Unavailable
	}
	return jsonhttp.Internal
}

func (p *payments) get(w http.ResponseWriter, r *http.Request) error {
	payment, err := p.store.payment(r.Context(), mux.Vars(r)["key"])
	if errors.Is(err, errNoPayment) {
		return jsonhttp.NotFound.With("There is no payment with this key.")
	}
	if err != nil {
		return err
	}
	return jsonhttp.Encode(w, http.StatusOK, payment)
}
