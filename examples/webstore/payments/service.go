// Package payments is the service that takes the store's payments, each once.
//
// It stands between main and a provider that is not ours: slow at times, away
// at times, and dear to ask twice. A payment is known by the caller's
// Idempotency-Key and goes one way:
//
//	          ┌──> authorised ──┐
//	pending ──┼─────────────────┴──> cancelling ──┬──> cancelled
//	          ├──> declined                       └──> refunded
//	          └──> failed
//
//	authorised   the provider has taken the money
//	declined     the provider has refused, which stands
//	failed       the provider does not take what we send: our fault
//	cancelling   no money is to be kept; whether there is any is not known yet
//	cancelled    none was taken, and none will be
//	refunded     it was given back
//
// It is written as pending before the provider is asked, and asked for with the
// same key at every attempt, so that no answer, a lost answer or a killed
// process leaves no doubt about money: as long as it is pending, the same key
// asks again, and the provider charges once.
//
// Cancelling works the same way. It is written before the provider is asked to
// void the key, which refunds a charge if there is one and refuses any that is
// still on its way. From then on nothing makes the payment authorised: whoever is
// settling it meanwhile finds that it is not pending any more. A key that was never
// seen is cancelled at once, so that a request that comes late finds it taken.
//
//	POST /payments                take a payment, or learn what became of it
//	GET  /payments/{key}          learn what became of it
//	POST /payments/{key}/cancel   see to it that no money is kept
//	GET  /healthz, /healthz/live, /healthz/startup, /healthz/ready
//
// The outcomes of a payment are 200 when it is authorised, and the problems
// payment_declined (402), payment_cancelled (409) and provider_unavailable (503),
// after which it is pending. Those of a cancellation are 200 when no money is kept
// (also of a payment that was declined or failed, and stays so) and
// provider_unavailable, after which it is cancelling and to be cancelled again.
package payments

import (
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
	"github.com/otelkit/kit/otelkit/httpclient"
	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/postgres"
	"github.com/otelkit/kit/otelkit/profiles"
	"github.com/otelkit/kit/otelkit/resilience"
)

// schema is where the service's tables are.
const schema = "payments"

//go:embed migrations/*.sql
var migrations embed.FS

// Config configures Run. Addr, DatabaseURL and ProviderURL are required.
type Config struct {
	Addr         string            // to listen on
	DatabaseURL  string            // of PostgreSQL
	ProviderURL  string            // of the payment provider, such as "http://127.0.0.1:8091"
	LatencyScale float64           // multiplies the simulated work; 0 means none
	Version      string            // service.version
	Faults       *faults.Board     // that can be started; nil means none
	Ready        func(addr string) // called once it takes connections; may be nil
}

// catalogs hold all that the service measures.
func catalogs() []*metrics.Catalog {
	return []*metrics.Catalog{
		telemetry.Payments, telemetry.Faults, httpserver.Catalog, httpclient.Catalog, postgres.Catalog, resilience.Catalog, health.Catalog, profiles.Catalog,
	}
}

// telemetryKit is what the service needs of a *otelkit.Kit.
type telemetryKit interface {
	Logger() *slog.Logger
	TracerProvider() trace.TracerProvider
	Propagator() propagation.TextMapPropagator
	Recorder() *metrics.Recorder
}

// payments is the service. It is safe for concurrent use.
type payments struct {
	store        *store
	provider     *provider
	checks       *health.Checker
	log          *slog.Logger
	tracer       trace.Tracer
	latencyScale float64
}

// Run serves until ctx is done, and returns nil when what was in flight has
// been answered and the last telemetry was sent.
func Run(ctx context.Context, cfg Config) error {
	profiler := profiles.New(profiles.Config{}) // to PYROSCOPE_SERVER_ADDRESS; without it, nothing is profiled
	kit, err := otelkit.Start(ctx, otelkit.Config{
		Service:   telemetry.PaymentsService,
		Namespace: telemetry.Namespace,
		Version:   cfg.Version,
		Profiles:  profiler,
		Refuse:    func() error { return cfg.Faults.Refuses(faults.TelemetryAway) },
		Catalogs:  catalogs(),
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
	provider, err := newProvider(cfg.ProviderURL, usualPatience, kit)
	if err != nil {
		return err
	}
	defer provider.close()

	p, err := newPayments(cfg, pool, provider, kit)
	if err != nil {
		return err
	}
	broken, err := telemetry.ObserveFaults(kit.Context(ctx), cfg.Faults)
	if err != nil {
		return err
	}
	defer func() { _ = broken.Unregister() }()
	defer cfg.Faults.Close()
	// Nobody else knows where the provider is.
	control := faults.NewControl(cfg.Faults, provider.client, faults.Peer{Service: faults.PaymentProvider, URL: cfg.ProviderURL})
	var background sync.WaitGroup
	defer background.Wait()
	background.Go(func() { p.check(ctx) })
	return service.Serve(ctx, service.Config{Addr: cfg.Addr, Handler: control.Wrap(p.handler(kit, profiler)), Log: kit.Logger(), Ready: cfg.Ready})
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
		return nil, fmt.Errorf("payments: %w", err)
	}
	return pool, nil
}

func newPayments(cfg Config, pool *pgxpool.Pool, provider *provider, kit telemetryKit) (*payments, error) {
	checks, err := health.New(health.Config{Kit: kit, Checks: []health.Check{
		{Name: "postgres", Layer: health.Datastore, Criticality: health.Critical, Run: postgres.Check(pool), Interval: time.Second},
		{Name: "payment-provider", Layer: "third party", Run: provider.ping, Endpoints: []string{"/payments"}},
	}})
	if err != nil {
		return nil, err
	}
	return &payments{
		store:        &store{pool},
		provider:     provider,
		checks:       checks,
		log:          kit.Logger(),
		tracer:       kit.TracerProvider().Tracer(telemetry.Payments.Scope()),
		latencyScale: cfg.LatencyScale,
	}, nil
}

// check runs the checks until ctx is done. From then on the service is not
// ready, while it answers what is in flight.
func (p *payments) check(ctx context.Context) {
	if err := p.checks.Run(ctx); err != nil {
		p.log.WarnContext(ctx, "checks of health did not end", "error", err)
	}
}

// handler is the service's API, observed.
func (p *payments) handler(kit telemetryKit, profiler httpserver.Profiles) http.Handler {
	return httpserver.Wrap(p.routes(), httpserver.Config{Kit: kit, Filter: probes.Not, Profiles: profiler})
}
