//go:build unix

// Package redistest runs tests on every kind of Redis that there is: miniredis, which
// is in the test's own process, and a redis-server, where the machine has one.
//
//	func TestPurchasesAreCounted(t *testing.T) {
//		redistest.Each(t, func(t *testing.T, url string, kill func()) {
//			options, err := redis.ParseURL(url)
//			...
//		})
//	}
//
// With OTELKIT_REQUIRE_REDIS set, a machine without redis-server fails the test:
// otherwise nobody would notice that half of it has never run.
package redistest

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/otelkit/kit/internal/child"
)

// required is the variable that makes a redis-server necessary.
const required = "OTELKIT_REQUIRE_REDIS"

// Each runs a test on each kind of Redis, each time on an empty one that ends with the
// test. url is what redis.ParseURL takes; kill ends the Redis in the middle of things.
func Each(t *testing.T, test func(t *testing.T, url string, kill func())) {
	t.Helper()
	t.Run("miniredis", func(t *testing.T) {
		server := miniredis.RunT(t)
		test(t, "redis://"+server.Addr(), server.Close)
	})
	if !Available(t) {
		return
	}
	t.Run("redis-server", func(t *testing.T) {
		url, server := Start(t)
		test(t, url, func() { server.Stop(context.Background(), 0, syscall.SIGKILL) })
	})
}

// Available reports whether the machine has a redis-server. If it has to, and has not,
// it fails the test.
func Available(t testing.TB) bool {
	t.Helper()
	_, err := exec.LookPath("redis-server")
	if err != nil && os.Getenv(required) != "" {
		t.Fatalf("%s is set and redis-server is not on PATH: install it (apt-get install redis-server), or unset the variable to test on miniredis alone", required)
	}
	return err == nil
}

// Start starts a redis-server that keeps nothing and ends with the test.
func Start(t testing.TB) (url string, server *child.Process) {
	t.Helper()
	dir, err := os.MkdirTemp("", "redis") // not t.TempDir: a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "redis.sock")
	cmd := exec.Command("redis-server", "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no")
	cmd.Dir = dir
	server, err = child.Start(cmd, nil, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Stop(context.Background(), 0, syscall.SIGKILL) }) // it may have been told to hang
	if err := untilReady(t.Context(), server, socket); err != nil {
		t.Fatalf("redis-server did not start: %v\n%s", err, server.Tail())
	}
	return "unix://" + socket, server
}

// untilReady waits until a server answers, and returns why it never will.
func untilReady(ctx context.Context, server *child.Process, socket string) error {
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: socket, MaxRetries: -1, DialerRetries: 1})
	defer client.Close()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		err := client.Ping(ctx).Err()
		if err == nil {
			return nil
		}
		select {
		case <-server.Done():
			return err
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}
