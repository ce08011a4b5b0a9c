package traffic

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/otelkit/kit/examples/webstore/money"
	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// How likely it is that a shopper does something.
const (
	returns     = 0.3  // was here before
	logsIn      = 0.2  // who has an account, though the session lasts
	mistypes    = 0.05 // the password, once
	registers   = 0.02 // who has filled a cart as a guest
	hasCoupon   = 0.15 // and sends it with the checkout
	paysTwice   = 0.1  // repeats a checkout, as by a second click
	readsOrders = 0.5  // after it bought
	readsStats  = 0.2  // likewise
)

// How often it does it at most.
const (
	maxLooks     = 5 // at a product
	maxAdditions = 3 // to the cart
	maxQuantity  = 3 // of one product
	maxPayments  = 3 // of one checkout that gets no answer that settles it
)

// coupons is what shoppers have heard of. The store knows all but the last.
var coupons = []string{"WELCOME10", "SAVE20", "FLAT50", "BIGORDER", "NEWUSER", "FRIENDS99"}

// visit is somebody's time in the store.
type visit struct {
	*run
	shopper
	random *rand.Rand // decides everything
	intent Intent
	left   bool // before they had done what they came for
}

// visit makes the nth visit, by a door.
func (r *run) visit(ctx context.Context, n uint64, door int) {
	v := &visit{run: r, random: rand.New(rand.NewPCG(r.cfg.Seed, n))}
	v.intent = r.cfg.intent(v.random, time.Since(r.tally.begin))
	r.tally.visit(v.intent)
	if a, ok := attacksBy[v.intent]; ok {
		a.make(ctx, v, n, door)
		return
	}
	v.shopper = v.population.next(v.chance(returns))
	defer func() { v.population.leave(v.shopper) }()
	v.shop(ctx)
}

// shop does what shoppers do.
func (v *visit) shop(ctx context.Context) {
	if v.account != (Account{}) && (v.token == "" || v.chance(logsIn)) {
		v.logIn(ctx)
	}
	products := v.look(ctx)
	if v.intent == Browse || len(products) == 0 || !v.identify(ctx) {
		return
	}
	if v.intent == Rush {
		v.add(ctx, products[0])
	} else {
		for range 1 + v.random.IntN(maxAdditions) {
			v.add(ctx, pick(v, products))
		}
	}
	v.send(ctx, request{kind: InCart, method: http.MethodGet, path: "/cart", query: v.here()}, nil)
	if v.account == (Account{}) && v.chance(registers) {
		v.register(ctx)
	}
	if v.intent == Buy || v.intent == Rush {
		v.checkOut(ctx)
	}
}

// session is what the store says to who proves who they are.
type session struct{ Token string }

// identify makes a guest of who is nobody yet. It returns whether the store knows
// the shopper now.
func (v *visit) identify(ctx context.Context) bool {
	if v.token != "" {
		return true
	}
	var s session
	v.send(ctx, request{kind: Signing, method: http.MethodPost, path: "/auth/guest", body: "{}"}, &s)
	v.token = s.Token
	return v.token != ""
}

// login is the body of a login, and of a registration.
type login struct {
	Username string `json:"username"`
	Password string `json:"password"`
	Guest    string `json:"guest_token,omitempty"`
}

func (v *visit) logIn(ctx context.Context) {
	l := login{Username: v.account.Username, Password: v.account.Password}
	if v.chance(mistypes) {
		v.send(ctx, request{kind: Signing, method: http.MethodPost, path: "/auth/login", body: login{Username: l.Username, Password: l.Password + "?"}}, nil)
	}
	var s session
	status := v.send(ctx, request{kind: Signing, method: http.MethodPost, path: "/auth/login", body: l}, &s)
	switch {
	case s.Token != "":
		v.token = s.Token
	case status == http.StatusUnauthorized:
		v.account = Account{} // the store has other users: they are a guest from here on
	}
}

// register makes an account of a guest, whose cart comes along.
func (v *visit) register(ctx context.Context) {
	account := Account{"shopper-" + crand.Text()[:16], crand.Text()}
	var s session
	v.send(ctx, request{kind: Signing, method: http.MethodPost, path: "/auth/register",
		body: login{account.Username, account.Password, v.token}}, &s)
	if s.Token != "" {
		v.token, v.account = s.Token, account
	}
}

// catalogues is the products of each market, read once: a store's assortment does
// not change while we look, and each shopper would decode the same. It is safe for
// concurrent use.
type catalogues struct{ byMarket sync.Map }

// look reads the market's list of products and the pages of some.
func (v *visit) look(ctx context.Context) []int64 {
	products := v.list(ctx)
	if len(products) == 0 {
		return nil
	}
	if v.intent == Rush {
		v.get(ctx, Browsing, v.path("/products/%d", products[0]))
		return products
	}
	for range 1 + v.random.IntN(maxLooks) {
		v.get(ctx, Browsing, v.path("/products/%d", pick(v, products)))
	}
	return products
}

// list reads the list of products, and returns none if it does not come.
func (v *visit) list(ctx context.Context) []int64 {
	q := request{kind: Browsing, method: http.MethodGet, path: v.path("/products")}
	if known, ok := v.catalogues.byMarket.Load(v.market); ok {
		if v.send(ctx, q, nil) != http.StatusOK {
			return nil
		}
		return known.([]int64)
	}
	var catalogue struct{ Products []struct{ ID int64 } }
	v.send(ctx, q, &catalogue)
	var products []int64
	for _, p := range catalogue.Products {
		products = append(products, p.ID)
	}
	if len(products) > 0 {
		v.catalogues.byMarket.Store(v.market, products)
	}
	return products
}

// addition is the body of what puts something into the cart.
type addition struct {
	Product  int64            `json:"product_id"`
	Quantity int              `json:"quantity"`
	Market   telemetry.Market `json:"country"`
}

func (v *visit) add(ctx context.Context, product int64) {
	v.send(ctx, request{kind: InCart, method: http.MethodPost, path: "/cart/add",
		body: addition{product, 1 + v.random.IntN(maxQuantity), v.market}}, nil)
}

// empty removes all that is in the cart in this market.
func (v *visit) empty(ctx context.Context) {
	var cart struct{ Items []struct{ ID int64 } }
	v.send(ctx, request{kind: InCart, method: http.MethodGet, path: "/cart", query: v.here()}, &cart)
	for _, item := range cart.Items {
		v.send(ctx, request{kind: InCart, method: http.MethodDelete, path: fmt.Sprintf("/cart/items/%d", item.ID)}, nil)
	}
}

// payment is the body of a checkout.
type payment struct {
	Method telemetry.PaymentMethod `json:"payment_method"`
	Market telemetry.Market        `json:"country"`
	Coupon string                  `json:"coupon,omitempty"`
}

// checkOut pays for the cart. As long as nobody can say whether the payment
// went through, it sends the same again. Without the coupon that is refused, it
// pays all the same. When something is sold out it empties the cart, or nobody
// could ever buy with it.
func (v *visit) checkOut(ctx context.Context) {
	p := payment{Method: pick(v, telemetry.PaymentMethod("").Values()), Market: v.market}
	if v.chance(hasCoupon) {
		p.Coupon = pick(v, coupons)
	}
	again := v.chance(paysTwice)
	key, order := v.pay(ctx, p)
	if order.outcome == telemetry.CheckoutCouponRefused {
		v.tally.order(order)
		p.Coupon = ""
		key, order = v.pay(ctx, p)
	}
	if order.outcome == "" {
		return
	}
	v.tally.order(order)
	if order.outcome == telemetry.CheckoutOutOfStock {
		v.empty(ctx)
		return
	}
	if again {
		v.sendPayment(ctx, key, p)
	}
	if order.id != "" && v.chance(readsOrders) {
		v.get(ctx, LookingUp, "/orders")
		v.get(ctx, LookingUp, "/orders/"+order.id)
	}
	if v.chance(readsStats) {
		v.get(ctx, LookingUp, "/me/stats")
	}
}

// pick returns any one of the choices.
func pick[T any](v *visit, choices []T) T { return choices[v.random.IntN(len(choices))] }

func (v *visit) chance(of float64) bool { return v.random.Float64() < of }

func (v *visit) path(format string, args ...any) string {
	return "/" + string(v.market) + fmt.Sprintf(format, args...)
}

// here is the query of what is about this market only.
func (v *visit) here() string { return "country=" + string(v.market) }

// order is how a checkout ended.
type order struct {
	outcome telemetry.CheckoutOutcome // "" if it was none: not sent, or there was nothing to be bought
	id      string
	market  telemetry.Market
	dollars float64 // that the store has got
}

// pay sends a checkout under a key of its own until it is settled.
func (v *visit) pay(ctx context.Context, p payment) (key string, o order) {
	key = crand.Text()
	for range maxPayments {
		if o = v.sendPayment(ctx, key, p); o.outcome != telemetry.CheckoutUnavailable {
			break
		}
	}
	return key, o
}

// sendPayment sends a checkout once.
func (v *visit) sendPayment(ctx context.Context, key string, p payment) order {
	var answer struct {
		ID     string      `json:"order_id"`
		Status any         // of the order; of HTTP in a problem
		Total  money.Money // of the order
		Type   string      // of a problem
	}
	status := v.send(ctx, request{kind: CheckingOut, method: http.MethodPost, path: "/orders/checkout", key: key, body: p}, &answer)
	o := order{id: answer.ID, market: v.market}
	switch problem := answer.Type[strings.LastIndexByte(answer.Type, ':')+1:]; {
	case status == http.StatusOK:
		o.outcome = telemetry.CheckoutCompleted
		if ended, _ := answer.Status.(string); ended == string(telemetry.CheckoutDelayed) || ended == string(telemetry.CheckoutCancelled) {
			o.outcome = telemetry.CheckoutOutcome(ended)
		}
		if o.outcome != telemetry.CheckoutCancelled {
			o.dollars = money.Dollars(v.market, answer.Total.Amount)
		}
	case status == http.StatusPaymentRequired:
		o.outcome = telemetry.CheckoutDeclined
	case problem == "out_of_stock":
		o.outcome = telemetry.CheckoutOutOfStock
	case problem == "order_cancelled":
		o.outcome = telemetry.CheckoutCancelled
	case problem == "unknown_coupon", problem == "coupon_used_up", problem == "below_minimum":
		o.outcome = telemetry.CheckoutCouponRefused
	case status == NoAnswer, status == http.StatusServiceUnavailable:
		o.outcome = telemetry.CheckoutUnavailable
	case status >= http.StatusInternalServerError:
		o.outcome = telemetry.CheckoutFailed
	}
	return o
}
