package otelkit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/otelkit/kit/otelkit/exemplar"
	"github.com/otelkit/kit/otelkit/metrics"
	"go.opentelemetry.io/contrib/propagators/autoprop"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
)

// settings is a Config after the OTEL_* variables had their say, all of it
// checked: the SDK takes a default for what it cannot read, and says so where
// nobody looks.
type settings struct {
	file             string // that says all the rest, but for the resource and the limit; "" when none does
	disabled         bool
	resource         *resource.Resource
	propagator       propagation.TextMapPropagator
	cardinalityLimit int
	exemplars        exemplar.Config

	traces, metrics, logs destination
	output                io.Writer // for the logger's lines and the console exporters
}

// destination is where the telemetry of one signal goes.
type destination struct {
	signal   string // "traces", as variables, paths and messages have it
	exporter string // "otlp", "console" or "none"
	protocol string // of OTLP
	endpoint string // of OTLP: the URL; "" when there is none
	refuse   func() error
}

// exports says whether there is somewhere to export to.
func (d destination) exports() bool {
	return d.exporter == "console" || d.exporter == "otlp" && d.endpoint != ""
}

// withoutEndpoint returns the signals that would be exported, had they an
// endpoint.
func (s settings) withoutEndpoint() []string {
	var missing []string
	for _, d := range []destination{s.traces, s.metrics, s.logs} {
		if d.exporter == "otlp" && d.endpoint == "" {
			missing = append(missing, d.signal)
		}
	}
	return missing
}

// settingsOf returns the settings or everything that is wrong with them.
func settingsOf(ctx context.Context, cfg Config) (settings, error) {
	s := settings{exemplars: cfg.Exemplars, output: cfg.Logs.Output}
	if s.output == nil {
		s.output = os.Stdout
	}
	var errs [8]error
	s.file, errs[0] = configFile(cfg)
	variables := variable("OTEL_CONFIG_FILE") == "" // rule
	if variables {
		errs[1] = checkVariables()
	}
	if variables && errs[1] == nil {
		s.disabled = normal(os.Getenv("OTEL_SDK_DISABLED")) == "true"
		s.propagator, errs[2] = autoprop.TextMapPropagator(names(cmp.Or(variable("OTEL_PROPAGATORS"), "tracecontext,baggage"))...)
		s.traces, errs[3] = destinationOf("traces", cfg)
		s.metrics, errs[4] = destinationOf("metrics", cfg)
		s.logs, errs[5] = destinationOf("logs", cfg)
	}
	if s.traces.exporter == "console" || s.metrics.exporter == "console" || s.logs.exporter == "console" {
		s.output = &shared{to: s.output}
	}
	s.resource, errs[6] = resourceOf(ctx, cfg, variables)
	s.cardinalityLimit, errs[7] = checkCatalogs(cfg.Catalogs)
	if err := errors.Join(errs[:]...); err != nil {
		return settings{}, fmt.Errorf("otelkit: %w", err)
	}
	return s, nil
}

// shared is an output that several write to: it is written one write at a time, as
// [logs.Config] promises.
type shared struct {
	mu sync.Mutex
	to io.Writer
}

func (s *shared) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.to.Write(p)
}

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

// destinationOf returns where a signal goes. The variables have been checked.
func destinationOf(signal string, cfg Config) (destination, error) {
	d := destination{signal: signal, refuse: cfg.Refuse}
	d.exporter = cmp.Or(variable("OTEL_"+strings.ToUpper(signal)+"_EXPORTER"), "otlp")

	// Of the two kinds of OTLP/HTTP the exporter chooses by the variable alone.
	_, d.protocol = signalVariable(signal, "PROTOCOL")
	if d.protocol == "" {
		d.protocol = cmp.Or(cfg.Protocol, "http/protobuf")
	}
	if cfg.Protocol != "" && cfg.Protocol != "http/protobuf" && cfg.Protocol != "grpc" {
		return d, fmt.Errorf(`Config.Protocol is %q; it can be "http/protobuf" or "grpc"`, cfg.Protocol)
	}

	name, endpoint := signalVariable(signal, "ENDPOINT")
	if endpoint == "" {
		name, endpoint = "Config.Endpoint", cfg.Endpoint
	}
	if endpoint == "" {
		return d, nil
	}
	if d.protocol == "grpc" {
		endpoint = withScheme(endpoint, schemeOf(signal))
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return d, fmt.Errorf(`%s is %q; over %s it has to be a URL, such as "http://localhost:4318"`, name, endpoint, d.protocol)
	}
	for _, suffix := range []string{"CERTIFICATE", "CLIENT_CERTIFICATE"} {
		if certificate, path := signalVariable(signal, suffix); path != "" && u.Scheme == "http" {
			return d, fmt.Errorf("%s is set, and %s is %q, without TLS; let it begin with https, or unset the certificate", certificate, name, endpoint)
		}
	}
	d.endpoint = endpoint
	ofSignal := strings.Contains(name, "_"+strings.ToUpper(signal)+"_")
	if d.protocol != "grpc" && !ofSignal {
		d.endpoint = strings.TrimRight(endpoint, "/") + "/v1/" + signal
	}
	return d, nil
}

// schemeOf is that of an endpoint that has none, as gRPC allows.
func schemeOf(signal string) string {
	if _, insecure := signalVariable(signal, "INSECURE"); normal(insecure) == "true" {
		return "http"
	}
	return "https"
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
