//go:build unix

package platform

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/otelkit/kit/internal/pgserver"
)

// checkTimeout is how long a server that somebody named may take to answer.
const checkTimeout = 5 * time.Second

// PostgresConfig configures StartPostgres.
type PostgresConfig struct {
	// URL names a database that is there already, as DATABASE_URL does. Empty
	// means a private server.
	URL string

	// Dir holds the private server's data and log. Required unless URL is set.
	Dir *Dir

	// Database is created in the private server. Empty means "webstore".
	Database string

	// Log is told, a line each, about what takes long. Nil discards.
	Log io.Writer
}

// Postgres is a database that takes logins.
type Postgres struct {
	// URL is its address for pgx. It may hold a password: do not log it.
	URL string

	server *pgserver.Server // nil if the database is somebody else's
	log    *logFile
}

// StartPostgres checks that the named database takes logins, or starts a
// private server.
func StartPostgres(ctx context.Context, cfg PostgresConfig) (*Postgres, error) {
	if cfg.URL != "" {
		if err := checkPostgres(ctx, cfg.URL); err != nil {
			return nil, err
		}
		return &Postgres{URL: cfg.URL}, nil
	}
	log, err := cfg.Dir.openLog("postgres")
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	database := cmp.Or(cfg.Database, "webstore")
	server, err := pgserver.Start(ctx, pgserver.Config{
		Dir:       cfg.Dir.postgresDir(),
		Databases: []string{database},
		Log:       cfg.Log,
		Output:    log,
	})
	if err != nil {
		return nil, errors.Join(err, log.Close())
	}
	return &Postgres{URL: server.URL(database), server: server, log: log}, nil
}

// postgresDir leaves the choice of a temporary directory to pgserver, which
// then knows that it need not be careful with the data.
func (d *Dir) postgresDir() string {
	if d.ephemeral {
		return ""
	}
	return filepath.Join(d.Path, "postgres")
}

// Private reports whether this process runs the server.
func (p *Postgres) Private() bool { return p.server != nil }

// Done is closed when the private server has ended. For a database that is
// somebody else's it is nil: a receive from it waits for ever.
func (p *Postgres) Done() <-chan struct{} {
	if p.server == nil {
		return nil
	}
	return p.server.Done()
}

// Err says why the private server ended by itself, with its last lines.
func (p *Postgres) Err() error {
	if p.server == nil {
		return nil
	}
	return p.server.Err()
}

// Stop ends the private server; a database that is somebody else's is left
// alone. It may be called again.
func (p *Postgres) Stop(ctx context.Context) error {
	if p.server == nil {
		return nil
	}
	err := p.server.Stop(ctx)
	p.log.Close()
	return err
}

func checkPostgres(ctx context.Context, url string) error {
	config, err := pgconn.ParseConfig(url)
	if err != nil {
		// The cause may quote a password, so it is left out.
		return errors.New("DATABASE_URL is not an address of PostgreSQL; write postgres://user:password@host:5432/database, with special characters in the password percent-encoded")
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return fmt.Errorf("DATABASE_URL: PostgreSQL at %s refuses or does not answer: %s; start it or correct DATABASE_URL, or unset it to use a private server",
			net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))), cause(err, config.Password))
	}
	return conn.Close(ctx)
}

// cause is the innermost reason why a connection failed, on one line and
// without the password.
func cause(err error, password string) string {
	var (
		refused *pgconn.PgError
		lookup  *net.DNSError
		system  syscall.Errno
	)
	text := err.Error()
	switch {
	case errors.As(err, &refused):
		text = refused.Message
	case errors.As(err, &lookup):
		text = lookup.Err
	case errors.Is(err, context.DeadlineExceeded):
		text = "no answer within " + checkTimeout.String()
	case errors.As(err, &system):
		text = system.Error()
	}
	text = strings.Join(strings.Fields(text), " ")
	if password != "" {
		text = strings.ReplaceAll(text, password, "***")
	}
	return text
}
