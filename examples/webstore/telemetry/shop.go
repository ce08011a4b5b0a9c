package telemetry

import "github.com/otelkit/kit/otelkit/metrics"

// Shop holds what main records.
var Shop = metrics.NewCatalog("github.com/otelkit/kit/examples/webstore/shop")

// MarketAttrs tells the series of what differs by market alone.
type MarketAttrs struct {
	Market Market `attr:"webstore.market"`
}

// Category is a part of the assortment.
type Category string

// The categories.
const (
	Electronics Category = "Electronics"
	Furniture   Category = "Furniture"
)

// Values is every category.
func (Category) Values() []Category { return []Category{Electronics, Furniture} }

// ProductViewAttrs tells one series of looks at products from another. Products
// are few here; those of a shop with thousands would be on spans alone.
type ProductViewAttrs struct {
	Market   Market   `attr:"webstore.market"`
	Category Category `attr:"webstore.product.category"`
	Product  string   `attr:"webstore.product.id,limit=20"`
}

var (
	// CatalogueViews counts looks at a market's list of products.
	CatalogueViews = metrics.NewCounter[MarketAttrs](Shop, metrics.Definition{
		Name: "webstore.catalogue.views",
		Unit: "{view}",
		Help: "Times that a market's list of products was shown.",
	})

	// ProductViews counts looks at one product.
	ProductViews = metrics.NewCounter[ProductViewAttrs](Shop, metrics.Definition{
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

	// ActiveCarts is how many carts shoppers are busy with.
	ActiveCarts = metrics.NewObservableGauge[MarketAttrs](Shop, metrics.Definition{
		Name: "webstore.cart.active",
		Unit: "{cart}",
		Help: "Carts with something in them that changed within the last hour. Every instance of main tells the same number: take the greatest, not the sum.",
	})
)

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
