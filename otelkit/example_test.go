package otelkit_test

import (
	"context"
	"fmt"
	"io"

	"github.com/otelkit/kit/otelkit"
	"github.com/otelkit/kit/otelkit/logs"
	"github.com/otelkit/kit/otelkit/metrics"
)

// Definitions are package variables.
var (
	shop     = metrics.NewCatalog("example.com/shop")
	products = metrics.NewCounter[metrics.None](shop, metrics.Definition{
		Name: "shop.product.views", Unit: "{view}", Help: "Product pages that were shown.",
	})
)

func Example() {
	ctx := context.Background()
	kit, err := otelkit.Start(ctx, otelkit.Config{
		Service:  "shop",
		Catalogs: []*metrics.Catalog{shop},
		Logs:     logs.Config{Output: io.Discard}, // by default standard output
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer kit.Shutdown(ctx)

	ctx, span := kit.TracerProvider().Tracer("example.com/shop").Start(ctx, "show product")
	defer span.End()
	products.Add(ctx, 1, metrics.None{})
	kit.Logger().InfoContext(ctx, "product shown")
	fmt.Println("in a trace:", span.SpanContext().IsValid())
	// Output: in a trace: true
}
