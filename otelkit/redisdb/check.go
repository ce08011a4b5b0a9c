package redisdb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// checkTimeout is how long a check takes at most when its context does not say.
const checkTimeout = time.Second

// Check returns a check for otelkit/health: does Redis answer on a connection of
// this client's pool?
//
//	health.Check{Name: "redis", Run: redisdb.Check(client)}
//
// A pool whose connections are all in use is no failure of Redis, and the instance
// must not lose its traffic for being busy, which would leave the others busier.
// So a check that gets no connection passes if others were given one that had
// been returned: it must have answered. It fails if nobody was: then all
// connections hang, or are held and forgotten.
//
// It ends with its context, after a second at the latest. It is measured as a PING.
func Check(client *redis.Client) func(context.Context) error {
	return check(client, checkTimeout)
}

func check(client *redis.Client, atMost time.Duration) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, atMost)
		defer cancel()
		before := client.PoolStats().Hits
		err := client.Ping(ctx).Err()
		if err == nil {
			return nil
		}
		stats := client.PoolStats()
		size := client.Options().PoolSize
		busy := int(stats.TotalConns)-int(stats.IdleConns) >= size
		waited := errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, context.DeadlineExceeded)
		switch {
		case busy && waited && stats.Hits != before:
			return nil
		case busy && waited:
			return fmt.Errorf("redisdb: all %d connections of the pool are in use, and none was returned while the check waited: %w", size, err)
		default:
			return fmt.Errorf("redisdb: Redis does not answer: %w", err)
		}
	}
}
