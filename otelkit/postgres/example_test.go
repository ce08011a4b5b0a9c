package postgres_test

import (
	"context"
	"fmt"
	"time"

	"github.com/otelkit/kit/otelkit/postgres"
)

func Example() {
	ctx := context.Background()
	pool, err := postgres.Open(ctx, postgres.Config{
		URL: "postgres://shop:secret@127.0.0.1:1/shop", // where nothing listens
		// Kit: kit, from otelkit.Start
		SearchPath:     "payments",
		ConnectTimeout: time.Second,
	})
	if err != nil {
		fmt.Println("no database, and no password in the error")
		return
	}
	defer pool.Close()

	var orders int
	if err := pool.QueryRow(ctx, "select count(*) from orders").Scan(&orders); err != nil {
		fmt.Println(err)
	}
	// Output: no database, and no password in the error
}
