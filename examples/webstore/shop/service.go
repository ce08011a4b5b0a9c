// Package shop is the store's main service: what shoppers see of it.
//
//	GET    /{country}/products         what is sold in a market
//	GET    /{country}/products/{id}
//	POST   /auth/register              an account, and a token
//	POST   /auth/login                 a token for a name and a password
//	POST   /auth/guest                 a token for nothing
//	POST   /auth/logout
//	GET    /cart                       ?country= for one market's part
//	POST   /cart/add
//	PATCH  /cart/items/{id}
//	DELETE /cart/items/{id}
//	POST   /orders/checkout            also /checkout; needs an Idempotency-Key
//	GET    /orders                     one's latest
//	GET    /orders/{id}
//	GET    /me/stats                   one's segment, and what it is made of
//	GET    /healthz, /healthz/live, /healthz/startup, /healthz/ready
//
// For administrators of a store that may be broken on purpose (package faults):
//
//	GET    /admin/faults               how they are, in all services
//	PUT    /admin/faults/{name}        start one
//	DELETE /admin/faults/{name}        stop it
//	DELETE /admin/faults               stop all
//
// Each market has its own currency, prices and assortment, and its own part of
// a cart. Money is in minor units everywhere.
//
// Shoppers have accounts or are guests, with a cart of their own either way. What
// an address and a user may ask is limited, and who asks as no shopper does is
// noticed (package suspicion).
//
// PostgreSQL has the truth. Redis keeps copies of sessions and of what is sold, and
// the limits, and may be away. Payments and discounts are the affair of the services of those
// names, warehouses and customers that of third parties.
package shop

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9/logging"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/examples/webstore/faults"
	"github.com/otelkit/kit/examples/webstore/migrate"
	"github.com/otelkit/kit/examples/webstore/probes"
	"github.com/otelkit/kit/examples/webstore/service"
	"github.com/otelkit/kit/examples/webstore/suspicion"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit"
	"github.com/otelkit/kit/otelkit/health"
	"github.com/otelkit/kit/otelkit/httpclient"
	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/postgres"
	"github.com/otelkit/kit/otelkit/profiles"
	"github.com/otelkit/kit/otelkit/ratelimit"
	"github.com/otelkit/kit/otelkit/resilience"
)

// schema is where the service's tables are.
const schema = "shop"

//go:embed migrations/*.sql
var migrations embed.FS

// Config configures Run. The addresses are required, but for RedisURL.
type Config struct {
	Addr          string            // to listen on
	DatabaseURL   string            // of PostgreSQL
	RedisURL      string            // of Redis; "" means that nothing is cached
	PaymentsURL   string            // of the payments service, such as "http://127.0.0.1:8081"
	PromotionsURL string            // of the promotions service
	InventoryURL  string            // of the inventory system
	CRMURL        string            // of the CRM
	DemoData      bool              // there are the demo users, whose tokens everybody knows, and the stock is replenished
	LatencyScale  float64           // multiplies the simulated work; 0 means none
	Version       string            // service.version
	Faults        *faults.Board     // that can be started; nil means none
	Ready         func(addr string) // called once it takes connections; may be nil

	// ReconcileAfter is when an order is taken up that nobody works on any more, such as
	// after a process was killed: so long after its last step, or after the last attempt
	// to take it up. 0 means 30 s, which is longer than a checkout may take. Less does no
	// harm, but two may work on one order.
	ReconcileAfter time.Duration
	// CancelAfter is the age from which on an order that is not paid is cancelled rather
	// than paid. 0 means 5 min.
	CancelAfter time.Duration
	// OutboxInterval is how often the outbox is looked through for what is to be
	// delivered. The pause after an attempt that failed begins with twice that. 0 means
	// 250 ms.
	OutboxInterval time.Duration
	// OutboxMaxPause is the longest pause between two attempts to deliver the same, give
	// or take a half. 0 means 1 min.
	OutboxMaxPause time.Duration

	LimitPerAddress int            // requests that one client address may make a minute; 0 means any number
	LimitPerUser    int            // likewise of one user
	Instances       int            // of this service that share the limits, for when Redis is away; 0 means 1
	TrustedProxies  []netip.Prefix // whose X-Forwarded-For is believed; none means that clients connect by themselves

	cachePatience  cachePatience // 0 means usualCachePatience; tests have more
	rests          rests         // 0 means usualRests; tests have less
	passwordMemory uint32        // of a hash, in KiB; 0 means argonMemory; tests have less

	limitClock func() time.Time // of the limits; nil means Redis'; tests stop it
}

// pace is how soon what a checkout leaves to be done is done.
type pace struct{ reconcileAfter, cancelAfter, outboxInterval, outboxMaxPause time.Duration }

func (cfg Config) pace() pace {
	return pace{
		reconcileAfter: cmp.Or(cfg.ReconcileAfter, 30*time.Second),
		cancelAfter:    cmp.Or(cfg.CancelAfter, 5*time.Minute),
		outboxInterval: cmp.Or(cfg.OutboxInterval, 250*time.Millisecond),
		outboxMaxPause: cmp.Or(cfg.OutboxMaxPause, time.Minute),
	}
}

// telemetryKit is what the service needs of a *otelkit.Kit.
type telemetryKit interface {
	Logger() *slog.Logger
	TracerProvider() trace.TracerProvider
	Propagator() propagation.TextMapPropagator
	Recorder() *metrics.Recorder
}

// shop is the service. It is safe for concurrent use.
type shop struct {
	store  *store
	cache  *cache
	checks *health.Checker
	others
	pace         pace
	hopeless     func(orderID string) bool // whether what cannot be delivered is cancelled
	recorder     *metrics.Recorder
	passwords    *passwords
	unsaid       unsaid
	limits       *limits
	suspicion    *suspicion.Watch
	users        activeUsers
	carts        activeCarts
	log          *slog.Logger
	tracer       trace.Tracer
	faults       *mainFaults
	demo         bool
	latencyScale float64
}

// catalogs is all that the service records.
var catalogs = []*metrics.Catalog{
	telemetry.Shop, telemetry.Faults,
	httpserver.Catalog, httpclient.Catalog, postgres.Catalog, health.Catalog, ratelimit.Catalog, resilience.Catalog, profiles.Catalog,
}

// Run serves until ctx is done, and returns nil when what was in flight has
// been answered and the last telemetry was sent.
func Run(ctx context.Context, cfg Config) error {
	profiler := profiles.New(profiles.Config{}) // to PYROSCOPE_SERVER_ADDRESS; without it, nothing is profiled
	kit, err := otelkit.Start(ctx, otelkit.Config{
		Service:   telemetry.MainService,
		Namespace: telemetry.Namespace,
		Version:   cfg.Version,
		Profiles:  profiler,
		Refuse:    func() error { return cfg.Faults.Refuses(faults.TelemetryAway) },
		Catalogs:  catalogs,
	})
	if err != nil {
		return err
	}
	defer func() {
		if err := kit.Shutdown(context.WithoutCancel(ctx)); err != nil {
			// Lost telemetry is no failure of the service.
			kit.Logger().Warn("the last telemetry was not delivered", "exception.message", err.Error())
		}
	}()

	// go-redis writes a line of its own, to standard error, for each connection
	// that fails. The cache logs what there is to say.
	logging.Disable()
	s, closeAll, err := open(ctx, cfg, kit)
	if err != nil {
		return err
	}
	defer closeAll()
	var background sync.WaitGroup
	defer background.Wait()
	background.Go(func() { s.check(ctx) })
	background.Go(func() { s.keepHouse(ctx) })
	// What is in flight at the end is still answered, and looked at.
	watching, answered := context.WithCancel(context.WithoutCancel(ctx))
	defer answered()
	background.Go(func() { s.suspicion.Run(watching) })
	background.Go(func() { s.reconcile(ctx) })
	background.Go(func() { s.deliverOutbox(ctx) })
	if cfg.DemoData {
		background.Go(func() { s.deliver(ctx) })
	}
	return service.Serve(ctx, service.Config{Addr: cfg.Addr, Handler: s.handler(kit, profiler), Log: kit.Logger(), Ready: cfg.Ready})
}

// open makes the service out of what it needs. The returned function closes
// all that.
func open(ctx context.Context, cfg Config, kit telemetryKit) (s *shop, closeAll func(), err error) {
	var closing closers
	defer func() {
		if err != nil {
			closing.close()
		}
	}()
	others, err := openOthers(cfg, kit, &closing)
	if err != nil {
		return nil, nil, err
	}
	pool, err := openStore(ctx, cfg, kit)
	if err != nil {
		return nil, nil, err
	}
	closing.add(pool.Close)
	cache, err := openCache(ctx, cfg, kit)
	if err != nil {
		return nil, nil, err
	}
	closing.add(cache.close)
	trouble, err := newMainFaults(ctx, cfg, pool, kit)
	if err != nil {
		return nil, nil, err
	}
	closing.add(trouble.close)
	checks, err := newChecks(pool, cache, others, kit)
	if err != nil {
		return nil, nil, err
	}
	s = &shop{
		store:        &store{pool},
		cache:        cache,
		checks:       checks,
		others:       others,
		pace:         cfg.pace(),
		hopeless:     hopeless,
		recorder:     kit.Recorder(),
		passwords:    newPasswords(cmp.Or(cfg.passwordMemory, argonMemory)),
		log:          kit.Logger(),
		tracer:       kit.TracerProvider().Tracer(telemetry.Shop.Scope()),
		faults:       trouble,
		demo:         cfg.DemoData,
		latencyScale: cfg.LatencyScale,
	}
	s.suspicion = suspicion.New(suspicion.Config{Kit: kit, Ask: cache.ask})
	if s.limits, err = newLimits(cfg, cache, kit, s.userOf); err != nil {
		return nil, nil, err
	}
	if err := s.observe(ctx, &closing); err != nil {
		return nil, nil, fmt.Errorf("shop: %w", err)
	}
	if cfg.DemoData {
		if err := s.saveDemoData(ctx); err != nil {
			return nil, nil, fmt.Errorf("shop: saving the demo users: %w", err)
		}
	}
	return s, closing.close, nil
}

// closers is what has to be closed in the end, the last first.
type closers []func()

func (c *closers) add(end func()) { *c = append(*c, end) }

func (c *closers) close() {
	for _, end := range slices.Backward(*c) {
		end()
	}
}

// others is who the service calls.
type others struct {
	payments   *paymentsClient
	promotions *promotionsClient
	inventory  *inventoryClient
	crm        *crmClient
}

func openOthers(cfg Config, kit telemetryKit, closing *closers) (o others, err error) {
	rests := cmp.Or(cfg.rests, usualRests)
	if o.payments, err = newPaymentsClient(cfg.PaymentsURL, rests, kit); err != nil {
		return o, err
	}
	closing.add(o.payments.close)
	if o.promotions, err = newPromotionsClient(cfg.PromotionsURL, rests, kit); err != nil {
		return o, err
	}
	closing.add(o.promotions.close)
	if o.inventory, err = newInventoryClient(cfg.InventoryURL, rests, kit); err != nil {
		return o, err
	}
	closing.add(o.inventory.close)
	if o.crm, err = newCRMClient(cfg.CRMURL, rests, kit); err != nil {
		return o, err
	}
	closing.add(o.crm.close)
	return o, nil
}

// observe has what waits in the database, and who is there, be measured whenever metrics
// are read.
func (s *shop) observe(ctx context.Context, closing *closers) error {
	ctx = metrics.NewContext(ctx, s.recorder)
	open, err := telemetry.OpenOrders.Register(ctx, s.observeOpenOrders)
	if err != nil {
		return err
	}
	closing.add(func() { _ = open.Unregister() })
	waiting, err := telemetry.OutboxMessages.Register(ctx, s.observeMessages)
	if err != nil {
		return err
	}
	closing.add(func() { _ = waiting.Unregister() })
	lag, err := telemetry.OutboxLag.Register(ctx, s.observeLag)
	if err != nil {
		return err
	}
	closing.add(func() { _ = lag.Unregister() })
	users, err := telemetry.ActiveUsers.Register(ctx, s.observeUsers)
	if err != nil {
		return err
	}
	closing.add(func() { _ = users.Unregister() })
	carts, err := telemetry.ActiveCarts.Register(ctx, s.observeCarts)
	if err != nil {
		return err
	}
	closing.add(func() { _ = carts.Unregister() })
	return nil
}

// openStore connects to the database and brings its schema up to date.
func openStore(ctx context.Context, cfg Config, kit telemetryKit) (*pgxpool.Pool, error) {
	pool, err := postgres.Open(ctx, postgres.Config{URL: cfg.DatabaseURL, Kit: kit, SearchPath: schema, Dial: cfg.Faults.Dialer(faults.DatabaseAway)})
	if err != nil {
		return nil, err
	}
	files, err := fs.Sub(migrations, "migrations")
	if err == nil {
		err = migrate.Up(ctx, pool, schema, files)
	}
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("shop: %w", err)
	}
	return pool, nil
}

// newChecks returns what says whether the service should get requests. Without
// PostgreSQL it can do nothing, and without payments it does not sell; without the
// others it sells more slowly, at the full price, or delivers later.
func newChecks(pool *pgxpool.Pool, cache *cache, others others, kit telemetryKit) (*health.Checker, error) {
	checks := []health.Check{
		{Name: "postgres", Layer: health.Datastore, Criticality: health.Critical, Run: postgres.Check(pool), Interval: time.Second},
		{Name: "payments", Run: others.payments.ping, Endpoints: []string{"/orders/checkout", "/checkout"}},
		{Name: "promotions", Run: others.promotions.ping},
		{Name: "inventory", Layer: "third party", Run: others.inventory.ping},
		{Name: "crm", Layer: "third party", Run: others.crm.ping},
	}
	if !cache.off {
		checks = append(checks, health.Check{Name: "redis", Layer: health.Datastore, Run: cache.ping})
	}
	return health.New(health.Config{Kit: kit, Checks: checks})
}

// check runs the checks until ctx is done. From then on the service is not
// ready, while it answers what is in flight.
func (s *shop) check(ctx context.Context) {
	if err := s.checks.Run(ctx); err != nil {
		s.log.WarnContext(ctx, "checks of health did not end", "exception.message", err.Error())
	}
}

// handler is the service's API, limited and observed.
func (s *shop) handler(kit telemetryKit, profiler httpserver.Profiles) http.Handler {
	routes := s.routes()
	observed := httpserver.Wrap(routes, httpserver.Config{
		Kit:           kit,
		Filter:        probes.Not,
		ServerTiming:  true,
		Profiles:      profiler,
		ClientAddress: func(r *http.Request) string { return visitorOf(r.Context()).client() },
	})
	routes.Use(s.guard) // now that the route is told first: of what is denied, too
	if s.faults != nil {
		routes.Use(s.faults.trouble)
	}
	return s.receive(observed)
}

// guard limits who may ask, and watches what they get.
func (s *shop) guard(next http.Handler) http.Handler { return s.watch(s.limits.limit(next)) }
