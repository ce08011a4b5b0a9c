package redisdb

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/otelkit/kit/otelkit/otelkittest"
	"go.opentelemetry.io/otel/attribute"
	otellog "go.opentelemetry.io/otel/log"
)

func TestAComplaintIsLoggedOnceAMinuteWithHowOftenItCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kit := otelkittest.New(t)
		var l logger
		l.redirect(kit.Logger())
		complain := func() { l.Printf(t.Context(), "redis: failed to dial after %d attempts", 2) }

		complain()
		kit.Log("go-redis complains", attribute.Int("otelkit.redisdb.complaints", 1)).HasSeverity(otellog.SeverityWarn).Has(
			attribute.String("exception.message", "failed to dial after 2 attempts"))
		for range 100 {
			complain()
		}
		l.Printf(t.Context(), "putConn called with nil connection") // of another kind
		if n := len(kit.Logs()); n != 2 {
			t.Errorf("%d records, want 2", n)
		}
		time.Sleep(complainEvery)
		complain()
		kit.Log("go-redis complains", attribute.Int("otelkit.redisdb.complaints", 101))
	})
}

// go-redis writes a line to stderr for every connection that it cannot make.
func TestAnOutageIsOneRecordAndNotALineForEachCommand(t *testing.T) {
	kit := otelkittest.New(t)
	server := miniredis.RunT(t)
	client, err := Open(t.Context(), Config{URL: "redis://" + server.Addr(), Kit: kit, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	complaints.mu.Lock()
	complaints.kinds = nil // of other tests
	complaints.mu.Unlock()
	server.Close()
	for range 20 {
		client.Get(t.Context(), "key")
	}
	kit.Log("go-redis complains")
}

func TestNamesOfCommandsAreNotRememberedWithoutEnd(t *testing.T) {
	var o operations
	for i := range 10 * maxOperations {
		name := time.Duration(i).String()
		if got := o.of("", name); got.name == "" {
			t.Fatalf("no operation of %s", name)
		}
	}
	if len(o.known) > maxOperations {
		t.Errorf("%d are remembered", len(o.known))
	}
	if o.of("PIPELINE", "0s") == o.of("", "0s") {
		t.Error("a pipeline is taken for a command")
	}
}
