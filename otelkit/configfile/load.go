package configfile

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/otelkit/kit/otelkit"
	"github.com/otelkit/kit/otelkit/exemplar"
	"go.opentelemetry.io/contrib/otelconf"
	lognoop "go.opentelemetry.io/otel/log/noop"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdkexemplar "go.opentelemetry.io/otel/sdk/metric/exemplar"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	tracenoop "go.opentelemetry.io/otel/trace/noop"
)

// Load reads a configuration file and makes what it says. It is what
// [otelkit.Config.ConfigFile] takes. An error names the file and all that is
// wrong in it, with the lines.
//
// While it works, for some milliseconds, the OTEL_* variables are not in the
// environment of the process: the exporters of OpenTelemetry read them whatever a
// file says, so that a file's https endpoint would be called without TLS because
// OTEL_EXPORTER_OTLP_ENDPOINT begins with http.
func Load(ctx context.Context, request otelkit.FileRequest) (otelkit.Providers, error) {
	text, err := os.ReadFile(request.Path)
	if err != nil {
		return otelkit.Providers{}, fmt.Errorf("%w; it has to be the path of a YAML file", err)
	}
	f, err := parse(text)
	if err != nil {
		return otelkit.Providers{}, fmt.Errorf("%s: %w", request.Path, err)
	}
	if err := f.complete(request.Resource); err != nil {
		return otelkit.Providers{}, fmt.Errorf("%s: %w", request.Path, err)
	}
	for _, s := range f.ignored {
		request.Logger.WarnContext(ctx, "a setting of the configuration file has no effect",
			"file", request.Path, "line", s.line, "setting", s.key, "why", s.why)
	}
	providers, err := f.build(ctx, request)
	if err != nil {
		return otelkit.Providers{}, fmt.Errorf("%s: %w", request.Path, err)
	}
	return providers, nil
}

// build makes the providers one by one: otelconf, asked for all at once, leaves
// those running that it has made when another fails.
func (f *file) build(ctx context.Context, request otelkit.FileRequest) (otelkit.Providers, error) {
	defer withoutVariables()()
	model := otelconf.OpenTelemetryConfiguration{FileFormat: f.model.FileFormat, Resource: f.model.Resource, Propagator: f.model.Propagator}
	p := otelkit.Providers{
		TracerProvider: tracenoop.NewTracerProvider(),
		MeterProvider:  metricnoop.NewMeterProvider(),
		LoggerProvider: lognoop.NewLoggerProvider(),
		Resource:       f.resource(),
		Disabled:       f.disabled(),
	}
	rest, err := otelconf.NewSDK(otelconf.WithContext(ctx), otelconf.WithOpenTelemetryConfiguration(model))
	if err != nil {
		return otelkit.Providers{}, err
	}
	p.Propagator = rest.Propagator()
	if p.Disabled {
		return p, nil
	}

	var made []otelconf.SDK
	var errs []error
	start := func(name string, model otelconf.OpenTelemetryConfiguration, option otelconf.ConfigurationOption) *otelconf.SDK {
		sdk, err := otelconf.NewSDK(otelconf.WithContext(ctx), otelconf.WithOpenTelemetryConfiguration(model), option)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			return &sdk // without effect
		}
		made = append(made, sdk)
		return &sdk
	}
	if t := f.model.TracerProvider; t != nil {
		model := model
		model.TracerProvider = t
		p.TracerProvider = start("tracer_provider", model, otelconf.WithTracerProviderOptions(sdktrace.WithRawSpanLimits(f.spanLimits()))).TracerProvider()
	}
	if m := f.model.MeterProvider; m != nil {
		model := model
		model.MeterProvider = m
		options := []sdkmetric.Option{
			sdkmetric.WithExemplarFilter(f.exemplarFilter()), sdkmetric.WithCardinalityLimit(request.CardinalityLimit),
		}
		if len(m.Views) == 0 { // beside which ours would bring back what they rename or drop
			options = append(options, sdkmetric.WithView(exemplar.Views(request.Exemplars)...))
		}
		p.MeterProvider = start("meter_provider", model, otelconf.WithMeterProviderOptions(options...)).MeterProvider()
	}
	if l := f.model.LoggerProvider; l != nil {
		model := model
		model.LoggerProvider = l
		p.LoggerProvider = start("logger_provider", model, otelconf.WithLoggerProviderOptions(f.logLimits()...)).LoggerProvider()
	}
	if len(errs) > 0 {
		for _, sdk := range made {
			errs = append(errs, sdk.Shutdown(ctx))
		}
		return otelkit.Providers{}, errors.Join(errs...)
	}
	return p, nil
}

func (f *file) disabled() bool { return f.model.Disabled != nil && *f.model.Disabled }

func (f *file) exemplarFilter() sdkexemplar.Filter {
	if filter := f.model.MeterProvider.ExemplarFilter; filter != nil {
		return exemplarFilters[*filter]
	}
	return sdkexemplar.TraceBasedFilter
}

var exemplarFilters = map[otelconf.ExemplarFilter]sdkexemplar.Filter{
	"always_on": sdkexemplar.AlwaysOnFilter, "always_off": sdkexemplar.AlwaysOffFilter, "trace_based": sdkexemplar.TraceBasedFilter,
}

// spanLimits returns all limits of spans. otelconf applies two of them, and none
// of attribute_limits.
func (f *file) spanLimits() sdktrace.SpanLimits {
	limits := sdktrace.NewSpanLimits()
	if all := f.model.AttributeLimits; all != nil {
		setTo(&limits.AttributeCountLimit, all.AttributeCountLimit)
		setTo(&limits.AttributeValueLengthLimit, all.AttributeValueLengthLimit)
	}
	if own := f.model.TracerProvider.Limits; own != nil {
		setTo(&limits.AttributeCountLimit, own.AttributeCountLimit)
		setTo(&limits.AttributeValueLengthLimit, own.AttributeValueLengthLimit)
		setTo(&limits.AttributePerEventCountLimit, own.EventAttributeCountLimit)
		setTo(&limits.AttributePerLinkCountLimit, own.LinkAttributeCountLimit)
		setTo(&limits.EventCountLimit, own.EventCountLimit)
		setTo(&limits.LinkCountLimit, own.LinkCountLimit)
		f.model.TracerProvider.Limits = nil // or otelconf sets its two and the rest to their defaults
	}
	return limits
}

// logLimits returns the attribute_limits as limits of log records; otelconf sets
// those of the logger_provider over them.
func (f *file) logLimits() []sdklog.LoggerProviderOption {
	var options []sdklog.LoggerProviderOption
	if all := f.model.AttributeLimits; all != nil {
		if all.AttributeCountLimit != nil {
			options = append(options, sdklog.WithAttributeCountLimit(*all.AttributeCountLimit))
		}
		if all.AttributeValueLengthLimit != nil {
			options = append(options, sdklog.WithAttributeValueLengthLimit(*all.AttributeValueLengthLimit))
		}
	}
	return options
}

func setTo(limit, value *int) {
	if value != nil {
		*limit = *value
	}
}

// building keeps one build from putting variables back while another needs them
// away.
var building sync.Mutex

// withoutVariables takes the OTEL_* variables out of the environment, but for the
// experiments of the Go SDK, and returns what puts them back.
func withoutVariables() (restore func()) {
	building.Lock()
	taken := map[string]string{}
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		if strings.HasPrefix(name, "OTEL_") && !strings.HasPrefix(name, "OTEL_GO_X_") {
			taken[name] = value
			_ = os.Unsetenv(name) // fails for a name that cannot be
		}
	}
	return func() {
		for name, value := range taken {
			_ = os.Setenv(name, value)
		}
		building.Unlock()
	}
}
