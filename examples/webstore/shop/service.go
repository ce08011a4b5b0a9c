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
//	GET    /healthz, /healthz/live, /healthz/startup, /healthz/ready
//
// Each market has its own currency, prices and assortment, and its own part of
// a cart. Money is in minor units everywhere.
//
// PostgreSQL has the truth. Redis keeps copies of sessions and of what is sold,
// and may be away. Payments are made by the service of that name.
package shop

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9/logging"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/examples/webstore/migrate"
	"github.com/otelkit/kit/examples/webstore/probes"
	"github.com/otelkit/kit/examples/webstore/service"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit"
	"github.com/otelkit/kit/otelkit/health"
	"github.com/otelkit/kit/otelkit/httpclient"
	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/postgres"
)

// schema is where the service's tables are.
const schema = "shop"

//go:embed migrations/*.sql
var migrations embed.FS

// Config configures Run. Addr, DatabaseURL and PaymentsURL are required.
type Config struct {
	Addr         string            // to listen on
	DatabaseURL  string            // of PostgreSQL
	RedisURL     string            // of Redis; "" means that nothing is cached
	PaymentsURL  string            // of the payments service, such as "http://127.0.0.1:8081"
	DemoData     bool              // there are the demo users, whose tokens everybody knows, and the stock is replenished
	LatencyScale float64           // multiplies the simulated work; 0 means none
	Version      string            // service.version
	Ready        func(addr string) // called once it takes connections; may be nil

	cachePatience  cachePatience // 0 means usualCachePatience; tests have more
	passwordMemory uint32        // of a hash, in KiB; 0 means argonMemory; tests have less
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
	store        *store
	cache        *cache
	checks       *health.Checker
	payments     *paymentsClient
	passwords    *passwords
	unsaid       unsaid
	log          *slog.Logger
	tracer       trace.Tracer
	demo         bool
	latencyScale float64
}

// Run serves until ctx is done, and returns nil when what was in flight has
// been answered and the last telemetry was sent.
func Run(ctx context.Context, cfg Config) error {
	kit, err := otelkit.Start(ctx, otelkit.Config{
		Service:   telemetry.MainService,
		Namespace: telemetry.Namespace,
		Version:   cfg.Version,
		Catalogs:  []*metrics.Catalog{telemetry.Shop, httpserver.Catalog, httpclient.Catalog, postgres.Catalog, health.Catalog},
	})
	if err != nil {
		return err
	}
	defer func() {
		if err := kit.Shutdown(context.WithoutCancel(ctx)); err != nil {
			// Lost telemetry is no failure of the service.
			kit.Logger().Warn("the last telemetry was not delivered", "error", err)
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
	if cfg.DemoData {
		background.Go(func() { s.deliver(ctx) })
	}
	return service.Serve(ctx, service.Config{Addr: cfg.Addr, Handler: s.handler(kit), Log: kit.Logger(), Ready: cfg.Ready})
}

// open makes the service out of what it needs. The returned function closes
// all that.
func open(ctx context.Context, cfg Config, kit telemetryKit) (s *shop, closeAll func(), err error) {
	payments, err := newPaymentsClient(cfg.PaymentsURL, kit)
	if err != nil {
		return nil, nil, err
	}
	pool, err := openStore(ctx, cfg, kit)
	if err != nil {
		return nil, nil, err
	}
	cache, err := openCache(ctx, cfg.RedisURL, cmp.Or(cfg.cachePatience, usualCachePatience), kit)
	if err != nil {
		pool.Close()
		return nil, nil, err
	}
	closeAll = func() {
		cache.close()
		pool.Close()
		payments.close()
	}
	checks, err := newChecks(pool, cache, payments, kit)
	if err != nil {
		closeAll()
		return nil, nil, err
	}
	s = &shop{
		store:        &store{pool},
		cache:        cache,
		checks:       checks,
		payments:     payments,
		passwords:    newPasswords(cmp.Or(cfg.passwordMemory, argonMemory)),
		log:          kit.Logger(),
		tracer:       kit.TracerProvider().Tracer(telemetry.Shop.Scope()),
		demo:         cfg.DemoData,
		latencyScale: cfg.LatencyScale,
	}
	if cfg.DemoData {
		if err := s.saveDemoData(ctx); err != nil {
			closeAll()
			return nil, nil, fmt.Errorf("shop: saving the demo users: %w", err)
		}
	}
	return s, closeAll, nil
}

// openStore connects to the database and brings its schema up to date.
func openStore(ctx context.Context, cfg Config, kit telemetryKit) (*pgxpool.Pool, error) {
	pool, err := postgres.Open(ctx, postgres.Config{URL: cfg.DatabaseURL, Kit: kit, SearchPath: schema})
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
// PostgreSQL it can do nothing; without the others it sells more slowly, or does
// not sell.
func newChecks(pool *pgxpool.Pool, cache *cache, payments *paymentsClient, kit telemetryKit) (*health.Checker, error) {
	checks := []health.Check{
		{Name: "postgres", Layer: health.Datastore, Criticality: health.Critical, Run: postgres.Check(pool), Interval: time.Second},
		{Name: "payments", Run: payments.ping, Endpoints: []string{"/orders/checkout", "/checkout"}},
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
		s.log.WarnContext(ctx, "checks of health did not end", "error", err)
	}
}

// handler is the service's API, observed.
func (s *shop) handler(kit telemetryKit) http.Handler {
	return httpserver.Wrap(s.routes(), httpserver.Config{Kit: kit, Filter: probes.Not, ServerTiming: true})
}
