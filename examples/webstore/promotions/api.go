package promotions

import (
	"net/http"
	"net/url"
	"strings"
	"unicode"

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
	InvalidOrder = &jsonhttp.Problem{
		Status: http.StatusUnprocessableEntity, Name: "invalid_order", Title: "This is no order that there can be",
	}
	UnknownCoupon = &jsonhttp.Problem{
		Status: http.StatusNotFound, Name: "unknown_coupon", Title: "There is no such coupon",
		Detail: "Look for a misspelling, or order without a coupon.",
	}
	UsedUp = &jsonhttp.Problem{
		Status: http.StatusConflict, Name: "coupon_used_up", Title: "The coupon is used up",
		Detail: "Others were faster. Order without it.",
	}
	BelowMinimum = &jsonhttp.Problem{
		Status: http.StatusUnprocessableEntity, Name: "below_minimum", Title: "The order is too small for the coupon",
	}
	Released = &jsonhttp.Problem{
		Status: http.StatusConflict, Name: "redemption_released", Title: "The discount was given back",
		Detail: "What was released is not redeemed again; a new order needs a new Idempotency-Key.",
	}
)

func (p *promotions) routes() *mux.Router {
	handle := func(h func(http.ResponseWriter, *http.Request) error) http.Handler { return jsonhttp.Handler(p.log, h) }
	router := mux.NewRouter().UseEncodedPath() // a key may hold a slash
	router.Handle("/api/promotions/check", handle(p.postCheck)).Methods(http.MethodPost)
	router.Handle("/api/promotions/validate-coupon", handle(p.postValidation)).Methods(http.MethodPost)
	router.Handle("/api/promotions/coupons", handle(p.getCoupons)).Methods(http.MethodGet)
	router.Handle("/api/promotions/redemptions", handle(p.postRedemption)).Methods(http.MethodPost)
	router.Handle("/api/promotions/redemptions/{key}/release", handle(p.postRelease)).Methods(http.MethodPost)
	probes.Route(router, p.checks)
	router.NotFoundHandler = handle(func(http.ResponseWriter, *http.Request) error { return jsonhttp.NotFound })
	router.MethodNotAllowedHandler = handle(func(http.ResponseWriter, *http.Request) error { return jsonhttp.MethodNotAllowed })
	return router
}

// maxAmount keeps sums far from what an int64 holds.
const maxAmount = 1_000_000_000_000

// maxUserID is the longest id of a user, in bytes.
const maxUserID = 128

func (o Order) validate() error {
	if !o.Market.Known() {
		return UnknownMarket.With("country %q is not one of %v.", o.Market, o.Market.Values())
	}
	currency := money.Currency(o.Market)
	switch {
	case o.UserID == "" || len(o.UserID) > maxUserID || strings.ContainsFunc(o.UserID, unicode.IsControl):
		return InvalidOrder.With("user_id is not of 1 to %d bytes without control characters.", maxUserID)
	case o.Amount <= 0 || o.Amount > maxAmount:
		return InvalidOrder.With("amount %d is not between 1 and %d minor units.", o.Amount, int64(maxAmount))
	case o.Currency != currency:
		return InvalidOrder.With("currency %q is not that of %s, which is %s.", o.Currency, o.Market, currency)
	}
	return nil
}

func (p *promotions) postCheck(w http.ResponseWriter, r *http.Request) error {
	var order Order
	if err := jsonhttp.Decode(w, r, &order); err != nil {
		return err
	}
	if err := order.validate(); err != nil {
		return err
	}
	discount, err := p.look(r.Context(), order)
	if err != nil {
		return err
	}
	return jsonhttp.Encode(w, http.StatusOK, discount)
}

// couponed is an order with a coupon, or without if CouponCode is "".
type couponed struct {
	Order
	CouponCode string `json:"coupon_code"`
}

func (p *promotions) postValidation(w http.ResponseWriter, r *http.Request) error {
	var body couponed
	if err := jsonhttp.Decode(w, r, &body); err != nil {
		return err
	}
	if err := body.validate(); err != nil {
		return err
	}
	validation, err := p.validate(r.Context(), body.CouponCode, body.Order)
	if err != nil {
		return err
	}
	return jsonhttp.Encode(w, http.StatusOK, validation)
}

func (p *promotions) getCoupons(w http.ResponseWriter, r *http.Request) error {
	coupons, err := p.store.coupons(r.Context())
	if err != nil {
		return err
	}
	return jsonhttp.Encode(w, http.StatusOK, struct {
		Coupons  []Coupon `json:"coupons"`
		Currency string   `json:"currency"` // of their amounts, in minor units
	}{coupons, money.Currency(telemetry.UnitedStates)})
}

func (p *promotions) postRedemption(w http.ResponseWriter, r *http.Request) error {
	key, err := jsonhttp.IdempotencyKey(r)
	if err != nil {
		return err
	}
	var body couponed
	if err := jsonhttp.Decode(w, r, &body); err != nil {
		return err
	}
	if err := body.validate(); err != nil {
		return err
	}
	discount, err := p.redeem(r.Context(), key, body.CouponCode, body.Order)
	if err != nil {
		return err
	}
	return jsonhttp.Encode(w, http.StatusOK, discount)
}

func (p *promotions) postRelease(w http.ResponseWriter, r *http.Request) error {
	key, err := url.PathUnescape(mux.Vars(r)["key"])
	if err != nil || !jsonhttp.ValidKey(key) {
		return jsonhttp.NotFound.With("This is no key that anything can be redeemed with.")
	}
	var body struct{}
	if err := jsonhttp.Decode(w, r, &body); err != nil {
		return err
	}
	released, err := p.release(r.Context(), key)
	if err != nil {
		return err
	}
	return jsonhttp.Encode(w, http.StatusOK, struct {
		Released bool `json:"released"`
	}{released})
}
