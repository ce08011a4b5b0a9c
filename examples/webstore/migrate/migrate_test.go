package migrate_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/otelkit/kit/examples/webstore/migrate"
	"github.com/otelkit/kit/internal/pgserver/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Runner{M: m}) }

func connect(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(t.Context(), pgtest.URL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// files makes a directory of pairs of name and content.
func files(pairs ...string) fstest.MapFS {
	dir := fstest.MapFS{}
	for i := 0; i+1 < len(pairs); i += 2 {
		dir[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return dir
}

// rows counts the rows of a table.
func rows(t *testing.T, pool *pgxpool.Pool, table string) (n int) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM `+table).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

const (
	first  = "0001_things.sql"
	second = "0002_more.sql"
	create = "CREATE TABLE things (id integer); INSERT INTO things VALUES (1);"
	more   = "INSERT INTO things VALUES (2), (3);"
)

func TestEachMigrationIsAppliedOnce(t *testing.T) {
	pool := connect(t)
	for _, dir := range []fstest.MapFS{files(first, create), files(first, create, second, more), files(first, create, second, more)} {
		if err := migrate.Up(t.Context(), pool, "store", dir); err != nil {
			t.Fatal(err)
		}
	}
	if n := rows(t, pool, "store.things"); n != 3 {
		t.Errorf("%d rows, want 3", n)
	}
	if n := rows(t, pool, "store.migrations"); n != 2 {
		t.Errorf("%d migrations noted, want 2", n)
	}
}

func TestInstancesThatStartTogetherWaitForOneAnother(t *testing.T) {
	pool := connect(t)
	var instances sync.WaitGroup
	for range 8 {
		instances.Go(func() {
			if err := migrate.Up(t.Context(), pool, "store", files(first, create, second, more)); err != nil {
				t.Error(err)
			}
		})
	}
	instances.Wait()
	if n := rows(t, pool, "store.things"); n != 3 {
		t.Errorf("%d rows, want 3", n)
	}
}

func TestTwoSchemasOfOneDatabaseAreApart(t *testing.T) {
	pool := connect(t)
	for _, schema := range []string{"shop", "payments"} {
		if err := migrate.Up(t.Context(), pool, schema, files(first, create)); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := rows(t, pool, "shop.things"), rows(t, pool, "payments.things"); a != 1 || b != 1 {
		t.Errorf("%d and %d rows, want 1 each", a, b)
	}
	// A pool that has migrated is not left looking into the schema.
	var path string
	if err := pool.QueryRow(t.Context(), `SHOW search_path`).Scan(&path); err != nil || strings.Contains(path, "payments") {
		t.Errorf("search_path is %q (%v), want it as it was", path, err)
	}
}

func TestAMigrationThatFailsLeavesNothingBehind(t *testing.T) {
	pool := connect(t)
	err := migrate.Up(t.Context(), pool, "store", files(first, create, second, "INSERT INTO nowhere VALUES (1)"))
	if err == nil || !strings.Contains(err.Error(), "migrate store: 0002_more.sql") {
		t.Errorf("got %v, want an error that names the file", err)
	}
	var exists bool
	if err := pool.QueryRow(t.Context(), `SELECT to_regclass('store.things') IS NOT NULL`).Scan(&exists); err != nil || exists {
		t.Errorf("the table of the migration before exists: %v (%v)", exists, err)
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		before, now fstest.MapFS
		want        string
	}{
		"a file that was changed": {files(first, create), files(first, create+" "), "was changed after it had been applied"},
		"an older program":        {files(first, create, second, more), files(first, create), "run the newer program"},
		"a gap":                   {nil, files(first, create, "0003_more.sql", more), "should be 0002_"},
		"no number":               {nil, files("things.sql", create), "should be 0001_"},
	} {
		t.Run(name, func(t *testing.T) {
			pool := connect(t)
			if c.before != nil {
				if err := migrate.Up(t.Context(), pool, "store", c.before); err != nil {
					t.Fatal(err)
				}
			}
			err := migrate.Up(context.Background(), pool, "store", c.now)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}
