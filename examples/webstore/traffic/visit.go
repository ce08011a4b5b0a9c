package traffic

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// Intent is what a shopper comes for.
type Intent string

// The intents.
const (
	Browse  Intent = "browse"  // looks, and does not tell who it is
	Abandon Intent = "abandon" // fills a cart and leaves it
	Buy     Intent = "buy"     // checks out
)

// How likely it is that a shopper does something.
const (
	browses     = 0.5
	abandons    = 0.3 // the rest buys
	logsIn      = 0.2 // with its password, though it has a token
	mistypes    = 0.1 // that password, once
	paysTwice   = 0.1 // repeats a checkout, as by a second click
	readsOrders = 0.5 // after it bought
)

// How often it does it at most.
const (
	maxLooks     = 5 // at a product
	maxAdditions = 3 // to the cart
	maxQuantity  = 3 // of one product
	maxPayments  = 3 // of one checkout that gets no answer that settles it
)

// visit is one shopper's time in the store.
type visit struct {
	*run
	random   *rand.Rand // decides everything
	intent   Intent
	market   telemetry.Market
	identity Identity // zero for who only looks
}

// newVisit plans the nth visit.
func (r *run) newVisit(n uint64) *visit {
	markets := telemetry.Market("").Values()
	v := &visit{
		run:    r,
		random: rand.New(rand.NewPCG(r.cfg.Seed, n)),
		market: markets[n%uint64(len(markets))],
	}
	switch dice := v.random.Float64(); {
	case dice < browses:
		v.intent = Browse
	case dice < browses+abandons:
		v.intent = Abandon
	default:
		v.intent = Buy
	}
	return v
}

// make makes the visit.
func (v *visit) make(ctx context.Context) {
	if v.intent != Browse {
		select {
		case v.identity = <-v.identities:
			defer func(identity Identity) { v.identities <- identity }(v.identity)
		case <-ctx.Done():
			return
		}
	}
	v.tally.visit(v.intent)
	if v.intent != Browse && v.chance(logsIn) {
		v.logIn(ctx)
	}
	products := v.look(ctx)
	if v.intent == Browse || len(products) == 0 {
		return
	}
	v.fillCart(ctx, products)
	cart := v.readCart(ctx)
	if v.intent == Buy {
		v.checkOut(ctx, cart)
	}
}

func (v *visit) logIn(ctx context.Context) {
	credentials := map[string]string{"username": v.identity.Username, "password": v.identity.Password}
	if v.chance(mistypes) {
		v.post(ctx, "/auth/login", map[string]string{"username": v.identity.Username, "password": "not " + v.identity.Password}, nil)
	}
	var session struct{ Token string }
	if status := v.post(ctx, "/auth/login", credentials, &session); status == http.StatusOK && session.Token != "" {
		v.identity.Token = session.Token // for this visit
	}
}

type product struct{ ID int64 }

// look reads the market's list of products and the pages of some.
func (v *visit) look(ctx context.Context) []product {
	var catalogue struct{ Products []product }
	if v.get(ctx, v.path("/products"), &catalogue); len(catalogue.Products) == 0 {
		return nil
	}
	for range 1 + v.random.IntN(maxLooks) {
		v.get(ctx, v.path("/products/%d", pick(v, catalogue.Products).ID), nil)
	}
	return catalogue.Products
}

func (v *visit) fillCart(ctx context.Context, products []product) {
	for range 1 + v.random.IntN(maxAdditions) {
		v.post(ctx, "/cart/add", map[string]any{
			"product_id": pick(v, products).ID,
			"quantity":   1 + v.random.IntN(maxQuantity),
			"country":    v.market,
		}, nil)
	}
}

type line struct{ ID int64 }

func (v *visit) readCart(ctx context.Context) []line {
	var cart struct{ Items []line }
	v.get(ctx, "/cart?country="+string(v.market), &cart)
	return cart.Items
}

// checkOut pays for the cart. As long as nobody can say whether the payment
// went through, it sends the same again. When something is sold out it empties
// the cart, or nobody could ever buy with it.
func (v *visit) checkOut(ctx context.Context, cart []line) {
	var (
		key     = crand.Text()
		method  = pick(v, telemetry.PaymentMethod("").Values())
		again   = v.chance(paysTwice)
		outcome = v.pay(ctx, key, method)
	)
	for tries := 1; outcome == telemetry.CheckoutUnavailable && tries < maxPayments; tries++ {
		outcome = v.pay(ctx, key, method)
	}
	if outcome == "" {
		return
	}
	v.tally.order(outcome)
	if outcome == telemetry.CheckoutOutOfStock {
		for _, l := range cart {
			v.send(ctx, request{method: http.MethodDelete, path: fmt.Sprintf("/cart/items/%d", l.ID)}, nil)
		}
		return
	}
	if again {
		v.pay(ctx, key, method)
	}
	if v.chance(readsOrders) {
		v.get(ctx, "/orders", nil)
	}
}

// pick returns any one of the choices.
func pick[T any](v *visit, choices []T) T { return choices[v.random.IntN(len(choices))] }

func (v *visit) chance(of float64) bool { return v.random.Float64() < of }

func (v *visit) path(format string, args ...any) string {
	return "/" + string(v.market) + fmt.Sprintf(format, args...)
}

// outOfStock ends the type of the store's problem for a cart with something in
// it that is sold out.
const outOfStock = ":out_of_stock"

// pay sends a checkout and returns how it ended, or "" if it was none: it was
// not sent, or there was nothing to be bought.
func (v *visit) pay(ctx context.Context, key string, method telemetry.PaymentMethod) telemetry.CheckoutOutcome {
	var answer struct {
		Status any    // of the order; of HTTP in a problem
		Type   string // of a problem
	}
	status := v.send(ctx, request{
		method: http.MethodPost, path: "/orders/checkout", key: key,
		body: map[string]any{"payment_method": method, "country": v.market},
	}, &answer)
	switch {
	case status == http.StatusOK && answer.Status == string(telemetry.CheckoutDelayed):
		return telemetry.CheckoutDelayed
	case status == http.StatusOK:
		return telemetry.CheckoutCompleted
	case status == http.StatusPaymentRequired:
		return telemetry.CheckoutDeclined
	case status == http.StatusConflict && strings.HasSuffix(answer.Type, outOfStock):
		return telemetry.CheckoutOutOfStock
	case status == NoAnswer, status == http.StatusServiceUnavailable:
		return telemetry.CheckoutUnavailable
	case status >= http.StatusInternalServerError:
		return telemetry.CheckoutFailed
	}
	return ""
}
