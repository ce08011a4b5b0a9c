package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/otelkit/kit/examples/webstore/observability"
	"github.com/otelkit/kit/examples/webstore/platform"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/examples/webstore/traffic"
)

// The names of the parts: of their log files, and in errors.
const (
	postgresPart   = "postgres"
	redisPart      = "redis"
	lensPart       = "lens"
	inventoryPart  = "inventory"
	crmPart        = "crm"
	providerPart   = "payment-provider"
	paymentsPart   = "payments"
	promotionsPart = "promotions"
	mainPart       = "main"
	trafficPart    = "traffic"
)

// store is the parts of a run of `webstore up`.
type store struct {
	*up
	log      io.Writer
	progress *progress

	at       addresses
	self     string // this program
	dir      *platform.Dir
	database *platform.Postgres
	cache    *platform.Redis
	parts    *platform.Supervisor
	key      string         // with which faults are started; empty if there are none
	ends     []func() error // of what has been started, in that order
}

// start starts everything and returns when all of it is ready. After an error,
// as in the end, call stop.
func (s *store) start(ctx context.Context) (err error) {
	if s.at, err = s.settle(); err != nil {
		return err
	}
	if s.telemetry {
		if s.lens, err = findLens(s.lens); err != nil {
			return err
		}
	}
	if s.self, err = os.Executable(); err != nil {
		return fmt.Errorf("the path of this program cannot be found out: %w", err)
	}
	if s.dir, err = platform.OpenDir(s.data); err != nil {
		return err
	}
	s.atEnd(s.dir.Close)
	if err := s.writeObservability(); err != nil {
		return err
	}
	if err := s.startStores(ctx); err != nil {
		return err
	}

	if s.demoData {
		s.key = rand.Text()
	}

	// All at once: each waits for what it needs. They end one by one, the last
	// first, so that nobody's telemetry or request goes nowhere.
	s.parts = platform.NewSupervisor(s.dir)
	s.atEnd(func() error { return s.parts.Stop(context.Background()) })
	children := []platform.Child{
		s.thirdPartyChild(inventoryPart, s.listen.inventory, s.at.Inventory),
		s.thirdPartyChild(crmPart, s.listen.crm, s.at.CRM),
		s.promotionsChild(),
		s.paymentsChild(),
		s.mainChild(),
	}
	if s.providerURL == "" {
		children = slices.Insert(children, 0, s.thirdPartyChild(providerPart, s.listen.provider, s.at.PaymentProvider))
	}
	if s.telemetry {
		children = slices.Insert(children, 0, s.lensChild())
	}
	if err := s.parts.Start(ctx, children...); err != nil {
		return err
	}
	if s.traffic == 0 {
		return nil
	}
	return s.parts.Start(ctx, s.trafficChild())
}

// startStores starts PostgreSQL and Redis, or checks those that were named.
func (s *store) startStores(ctx context.Context) (err error) {
	stopping := context.Background() // each has its own limit
	s.database, err = platform.StartPostgres(ctx, platform.PostgresConfig{URL: s.databaseURL, Dir: s.dir, Log: s.log})
	if err != nil {
		return err
	}
	s.atEnd(func() error { return s.database.Stop(stopping) })
	s.progress.ready(postgresPart)

	s.cache, err = platform.StartRedis(ctx, platform.RedisConfig{URL: s.redisURL, Dir: s.dir, Log: s.log})
	if err != nil {
		return err
	}
	s.atEnd(func() error { return s.cache.Stop(stopping) })
	s.progress.ready(redisPart)
	return nil
}

func (s *store) atEnd(end func() error) { s.ends = append(s.ends, end) }

// stop stops what was started, the last first.
func (s *store) stop() error {
	var errs []error
	for _, end := range slices.Backward(s.ends) {
		errs = append(errs, end())
	}
	return errors.Join(errs...)
}

// observabilityDir holds the dashboards and rules that lens is to load. They
// are made anew for each run, from the definitions that this program records.
func (s *store) observabilityDir() string { return filepath.Join(s.dir.Path, "observability") }

func (s *store) writeObservability() error {
	if err := os.RemoveAll(s.observabilityDir()); err != nil {
		return err
	}
	return observability.Write(s.observabilityDir())
}

func (s *store) lensChild() platform.Child {
	return s.child(platform.Child{
		Name: lensPart,
		Path: s.lens,
		Args: []string{
			"--data-dir", filepath.Join(s.dir.Path, "lens"),
			"--dashboards", filepath.Join(s.observabilityDir(), filepath.FromSlash(observability.DashboardsDir)),
			"--rules", filepath.Join(s.observabilityDir(), filepath.FromSlash(observability.RulesFile)),
			"--addr", s.listen.lens,
			"--prometheus-addr", s.listen.prometheus,
			"--otlp-grpc-addr", s.listen.otlpGRPC,
			"--otlp-http-addr", s.listen.otlpHTTP,
		},
		Ready: platform.HTTPReady(s.at.Lens + "/-/ready"),
	})
}

func (s *store) thirdPartyChild(part, addr, url string) platform.Child {
	return s.child(platform.Child{
		Name: part,
		Path: s.self,
		Args: []string{
			"serve", part,
			"--addr", addr,
			"--seed", strconv.FormatUint(s.seed, 10),
			"--latency-scale", decimal(*s.latencyScale),
			"--failure-scale", decimal(*s.failureScale),
		},
		Env:   []string{s.faultsEnv()},
		Ready: platform.HTTPReady(url + "/health"),
	})
}

func (s *store) paymentsChild() platform.Child {
	return s.child(platform.Child{
		Name: paymentsPart,
		Path: s.self,
		Args: []string{
			"serve", "payments",
			"--addr", s.listen.payments,
			"--provider-url", s.at.PaymentProvider,
			"--latency-scale", decimal(*s.latencyScale),
		},
		Env:   append(s.telemetryEnv(telemetry.PaymentsService), "DATABASE_URL="+s.database.URL, s.faultsEnv()),
		Ready: platform.HTTPReady(s.at.Payments + "/healthz/ready"),
	})
}

func (s *store) promotionsChild() platform.Child {
	return s.child(platform.Child{
		Name: promotionsPart,
		Path: s.self,
		Args: []string{
			"serve", "promotions",
			"--addr", s.listen.promotions,
			"--demo-data=" + strconv.FormatBool(s.demoData),
			"--latency-scale", decimal(*s.latencyScale),
		},
		Env:   append(s.telemetryEnv(telemetry.PromotionsService), "DATABASE_URL="+s.database.URL, s.faultsEnv()),
		Ready: platform.HTTPReady(s.at.Promotions + "/healthz/ready"),
	})
}

func (s *store) mainChild() platform.Child {
	return s.child(platform.Child{
		Name: mainPart,
		Path: s.self,
		Args: append([]string{
			"serve", "main",
			"--addr", s.listen.main,
			"--payments-url", s.at.Payments,
			"--promotions-url", s.at.Promotions,
			"--inventory-url", s.at.Inventory,
			"--crm-url", s.at.CRM,
			"--demo-data=" + strconv.FormatBool(s.demoData),
			"--latency-scale", decimal(*s.latencyScale),
		}, s.limits.args()...),
		Env: append(s.telemetryEnv(telemetry.MainService),
			"DATABASE_URL="+s.database.URL, "REDIS_URL="+s.cache.URL, s.faultsEnv()),
		Ready: platform.HTTPReady(s.at.Main + "/healthz/ready"),
	})
}

func (s *store) trafficChild() platform.Child {
	return platform.Child{
		Name: trafficPart,
		Path: s.self,
		Args: []string{
			"traffic",
			"--url", s.at.Main, "--allow-remote", // it is ours, wherever it listens
			"--rate", decimal(float64(s.traffic)),
			"--seed", strconv.FormatUint(s.seed, 10),
			"--demo-users=" + strconv.FormatBool(s.demoData),
			"--users", strconv.Itoa(shoppersFor(float64(s.traffic))),
			"--scenario", string(traffic.Shoppers), "--duration", "0s", // whatever the environment says
		},
		// Longer than a shopper waits for an answer.
		StopTimeout: 15 * time.Second,
	}
}

// shoppersFor is how many shoppers send requests at a rate, if an answer takes a
// second on average, which is more than it does.
func shoppersFor(rate float64) int { return min(max(int(math.Ceil(rate)), 5), traffic.MaxUsers) }

// child tells progress when c is ready.
func (s *store) child(c platform.Child) platform.Child {
	ready := c.Ready
	c.Ready = func(ctx context.Context) error {
		err := ready(ctx)
		if err == nil {
			s.progress.ready(c.Name)
		}
		return err
	}
	return c
}

// telemetryEnv has a service send its telemetry to lens and soon, since
// somebody watches. What the user's environment says of where telemetry goes is
// meant for another program; all else that it says of telemetry holds.
func (s *store) telemetryEnv(service string) []string {
	if !s.telemetry {
		return []string{"OTEL_SDK_DISABLED=true"}
	}
	var env []string
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "OTEL_EXPORTER_OTLP_") {
			env = append(env, name+"=") // empty is not set
		}
	}
	for _, name := range []string{"OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER"} {
		env = append(env, name+"=")
	}
	return append(env,
		"OTEL_SERVICE_NAME="+service,
		"OTEL_EXPORTER_OTLP_ENDPOINT="+s.at.OTLPHTTP,
		"OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf",
		"OTEL_METRIC_EXPORT_INTERVAL="+milliseconds(*s.interval),
		"OTEL_BSP_SCHEDULE_DELAY="+milliseconds(batchDelay),
		"OTEL_BLRP_SCHEDULE_DELAY="+milliseconds(batchDelay),
	)
}

// faultsEnv gives a service the key of this run, whatever the environment says.
func (s *store) faultsEnv() string { return "WEBSTORE_FAULTS_KEY=" + s.key }

// batchDelay is how long a service keeps spans and log records to send several
// at once.
const batchDelay = 500 * time.Millisecond

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

func decimal(n float64) string { return strconv.FormatFloat(n, 'g', -1, 64) }
