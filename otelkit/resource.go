package otelkit

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// resourceOf describes the service and where it runs: what can be detected, then
// Config, then the variables, unless a file replaces them, each over the one
// before. The command line is left out, since people put secrets there.
func resourceOf(ctx context.Context, cfg Config, fromVariables bool) (*resource.Resource, error) {
	variables := resource.Empty()
	if fromVariables {
		// An error is one of OTEL_RESOURCE_ATTRIBUTES, which is checked.
		variables, _ = resource.New(ctx, resource.WithFromEnv())
		if name, _ := variables.Set().Value(semconv.ServiceNameKey); cfg.Service == "" && name.AsString() == "" {
			return nil, errors.New("the service has no name; set Config.Service or OTEL_SERVICE_NAME")
		}
	}
	for _, a := range slices.Concat(cfg.attributes(), variables.Attributes()) {
		if !areValid([]attribute.KeyValue{a}) {
			return nil, fmt.Errorf("describing the service: the attribute %q is %q; it has to be UTF-8", a.Key, a.Value.String())
		}
	}
	// What cannot be detected, such as a host's name in a sandbox, is left out.
	detected, err := resource.New(ctx,
		resource.WithSchemaURL(semconv.SchemaURL),
		resource.WithTelemetrySDK(),
		resource.WithService(), // a random service.instance.id
		resource.WithHost(),
		resource.WithOSType(),
		resource.WithContainer(),
		resource.WithProcessPID(),
		resource.WithProcessExecutableName(),
		resource.WithProcessRuntimeName(),
		resource.WithProcessRuntimeVersion(),
		resource.WithAttributes(cfg.attributes()...),
	)
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("describing the service: %w", err)
	}
	merged, err := resource.Merge(detected, variables)
	if err != nil {
		return nil, fmt.Errorf("describing the service: %w", err)
	}
	if !areValid(merged.Attributes()) { // the name of the executable, say; no export would succeed
		merged = resource.NewWithAttributes(merged.SchemaURL(), valid(merged.Attributes())...)
	}
	return merged, nil
}

// attributes are the resource attributes that Config says.
func (cfg Config) attributes() []attribute.KeyValue {
	if cfg.Version == "" {
		cfg.Version = buildVersion()
	}
	var attrs []attribute.KeyValue
	for key, value := range map[attribute.Key]string{
		semconv.ServiceNameKey:               cfg.Service,
		semconv.ServiceNamespaceKey:          cfg.Namespace,
		semconv.ServiceVersionKey:            cfg.Version,
		semconv.DeploymentEnvironmentNameKey: cfg.Environment,
	} {
		if value != "" {
			attrs = append(attrs, key.String(value))
		}
	}
	return attrs
}

// buildVersion returns the version of the program: that of its main module, or
// the commit that it was built from.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return setting.Value
		}
	}
	return ""
}
