package otelkit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/otelkit/kit/otelkit/exemplar"
	"github.com/otelkit/kit/otelkit/logs"
	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/log"
	lognoop "go.opentelemetry.io/otel/log/noop"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// Config says what a service is and what it records. The zero value of every
// field but Service is useful. Where an OTEL_* variable says something else, the
// variable rules.
type Config struct {
	Service     string // service.name; required unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES says it
	Namespace   string // service.namespace: the system that the service is part of
	Version     string // service.version; "" means the main module's version or commit, from the build
	Environment string // deployment.environment.name, such as "production"

	// ConfigFile reads the file that OTEL_CONFIG_FILE names: configfile.Load of
	// otelkit/configfile, which is apart for its weight. The file rules over
	// Endpoint and Protocol, and over the other fields that describe the service
	// where it says something else. nil means that a service with
	// OTEL_CONFIG_FILE does not start.
	ConfigFile func(context.Context, FileRequest) (Providers, error)

	Endpoint string // URL of an OTLP receiver, such as "http://localhost:4318"; "" means none: see the package comment
	Protocol string // "http/protobuf" or "grpc"; "" means "http/protobuf"

	// Refuse is asked before each request over OTLP. What it returns is why the request
	// fails, as if the receiver could not be reached: for who wants to see what a service
	// and those who watch it do then. nil, and an error that is nil, let requests pass.
	// The exporters of a configuration file do not ask.
	Refuse func() error

	Catalogs  []*metrics.Catalog // what the service records; Start refuses a wrong one, and starts closed counters at 0
	Logs      logs.Config        // the lines on standard output; the zero value is JSON at level info
	Exemplars exemplar.Config    // the measurements that lead to traces; the zero value keeps them, and their traces
	Profiles  Profiler           // profiles.New of otelkit/profiles; nil means that the process is not profiled

	ShutdownTimeout time.Duration // longest time for Shutdown when its context has no deadline; 0 means 5 s

	// SetGlobal also makes the kit what OpenTelemetry's global functions and
	// slog.Default return: for libraries that can be reached in no other way. It
	// sets OpenTelemetry's error handler too; without it, what a library reports
	// there goes where OpenTelemetry sends it, to standard error. The SDK's
	// internal logger is left alone: it writes errors only, to standard error.
	SetGlobal bool
}

// Kit is a service's running telemetry. Make one with [Start]. It is safe for
// concurrent use.
type Kit struct {
	logs           *logs.Handler // writes lines only
	logger         *slog.Logger
	tracerProvider trace.TracerProvider
	meterProvider  metric.MeterProvider
	loggerProvider log.LoggerProvider
	propagator     propagation.TextMapPropagator
	recorder       *metrics.Recorder

	pipelines []*pipeline
	losses    *losses
	reports   *reports
	stopping  stopping
}

// Start starts telemetry. It fails if something about the configuration or a
// catalog is wrong, and says all that is; it does not fail, nor wait, because a
// collector cannot be reached.
func Start(ctx context.Context, cfg Config) (*Kit, error) {
	settings, err := settingsOf(ctx, cfg)
	if err != nil {
		return nil, err
	}
	cfg.Logs.Output = settings.output
	lines := logs.NewHandler(cfg.Logs)
	plain := slog.New(lines.All()) // losses and reports count what repeats themselves
	k := &Kit{
		logs:           lines,
		tracerProvider: tracenoop.NewTracerProvider(),
		meterProvider:  metricnoop.NewMeterProvider(),
		loggerProvider: lognoop.NewLoggerProvider(),
		propagator:     settings.propagator,
		// What goes wrong with the export is not exported: a record about each
		// record that failed would never end.
		losses:   newLosses(plain),
		reports:  newReports(plain),
		stopping: newStopping(cfg.ShutdownTimeout),
	}
	if settings.file != "" {
		err = k.startFile(ctx, cfg, &settings)
	} else {
		err = k.startSignals(ctx, settings)
	}
	if err == nil {
		err = k.measureRuntime()
	}
	if err != nil {
		return nil, errors.Join(err, k.Shutdown(ctx))
	}
	k.logger = slog.New(lines.Exporting(k.loggerProvider))
	k.recorder = metrics.NewRecorder(k.meterProvider)
	if err := k.logs.Observe(k.Context(ctx)); err != nil {
		return nil, errors.Join(fmt.Errorf("otelkit: observing the logs: %w", err), k.Shutdown(ctx))
	}
	for _, catalog := range cfg.Catalogs {
		k.recorder.Zero(catalog)
	}
	if cfg.Profiles != nil && !settings.disabled {
		if err := k.startProfiles(settings, cfg.Profiles); err != nil {
			return nil, errors.Join(err, k.Shutdown(ctx))
		}
	}
	if _, err := Lost.Register(k.Context(ctx), k.losses.observe); err != nil {
		return nil, errors.Join(err, k.Shutdown(ctx))
	}
	metrics.SetDefault(k.recorder)
	if cfg.SetGlobal {
		k.setGlobal()
	}
	return k, nil
}

// startSignals starts what the variables and Config say.
func (k *Kit) startSignals(ctx context.Context, s settings) error {
	if list := withoutEffect(); len(list) > 0 {
		k.reports.logger.WarnContext(ctx, "these OTEL_* variables have no effect", "variables", list)
	}
	if s.disabled {
		return nil
	}
	if err := k.startTraces(ctx, s); err != nil {
		return fmt.Errorf("otelkit: starting traces: %w", err)
	}
	if err := k.startMetrics(ctx, s); err != nil {
		return fmt.Errorf("otelkit: starting metrics: %w", err)
	}
	if err := k.startLogs(ctx, s); err != nil {
		return fmt.Errorf("otelkit: starting logs: %w", err)
	}
	if missing := s.withoutEndpoint(); len(missing) > 0 {
		k.reports.logger.InfoContext(ctx, "telemetry is not exported: set OTEL_EXPORTER_OTLP_ENDPOINT to export it", "signals", missing)
	}
	return nil
}

// measureRuntime measures the Go runtime.
func (k *Kit) measureRuntime() error {
	if err := runtime.Start(runtime.WithMeterProvider(k.meterProvider)); err != nil {
		return fmt.Errorf("otelkit: starting the Go runtime's metrics: %w", err)
	}
	return nil
}

func (k *Kit) setGlobal() {
	otel.SetErrorHandler(k.reports)
	otel.SetTracerProvider(k.tracerProvider)
	otel.SetMeterProvider(k.meterProvider)
	otel.SetTextMapPropagator(k.propagator)
	otel.SetLoggerProvider(k.loggerProvider)
	slog.SetDefault(k.logger)
}

// Logger returns the service's logger: lines on standard output, and records in
// the trace that the context of a call belongs to.
func (k *Kit) Logger() *slog.Logger { return k.logger }

// TracerProvider returns the provider of tracers.
func (k *Kit) TracerProvider() trace.TracerProvider { return k.tracerProvider }

// SamplesByAttributes says whether the sampler looks at the attributes that a span is
// started with. None that OTEL_TRACES_SAMPLER can name does, so it is false, and
// instrumentation may set them all when a span ends, which costs less.
func (k *Kit) SamplesByAttributes() bool { return false }

// MeterProvider returns the provider of meters.
func (k *Kit) MeterProvider() metric.MeterProvider { return k.meterProvider }

// LoggerProvider returns the provider of OpenTelemetry loggers. A service logs
// through [Kit.Logger].
func (k *Kit) LoggerProvider() log.LoggerProvider { return k.loggerProvider }

// Propagator returns what carries trace context and baggage in headers: W3C
// Trace Context and Baggage, unless OTEL_PROPAGATORS says otherwise.
func (k *Kit) Propagator() propagation.TextMapPropagator { return k.propagator }

// Recorder returns the recorder through which otelkit/metrics records into this
// kit.
func (k *Kit) Recorder() *metrics.Recorder { return k.recorder }

// Context returns a context in which measurements go to this kit, though another
// was started later.
func (k *Kit) Context(ctx context.Context) context.Context {
	return metrics.NewContext(ctx, k.recorder)
}
