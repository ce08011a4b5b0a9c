package redisdb_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/otelkit/kit/otelkit/internal/dbclient/dbclienttest"
	"github.com/otelkit/kit/otelkit/otelkittest"
	"github.com/otelkit/kit/otelkit/redisdb"
	"github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// swallowed opens a client with patience for an hour, so that only a context can
// end what it does, and has Redis not answer any more.
func swallowed(t *testing.T, kit *otelkittest.Kit) *redis.Client {
	t.Helper()
	proxy := dbclienttest.NewProxy(t, "tcp", miniredis.RunT(t).Addr())
	client, err := redisdb.Open(t.Context(), redisdb.Config{URL: "redis://" + proxy.Addr, Kit: kit, Timeout: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	proxy.Swallow()
	return client
}

// go-redis' own: 5.04 s a command, whatever its context says, since
// ContextTimeoutEnabled is off.
func TestACommandIntoABlackHoleKeepsToItsContextsDeadline(t *testing.T) {
	kit := otelkittest.New(t)
	client := swallowed(t, kit)
	dbclienttest.Request(t, kit, func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
		defer cancel()
		if err := client.Get(ctx, "key").Err(); err == nil {
			t.Fatal("no error")
		}
	})
	kit.Span("GET").HasStatus(codes.Error).Has(semconv.ErrorTypeKey.String("timeout"))
}

func TestACheckIsNotHeldUpByABlackHole(t *testing.T) {
	client := swallowed(t, otelkittest.New(t))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := redisdb.Check(client)(ctx); err == nil || !strings.Contains(err.Error(), "does not answer") {
		t.Errorf("error %v", err)
	}
}
