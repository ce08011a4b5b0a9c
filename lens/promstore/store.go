// Package promstore keeps metrics in Prometheus' own time series database,
// answers PromQL and evaluates rules: Prometheus as a library, with OTLP in
// front of it instead of a scraper.
//
//	OTLP ──Write──> TSDB (samples, exemplars) <──PromQL── API, page
//	                  ^                │
//	                  └── rule manager ┘ (recording rules, alerts)
//
// Prometheus' Go API moves between releases; no other package of lens imports
// it.
package promstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/prometheus/model/metadata"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/util/compression"
)

const (
	// outOfOrder is how much older than the newest sample of its series a
	// sample may be: SDKs push with skew, and some push again what failed.
	outOfOrder = 30 * time.Minute
	// maxAhead is how far in the future a sample may lie. One sample of next
	// year would make every other one too old.
	maxAhead = 10 * time.Minute

	maxExemplars = 100_000
	maxSeries    = 200_000 // about 1 GB of memory; series beyond are refused
	maxSamples   = 20_000_000
	queryTimeout = 30 * time.Second
	walSegment   = 16 << 20
	blockRange   = 2 * time.Hour  // the head's
	maxBlock     = 54 * time.Hour // 2 h · 3³
)

// Config configures a Store.
type Config struct {
	Dir       string        // the folder; required, made if need be
	Retention time.Duration // how long to keep samples; required
	// MaxBytes bounds the folder; 0 means no limit. The newest two to three
	// hours are not yet in blocks and stay whatever their size.
	MaxBytes int64
	// Rules are files of recording and alerting rules, read by Open.
	Rules []string
	Log   *slog.Logger // nil discards
}

// A Store keeps metrics. Its methods may be called concurrently.
type Store struct {
	db      *tsdb.DB
	engine  *promql.Engine
	parser  parser.Parser
	rules   *ruler
	births  births
	closing sync.Once

	mu       sync.Mutex
	metadata map[string]metadata.Metadata // by metric name
}

// CheckExpr returns an error if expr is not PromQL.
func CheckExpr(expr string) error {
	_, err := newParser().ParseExpr(expr)
	return err
}

func newParser() parser.Parser { return parser.NewParser(parser.Options{}) }

// Open opens the store, or makes it, and starts to evaluate the rules. Damaged
// data is an error that names it; Open deletes none.
func Open(cfg Config) (*Store, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	// Prometheus is talkative: its database warns of things that harm nobody,
	// such as an exemplar that it meets twice when it reads its log.
	errorLog := slog.New(atLeast{slog.LevelError, cfg.Log.Handler()})
	warnLog := slog.New(atLeast{slog.LevelWarn, cfg.Log.Handler()})
	if err := checkData(cfg.Dir); err != nil {
		return nil, damaged(cfg.Dir, err)
	}
	opts := tsdb.DefaultOptions()
	opts.RetentionDuration = cfg.Retention.Milliseconds()
	opts.MaxBytes = cfg.MaxBytes
	opts.MinBlockDuration = blockRange.Milliseconds()
	opts.MaxBlockDuration = maxBlock.Milliseconds()
	opts.WALSegmentSize = walSegment
	opts.WALCompression = compression.Snappy
	opts.StripeSize = 512
	opts.NoLockfile = true // the data directory is locked as a whole
	opts.EnableExemplarStorage = true
	opts.MaxExemplars = maxExemplars
	opts.OutOfOrderTimeWindow = outOfOrder.Milliseconds()
	opts.EnableSTAsZeroSample = true // see births
	db, err := tsdb.Open(cfg.Dir, errorLog, nil, opts, nil)
	if err != nil {
		return nil, damaged(cfg.Dir, err)
	}
	s := &Store{
		db:       db,
		parser:   newParser(),
		births:   births{seen: map[source]exports{}},
		metadata: map[string]metadata.Metadata{},
	}
	s.engine = promql.NewEngine(promql.EngineOpts{
		Logger:               warnLog,
		MaxSamples:           maxSamples,
		Timeout:              queryTimeout,
		EnableAtModifier:     true,
		EnableNegativeOffset: true,
		Parser:               s.parser,
	})
	if s.rules, err = startRules(s, cfg.Rules, warnLog); err != nil {
		return nil, errors.Join(err, s.engine.Close(), db.Close())
	}
	return s, nil
}

func damaged(dir string, err error) error {
	return fmt.Errorf("metrics: %s cannot be used (%w); move the data directory %s away to start afresh, or bring back a sound copy",
		dir, err, filepath.Dir(dir))
}

// Close stops the rules and closes the database. It may be called twice.
func (s *Store) Close() error {
	var err error
	s.closing.Do(func() {
		s.rules.stop()
		err = errors.Join(s.engine.Close(), s.db.Close())
	})
	return err
}

// Usage says how full a Store is.
type Usage struct {
	Series int64 `json:"series"` // with samples in the last hours
	Bytes  int64 `json:"bytes"`  // on disk
}

// Usage returns the series and bytes that the store holds.
func (s *Store) Usage() Usage {
	u := Usage{Series: int64(s.db.Head().NumSeries()), Bytes: s.db.Head().Size()}
	for _, b := range s.db.Blocks() {
		u.Bytes += b.Size()
	}
	return u
}

// atLeast is a log handler that lets through what is at least of its level.
type atLeast struct {
	level slog.Level
	slog.Handler
}

func (h atLeast) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= h.level && h.Handler.Enabled(ctx, l)
}

func (h atLeast) WithAttrs(attrs []slog.Attr) slog.Handler {
	return atLeast{h.level, h.Handler.WithAttrs(attrs)}
}

func (h atLeast) WithGroup(name string) slog.Handler {
	return atLeast{h.level, h.Handler.WithGroup(name)}
}
