// Command otelkit is bare with otelkit's telemetry.
package main

import (
	"context"
	"log"
	"net/http"

	"github.com/otelkit/kit/otelkit"
)

func main() {
	ctx := context.Background()
	kit, err := otelkit.Start(ctx, otelkit.Config{Service: "bench"})
	if err != nil {
		log.Fatal(err)
	}
	defer kit.Shutdown(ctx)
	_ = http.ListenAndServe("localhost:0", nil)
}
