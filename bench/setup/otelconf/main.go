// Command otelconf is bare with what contrib's otelconf makes of a file.
package main

import (
	"context"
	"log"
	"net/http"
	"os"

	"go.opentelemetry.io/contrib/otelconf"
)

func main() {
	ctx := context.Background()
	file, err := os.ReadFile(os.Getenv("OTEL_CONFIG_FILE"))
	if err != nil {
		log.Fatal(err)
	}
	config, err := otelconf.ParseYAML(file)
	if err != nil {
		log.Fatal(err)
	}
	sdk, err := otelconf.NewSDK(otelconf.WithContext(ctx), otelconf.WithOpenTelemetryConfiguration(*config))
	if err != nil {
		log.Fatal(err)
	}
	defer sdk.Shutdown(ctx)
	_ = http.ListenAndServe("localhost:0", nil)
}
