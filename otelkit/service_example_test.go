package otelkit_test

import (
	"context"
	"net/http"

	"github.com/otelkit/kit/otelkit"
	"github.com/otelkit/kit/otelkit/httpclient"
	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/postgres"
	"github.com/otelkit/kit/otelkit/redisdb"
)

// A whole service: what it serves, calls, stores and caches is observed by the
// same kit.
func ExampleStart() {
	ctx := context.Background()
	run := func(databaseURL, redisURL string, mux *http.ServeMux) error {
		kit, err := otelkit.Start(ctx, otelkit.Config{Service: "orders", Catalogs: []*metrics.Catalog{shop}})
		if err != nil {
			return err
		}
		defer kit.Shutdown(ctx)

		db, err := postgres.Open(ctx, postgres.Config{URL: databaseURL, Kit: kit})
		if err != nil {
			return err
		}
		defer db.Close()
		cache, err := redisdb.Open(ctx, redisdb.Config{URL: redisURL, Kit: kit})
		if err != nil {
			return err
		}
		defer cache.Close()
		client := &http.Client{Transport: httpclient.Transport(nil, httpclient.Config{Kit: kit})}
		mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
			// db, cache and client are used with r.Context(): their spans stand below the request's.
			_, _, _ = db, cache, client
		})
		server := &http.Server{Addr: "127.0.0.1:8080", Handler: httpserver.Wrap(mux, httpserver.Config{Kit: kit})}
		kit.Logger().InfoContext(ctx, "ready", "address", server.Addr)
		return server.ListenAndServe()
	}
	_ = run
}
