package otelkit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/contrib/propagators/autoprop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
)

// settings is a Config after the OTEL_* variables had their say, all of it
// checked: the SDK takes a default for what it cannot read, and says so where
// nobody looks.
type settings struct {
	disabled         bool
	resource         *resource.Resource
	propagator       propagation.TextMapPropagator
	cardinalityLimit int

	traces, metrics, logs destination
}

// destination is where the telemetry of one signal goes.
type destination struct {
	signal   string // "traces", as variables, paths and messages have it
	exporter string // "otlp" or "none"
	protocol string // of OTLP
	endpoint string // from Config; "" when a variable says it, which the exporter reads
	set      bool   // whether there is an endpoint at all
}

// exports says whether there is somewhere to export to.
func (d destination) exports() bool { return d.exporter == "otlp" && d.set }

// withoutEndpoint returns the signals that would be exported, had they an
// endpoint.
func (s settings) withoutEndpoint() []string {
	var missing []string
	for _, d := range []destination{s.traces, s.metrics, s.logs} {
		if d.exporter == "otlp" && !d.set {
			missing = append(missing, d.signal)
		}
	}
	return missing
}

// settingsOf returns the settings or everything that is wrong with them.
func settingsOf(ctx context.Context, cfg Config) (settings, error) {
	var s settings
	var errs [7]error
	s.disabled = strings.EqualFold(variable("OTEL_SDK_DISABLED"), "true")
	s.traces, errs[0] = destinationOf("traces", cfg)
	s.metrics, errs[1] = destinationOf("metrics", cfg)
	s.logs, errs[2] = destinationOf("logs", cfg)
	s.propagator, errs[3] = propagatorOf(variable("OTEL_PROPAGATORS"))
	s.resource, errs[4] = resourceOf(ctx, cfg)
	s.cardinalityLimit, errs[5] = checkCatalogs(cfg.Catalogs)
	errs[6] = checkSampler(variable("OTEL_TRACES_SAMPLER"), variable("OTEL_TRACES_SAMPLER_ARG"))
	if err := errors.Join(errs[:]...); err != nil {
		return settings{}, fmt.Errorf("otelkit: %w", err)
	}
	return s, nil
}

// variable reads an environment variable. An empty one counts as unset, as the
// specification has it.
func variable(name string) string { return strings.TrimSpace(os.Getenv(name)) }

// signalVariable reads the form of an OTLP variable for one signal, else the
// general one, and returns the name of the one that is set.
func signalVariable(signal, suffix string) (name, value string) {
	name = "OTEL_EXPORTER_OTLP_" + strings.ToUpper(signal) + "_" + suffix
	if value = variable(name); value != "" {
		return name, value
	}
	name = "OTEL_EXPORTER_OTLP_" + suffix
	return name, variable(name)
}

func destinationOf(signal string, cfg Config) (destination, error) {
	d := destination{signal: signal, exporter: "otlp"}
	name := "OTEL_" + strings.ToUpper(signal) + "_EXPORTER"
	if exporter := variable(name); exporter != "" {
		d.exporter = exporter
	}
	if !slices.Contains([]string{"otlp", "none"}, d.exporter) {
		return d, fmt.Errorf(`%s is %q; it can be "otlp" or "none"`, name, d.exporter)
	}

	// Of the two kinds of OTLP/HTTP the exporter chooses by the variable alone.
	protocols := []string{"http/protobuf", "http/json", "grpc"}
	name, d.protocol = signalVariable(signal, "PROTOCOL")
	if d.protocol == "" {
		protocols = []string{"http/protobuf", "grpc"}
		name, d.protocol = "Config.Protocol", cmp.Or(cfg.Protocol, "http/protobuf")
	}
	if !slices.Contains(protocols, d.protocol) {
		return d, fmt.Errorf("%s is %q; it can be %s", name, d.protocol, strings.Join(protocols, ", "))
	}

	name, endpoint := signalVariable(signal, "ENDPOINT")
	if endpoint == "" {
		name, endpoint, d.endpoint = "Config.Endpoint", cfg.Endpoint, cfg.Endpoint
	}
	d.set = endpoint != ""
	if u, err := url.Parse(endpoint); d.set && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return d, fmt.Errorf(`%s is %q; it has to be a URL, such as "http://localhost:4318"`, name, endpoint)
	}
	return d, nil
}

func propagatorOf(names string) (propagation.TextMapPropagator, error) {
	if names == "" {
		names = "tracecontext,baggage"
	}
	list := strings.Split(names, ",")
	for i, name := range list {
		list[i] = strings.TrimSpace(name)
	}
	propagator, err := autoprop.TextMapPropagator(list...)
	if err != nil {
		return nil, fmt.Errorf("OTEL_PROPAGATORS is %q: %w; there are tracecontext, baggage, b3, b3multi, jaeger, xray, ottrace and none", names, err)
	}
	return propagator, nil
}

// checkSampler checks what the SDK is going to read.
func checkSampler(sampler, arg string) error {
	samplers := []string{
		"always_on", "always_off", "traceidratio",
		"parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
	}
	if sampler == "" {
		return nil
	}
	if !slices.Contains(samplers, strings.ToLower(sampler)) {
		return fmt.Errorf("OTEL_TRACES_SAMPLER is %q; it can be one of %s", sampler, strings.Join(samplers, ", "))
	}
	if arg == "" || !strings.HasSuffix(strings.ToLower(sampler), "ratio") {
		return nil
	}
	if ratio, err := strconv.ParseFloat(arg, 64); err != nil || !(ratio >= 0 && ratio <= 1) {
		return fmt.Errorf("OTEL_TRACES_SAMPLER_ARG is %q; for %s it is a share from 0 to 1", arg, sampler)
	}
	return nil
}

// checkCatalogs returns the most attribute sets that any metric may have.
func checkCatalogs(catalogs []*metrics.Catalog) (limit int, err error) {
	limit = metrics.DefaultLimit
	var errs []error
	for _, catalog := range catalogs {
		errs = append(errs, catalog.Err())
		for _, m := range catalog.Metrics() {
			limit = max(limit, m.Limit)
		}
	}
	return limit, errors.Join(errs...)
}

// url returns where OTLP/HTTP posts the signal to: its path below the endpoint.
func (d destination) url() string { return strings.TrimRight(d.endpoint, "/") + "/v1/" + d.signal }
