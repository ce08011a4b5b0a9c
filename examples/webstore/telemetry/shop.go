package telemetry

import "github.com/otelkit/kit/otelkit/metrics"

// Shop holds what main records.
var Shop = metrics.NewCatalog("github.com/otelkit/kit/examples/webstore/shop")

// MarketAttrs tells the series of what differs by market alone.
type MarketAttrs struct {
	Market Market `attr:"webstore.market"`
}

var (
	// CatalogueViews counts looks at a market's list of products.
	CatalogueViews = metrics.NewCounter[MarketAttrs](Shop, metrics.Definition{
		Name: "webstore.catalogue.views",
		Unit: "{view}",
		Help: "Times that a market's list of products was shown.",
	})

	// ProductViews counts looks at one product.
	ProductViews = metrics.NewCounter[MarketAttrs](Shop, metrics.Definition{
		Name: "webstore.product.views",
		Unit: "{view}",
		Help: "Times that a product's page was shown.",
	})

	// CartAdditions counts what is put into carts, whatever the quantity.
	CartAdditions = metrics.NewCounter[MarketAttrs](Shop, metrics.Definition{
		Name: "webstore.cart.additions",
		Unit: "{addition}",
		Help: "Times that a product was put into a cart.",
	})
)

// CheckoutOutcome is how an attempt to check out ended.
type CheckoutOutcome string

// The ends of a checkout. A request that is wrong, such as one with an empty
// cart, is none: it never became a checkout.
const (
	CheckoutCompleted   CheckoutOutcome = "completed"    // paid, and all of it in stock
	CheckoutDelayed     CheckoutOutcome = "delayed"      // paid, but something sold out meanwhile
	CheckoutDeclined    CheckoutOutcome = "declined"     // the payment was refused: the shopper's affair
	CheckoutOutOfStock  CheckoutOutcome = "out_of_stock" // sold out before money moved
	CheckoutUnavailable CheckoutOutcome = "unavailable"  // nobody could say whether the payment went through: the order is pending
	CheckoutFailed      CheckoutOutcome = "failed"       // our fault
)

// Values is every outcome.
func (CheckoutOutcome) Values() []CheckoutOutcome {
	return []CheckoutOutcome{
		CheckoutCompleted, CheckoutDelayed, CheckoutDeclined,
		CheckoutOutOfStock, CheckoutUnavailable, CheckoutFailed,
	}
}

// CheckoutAttrs tells one series of checkouts from another.
type CheckoutAttrs struct {
	Market  Market          `attr:"webstore.market"`
	Method  PaymentMethod   `attr:"webstore.payment.method"`
	Outcome CheckoutOutcome `attr:"webstore.checkout.outcome"`
}

// SaleAttrs tells one series of what was sold from another.
type SaleAttrs struct {
	Market Market        `attr:"webstore.market"`
	Method PaymentMethod `attr:"webstore.payment.method"`
}

var (
	// Checkouts counts attempts to check out. A replay, which changes nothing,
	// is not one.
	Checkouts = metrics.NewCounter[CheckoutAttrs](Shop, metrics.Definition{
		Name: "webstore.checkouts",
		Unit: "{checkout}",
		Help: "Attempts to check out, by how they ended.",
	})

	// CheckoutAmount is what paid orders were worth.
	CheckoutAmount = metrics.NewHistogram[SaleAttrs](Shop, metrics.Definition{
		Name:    "webstore.checkout.amount",
		Unit:    "{USD}",
		Help:    "Value of each paid order in US dollars, converted by a fixed table.",
		Buckets: []float64{10, 25, 50, 100, 200, 350, 500, 750, 1000, 1500, 2500, 5000, 10000},
	})

	// CheckoutReplays counts the repetitions that idempotency made harmless.
	CheckoutReplays = metrics.NewCounter[MarketAttrs](Shop, metrics.Definition{
		Name: "webstore.checkout.replays",
		Unit: "{request}",
		Help: "Checkouts that were repeated with the same Idempotency-Key and answered from the order that exists.",
	})
)

// AuthKind is what a caller proved, or failed to prove, an identity with.
type AuthKind string

// The kinds.
const (
	AuthLogin AuthKind = "login" // a user name and a password
	AuthToken AuthKind = "token" // a bearer token
)

// Values is every kind.
func (AuthKind) Values() []AuthKind { return []AuthKind{AuthLogin, AuthToken} }

// AuthOutcome is how that went.
type AuthOutcome string

// The outcomes. The caller is not told which of the failures it was.
const (
	AuthSucceeded     AuthOutcome = "success"
	AuthMissingHeader AuthOutcome = "missing_header"
	AuthInvalidFormat AuthOutcome = "invalid_format"
	AuthInvalidToken  AuthOutcome = "invalid_token"
	AuthUnknownUser   AuthOutcome = "unknown_user"
	AuthWrongPassword AuthOutcome = "wrong_password"
)

// Values is every outcome.
func (AuthOutcome) Values() []AuthOutcome {
	return []AuthOutcome{
		AuthSucceeded, AuthMissingHeader, AuthInvalidFormat,
		AuthInvalidToken, AuthUnknownUser, AuthWrongPassword,
	}
}

// AuthAttrs tells one series of authentications from another.
type AuthAttrs struct {
	Kind    AuthKind    `attr:"webstore.auth.kind"`
	Outcome AuthOutcome `attr:"webstore.auth.outcome"`
}

// AuthAttempts counts logins and requests that need an identity.
var AuthAttempts = metrics.NewCounter[AuthAttrs](Shop, metrics.Definition{
	Name: "webstore.auth.attempts",
	Unit: "{attempt}",
	Help: "Logins, and requests with or in need of a token, by how they ended.",
})

// Cache is what is kept in Redis so that PostgreSQL is asked less.
type Cache string

// The caches.
const (
	CatalogueCache Cache = "catalogue"
	SessionCache   Cache = "session"
)

// Values is every cache.
func (Cache) Values() []Cache { return []Cache{CatalogueCache, SessionCache} }

// CacheOutcome is what a lookup found.
type CacheOutcome string

// The outcomes.
const (
	CacheHit         CacheOutcome = "hit"
	CacheMiss        CacheOutcome = "miss"
	CacheUnavailable CacheOutcome = "unavailable" // Redis failed or was slow; PostgreSQL answered
)

// Values is every outcome.
func (CacheOutcome) Values() []CacheOutcome {
	return []CacheOutcome{CacheHit, CacheMiss, CacheUnavailable}
}

// CacheAttrs tells one series of lookups from another.
type CacheAttrs struct {
	Cache   Cache        `attr:"webstore.cache.name"`
	Outcome CacheOutcome `attr:"webstore.cache.outcome"`
}

// CacheLookups counts what was looked for in Redis.
var CacheLookups = metrics.NewCounter[CacheAttrs](Shop, metrics.Definition{
	Name: "webstore.cache.lookups",
	Unit: "{lookup}",
	Help: "Lookups in a cache, by what they found.",
})
