package ratelimit_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/otelkit/kit/internal/child"
	"github.com/otelkit/kit/otelkit/ratelimit"
	"github.com/redis/go-redis/v9"
	"go.uber.org/goleak"
)

// servers are real Redis servers for all tests of the package, where the machine has
// redis-server: one alone, and one that is a cluster, which refuses a script whose keys
// are not in one slot.
var servers struct{ socket, cluster string }

func TestMain(m *testing.M) {
	stop, err := startServers()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m, goleak.IgnoreCurrent(), goleak.Cleanup(func(code int) {
		stop()
		os.Exit(code)
	}))
}

func startServers() (stop func(), err error) {
	path, err := exec.LookPath("redis-server")
	if err != nil {
		if os.Getenv("OTELKIT_REQUIRE_REDIS") != "" {
			return nil, errors.New("OTELKIT_REQUIRE_REDIS is set and redis-server is not on PATH: install it (apt-get install redis-server), or unset the variable to test on miniredis alone")
		}
		return func() {}, nil
	}
	dir, err := os.MkdirTemp("", "ratelimit") // not t.TempDir: a socket's path has to be short
	if err != nil {
		return nil, err
	}
	var running []*child.Process
	stop = func() {
		for _, p := range running {
			p.Stop(context.Background(), time.Second, syscall.SIGTERM)
		}
		os.RemoveAll(dir)
	}
	servers.socket = filepath.Join(dir, "redis.sock")
	port, bus := freePorts()
	servers.cluster = net.JoinHostPort("127.0.0.1", port)
	for _, s := range []struct {
		options redis.Options
		args    []string
	}{
		{redis.Options{Network: "unix", Addr: servers.socket}, []string{"--port", "0", "--unixsocket", servers.socket}},
		{redis.Options{Addr: servers.cluster}, []string{"--port", port, "--cluster-port", bus, "--bind", "127.0.0.1", "--cluster-enabled", "yes"}},
	} {
		cmd := exec.Command(path, append(s.args, "--save", "", "--appendonly", "no")...)
		cmd.Dir = dir
		p, err := child.Start(cmd, nil, syscall.SIGKILL)
		if err != nil {
			stop()
			return nil, err
		}
		running = append(running, p)
		if err := ready(p, &s.options); err != nil {
			stop()
			return nil, fmt.Errorf("redis-server %v: %w\n%s", s.args, err, p.Tail())
		}
	}
	return stop, joinCluster()
}

// ready waits until a server answers.
func ready(p *child.Process, options *redis.Options) error {
	client := redis.NewClient(options)
	defer client.Close()
	for {
		err := client.Ping(context.Background()).Err()
		if err == nil {
			return nil
		}
		select {
		case <-p.Done():
			return fmt.Errorf("ended: %w", errors.Join(p.Err(), err))
		default:
		}
	}
}

// joinCluster makes the one server a cluster.
func joinCluster() error {
	client := redis.NewClient(&redis.Options{Addr: servers.cluster})
	defer client.Close()
	ctx := context.Background()
	if err := client.ClusterAddSlotsRange(ctx, 0, 16383).Err(); err != nil {
		return err
	}
	for {
		info, err := client.ClusterInfo(ctx).Result()
		if err != nil {
			return err
		}
		if bytes.Contains([]byte(info), []byte("cluster_state:ok")) {
			return nil
		}
	}
}

func freePorts() (string, string) {
	var ports [2]string
	for i := range ports {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		defer l.Close()
		ports[i] = strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	}
	return ports[0], ports[1]
}

// clock is a clock that a test sets.
type clock struct{ now time.Time }

func newClock() *clock { return &clock{time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time          { return c.now }
func (c *clock) advance(d time.Duration) { c.now = c.now.Add(d) }

// backend is where limits are kept. Its limiters share their limits, but for memory.
type backend struct {
	name   string
	client redis.UniversalClient // nil for memory
}

// limiter returns a limiter that shares its keys with those of the same test.
func (b backend) limiter(t *testing.T, cfg ratelimit.Config) *ratelimit.Limiter {
	t.Helper()
	cfg.Redis = b.client
	if cfg.Prefix == "" {
		cfg.Prefix = t.Name() + ":"
	}
	if cfg.Instances == 0 {
		cfg.Instances = 1
	}
	if cfg.Wait == 0 {
		cfg.Wait = time.Minute // a test machine may be slow
	}
	return newLimiter(t, cfg)
}

func newLimiter(t testing.TB, cfg ratelimit.Config) *ratelimit.Limiter {
	t.Helper()
	l, err := ratelimit.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// redisBackends runs a test on every kind of Redis that the machine has.
func redisBackends(t *testing.T, test func(*testing.T, backend)) {
	run := func(name string, client redis.UniversalClient) {
		t.Run(name, func(t *testing.T) {
			defer client.Close()
			if err := client.FlushAll(t.Context()).Err(); err != nil { // of an earlier run
				t.Fatal(err)
			}
			test(t, backend{name, client})
		})
	}
	mini := miniredis.RunT(t)
	run("miniredis", redis.NewClient(&redis.Options{Addr: mini.Addr()}))
	if servers.socket == "" {
		return
	}
	run("redis-server", redis.NewClient(&redis.Options{Network: "unix", Addr: servers.socket}))
	run("redis cluster", redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{servers.cluster}}))
	run("redis cluster behind one address", redis.NewClient(&redis.Options{Addr: servers.cluster}))
}

// backends runs a test on memory and on every kind of Redis.
func backends(t *testing.T, test func(*testing.T, backend)) {
	t.Run("memory", func(t *testing.T) { test(t, backend{name: "memory"}) })
	redisBackends(t, test)
}

// allow takes one unit.
func allow(t testing.TB, l *ratelimit.Limiter, limit, key string) ratelimit.Result {
	t.Helper()
	r, err := l.Allow(context.Background(), limit, key)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func take(t testing.TB, l *ratelimit.Limiter, asks ...ratelimit.Ask) ratelimit.Decision {
	t.Helper()
	d, err := l.Take(context.Background(), asks...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
