//go:build unix

package redistest_test

import (
	"testing"

	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"

	"github.com/otelkit/kit/internal/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestEachTestHasARedisOfItsOwn(t *testing.T) {
	for range 2 {
		redistest.Each(t, func(t *testing.T, url string, kill func()) {
			options, err := redis.ParseURL(url)
			if err != nil {
				t.Fatal(err)
			}
			options.MaxRetries, options.DialerRetries = -1, 1
			client := redis.NewClient(options)
			defer client.Close()
			if n, err := client.Incr(t.Context(), "runs").Result(); n != 1 || err != nil {
				t.Errorf("the first to count got %d, %v", n, err)
			}
			kill()
			if err := client.Ping(t.Context()).Err(); err == nil {
				t.Error("it was killed, and answers")
			}
		})
	}
}
