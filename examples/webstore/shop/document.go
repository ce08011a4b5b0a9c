package shop

import (
	_ "embed"
	"net/http"
	"slices"

	"github.com/otelkit/kit/examples/webstore/jsonhttp"
	"github.com/otelkit/kit/examples/webstore/openapi"
)

//go:embed schemas.json
var schemas []byte

// document is the API, as programs and people read it; breakable says that there may be
// faults. Tests hold it against the routes and against what they answer.
func document(breakable bool) openapi.Document {
	operations := shopping()
	if breakable {
		operations = append(operations, breaking()...)
	}
	for i, op := range operations {
		operations[i].Problems = append(op.Problems, usual(op)...)
	}
	reading := openapi.Operations()
	for i := range reading {
		reading[i].Problems = []openapi.Problem{tooMany}
	}
	operations = slices.Concat(operations, reading, probing())
	return openapi.Document{
		Title:   "Webstore",
		Version: "1.0.0",
		Description: "A small shop in seven markets. Money is in minor units of each market's currency. " +
			"Problems are told as RFC 9457 has it: their type stays the same, and the trace id is to be quoted.",
		Schemas:    schemas,
		Parameters: parameters,
		Operations: operations,
		Elsewhere:  append(openapi.Problems(jsonhttp.NotFound, jsonhttp.MethodNotAllowed), tooMany),
	}
}

var parameters = []openapi.Parameter{
	{
		Name: "country", In: "path", Required: true, Description: "The market.",
		Schema: `{"$ref": "#/components/schemas/Market"}`, Example: `"DE"`,
	},
	{
		Name: "id", In: "path", Required: true, Description: "Of what is asked for: a number; that of an order is a UUID.",
		Schema: `{"type": "string"}`, Example: `"1"`,
	},
	{
		Name: "name", In: "path", Required: true, Description: "Of the fault.",
		Schema: `{"type": "string"}`, Example: `"provider-slow"`,
	},
	{
		Name: "country", In: "query", Description: "That market's part alone.",
		Schema: `{"$ref": "#/components/schemas/Market"}`, Example: `"DE"`,
	},
	{
		Name: "Idempotency-Key", In: "header", Required: true,
		Description: "A new one, such as a UUID, for each thing to be done once, and the same one when it is tried again.",
		Schema:      `{"type": "string", "pattern": "^[!-~]{1,128}$"}`, Example: `"7f4ad8f0-5b57-4f0e-9d3e-2f0f6d9a8a11"`,
	},
}

// What several operations take and answer.
const (
	laptop = `{"id": 1, "name": "Laptop", "category": "Electronics", "price": {"amount": 99900, "currency": "EUR"}, "stock": 50}`
	line   = `{"id": 7, "product_id": 1, "product_name": "Laptop", "country": "DE", "price": {"amount": 99900, "currency": "EUR"},
		"quantity": 1, "subtotal": {"amount": 99900, "currency": "EUR"}}`
	order = `{"order_id": "9b2f6f0a-3c1d-4a57-8e0e-5a3b8f1c2d4e", "status": "completed", "country": "DE", "payment_method": "credit_card",
		"items": [{"product_id": 1, "product_name": "Laptop", "price": {"amount": 99900, "currency": "EUR"}, "quantity": 1,
			"subtotal": {"amount": 99900, "currency": "EUR"}, "warehouse": "EU-CENTRAL", "fulfillment_days": 3}],
		"subtotal": {"amount": 99900, "currency": "EUR"}, "discount": {"amount": 9990, "currency": "EUR"}, "promotion_code": "BIG_ORDER_10",
		"total": {"amount": 89910, "currency": "EUR"}, "payment_transaction_id": "TXN-1", "refunded": false, "created_at": "2026-06-01T12:00:00Z"}`
	token = `{"token": "QPY2ZC6QHLMBDYYSQAEMZIXKUV", "token_type": "bearer", "expires_at": "2026-06-02T12:00:00Z", "user_id": 42}`
	ada   = `{"username": "ada", "password": "correct horse"}`
)

// orderID is what a problem with an order tells.
var orderID = openapi.Member{Name: "order_id", Schema: `{"type": "string", "format": "uuid"}`, Example: `"9b2f6f0a-3c1d-4a57-8e0e-5a3b8f1c2d4e"`}

// noOrderYet is orderID where a coupon's code is none before there is an order.
var noOrderYet = openapi.Member{Name: orderID.Name, Schema: orderID.Schema, Example: orderID.Example, Optional: true}

// minAmount is not told again when the request is repeated.
var minAmount = openapi.Member{
	Name: "min_amount", Schema: `{"$ref": "#/components/schemas/Money"}`, Example: `{"amount": 18500, "currency": "EUR"}`, Optional: true,
}

// aboutOrders are problems that tell which order they are about.
func aboutOrders(list ...*jsonhttp.Problem) []openapi.Problem {
	problems := make([]openapi.Problem, len(list))
	for i, p := range list {
		problems[i] = openapi.ProblemOf(p, orderID)
	}
	return problems
}

// shopping is what shoppers do.
func shopping() []openapi.Operation {
	checkout := openapi.Operation{
		Method: http.MethodPost, Path: "/orders/checkout", Summary: "Buy what is in the cart", Auth: openapi.Required,
		Description: "The same Idempotency-Key gives the same order and at most one charge. After payment_unavailable " +
			"the order is pending: repeat the request with its key. Other problems with an order end it, and the cart is as it was.",
		Parameters: []string{"Idempotency-Key"},
		Body:       &openapi.Body{Schema: "Checkout", Example: `{"payment_method": "credit_card", "country": "DE", "coupon": "SAVE20"}`},
		Answers:    []openapi.Answer{{Status: http.StatusOK, Description: "The order. It was paid; one that cannot be delivered may be cancelled, and its money given back.", Schema: "Order", Example: order}},
		Problems: slices.Concat(
			openapi.Problems(jsonhttp.MissingKey, UnknownMarket, InvalidMethod, CartEmpty, OutOfStock, jsonhttp.KeyReused),
			aboutOrders(OrderPending, PaymentDeclined, PaymentUnavailable, CouponUsedUp, PromotionsUnavailable, OrderCancelled),
			[]openapi.Problem{openapi.ProblemOf(UnknownCoupon, noOrderYet), openapi.ProblemOf(BelowMinimum, orderID, minAmount)},
		),
	}
	alias := checkout
	alias.Path, alias.Summary = "/checkout", "The same as POST /orders/checkout"
	return []openapi.Operation{
		{
			Method: http.MethodGet, Path: "/{country}/products", Summary: "What is sold in a market", Auth: openapi.Optional,
			Answers: []openapi.Answer{{
				Status: http.StatusOK, Description: "The products.", Schema: "Catalogue",
				Example: `{"country": "DE", "currency": "EUR", "products": [` + laptop + `]}`,
			}},
			Problems: openapi.Problems(UnknownMarket),
		},
		{
			Method: http.MethodGet, Path: "/{country}/products/{id}", Summary: "One product", Auth: openapi.Optional,
			Answers:  []openapi.Answer{{Status: http.StatusOK, Description: "The product.", Schema: "Product", Example: laptop}},
			Problems: openapi.Problems(UnknownMarket, UnknownProduct),
		},
		{
			Method: http.MethodPost, Path: "/auth/register", Summary: "Make an account, and get a token",
			Body:     &openapi.Body{Schema: "Credentials", Example: ada},
			Answers:  []openapi.Answer{{Status: http.StatusCreated, Description: "A token of the new account.", Schema: "Token", Example: token}},
			Problems: openapi.Problems(InvalidUsername, InvalidPassword, UsernameTaken, Busy),
		},
		{
			Method: http.MethodPost, Path: "/auth/login", Summary: "Get a token for a name and a password",
			Body:     &openapi.Body{Schema: "Credentials", Example: ada},
			Answers:  []openapi.Answer{{Status: http.StatusOK, Description: "A new token.", Schema: "Token", Example: token}},
			Problems: openapi.Problems(BadCredentials, Busy),
		},
		{
			Method: http.MethodPost, Path: "/auth/guest", Summary: "Get a token, and with it a cart, without an account",
			Body:    &openapi.Body{Schema: "Nothing", Example: `{}`},
			Answers: []openapi.Answer{{Status: http.StatusCreated, Description: "A token of a new guest.", Schema: "Token", Example: token}},
		},
		{
			Method: http.MethodPost, Path: "/auth/logout", Summary: "Have the token stand for nobody from now on", Auth: openapi.Required,
			Answers:  []openapi.Answer{{Status: http.StatusNoContent, Description: "Done."}},
			Problems: openapi.Problems(SharedToken),
		},
		{
			Method: http.MethodGet, Path: "/cart", Summary: "What is in the cart", Auth: openapi.Required,
			Parameters: []string{"country"},
			Answers: []openapi.Answer{{
				Status: http.StatusOK, Description: "The cart.", Schema: "Cart",
				Example: `{"items": [` + line + `], "totals": [{"amount": 99900, "currency": "EUR"}]}`,
			}},
			Problems: openapi.Problems(UnknownMarket),
		},
		{
			Method: http.MethodPost, Path: "/cart/add", Summary: "Put something into the cart", Auth: openapi.Required,
			Description: "What is in there of it already stays.",
			Body:        &openapi.Body{Schema: "Addition", Example: `{"product_id": 1, "quantity": 1, "country": "DE"}`},
			Answers:     []openapi.Answer{{Status: http.StatusOK, Description: "All of it that is in the cart now.", Schema: "Line", Example: line}},
			Problems:    openapi.Problems(UnknownMarket, UnknownProduct, InvalidQuantity),
		},
		{
			Method: http.MethodPatch, Path: "/cart/items/{id}", Summary: "Change how many of something are in the cart", Auth: openapi.Required,
			Body:     &openapi.Body{Schema: "Quantity", Example: `{"quantity": 2}`},
			Answers:  []openapi.Answer{{Status: http.StatusOK, Description: "The line, as it is now.", Schema: "Line", Example: line}},
			Problems: openapi.Problems(UnknownItem, InvalidQuantity),
		},
		{
			Method: http.MethodDelete, Path: "/cart/items/{id}", Summary: "Take something out of the cart", Auth: openapi.Required,
			Answers:  []openapi.Answer{{Status: http.StatusNoContent, Description: "Done."}},
			Problems: openapi.Problems(UnknownItem),
		},
		checkout,
		alias,
		{
			Method: http.MethodGet, Path: "/orders", Summary: "The latest orders", Auth: openapi.Required,
			Answers: []openapi.Answer{{Status: http.StatusOK, Description: "At most 50.", Schema: "Orders", Example: `{"orders": [` + order + `]}`}},
		},
		{
			Method: http.MethodGet, Path: "/orders/{id}", Summary: "One order", Auth: openapi.Required,
			Answers:  []openapi.Answer{{Status: http.StatusOK, Description: "The order.", Schema: "Order", Example: order}},
			Problems: openapi.Problems(UnknownOrder),
		},
		{
			Method: http.MethodGet, Path: "/me/stats", Summary: "What the store knows of who asks", Auth: openapi.Required,
			Answers: []openapi.Answer{{
				Status: http.StatusOK, Description: "The segment, and what it is made of.", Schema: "Stats",
				Example: `{"segment": "returning", "spend": {"amount": 10789, "currency": "USD"}, "orders": 1, "last_activity": "2026-06-01T12:00:00Z",
					"activity": {"browse_catalogue": 3, "view_product": 2, "add_to_cart": 1, "checkout": 1}}`,
			}},
		},
	}
}

// breaking is what administrators do to a store that may be broken on purpose.
func breaking() []openapi.Operation {
	states := []openapi.Answer{{
		Status: http.StatusOK, Description: "How the faults that were asked for are.", Schema: "Faults",
		Example: `{"faults": [{"name": "provider-slow", "service": "payment-provider", "on": true, "since": "2026-06-01T12:00:00Z", "ends": "2026-06-01T12:05:00Z"}]}`,
	}}
	return []openapi.Operation{
		{
			Method: http.MethodGet, Path: "/admin/faults", Summary: "How all faults are", Auth: openapi.Required,
			Answers: states, Problems: openapi.Problems(Forbidden),
		},
		{
			Method: http.MethodDelete, Path: "/admin/faults", Summary: "Stop all faults", Auth: openapi.Required,
			Answers: states, Problems: openapi.Problems(Forbidden, FaultUnreachable),
		},
		{
			Method: http.MethodPut, Path: "/admin/faults/{name}", Summary: "Start a fault", Auth: openapi.Required,
			Body:    &openapi.Body{Schema: "FaultRequest", Example: `{"for": "5m"}`},
			Answers: states, Problems: openapi.Problems(Forbidden, UnknownFault, WrongFault, FaultUnreachable),
		},
		{
			Method: http.MethodDelete, Path: "/admin/faults/{name}", Summary: "Stop a fault", Auth: openapi.Required,
			Answers: states, Problems: openapi.Problems(Forbidden, UnknownFault, FaultUnreachable),
		},
	}
}

// tooMany is the answer to who asks too often, wherever.
var tooMany = func() openapi.Problem {
	p := openapi.ProblemOf(TooManyRequests, openapi.Member{
		Name: "limit", Schema: `{"type": "string", "enum": ["address", "user"], "description": "Whose limit it is."}`, Example: `"address"`,
	})
	p.Headers = []string{"RateLimit", "RateLimit-Policy", "Retry-After"}
	return p
}()

// usual is the problems that all operations of a kind share.
func usual(op openapi.Operation) []openapi.Problem {
	problems := append(openapi.Problems(jsonhttp.Internal), tooMany)
	if op.Auth == openapi.Required {
		problems = append(problems, openapi.ProblemOf(Unauthenticated))
	}
	if op.Body != nil {
		problems = append(problems, openapi.Problems(jsonhttp.Malformed, jsonhttp.NotJSON, jsonhttp.TooLarge, jsonhttp.TooSlow)...)
	}
	return problems
}

// probing is what orchestrators do.
func probing() []openapi.Operation {
	const mediaType = "application/health+json"
	pass := func(example string) openapi.Answer {
		return openapi.Answer{Status: http.StatusOK, Description: "It is.", MediaType: mediaType, Schema: "Health", Example: example}
	}
	fail := openapi.Answer{
		Status: http.StatusServiceUnavailable, Description: "It is not.", MediaType: mediaType, Schema: "Health",
		Example: `{"status": "fail", "notes": ["not ready"]}`,
	}
	const ready = `{"status": "pass", "notes": ["ready"]}`
	return []openapi.Operation{
		{Method: http.MethodGet, Path: "/healthz/live", Summary: "Whether the process can answer", Answers: []openapi.Answer{pass(`{"status": "pass"}`)}},
		{Method: http.MethodGet, Path: "/healthz/startup", Summary: "Whether the service has begun", Answers: []openapi.Answer{pass(ready), fail}},
		{Method: http.MethodGet, Path: "/healthz/ready", Summary: "Whether the service should get requests", Answers: []openapi.Answer{pass(ready), fail}},
		{
			Method: http.MethodGet, Path: "/healthz", Summary: "What the service needs, and which of that is there",
			Answers: []openapi.Answer{pass(`{"status": "pass", "notes": ["ready"], "checks": {"payments:responseTime": [
				{"componentType": "component", "observedValue": 0.4, "observedUnit": "ms", "status": "pass", "time": "2026-06-01T12:00:00Z", "layer": "component", "criticality": "noncritical"}]}}`), fail},
		},
	}
}
