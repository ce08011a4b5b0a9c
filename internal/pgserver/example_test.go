//go:build unix

package pgserver_test

import (
	"context"
	"fmt"
	"log"

	"github.com/jackc/pgx/v5"

	"github.com/otelkit/kit/internal/pgserver"
)

func Example() {
	ctx := context.Background()
	server, err := pgserver.Start(ctx, pgserver.Config{Databases: []string{"shop"}})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Stop(ctx)

	conn, err := pgx.Connect(ctx, server.URL("shop"))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close(ctx)
	var database, user string
	if err := conn.QueryRow(ctx, "SELECT current_database(), current_user").Scan(&database, &user); err != nil {
		log.Fatal(err)
	}
	fmt.Println(database, user)
	// Output: shop postgres
}
