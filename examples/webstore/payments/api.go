package payments

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/gorilla/mux"

	"github.com/otelkit/kit/examples/webstore/jsonhttp"
	"github.com/otelkit/kit/examples/webstore/money"
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
	Cancelled = &jsonhttp.Problem{
		Status: http.StatusConflict, Name: "payment_cancelled", Title: "The payment was cancelled",
		Detail: "No money is kept for this Idempotency-Key, now or later.",
	}
)

func (p *payments) routes() *mux.Router {
	handle := func(h func(http.ResponseWriter, *http.Request) error) http.Handler { return jsonhttp.Handler(p.log, h) }
	router := mux.NewRouter().UseEncodedPath().SkipClean(true) // a key may hold a slash, or be ".."
	router.Handle("/payments", handle(p.post)).Methods(http.MethodPost)
	router.Handle("/payments/{key}", handle(p.get)).Methods(http.MethodGet)
	router.Handle("/payments/{key}/cancel", handle(p.postCancel)).Methods(http.MethodPost)
	probes.Route(router, p.checks)
	router.NotFoundHandler = handle(func(http.ResponseWriter, *http.Request) error { return jsonhttp.NotFound })
	router.MethodNotAllowedHandler = handle(func(http.ResponseWriter, *http.Request) error { return jsonhttp.MethodNotAllowed })
	return router
}

// Order is what is to be paid. The order of a payment that was cancelled before it
// was asked for is empty.
type Order struct {
	Amount   int64                   `json:"amount,omitzero"`   // in minor units of the currency
	Currency string                  `json:"currency,omitzero"` // ISO 4217, the market's
	Market   telemetry.Market        `json:"country,omitzero"`
	Method   telemetry.PaymentMethod `json:"payment_method,omitzero"`
}

// Payment is what became of an order.
type Payment struct {
	Key string `json:"key"`
	Order
	State       State     `json:"state"`
	ChargeID    string    `json:"charge_id,omitempty"`    // the provider's, once authorised, also when it was refunded
	DeclineCode string    `json:"decline_code,omitempty"` // the provider's, once declined
	CreatedAt   time.Time `json:"created_at"`
}

// maxAmount keeps sums far from what an int64 holds.
const maxAmount = 1_000_000_000_000

func (o Order) validate() error {
	currency := money.Currency(o.Market)
	switch {
	case !o.Market.Known():
		return UnknownMarket.With("country %q is not one of %v.", o.Market, o.Market.Values())
	case !o.Method.Known():
		return InvalidPayment.With("payment_method %q is not one of %v.", o.Method, o.Method.Values())
	case o.Amount <= 0 || o.Amount > maxAmount:
		return InvalidPayment.With("amount %d is not between 1 and %d minor units.", o.Amount, int64(maxAmount))
	case o.Currency != currency:
		return InvalidPayment.With("currency %q is not that of %s, which is %s.", o.Currency, o.Market, currency)
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
	case StateCancelling, StateCancelled, StateRefunded:
		return Cancelled
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
	key, err := keyOf(r)
	if err != nil {
		return err
	}
	payment, err := p.store.payment(r.Context(), key)
	if errors.Is(err, errNoPayment) {
		return noPayment
	}
	if err != nil {
		return err
	}
	return jsonhttp.Encode(w, http.StatusOK, payment)
}

func (p *payments) postCancel(w http.ResponseWriter, r *http.Request) error {
	key, err := keyOf(r)
	if err != nil {
		return err
	}
	var body struct{}
	if err := jsonhttp.Decode(w, r, &body); err != nil {
		return err
	}
	payment, err := p.cancel(r.Context(), key)
	if err != nil {
		return err
	}
	if payment.State == StateCancelling {
		return Unavailable.With("The payment cannot be authorised any more. Whether money has to be given back is open; cancel it again.")
	}
	return jsonhttp.Encode(w, http.StatusOK, payment)
}

// noPayment is the answer about a key that no payment has.
var noPayment = jsonhttp.NotFound.With("There is no payment with this key.")

// keyOf returns the key in a request's path.
func keyOf(r *http.Request) (string, error) {
	key, err := url.PathUnescape(mux.Vars(r)["key"])
	if err != nil || !jsonhttp.ValidKey(key) {
		return "", noPayment
	}
	return key, nil
}
