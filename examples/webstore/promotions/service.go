// Package promotions is the service that makes orders cheaper: by itself when they
// are large, or by a coupon, each use of which is taken once.
//
// A discount is known by the caller's Idempotency-Key and goes one way:
//
//	         redeem                release
//	(none) ─────────> redeemed ─────────────> released
//	   └──────────────── release ─────────────────^
//
// A coupon has so many uses. Redeeming takes one, releasing gives it back, each in
// one transaction with what is written of the key: a use is never lost and never taken
// twice, whoever dies or asks again, and however many instances there are. What was
// released, even before it was redeemed, stays so: a request that comes late takes
// nothing.
//
//	POST /api/promotions/check                      what an order gets by itself
//	POST /api/promotions/validate-coupon            whether a coupon holds for an order
//	GET  /api/promotions/coupons                    the coupons, and how often each may be used yet
//	POST /api/promotions/redemptions                take a discount; needs an Idempotency-Key
//	POST /api/promotions/redemptions/{key}/release  give it back
//	GET  /healthz, /healthz/live, /healthz/startup, /healthz/ready
//
// Amounts are in minor units of the order's currency, and so are discounts, rounded
// down. The amounts of the rules are in US dollars, converted by package money.
package promotions

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
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/examples/webstore/faults"
	"github.com/otelkit/kit/examples/webstore/migrate"
	"github.com/otelkit/kit/examples/webstore/probes"
	"github.com/otelkit/kit/examples/webstore/service"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit"
	"github.com/otelkit/kit/otelkit/health"
	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/postgres"
	"github.com/otelkit/kit/otelkit/profiles"
)

// schema is where the service's tables are.
const schema = "promotions"

//go:embed migrations/*.sql
var migrations embed.FS

// Config configures Run. Addr and DatabaseURL are required.
type Config struct {
	Addr         string            // to listen on
	DatabaseURL  string            // of PostgreSQL
	DemoData     bool              // coupons that run low get further uses
	LatencyScale float64           // multiplies the simulated work; 0 means none
	Version      string            // service.version
	Faults       *faults.Board     // that can be started; nil means none
	Ready        func(addr string) // called once it takes connections; may be nil

	renewalInterval time.Duration // 0 means usualRenewalInterval; tests have less time
}

// telemetryKit is what the service needs of a *otelkit.Kit.
type telemetryKit interface {
	Logger() *slog.Logger
	TracerProvider() trace.TracerProvider
	Propagator() propagation.TextMapPropagator
	Recorder() *metrics.Recorder
}

// promotions is the service. It is safe for concurrent use.
type promotions struct {
	store        *store
	checks       *health.Checker
	log          *slog.Logger
	tracer       trace.Tracer
	faults       *faults.Board
	latencyScale float64
}

// Run serves until ctx is done, and returns nil when what was in flight has
// been answered and the last telemetry was sent.
func Run(ctx context.Context, cfg Config) error {
	profiler := profiles.New(profiles.Config{}) // to PYROSCOPE_SERVER_ADDRESS; without it, nothing is profiled
	kit, err := otelkit.Start(ctx, otelkit.Config{
		Service:   telemetry.PromotionsService,
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
			kit.Logger().Warn("the last telemetry was not delivered", "error", err)
		}
	}()

	pool, err := openStore(ctx, cfg, kit)
	if err != nil {
		return err
	}
	defer pool.Close()
	p, err := newPromotions(cfg, pool, kit)
	if err != nil {
		return err
	}
	broken, err := telemetry.ObserveFaults(kit.Context(ctx), cfg.Faults)
	if err != nil {
		return err
	}
	defer func() { _ = broken.Unregister() }()
	defer cfg.Faults.Close()
	var background sync.WaitGroup
	defer background.Wait()
	background.Go(func() { p.check(ctx) })
	if cfg.DemoData {
		background.Go(func() { p.renew(ctx, cmp.Or(cfg.renewalInterval, usualRenewalInterval)) })
	}
	return service.Serve(ctx, service.Config{Addr: cfg.Addr, Handler: faults.NewControl(cfg.Faults, nil).Wrap(p.handler(kit, profiler)), Log: kit.Logger(), Ready: cfg.Ready})
}

// catalogs is all that the service records.
var catalogs = []*metrics.Catalog{telemetry.Promotions, telemetry.Faults, httpserver.Catalog, postgres.Catalog, health.Catalog, profiles.Catalog}

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
		return nil, fmt.Errorf("promotions: %w", err)
	}
	return pool, nil
}

func newPromotions(cfg Config, pool *pgxpool.Pool, kit telemetryKit) (*promotions, error) {
	checks, err := health.New(health.Config{Kit: kit, Checks: []health.Check{
		{Name: "postgres", Layer: health.Datastore, Criticality: health.Critical, Run: postgres.Check(pool), Interval: time.Second},
	}})
	if err != nil {
		return nil, err
	}
	return &promotions{
		store:        &store{pool},
		checks:       checks,
		log:          kit.Logger(),
		tracer:       kit.TracerProvider().Tracer(telemetry.Promotions.Scope()),
		faults:       cfg.Faults,
		latencyScale: cfg.LatencyScale,
	}, nil
}

// check runs the checks until ctx is done. From then on the service is not
// ready, while it answers what is in flight.
func (p *promotions) check(ctx context.Context) {
	if err := p.checks.Run(ctx); err != nil {
		p.log.WarnContext(ctx, "checks of health did not end", "error", err)
	}
}

// handler is the service's API, observed.
func (p *promotions) handler(kit telemetryKit, profiler httpserver.Profiles) http.Handler {
	return httpserver.Wrap(p.routes(), httpserver.Config{Kit: kit, Filter: probes.Not, Profiles: profiler})
}
