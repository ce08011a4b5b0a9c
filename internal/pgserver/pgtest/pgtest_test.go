//go:build unix

package pgtest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/otelkit/kit/internal/pgserver/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Runner{M: m}) }

func TestEachTestHasItsOwnDatabase(t *testing.T) {
	for _, name := range []string{"first", "second"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t, pgtest.URL(t))
			if _, err := conn.Exec(t.Context(), "CREATE TABLE orders (id int)"); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestTheDatabaseIsGoneAfterTheTestThoughSomebodyIsConnected(t *testing.T) {
	var url string
	t.Run("owner", func(t *testing.T) {
		url = pgtest.URL(t)
		connect(t, url)
	})
	conn, err := pgx.Connect(t.Context(), url)
	if err == nil {
		conn.Close(t.Context())
		t.Fatalf("%s can still be opened", url)
	}
}

// connect leaves its connection open: dropping the database must not need
// tests to be tidy.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}
