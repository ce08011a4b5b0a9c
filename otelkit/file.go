package otelkit

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"

	"github.com/otelkit/kit/internal/spelling"
	"github.com/otelkit/kit/otelkit/exemplar"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"
)

// FileRequest is what [Start] asks of [Config.ConfigFile].
type FileRequest struct {
	Path string // what OTEL_CONFIG_FILE holds

	// Resource is what Config says of the service and what was detected, for what
	// the file does not say.
	Resource *resource.Resource

	// CardinalityLimit is the most attribute sets of a metric that the SDK has to
	// allow, unless the file says otherwise: definitions keep to their own.
	CardinalityLimit int

	Exemplars exemplar.Config // what Config says, which a file cannot

	Logger *slog.Logger // for what is ignored; writes lines on standard output only
}

// Providers are what a configuration file describes. What it leaves out is a
// no-op, never nil.
type Providers struct {
	TracerProvider trace.TracerProvider
	MeterProvider  metric.MeterProvider
	LoggerProvider log.LoggerProvider
	Propagator     propagation.TextMapPropagator

	Resource *resource.Resource // what FileRequest says of the service, and the file over it
	Disabled bool               // the file turns everything off but lines and propagators
}

// configFile returns the path of the configuration file, if there is one.
func configFile(cfg Config) (string, error) {
	path := variable("OTEL_CONFIG_FILE")
	if path != "" && cfg.ConfigFile == nil {
		return "", fmt.Errorf("OTEL_CONFIG_FILE is %q, and this service reads no file; "+
			`import "github.com/otelkit/kit/otelkit/configfile" and set Config.ConfigFile to configfile.Load, or unset the variable`, path)
	}
	return path, nil
}

// startFile starts what the configuration file says, and has the settings say so.
func (k *Kit) startFile(ctx context.Context, cfg Config, s *settings) error {
	logger := k.reports.logger
	if ignored := ignoredWithFile(); len(ignored) > 0 {
		logger.WarnContext(ctx, "OTEL_CONFIG_FILE is set: other OTEL_* variables are ignored, unless the file names them", "variables", ignored)
	}
	providers, err := cfg.ConfigFile(ctx, FileRequest{
		Path: s.file, Resource: s.resource, CardinalityLimit: s.cardinalityLimit + 1, Exemplars: s.exemplars, Logger: logger,
	})
	if err != nil {
		return fmt.Errorf("otelkit: OTEL_CONFIG_FILE: %w", err)
	}
	k.tracerProvider, k.meterProvider, k.loggerProvider = providers.TracerProvider, providers.MeterProvider, providers.LoggerProvider
	k.propagator = providers.Propagator
	s.resource, s.disabled = providers.Resource, providers.Disabled
	for i, provider := range []any{providers.TracerProvider, providers.MeterProvider, providers.LoggerProvider} {
		sdk, ok := provider.(interface {
			ForceFlush(context.Context) error
			Shutdown(context.Context) error
		})
		if ok {
			// What the SDK's own processors lose, they do not tell.
			exports := &exports{signal: Signal(signals[i]), ended: k.stopping.ended, reports: k.reports}
			k.pipelines = append(k.pipelines, &pipeline{exports, sdk.ForceFlush, sdk.Shutdown})
		}
	}
	return nil
}

// setVariables returns the names of the OTEL_* variables that are set.
func setVariables() []string {
	var names []string
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "OTEL_") && strings.TrimSpace(value) != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func ignoredWithFile() []string {
	return slices.DeleteFunc(setVariables(), func(name string) bool { return name == "OTEL_CONFIG_FILE" || ofTheSDK(name) })
}

// ofTheSDK reports whether a variable turns on an experiment of the Go SDK, which
// reads it whatever we do.
func ofTheSDK(name string) bool { return strings.HasPrefix(name, "OTEL_GO_X_") }

// withoutEffect returns the OTEL_* variables that are set and that nobody reads,
// with those that may have been meant. They are no error: platforms set variables
// for all languages.
func withoutEffect() []string {
	var known []string
	for _, v := range Variables() {
		known = append(known, v.Name)
	}
	var list []string
	for _, name := range setVariables() {
		if slices.Contains(known, name) || ofTheSDK(name) {
			continue
		}
		if near := spelling.Nearest(name, known); near != "" {
			name += " (did you mean " + near + "?)"
		}
		list = append(list, name)
	}
	return list
}
