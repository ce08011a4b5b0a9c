// Package fifo is a table of records in a SQLite file that never outgrows its
// limits: the oldest go when new ones need the room.
//
//	producers ──Write──> queue ──one writer──> commit ──> Write returns
//	                                 │
//	                                 └─ over a limit? the oldest rows go
//
// Write returns after the commit, so what it has accepted can be read at once
// and survives the death of the process. The writer takes all that waits into
// one transaction (group commit), which is what makes that affordable: a
// commit in WAL mode without fsync costs about 0.1 ms, however many rows.
// The death of the machine may lose the last commits, never the file.
//
// Producers that outrun the disk wait for Config.MaxWait at most and then get
// ErrBusy.
package fifo

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	_ "modernc.org/sqlite" // the driver "sqlite"
)

// Errors of Write.
var (
	ErrBusy   = errors.New("the queue to the disk is full")
	ErrClosed = errors.New("the store is closed")
)

const (
	queueRows    = 20_000 // rows that may wait for the writer
	defaultWait  = 2 * time.Second
	ageEvery     = time.Minute
	readers      = 4
	evictPortion = 50 // a store over its bytes gives up 1/50 of its rows at a time
	evictAtLeast = 256
)

// Config describes a Store.
type Config struct {
	// Path is the file. Required; its folder must exist.
	Path string
	// Table is the table's name. Required. The table must have the columns
	// id INTEGER PRIMARY KEY, assigned by SQLite, and Time.
	Table string
	// Time is the column that holds a record's time in Unix nanoseconds.
	Time string
	// Schema makes the table and its indexes in a new file. Required.
	Schema string
	// Version is the version of Schema; a file of another one is refused.
	Version int
	// Insert adds one row. "INSERT OR IGNORE" is allowed. Required.
	Insert string

	// MaxRows, MaxBytes and MaxAge are the limits. Zero means none.
	MaxRows  int64
	MaxBytes int64
	MaxAge   time.Duration
	// MaxWait is how long Write waits for a place in the queue; 0 means 2 s.
	MaxWait time.Duration
	// OnEvict is told how many rows made room; nil means nobody is.
	OnEvict func(rows int64)
	// Log takes what goes wrong between writes; nil discards it.
	Log *slog.Logger
}

// A Store is an open table. Its methods may be called concurrently.
type Store struct {
	cfg    Config
	write  *sql.DB // one connection
	read   *sql.DB
	insert *sql.Stmt

	room  *semaphore.Weighted
	queue chan *request
	stop  chan struct{} // closed by Close
	done  chan struct{} // closed when the writer has ended
	once  sync.Once

	first, last int64 // ids; the writer's own
}

type request struct {
	rows  [][]any
	reply chan reply
}

type reply struct {
	stored int64
	err    error
}

// Open opens the file, or makes it. A damaged or foreign file is an error that
// names it; Open never repairs or deletes one.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	if cfg.MaxWait == 0 {
		cfg.MaxWait = defaultWait
	}
	if cfg.OnEvict == nil {
		cfg.OnEvict = func(int64) {}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if err := registerRegexp(); err != nil {
		return nil, err
	}
	s := &Store{
		cfg:   cfg,
		room:  semaphore.NewWeighted(queueRows),
		queue: make(chan *request, 64),
		stop:  make(chan struct{}),
		done:  make(chan struct{}),
	}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(s.explain(err), s.closeFiles())
	}
	go s.run()
	return s, nil
}

func (s *Store) open(ctx context.Context) (err error) {
	if s.write, err = sql.Open("sqlite", dsn(s.cfg.Path, false)); err != nil {
		return err
	}
	s.write.SetMaxOpenConns(1)
	if s.read, err = sql.Open("sqlite", dsn(s.cfg.Path, true)); err != nil {
		return err
	}
	s.read.SetMaxOpenConns(readers)
	if err := s.makeTable(ctx); err != nil {
		return err
	}
	if err := s.loadEnds(ctx); err != nil {
		return err
	}
	s.insert, err = s.write.PrepareContext(ctx, s.cfg.Insert)
	return err
}

func (s *Store) makeTable(ctx context.Context) error {
	var version int
	if err := s.write.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version == s.cfg.Version {
		return nil
	}
	var tables int
	if err := s.write.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&tables); err != nil {
		return err
	}
	if tables > 0 {
		return fmt.Errorf("its schema has version %d and this lens needs %d", version, s.cfg.Version)
	}
	tx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, s.cfg.Schema); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", s.cfg.Version)); err != nil {
		return err
	}
	return tx.Commit()
}

// loadEnds reads the rows at both ends, which are in the table's outermost
// pages: a file that was cut short is noticed here and not at night.
func (s *Store) loadEnds(ctx context.Context) error {
	row := func(order string) (id int64, err error) {
		rows, err := s.write.QueryContext(ctx, "SELECT * FROM "+s.cfg.Table+" ORDER BY id "+order+" LIMIT 1")
		if err != nil {
			return 0, err
		}
		defer rows.Close()
		if !rows.Next() {
			return 0, rows.Err()
		}
		columns, err := rows.Columns()
		if err != nil {
			return 0, err
		}
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			return 0, err
		}
		id, _ = (*values[0].(*any)).(int64)
		return id, rows.Err()
	}
	var err error
	if s.first, err = row("ASC"); err != nil {
		return err
	}
	s.last, err = row("DESC")
	return err
}

// explain makes an error of opening the file one that says what to do.
func (s *Store) explain(err error) error {
	return fmt.Errorf("%s cannot be used (%w); move the data directory %s away to start afresh, or bring back a sound copy",
		s.cfg.Path, err, filepath.Dir(s.cfg.Path))
}

// DB returns a read-only view of the file.
func (s *Store) DB() *sql.DB { return s.read }

// Write adds rows, each the arguments of Config.Insert, in one transaction,
// and returns after its commit how many were new.
//
// When the context ends first the rows may still be written.
func (s *Store) Write(ctx context.Context, rows [][]any) (stored int64, err error) {
	if len(rows) == 0 {
		return 0, nil
	}
	weight := min(int64(len(rows)), queueRows)
	if err := s.reserve(ctx, weight); err != nil {
		return 0, err
	}
	defer s.room.Release(weight)

	r := &request{rows: rows, reply: make(chan reply, 1)}
	select {
	case s.queue <- r:
	case <-s.stop:
		return 0, ErrClosed
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	select {
	case got := <-r.reply:
		return got.stored, got.err
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-s.done:
	}
	select { // the writer may have answered as its last deed
	case got := <-r.reply:
		return got.stored, got.err
	default:
		return 0, ErrClosed
	}
}

func (s *Store) reserve(ctx context.Context, weight int64) error {
	if s.room.TryAcquire(weight) {
		return nil
	}
	wait, cancel := context.WithTimeout(ctx, s.cfg.MaxWait)
	defer cancel()
	if s.room.Acquire(wait, weight) == nil {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return ErrBusy
}

// Close writes what is queued and closes the file. It may be called twice.
func (s *Store) Close() error {
	var err error
	s.once.Do(func() {
		close(s.stop)
		<-s.done
		err = s.closeFiles()
	})
	return err
}

func (s *Store) closeFiles() error {
	var errs []error
	if s.insert != nil {
		errs = append(errs, s.insert.Close())
	}
	for _, db := range []*sql.DB{s.read, s.write} {
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	return errors.Join(errs...)
}

// Usage says how full a Store is.
type Usage struct {
	Rows  int64 `json:"rows"`
	Bytes int64 `json:"bytes"` // on disk, with the write-ahead log
}

// Usage returns the rows and bytes that the store holds.
func (s *Store) Usage(ctx context.Context) (Usage, error) {
	var u Usage
	// Ids run without gaps, for rows go at one end and come at the other.
	err := s.read.QueryRowContext(ctx, "SELECT coalesce(max(id) - min(id) + 1, 0) FROM (SELECT min(id) AS id FROM "+s.cfg.Table+
		" UNION ALL SELECT max(id) FROM "+s.cfg.Table+")").Scan(&u.Rows)
	if err != nil {
		return Usage{}, err
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if info, err := os.Stat(s.cfg.Path + suffix); err == nil {
			u.Bytes += info.Size()
		}
	}
	return u, nil
}

func dsn(path string, readOnly bool) string {
	q := url.Values{"_pragma": {
		"busy_timeout(5000)",
		"journal_mode(WAL)",
		"synchronous(NORMAL)",
		"journal_size_limit(8388608)",
		"temp_store(MEMORY)",
	}}
	if readOnly {
		q["_pragma"] = []string{"busy_timeout(5000)", "query_only(1)", "temp_store(MEMORY)"}
	} else {
		q.Set("_txlock", "immediate")
		q.Set("_auto_vacuum", "incremental")
	}
	path = filepath.ToSlash(path)
	if path[0] != '/' { // a drive letter
		path = "/" + path
	}
	return (&url.URL{Scheme: "file", Path: path, RawQuery: q.Encode()}).String()
}
