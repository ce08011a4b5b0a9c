package main

import (
	"context"
	"io"
	"time"

	"github.com/otelkit/kit/examples/webstore/faults"
	"github.com/otelkit/kit/examples/webstore/payments"
	"github.com/otelkit/kit/examples/webstore/platform"
	"github.com/otelkit/kit/examples/webstore/promotions"
	"github.com/otelkit/kit/examples/webstore/shop"
	"github.com/otelkit/kit/examples/webstore/thirdparty"
)

const serveHelp = `
It runs until ^C or SIGTERM, and then answers what it has begun. Where telemetry
goes is said by OpenTelemetry's variables, OTEL_EXPORTER_OTLP_ENDPOINT first.
Prefer the variable to the flag for an address that holds a password and for
a key: other users can read command lines.
`

func prepareMain(f *flags) func(context.Context, io.Writer, io.Writer) error {
	cfg := shop.Config{Version: currentVersion()}
	f.StringVar(&cfg.Addr, "addr", "127.0.0.1:8000", "`address` to listen on")
	f.databaseURL(&cfg.DatabaseURL, "`URL` of PostgreSQL, required")
	f.redisURL(&cfg.RedisURL, "`URL` of Redis, required")
	f.StringVar(&cfg.PaymentsURL, "payments-url", "http://127.0.0.1:8081", "`URL` of payments")
	f.StringVar(&cfg.PromotionsURL, "promotions-url", "http://127.0.0.1:8082", "`URL` of promotions")
	f.StringVar(&cfg.InventoryURL, "inventory-url", "http://127.0.0.1:8093", "`URL` of the inventory system")
	f.StringVar(&cfg.CRMURL, "crm-url", "http://127.0.0.1:8092", "`URL` of the CRM")
	reconcileAfter := f.span("reconcile-after", 30*time.Second, "`time` after which an order that was left behind is taken up")
	cancelAfter := f.span("cancel-after", 5*time.Minute, "`age` from which on an order that is not paid is cancelled")
	outboxInterval := f.span("outbox-interval", 250*time.Millisecond, "`time` between two looks for what others have to be told")
	outboxMaxPause := f.span("outbox-max-pause", time.Minute, "longest `time` between two attempts to tell the same")
	f.BoolVar(&cfg.DemoData, "demo-data", false, "have the demo users, with tokens that everybody knows")
	limits := f.limits(nil)
	f.IntVar(&cfg.Instances, "instances", 1, "`number` of instances of main, each of which keeps to its share of the limits while Redis is away")
	latency, key := f.latencyScale(), f.faultsKey()
	return func(ctx context.Context, _, _ io.Writer) error {
		if err := required(f, "database-url", "redis-url"); err != nil {
			return err
		}
		if err := checkAddr(mainPart, cfg.Addr); err != nil {
			return err
		}
		limits.set(&cfg)
		cfg.LatencyScale = *latency
		cfg.ReconcileAfter, cfg.CancelAfter = *reconcileAfter, *cancelAfter
		cfg.OutboxInterval, cfg.OutboxMaxPause = *outboxInterval, *outboxMaxPause
		cfg.Faults = faults.NewBoard(faults.Main, *key)
		limitMemory()
		return shop.Run(ctx, cfg)
	}
}

func preparePayments(f *flags) func(context.Context, io.Writer, io.Writer) error {
	cfg := payments.Config{Version: currentVersion()}
	f.StringVar(&cfg.Addr, "addr", "127.0.0.1:8081", "`address` to listen on")
	f.databaseURL(&cfg.DatabaseURL, "`URL` of PostgreSQL, required")
	f.StringVar(&cfg.ProviderURL, "provider-url", "http://127.0.0.1:8091", "`URL` of the payment provider")
	latency, key := f.latencyScale(), f.faultsKey()
	return func(ctx context.Context, _, _ io.Writer) error {
		if err := required(f, "database-url"); err != nil {
			return err
		}
		if err := checkAddr(paymentsPart, cfg.Addr); err != nil {
			return err
		}
		cfg.LatencyScale = *latency
		cfg.Faults = faults.NewBoard(faults.Payments, *key)
		limitMemory()
		return payments.Run(ctx, cfg)
	}
}

func preparePromotions(f *flags) func(context.Context, io.Writer, io.Writer) error {
	cfg := promotions.Config{Version: currentVersion()}
	f.StringVar(&cfg.Addr, "addr", "127.0.0.1:8082", "`address` to listen on")
	f.databaseURL(&cfg.DatabaseURL, "`URL` of PostgreSQL, required")
	f.BoolVar(&cfg.DemoData, "demo-data", false, "give coupons that run low further uses")
	latency, key := f.latencyScale(), f.faultsKey()
	return func(ctx context.Context, _, _ io.Writer) error {
		if err := required(f, "database-url"); err != nil {
			return err
		}
		if err := checkAddr(promotionsPart, cfg.Addr); err != nil {
			return err
		}
		cfg.LatencyScale = *latency
		cfg.Faults = faults.NewBoard(faults.Promotions, *key)
		limitMemory()
		return promotions.Run(ctx, cfg)
	}
}

// thirdParty prepares the command that runs one of the third parties.
func thirdParty(part, addr string, run func(context.Context, thirdparty.Config) error) func(*flags) func(context.Context, io.Writer, io.Writer) error {
	return func(f *flags) func(context.Context, io.Writer, io.Writer) error {
		var cfg thirdparty.Config
		f.StringVar(&cfg.Addr, "addr", addr, "`address` to listen on")
		f.Uint64Var(&cfg.Seed, "seed", 1, "`number` that decides which calls fail, and how long they take")
		latency, failures, key := f.latencyScale(), f.failureScale(), f.faultsKey()
		return func(ctx context.Context, _, _ io.Writer) error {
			if err := checkAddr(part, cfg.Addr); err != nil {
				return err
			}
			cfg.LatencyScale, cfg.FailureScale = *latency, *failures
			cfg.Faults = faults.NewBoard(part, *key)
			return run(ctx, cfg)
		}
	}
}

// The flags that several commands have.

func (f *flags) databaseURL(url *string, usage string) {
	f.StringVar(url, "database-url", "", usage)
	f.fromEnv("database-url", "DATABASE_URL")
}

func (f *flags) redisURL(url *string, usage string) {
	f.StringVar(url, "redis-url", "", usage)
	f.fromEnv("redis-url", "REDIS_URL")
}

func (f *flags) latencyScale() *float64 {
	return f.number("latency-scale", 1, "`factor` of the simulated latencies, 0 for none")
}

func (f *flags) failureScale() *float64 {
	return f.number("failure-scale", 1, "`factor` of the third parties' failures, 0 for none")
}

func (f *flags) faultsKey() *string {
	return f.String("faults-key", "", "`key` that services share to start faults in each other; without it there are none")
}

// checkAddr explains why a service cannot listen, better than its own error
// would.
func checkAddr(service, addr string) error {
	_, err := platform.CheckPorts(platform.Port{Service: service, Flag: "--addr", Addr: addr})
	return err
}

func required(f *flags, names ...string) error {
	for _, name := range names {
		if f.Lookup(name).Value.String() == "" {
			return usagef("%s needs --%s or %s", f.Name(), name, f.variable(name))
		}
	}
	return nil
}
