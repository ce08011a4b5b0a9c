package shop

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"

	"github.com/otelkit/kit/internal/child"
)

// redisBackends runs a test over each kind of Redis that the machine has. kill
// ends it in the middle of things.
func redisBackends(t *testing.T, test func(t *testing.T, url string, kill func())) {
	t.Helper()
	t.Run("miniredis", func(t *testing.T) {
		redis := miniredis.RunT(t)
		test(t, "redis://"+redis.Addr(), redis.Close)
	})
	if path := redisServer(t); path != "" {
		t.Run("redis-server", func(t *testing.T) {
			url, p := startRedis(t, path)
			test(t, url, func() { p.Stop(context.Background(), 0, syscall.SIGKILL) })
		})
	}
}

// redisServer returns the path of the program, "" if there is none and none is
// required.
func redisServer(t testing.TB) string {
	t.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil && os.Getenv("OTELKIT_REQUIRE_REDIS") != "" {
		t.Fatal("OTELKIT_REQUIRE_REDIS is set and redis-server is not on PATH: install it, or unset the variable to test on miniredis alone")
	}
	return path
}

// startRedis starts a redis-server on a socket, for as long as the test runs.
func startRedis(t testing.TB, path string) (url string, p *child.Process) {
	t.Helper()
	dir, err := os.MkdirTemp("", "shop") // not t.TempDir: a socket's path has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "redis.sock")
	cmd := exec.Command(path, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no")
	cmd.Dir = dir
	p, err = child.Start(cmd, nil, syscall.SIGKILL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(context.Background(), 0, syscall.SIGKILL) })
	client := goredis.NewClient(&goredis.Options{Network: "unix", Addr: socket})
	defer client.Close()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for client.Ping(t.Context()).Err() != nil {
		select {
		case <-p.Done():
			t.Fatalf("redis-server ended with %v:\n%s", p.Err(), strings.Join(p.Tail(), "\n"))
		case <-tick.C:
		}
	}
	return "unix://" + socket, p
}

// calls counts what reaches Redis, and keeps how long each call may take.
type calls struct {
	mu      sync.Mutex
	names   []string
	patient []time.Duration
}

func (c *calls) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (c *calls) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		if !setsUp(cmd) && cmd.Name() != "ping" {
			deadline, _ := ctx.Deadline()
			c.mu.Lock()
			c.names = append(c.names, cmd.Name())
			c.patient = append(c.patient, time.Until(deadline))
			c.mu.Unlock()
		}
		return next(ctx, cmd)
	}
}

func (c *calls) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return next
}

// made returns the calls since the last time.
func (c *calls) made() (names []string, patient []time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	names, patient, c.names, c.patient = c.names, c.patient, nil, nil
	return names, patient
}

// watchRedis counts what the service asks Redis from now on.
func (f *fixture) watchRedis() *calls {
	c := new(calls)
	f.shop.cache.client.Load().AddHook(c)
	return c
}
