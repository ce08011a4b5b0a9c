//go:build unix

// Package pgtest gives each test a fresh database of a real PostgreSQL.
//
//	func TestOrdersAreKept(t *testing.T) {
//		pool, err := pgxpool.New(t.Context(), pgtest.URL(t))
//		...
//	}
//
// The first URL of a test binary starts a server on a temporary directory; it
// takes under a second, and every further database some 30 ms. The server ends
// with the test binary. Main ends it sooner, and removes its directory:
//
//	func TestMain(m *testing.M) { os.Exit(pgtest.Main(m)) }
//
// With goleak, the server must have ended before leaks are looked for, since
// goroutines watch it:
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Runner{M: m}) }
//
// A test that looks for leaks itself while the server runs calls URL first and
// passes goleak.IgnoreCurrent.
package pgtest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/otelkit/kit/internal/pgserver"
)

// shared is the server of this test binary, started by the first URL.
var shared struct {
	sync.Mutex
	server *pgserver.Server
	err    error
}

var databases atomic.Int64

// URL creates a database and returns its address for pgx. The database is
// dropped, whoever is still connected, when the test ends. If there is no
// PostgreSQL and none to be had, the test fails with what to do about it.
// URL is safe for use in parallel tests.
func URL(t testing.TB) string {
	t.Helper()
	server, err := start()
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("test_%d", databases.Add(1))
	if err := server.CreateDatabase(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.DropDatabase(context.Background(), name); err != nil {
			t.Error(err)
		}
	})
	return server.URL(name)
}

func start() (*pgserver.Server, error) {
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.server, shared.err = pgserver.Start(context.Background(), pgserver.Config{Log: os.Stderr})
	}
	return shared.server, shared.err
}

// Main runs the tests, stops the server if they started one, and returns the
// code for os.Exit.
func Main(m *testing.M) int {
	code := m.Run()
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil {
		return code
	}
	if err := shared.server.Stop(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return max(code, 1)
	}
	return code
}

// Runner is a testing.M that runs its tests by Main, for goleak.VerifyTestMain.
type Runner struct{ M *testing.M }

// Run runs the tests and returns the code for os.Exit.
func (r Runner) Run() int { return Main(r.M) }
