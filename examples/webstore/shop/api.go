package shop

import (
	"errors"
	"net/http"
	"regexp"
	"strconv"

	"github.com/gorilla/mux"

	"github.com/otelkit/kit/examples/webstore/jsonhttp"
	"github.com/otelkit/kit/examples/webstore/money"
	"github.com/otelkit/kit/examples/webstore/openapi"
	"github.com/otelkit/kit/examples/webstore/probes"
	"github.com/otelkit/kit/examples/webstore/telemetry"
)

func (s *shop) routes() *mux.Router {
	handle := func(h func(http.ResponseWriter, *http.Request) error) http.Handler { return jsonhttp.Handler(s.log, h) }
	router := mux.NewRouter().SkipClean(true) // a path that is none leads nowhere, instead of elsewhere
	probes.Route(router, s.checks)
	s.routeFaults(router)
	router.Handle("/auth/login", handle(s.postLogin)).Methods(http.MethodPost)
	router.Handle("/auth/register", handle(s.postRegister)).Methods(http.MethodPost)
	router.Handle("/auth/guest", handle(s.postGuest)).Methods(http.MethodPost)
	router.Handle("/auth/logout", handle(s.postLogout)).Methods(http.MethodPost)
	router.Handle("/cart", handle(s.withUser(s.getCart))).Methods(http.MethodGet)
	router.Handle("/cart/add", handle(s.withUser(s.postCart))).Methods(http.MethodPost)
	router.Handle("/cart/items/{id}", handle(s.withUser(s.patchItem))).Methods(http.MethodPatch)
	router.Handle("/cart/items/{id}", handle(s.withUser(s.deleteItem))).Methods(http.MethodDelete)
	router.Handle("/orders/checkout", handle(s.withUser(s.postCheckout))).Methods(http.MethodPost)
	router.Handle("/checkout", handle(s.withUser(s.postCheckout))).Methods(http.MethodPost)
	router.Handle("/orders", handle(s.withUser(s.getOrders))).Methods(http.MethodGet)
	router.Handle("/orders/{id}", handle(s.withUser(s.getOrder))).Methods(http.MethodGet)
	router.Handle("/me/stats", handle(s.withUser(s.getStats))).Methods(http.MethodGet)
	router.Handle("/{country}/products", handle(s.getProducts)).Methods(http.MethodGet)
	router.Handle("/{country}/products/{id}", handle(s.getProduct)).Methods(http.MethodGet)
	openapi.Route(router, document(s.faults != nil))
	// The router's middlewares are for what it has a route for.
	router.NotFoundHandler = s.guard(handle(func(http.ResponseWriter, *http.Request) error { return jsonhttp.NotFound }))
	router.MethodNotAllowedHandler = s.guard(handle(func(http.ResponseWriter, *http.Request) error { return jsonhttp.MethodNotAllowed }))
	return router
}

// withUser lets only those in who have proved who they are.
func (s *shop) withUser(h func(http.ResponseWriter, *http.Request, User) error) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		user, err := s.authenticate(r)
		if err != nil {
			return err
		}
		return h(w, r, user)
	}
}

func (s *shop) getProducts(w http.ResponseWriter, r *http.Request) error {
	market, err := parseMarket(mux.Vars(r)["country"])
	if err != nil {
		return err
	}
	user, err := s.recognise(r)
	if err != nil {
		return err
	}
	products, err := s.catalogue(r.Context(), market)
	if err != nil {
		return err
	}
	telemetry.CatalogueViews.Add(r.Context(), 1, telemetry.MarketAttrs{Market: market})
	s.did(r.Context(), user.ID, telemetry.ActionBrowse, market)
	return jsonhttp.Encode(w, http.StatusOK, struct {
		Market   telemetry.Market `json:"country"`
		Currency string           `json:"currency"`
		Products []Product        `json:"products"`
	}{market, money.Currency(market), products})
}

func (s *shop) getProduct(w http.ResponseWriter, r *http.Request) error {
	market, err := parseMarket(mux.Vars(r)["country"])
	if err != nil {
		return err
	}
	user, err := s.recognise(r)
	if err != nil {
		return err
	}
	id, ok := idOf(r)
	if !ok {
		return UnknownProduct
	}
	product, err := s.store.product(r.Context(), market, id)
	if errors.Is(err, errNotFound) {
		return UnknownProduct
	}
	if err != nil {
		return err
	}
	telemetry.ProductViews.Add(r.Context(), 1, telemetry.ProductViewAttrs{
		Market: market, Category: telemetry.Category(product.Category), Product: strconv.FormatInt(product.ID, 10),
	})
	s.did(r.Context(), user.ID, telemetry.ActionView, market)
	return jsonhttp.Encode(w, http.StatusOK, product)
}

func (s *shop) postCart(w http.ResponseWriter, r *http.Request, user User) error {
	var body struct {
		ProductID int64  `json:"product_id"`
		Quantity  int    `json:"quantity"`
		Country   string `json:"country"`
	}
	if err := jsonhttp.Decode(w, r, &body); err != nil {
		return err
	}
	market, err := parseMarket(body.Country)
	if err != nil {
		return err
	}
	line, err := s.addToCart(r.Context(), user.ID, market, body.ProductID, body.Quantity)
	if err != nil {
		return err
	}
	return jsonhttp.Encode(w, http.StatusOK, line)
}

func (s *shop) getCart(w http.ResponseWriter, r *http.Request, user User) error {
	var market telemetry.Market
	if country := r.URL.Query().Get("country"); country != "" {
		var err error
		if market, err = parseMarket(country); err != nil {
			return err
		}
	}
	cart, err := s.cart(r.Context(), user.ID, market)
	if err != nil {
		return err
	}
	return jsonhttp.Encode(w, http.StatusOK, cart)
}

func (s *shop) patchItem(w http.ResponseWriter, r *http.Request, user User) error {
	id, ok := idOf(r)
	if !ok {
		return UnknownItem
	}
	var body struct {
		Quantity int `json:"quantity"`
	}
	if err := jsonhttp.Decode(w, r, &body); err != nil {
		return err
	}
	line, err := s.setQuantity(r.Context(), user.ID, id, body.Quantity)
	if err != nil {
		return err
	}
	return jsonhttp.Encode(w, http.StatusOK, line)
}

func (s *shop) deleteItem(w http.ResponseWriter, r *http.Request, user User) error {
	id, ok := idOf(r)
	if !ok {
		return UnknownItem
	}
	if err := s.removeLine(r.Context(), user.ID, id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *shop) postCheckout(w http.ResponseWriter, r *http.Request, user User) error {
	key, err := jsonhttp.IdempotencyKey(r)
	if err != nil {
		return err
	}
	var body struct {
		Method  telemetry.PaymentMethod `json:"payment_method"`
		Country string                  `json:"country"`
		Coupon  string                  `json:"coupon"`
	}
	if err := jsonhttp.Decode(w, r, &body); err != nil {
		return err
	}
	market, err := parseMarket(body.Country)
	if err != nil {
		return err
	}
	if !body.Method.Known() {
		return InvalidMethod.With("payment_method %q is not one of %v.", body.Method, body.Method.Values())
	}
	coupon, err := parseCoupon(body.Coupon)
	if err != nil {
		return err
	}
	order, err := s.checkout(r.Context(), checkout{user.ID, key, market, body.Method, coupon})
	if err != nil {
		return err
	}
	return jsonhttp.Encode(w, http.StatusOK, order)
}

func (s *shop) getOrders(w http.ResponseWriter, r *http.Request, user User) error {
	orders, err := s.store.orders(r.Context(), user.ID)
	if err != nil {
		return err
	}
	return jsonhttp.Encode(w, http.StatusOK, struct {
		Orders []Order `json:"orders"`
	}{orders})
}

// uuid is the form of an order's id.
var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func (s *shop) getOrder(w http.ResponseWriter, r *http.Request, user User) error {
	id := mux.Vars(r)["id"]
	if !uuid.MatchString(id) {
		return UnknownOrder
	}
	order, err := s.store.order(r.Context(), user.ID, id)
	if errors.Is(err, errNotFound) {
		return UnknownOrder
	}
	if err != nil {
		return err
	}
	return jsonhttp.Encode(w, http.StatusOK, order)
}

// idOf returns the number in the path.
func idOf(r *http.Request) (int64, bool) {
	id, err := strconv.ParseInt(mux.Vars(r)["id"], 10, 64)
	return id, err == nil
}
