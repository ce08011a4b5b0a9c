package redisdb_test

import (
	"context"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/otelkit/kit/otelkit/otelkittest"
	"github.com/otelkit/kit/otelkit/redisdb"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// blackHole stands before a Redis and can swallow what it is sent: connections
// stay, new ones are accepted, and nothing comes back.
type blackHole struct {
	addr    string
	swallow atomic.Bool
}

func newBlackHole(t *testing.T) *blackHole {
	t.Helper()
	server := miniredis.RunT(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &blackHole{addr: listener.Addr().String()}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			redis, err := net.Dial("tcp", server.Addr())
			if err != nil {
				t.Error(err)
				return
			}
			serving.Go(func() { b.pipe(redis, client) })
			serving.Go(func() { b.pipe(client, redis) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		serving.Wait()
	})
	return b
}

// pipe hands on what comes in until either side is closed.
func (b *blackHole) pipe(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if b.swallow.Load() {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// open opens a client with patience for an hour, so that only a context can end
// what it does.
func (b *blackHole) open(t *testing.T, kit *otelkittest.Kit) *redis.Client {
	t.Helper()
	client, err := redisdb.Open(t.Context(), redisdb.Config{URL: "redis://" + b.addr, Kit: kit, Timeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// go-redis' own: 5.04 s a command, whatever its context says, since
// ContextTimeoutEnabled is off.
func TestACommandIntoABlackHoleKeepsToItsContextsDeadline(t *testing.T) {
	kit := otelkittest.New(t)
	hole := newBlackHole(t)
	client := hole.open(t, kit)
	hole.swallow.Store(true)
	request(t, kit, func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		if err := client.Get(ctx, "key").Err(); err == nil {
			t.Fatal("no error")
		}
	})
	kit.Span("GET").HasStatus(codes.Error).Has(semconv.ErrorTypeKey.String("timeout"))
}

func TestACheckIsNotHeldUpByABlackHole(t *testing.T) {
	hole := newBlackHole(t)
	client := hole.open(t, otelkittest.New(t))
	hole.swallow.Store(true)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := redisdb.Check(client)(ctx); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("error %v", err)
	}
}
