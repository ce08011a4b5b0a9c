package segments_test

import (
	"context"
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/otelkit/kit/examples/webstore/segments"
	"github.com/otelkit/kit/examples/webstore/telemetry"
)

func Example() {
	server, err := miniredis.Run()
	if err != nil {
		panic(err)
	}
	defer server.Close()
	client := redis.NewClient(&redis.Options{Addr: server.Addr()})
	defer client.Close()

	ctx := context.Background()
	now := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for _, after := range []time.Duration{0, time.Minute, 60 * 24 * time.Hour} {
		now = now.Add(after)
		before, err := segments.Act(ctx, client, 42, telemetry.ActionBrowse, now)
		if err != nil {
			panic(err)
		}
		fmt.Println(before.Segment(now))
	}
	// Output:
	// new
	// returning
	// at_risk
}
