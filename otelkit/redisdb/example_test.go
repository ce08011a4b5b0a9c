package redisdb_test

import (
	"context"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/otelkit/kit/otelkit/redisdb"
)

func Example() {
	server, err := miniredis.Run() // a Redis for tests, in this process
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Close()

	ctx := context.Background() // in a handler, the request's
	client, err := redisdb.Open(ctx, redisdb.Config{
		URL: "redis://" + server.Addr(),
		// Kit: kit, from otelkit.Start
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	client.Set(ctx, "catalogue:DE", "...", time.Minute)
	fmt.Println(client.Get(ctx, "catalogue:DE").Val())
	// Output: ...
}
