// Command environment prints docs/reference/environment.md: the variables that
// otelkit honours, from the table that it honours them by.
package main

import (
	"fmt"
	"strings"

	"github.com/otelkit/kit/otelkit"
)

func main() { fmt.Print(page(otelkit.Variables())) }

const head = `<!-- Generated from otelkit.Variables by "make generate"; do not edit. -->

# Environment variables

What ` + "`otelkit.Start`" + ` reads. The names and what they mean are those of the [OpenTelemetry specification](https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/). A variable rules over ` + "`otelkit.Config`" + `; one that is empty counts as unset.

**Every value is checked, and a service with a wrong one does not start**: the error names each variable, what it holds (but for headers, which hold secrets) and what it can hold. The specification would have an SDK go on with the default and a warning.

A variable for one signal rules over the general one. A variable that begins with ` + "`OTEL_`" + ` and is not here has no effect, and a line at start says so, with the name that may have been meant.

With ` + "`OTEL_CONFIG_FILE`" + ` the file says everything, and all other variables are ignored but where the file names them: ` + "`${OTEL_EXPORTER_OTLP_ENDPOINT}`" + `. A line at start says which are set. The package ` + "`otelkit/configfile`" + ` reads the file.

`

// tail is what the specification has and we do not.
const tail = `## What the specification has besides

| Variable | Here |
|---|---|
| ` + "`OTEL_TRACES_EXPORTER=zipkin`, `OTEL_EXPORTER_ZIPKIN_*`" + ` | refused; the variables have no effect. Zipkin's exporter is deprecated: send OTLP |
| ` + "`OTEL_METRICS_EXPORTER=prometheus`, `OTEL_EXPORTER_PROMETHEUS_*`" + ` | refused; the variables have no effect. Prometheus takes OTLP |
| more than one exporter, as in ` + "`otlp,console`" + ` | refused; a configuration file can have several |
| ` + "`OTEL_TRACES_SAMPLER=jaeger_remote`, `parentbased_jaeger_remote`, `xray`" + ` | refused; the Go SDK has none of them |
| ` + "`OTEL_EXPORTER_OTLP_PROTOCOL=http/json`, and for metrics and logs" + ` | refused; the Go exporters of metrics and logs send protobuf all the same |
| ` + "`OTEL_LOG_LEVEL`" + ` | no effect: what goes wrong with the telemetry is logged once a minute for each cause |
| ` + "`OTEL_EXPORTER_OTLP_SPAN_INSECURE`, `OTEL_EXPORTER_OTLP_METRIC_INSECURE`" + ` | no effect: the old names of ` + "`OTEL_EXPORTER_OTLP_TRACES_INSECURE` and `OTEL_EXPORTER_OTLP_METRICS_INSECURE`" + ` |
| ` + "`OTEL_ENTITIES`" + ` | no effect: in development |
| ` + "`OTEL_GO_X_*`" + ` | experiments of the Go SDK, which reads them itself |
`

// page is the page, by the groups of the table.
func page(variables []otelkit.Variable) string {
	var b strings.Builder
	b.WriteString(head)
	group := ""
	for _, v := range variables {
		if v.Group != group {
			if group != "" {
				b.WriteString("\n")
			}
			group = v.Group
			fmt.Fprintf(&b, "## %s\n\n| Variable | What it decides | It has to be | Default |\n|---|---|---|---|\n", group)
		}
		fmt.Fprintf(&b, "| [`%s`](%s) | %s | %s | %s |\n", v.Name, v.Spec, v.Does, v.Values, v.Default)
	}
	b.WriteString("\n" + tail)
	return b.String()
}
