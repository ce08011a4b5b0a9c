//go:build unix

package platform_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/otelkit/kit/examples/webstore/platform"
	"github.com/otelkit/kit/internal/reserved"
)

func startPostgres(t *testing.T, cfg platform.PostgresConfig) *platform.Postgres {
	t.Helper()
	db, err := platform.StartPostgres(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Stop(context.Background()) })
	return db
}

func databaseName(t *testing.T, url string) (name string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), "SELECT current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestAPrivatePostgresLivesInTheDirectoryAndLogsThere(t *testing.T) {
	dir := openDir(t, tempDir(t))
	db := startPostgres(t, platform.PostgresConfig{Dir: dir})
	if got := databaseName(t, db.URL); got != "webstore" || !db.Private() {
		t.Errorf("database %q, private %v", got, db.Private())
	}
	if err := db.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	<-db.Done()
	if _, err := os.Stat(filepath.Join(dir.Path, "postgres", "data", "PG_VERSION")); err != nil {
		t.Error(err)
	}
	log, err := os.ReadFile(filepath.Join(dir.Path, "logs", "postgres.log"))
	if err != nil || !strings.Contains(string(log), "ready to accept connections") {
		t.Errorf("the log is %q (%v)", log, err)
	}
}

func TestAPrivatePostgresThatDiesIsReported(t *testing.T) {
	dir := openDir(t, tempDir(t))
	db := startPostgres(t, platform.PostgresConfig{Dir: dir})
	text, err := os.ReadFile(filepath.Join(dir.Path, "postgres", "data", "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	syscall.Kill(atoi(t, strings.SplitN(string(text), "\n", 2)[0]), syscall.SIGKILL)
	<-db.Done()
	if err := db.Err(); err == nil || !strings.Contains(err.Error(), "last lines") {
		t.Errorf("Err is %v", err)
	}
}

func TestDatabaseURLRulesOutAServerOfOurOwn(t *testing.T) {
	dir, err := platform.OpenDir(platform.DirConfig{Ephemeral: true})
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	theirs := startPostgres(t, platform.PostgresConfig{Dir: dir, Database: "theirs"})

	ours := startPostgres(t, platform.PostgresConfig{URL: theirs.URL})
	if got := databaseName(t, ours.URL); got != "theirs" || ours.Private() {
		t.Errorf("database %q, private %v", got, ours.Private())
	}
	if ours.Stop(t.Context()) != nil || ours.Err() != nil || ours.Done() != nil {
		t.Error("a database that is somebody else's was stopped")
	}
	databaseName(t, theirs.URL)
}

func TestADatabaseURLThatDoesNotWorkIsExplainedWithoutItsPassword(t *testing.T) {
	closed, _ := reserved.Port(t)
	tests := map[string]struct {
		url  string
		want []string
	}{
		"nobody listens":    {"postgres://ann:s3cret@" + closed + "/shop", []string{"PostgreSQL at " + closed, "connection refused", "unset it"}},
		"not an address":    {"postgres://ann:s3cret%@" + closed + "/shop", []string{"percent-encoded"}},
		"another protocol":  {"postgres://ann:s3cret@" + hangUp(t) + "/shop?sslmode=disable", []string{"refuses or does not answer"}},
		"no such host":      {"postgres://ann:s3cret@db.invalid/shop", []string{"db.invalid:5432"}},
		"several addresses": {"postgres://ann:s3cret@" + closed + ",127.0.0.1:1/shop", []string{closed}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := platform.StartPostgres(t.Context(), platform.PostgresConfig{URL: test.url})
			wantError(t, err, append(test.want, "DATABASE_URL")...)
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the password is in %v", err)
			}
		})
	}
}

func TestADatabaseThatTheServerDoesNotHaveIsNamed(t *testing.T) {
	dir := openDir(t, tempDir(t))
	db := startPostgres(t, platform.PostgresConfig{Dir: dir, Database: "shop"})
	_, err := platform.StartPostgres(t.Context(), platform.PostgresConfig{URL: strings.Replace(db.URL, "/shop?", "/nope?", 1)})
	wantError(t, err, `database "nope" does not exist`)
}

// closedPort is an address that can be listened on.
func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// hangUp is the address of a server that hangs up on everybody.
func hangUp(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	return listener.Addr().String()
}
