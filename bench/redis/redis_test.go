// Package redis_test measures otelkit/redisdb beside redisotel v9.23.0, on a miniredis.
//
//	go test -run '^$' -bench . -benchmem ./redis
//
// miniredis is in this process, so its own time and allocations are in every figure:
// what the instrumentation takes is the difference from "bare". redisotel is used as its
// documentation says, with spans and metrics.
package redis_test

import (
	"errors"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/otelkit/kit/bench/providers"
	"github.com/otelkit/kit/otelkit/redisdb"
	"github.com/redis/go-redis/extra/redisotel/v9"
	"github.com/redis/go-redis/v9"
)

// BenchmarkCommand is a GET of a key that is there.
func BenchmarkCommand(b *testing.B) {
	compare(b, func(b *testing.B, kit *providers.Kit, client *redis.Client) {
		ctx := kit.Request(b)
		b.ReportAllocs()
		for b.Loop() {
			if err := client.Get(ctx, "key").Err(); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkPipeline is ten of them at once.
func BenchmarkPipeline(b *testing.B) {
	compare(b, func(b *testing.B, kit *providers.Kit, client *redis.Client) {
		ctx := kit.Request(b)
		b.ReportAllocs()
		for b.Loop() {
			pipe := client.Pipeline()
			for range 10 {
				pipe.Get(ctx, "key")
			}
			if _, err := pipe.Exec(ctx); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func compare(b *testing.B, run func(*testing.B, *providers.Kit, *redis.Client)) {
	providers.Each(b, func(b *testing.B, kit *providers.Kit) {
		server := miniredis.RunT(b)
		if err := server.Set("key", "value"); err != nil {
			b.Fatal(err)
		}
		for _, side := range []struct {
			name string
			open func() (*redis.Client, error)
		}{
			{"bare", func() (*redis.Client, error) { return redis.NewClient(&redis.Options{Addr: server.Addr()}), nil }},
			{"otelkit", func() (*redis.Client, error) {
				return redisdb.Open(b.Context(), redisdb.Config{URL: "redis://" + server.Addr(), Kit: kit})
			}},
			{"redisotel", func() (*redis.Client, error) {
				client := redis.NewClient(&redis.Options{Addr: server.Addr()})
				return client, errors.Join(
					redisotel.InstrumentTracing(client, redisotel.WithTracerProvider(kit.Tracers)),
					redisotel.InstrumentMetrics(client, redisotel.WithMeterProvider(kit.Meters)),
				)
			}},
		} {
			b.Run(side.name, func(b *testing.B) {
				client, err := side.open()
				if err != nil {
					b.Fatal(err)
				}
				defer client.Close()
				run(b, kit, client)
			})
		}
	})
}
