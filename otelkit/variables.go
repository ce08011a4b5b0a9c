package otelkit

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/contrib/propagators/autoprop"
)

// Variable is an environment variable of the OpenTelemetry specification that
// [Start] honours. docs/reference/environment.md is made of them.
type Variable struct {
	Name    string // such as "OTEL_SERVICE_NAME"
	Group   string // what it is about, such as "Batches of spans"
	Does    string // what it decides, in a few words
	Values  string // what it can be, with the unit: "it has to be ..."
	Default string // what holds without it
	Spec    string // URL of the section of the specification that defines it

	check  func(value string) error // of a value that is not empty
	secret bool                     // an error does not show the value
}

// Names of the signals, as variables, paths and messages have them.
var signals = []string{"traces", "metrics", "logs"}

const (
	sdkSpec  = "https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#"
	otlpSpec = "https://opentelemetry.io/docs/specs/otel/protocol/exporter/#configuration-options"
)

// Variables returns all variables that [Start] honours, ordered by what they are
// about. With OTEL_CONFIG_FILE set it ignores the others.
func Variables() []Variable {
	list := []Variable{
		{
			Name: "OTEL_CONFIG_FILE", Group: "General",
			Does:   "file that configures the SDK; the other variables are ignored then, but for `${NAME}` in the file. Needs `Config.ConfigFile`",
			Values: "the path of a YAML file", Default: "no file: the other variables",
			Spec: sdkSpec + "declarative-configuration", check: nil, // by who loads it
		},
		{
			Name: "OTEL_SDK_DISABLED", Group: "General",
			Does:   "turns off traces, metrics and exported logs; lines and propagators stay",
			Values: `"true" or "false"`, Default: "false",
			Spec: sdkSpec + "general-sdk-configuration", check: oneOf(normal, "true", "false"),
		},
		{
			Name: "OTEL_SERVICE_NAME", Group: "General",
			Does: "`service.name`", Values: "any text", Default: "that of `OTEL_RESOURCE_ATTRIBUTES`, else `Config.Service`",
			Spec: sdkSpec + "general-sdk-configuration",
		},
		{
			Name: "OTEL_RESOURCE_ATTRIBUTES", Group: "General",
			Does:   "attributes of the service, over what `Config` says and what is detected",
			Values: "a list such as key=value,key=value, with other characters as %20", Default: "none",
			Spec: sdkSpec + "general-sdk-configuration", check: resourceList,
		},
		{
			Name: "OTEL_PROPAGATORS", Group: "General",
			Does:   "formats of trace context and baggage in headers",
			Values: "a list of tracecontext, baggage, b3, b3multi, jaeger, xray and ottrace, or none", Default: "tracecontext,baggage",
			Spec: sdkSpec + "general-sdk-configuration", check: propagatorNames,
		},
		{
			Name: "OTEL_TRACES_SAMPLER", Group: "Traces",
			Does:   "which traces are recorded",
			Values: "one of " + strings.Join(samplers, ", "), Default: "parentbased_always_on",
			Spec: sdkSpec + "general-sdk-configuration", check: oneOf(normal, samplers...),
		},
		{
			Name: "OTEL_TRACES_SAMPLER_ARG", Group: "Traces",
			Does:   "share of traces that the ratio samplers record",
			Values: "a share from 0 to 1, for a sampler whose name ends in traceidratio", Default: "1",
			Spec: sdkSpec + "general-sdk-configuration", check: samplerArgument,
		},
	}
	for _, signal := range signals {
		list = append(list, Variable{
			Name: "OTEL_" + strings.ToUpper(signal) + "_EXPORTER", Group: "Exporters",
			Does:   "where " + signal + " go",
			Values: `"otlp", "console" (standard output) or "none"`, Default: "otlp, once there is an endpoint",
			Spec: sdkSpec + "exporter-selection", check: oneOf(exactly, exporters...),
		})
	}
	list = append(list, otlpVariables("")...)
	for _, signal := range signals {
		list = append(list, otlpVariables(signal)...)
	}
	list = append(list,
		Variable{
			Name: "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE", Group: "Metrics",
			Does:   "whether sums and histograms count from the start or since the last export",
			Values: "cumulative, delta or lowmemory", Default: "cumulative",
			Spec:  "https://opentelemetry.io/docs/specs/otel/metrics/sdk_exporters/otlp/#additional-environment-variable-configuration",
			check: oneOf(normal, "cumulative", "delta", "lowmemory"),
		},
		Variable{
			Name: "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION", Group: "Metrics",
			Does:   "kind of histograms",
			Values: "explicit_bucket_histogram or base2_exponential_bucket_histogram", Default: "explicit_bucket_histogram",
			Spec:  "https://opentelemetry.io/docs/specs/otel/metrics/sdk_exporters/otlp/#additional-environment-variable-configuration",
			check: oneOf(normal, "explicit_bucket_histogram", "base2_exponential_bucket_histogram"),
		},
		Variable{
			Name: "OTEL_METRICS_EXEMPLAR_FILTER", Group: "Metrics",
			Does:   "which measurements may become exemplars",
			Values: "trace_based, always_on or always_off", Default: "trace_based",
			Spec: sdkSpec + "exemplar", check: oneOf(normal, "trace_based", "always_on", "always_off"),
		},
		number("OTEL_METRIC_EXPORT_INTERVAL", "Metrics", "time between two exports", milliseconds, "60000", "periodic-exporting-metricreader"),
		number("OTEL_METRIC_EXPORT_TIMEOUT", "Metrics", "longest time for an export", milliseconds, "30000", "periodic-exporting-metricreader"),
	)
	list = append(list, batchVariables("OTEL_BSP", "spans", "5000", "batch-span-processor")...)
	list = append(list, batchVariables("OTEL_BLRP", "log records", "1000", "batch-logrecord-processor")...)
	const all, span, record = "attribute-limits", "span-limits", "logrecord-limits"
	return append(list,
		number("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "Limits", "longest text in an attribute of a span or log record", characters, "no limit", all),
		number("OTEL_ATTRIBUTE_COUNT_LIMIT", "Limits", "most attributes of a span or log record", count, "128", all),
		number("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "Limits", "longest text in an attribute of a span", characters, "`OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT`", span),
		number("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "Limits", "most attributes of a span", count, "`OTEL_ATTRIBUTE_COUNT_LIMIT`", span),
		number("OTEL_SPAN_EVENT_COUNT_LIMIT", "Limits", "most events of a span", count, "128", span),
		number("OTEL_SPAN_LINK_COUNT_LIMIT", "Limits", "most links of a span", count, "128", span),
		number("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "Limits", "most attributes of an event of a span", count, "128", span),
		number("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", "Limits", "most attributes of a link of a span", count, "128", span),
		number("OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT", "Limits", "longest text in an attribute of a log record", characters, "`OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT`", record),
		number("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "Limits", "most attributes of a log record", count, "`OTEL_ATTRIBUTE_COUNT_LIMIT`", record),
	)
}

// otlpVariables returns the variables of the OTLP exporters: those of one signal,
// or the general ones.
func otlpVariables(signal string) []Variable {
	prefix, group := "OTEL_EXPORTER_OTLP_", "OTLP"
	of := func(without string) string { return without }
	endpoint := Variable{
		Does:    "where telemetry is sent; over HTTP to the paths /v1/traces, /v1/metrics and /v1/logs below it",
		Default: "`Config.Endpoint`, else nothing is exported",
	}
	if signal != "" {
		prefix, group = prefix+strings.ToUpper(signal)+"_", "OTLP, "+signal+" only"
		of = func(string) string { return "that of the general variable" }
		endpoint = Variable{
			Does:    "where " + signal + " are sent; over HTTP to exactly this URL",
			Default: "that of the general variable",
		}
	}
	protocols := []string{"http/protobuf", "grpc"}
	if signal == "traces" { // the SDK's other exporters have no JSON, and send protobuf
		protocols = append(protocols, "http/json")
	}
	endpoint.Values = `a URL, such as "http://localhost:4318"; with grpc also "host:port"`
	endpoint.check = endpointURL
	list := []Variable{
		endpoint,
		{
			Name: "PROTOCOL", Does: "encoding and transport", Values: strings.Join(protocols, " or "),
			Default: of("`Config.Protocol`, else http/protobuf"), check: oneOf(exactly, protocols...),
		},
		{
			Name: "HEADERS", Does: "headers of each request, such as an API key",
			Values: "a list such as key=value,key=value, with other characters as %20", Default: of("none"),
			check: headerList, secret: true,
		},
		{
			Name: "TIMEOUT", Does: "longest time for an export with its retries", Values: milliseconds.values,
			Default: of("10000"), check: milliseconds.check,
		},
		{
			Name: "COMPRESSION", Does: "compression of requests", Values: "gzip or none",
			Default: of("none"), check: oneOf(exactly, "gzip", "none"),
		},
		{
			Name: "CERTIFICATE", Does: "certificates that the receiver's is checked with, at an https endpoint",
			Values: "the path of a PEM file with certificates", Default: of("the system's"), check: certificates,
		},
		{
			Name: "CLIENT_CERTIFICATE", Does: "certificate that we show the receiver; goes with `" + prefix + "CLIENT_KEY`",
			Values: "the path of a PEM file with certificates", Default: of("none"), check: certificates,
		},
		{
			Name: "CLIENT_KEY", Does: "key of `" + prefix + "CLIENT_CERTIFICATE`",
			Values: "the path of a PEM file", Default: of("none"), check: readable,
		},
		{
			Name: "INSECURE", Does: "no TLS towards an endpoint without a scheme, which grpc may have",
			Values: `"true" or "false"`, Default: of("false"), check: oneOf(normal, "true", "false"),
		},
	}
	list[0].Name = "ENDPOINT"
	for i := range list {
		list[i].Name = prefix + list[i].Name
		list[i].Group, list[i].Spec = group, otlpSpec
	}
	return list
}

// batchVariables returns the variables of a batch processor.
func batchVariables(prefix, things, delay, section string) []Variable {
	group := "Batches of " + things
	size := number(prefix+"_MAX_EXPORT_BATCH_SIZE", group, "most "+things+" of an export", positive, "512", section)
	size.Values += ", at most " + prefix + "_MAX_QUEUE_SIZE"
	size.check = func(value string) error {
		if err := positive.check(value); err != nil {
			return err
		}
		queue, err := strconv.Atoi(cmp.Or(os.Getenv(prefix+"_MAX_QUEUE_SIZE"), "2048"))
		if batch, _ := strconv.Atoi(value); err == nil && batch > queue {
			return fmt.Errorf("which is %d", queue)
		}
		return nil
	}
	return []Variable{
		number(prefix+"_SCHEDULE_DELAY", group, "time between two exports", milliseconds, delay, section),
		number(prefix+"_EXPORT_TIMEOUT", group, "longest time for an export", milliseconds, "30000", section),
		number(prefix+"_MAX_QUEUE_SIZE", group, "most "+things+" that wait; what comes on top is lost", positive, "2048", section),
		size,
	}
}

// unit is a kind of whole number.
type unit struct {
	values string
	check  func(string) error
}

var (
	milliseconds = unit{"a whole number of milliseconds, at least 1", between(1, math.MaxInt64/int(time.Millisecond))}
	positive     = unit{"a whole number, at least 1", between(1, math.MaxInt32)}
	count        = unit{"a whole number, at least 0", between(0, math.MaxInt32)}
	characters   = unit{"a whole number of characters, at least 0", between(0, math.MaxInt32)}
)

func number(name, group, does string, u unit, standard, section string) Variable {
	return Variable{Name: name, Group: group, Does: does, Values: u.values, Default: standard, Spec: sdkSpec + section, check: u.check}
}

var (
	exporters = []string{"otlp", "console", "none"}
	samplers  = []string{
		"always_on", "always_off", "traceidratio",
		"parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
	}
)

// errNot is the error of a check that has nothing to add to what the variable can
// be.
var errNot = errors.New("")

// variable reads an environment variable. An empty one counts as unset, as the
// specification has it.
func variable(name string) string { return strings.TrimSpace(os.Getenv(name)) }

// checkVariables returns what is wrong with the variables that are set. The
// specification lets an SDK go on with a default and a warning; a service that is
// configured otherwise than its operator thinks is worse off than one that says
// so and ends.
func checkVariables() error {
	var errs []error
	for _, v := range Variables() {
		// Not trimmed: neither does the SDK trim numbers and paths.
		value := os.Getenv(v.Name)
		if variable(v.Name) == "" || v.check == nil {
			continue
		}
		if err := v.check(value); err != nil {
			errs = append(errs, v.wrong(value, err))
		}
	}
	for _, signal := range append([]string{""}, signals...) {
		errs = append(errs, checkClientCertificate(signal))
	}
	return errors.Join(errs...)
}

// wrong says that the variable cannot hold a value.
func (v Variable) wrong(value string, err error) error {
	is := fmt.Sprintf("is %q", value)
	if v.secret {
		is = "cannot be read"
	}
	if err == errNot {
		return fmt.Errorf("%s %s; it has to be %s", v.Name, is, v.Values)
	}
	return fmt.Errorf("%s %s; it has to be %s: %w", v.Name, is, v.Values, err)
}

// normal and exactly are the two ways in which the SDK reads words.
func normal(value string) string  { return strings.ToLower(strings.TrimSpace(value)) }
func exactly(value string) string { return value }

func oneOf(read func(string) string, words ...string) func(string) error {
	return func(value string) error {
		if slices.Contains(words, read(value)) {
			return nil
		}
		return errNot
	}
}

func between(least, most int) func(string) error {
	return func(value string) error {
		if n, err := strconv.Atoi(value); err != nil || n < least || n > most {
			return errNot
		}
		return nil
	}
}

func samplerArgument(value string) error {
	sampler := normal(os.Getenv("OTEL_TRACES_SAMPLER"))
	if !strings.HasSuffix(sampler, "traceidratio") {
		return fmt.Errorf("OTEL_TRACES_SAMPLER is %q", sampler)
	}
	if ratio, err := strconv.ParseFloat(strings.TrimSpace(value), 64); err != nil || !(ratio >= 0 && ratio <= 1) {
		return errNot
	}
	return nil
}

func propagatorNames(value string) error {
	_, err := autoprop.TextMapPropagator(names(value)...)
	return err
}

// names are the items of a list.
func names(value string) []string {
	list := strings.Split(value, ",")
	for i, name := range list {
		list[i] = strings.TrimSpace(name)
	}
	return list
}

func resourceList(value string) error {
	for i, item := range names(value) {
		key, v, found := strings.Cut(item, "=")
		if _, err := url.PathUnescape(v); !found || strings.TrimSpace(key) == "" || err != nil {
			return fmt.Errorf("item %d is %q", i+1, item)
		}
	}
	return nil
}

// headerList does not say what it read: that is a secret.
func headerList(value string) error {
	for i, item := range strings.Split(value, ",") {
		name, v, found := strings.Cut(item, "=")
		v, err := url.PathUnescape(v)
		switch name = strings.TrimSpace(name); {
		case !found:
			return fmt.Errorf("item %d has no =", i+1)
		case name == "" || strings.ContainsFunc(name, notInHeaderName):
			return fmt.Errorf("the name in item %d cannot be that of a header", i+1)
		case err != nil || strings.ContainsFunc(strings.TrimSpace(v), notInHeaderValue):
			return fmt.Errorf("the value in item %d cannot be that of a header", i+1)
		}
	}
	return nil
}

// notInHeaderName says what is no character of a token of RFC 9110.
func notInHeaderName(r rune) bool {
	letter := 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	return !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// notInHeaderValue says what cannot travel in a header of HTTP and of gRPC.
func notInHeaderValue(r rune) bool { return r < ' ' || r > '~' }

// endpointURL checks what both transports can do; for the rest see destinationOf.
func endpointURL(value string) error {
	u, err := url.Parse(withScheme(value, "https"))
	if err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" {
		return errNot
	}
	return nil
}

// withScheme is an endpoint with a scheme, if it has none.
func withScheme(endpoint, scheme string) string {
	endpoint = strings.TrimSpace(endpoint)
	if strings.Contains(endpoint, "://") {
		return endpoint
	}
	return scheme + "://" + endpoint
}

func readable(path string) error {
	_, err := os.ReadFile(path)
	return err
}

func certificates(path string) error {
	pem, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !x509.NewCertPool().AppendCertsFromPEM(pem) {
		return errors.New("it has none")
	}
	return nil
}

// checkClientCertificate checks that a certificate and a key are there and belong
// together. The SDK shows no certificate otherwise, and says nothing.
func checkClientCertificate(signal string) error {
	prefix := "OTEL_EXPORTER_OTLP_"
	if signal != "" {
		prefix += strings.ToUpper(signal) + "_"
	}
	certificate, key := prefix+"CLIENT_CERTIFICATE", prefix+"CLIENT_KEY"
	certificatePath, keyPath := variable(certificate), variable(key)
	switch {
	case certificatePath == "" && keyPath == "":
		return nil
	case keyPath == "":
		return fmt.Errorf("%s is set without %s; the two go together", certificate, key)
	case certificatePath == "":
		return fmt.Errorf("%s is set without %s; the two go together", key, certificate)
	case certificates(certificatePath) != nil || readable(keyPath) != nil:
		return nil // said already
	}
	if _, err := tls.LoadX509KeyPair(certificatePath, keyPath); err != nil {
		return fmt.Errorf("%s and %s do not belong together: %w", certificate, key, err)
	}
	return nil
}
