// Package lens is a back end for OpenTelemetry in one process: for a
// developer's machine, and for tests that ask what their program told.
//
//	         ┌ traces ──> tracestore (SQLite)   ──> Tempo's API ──────┐
//	OTLP ────┼ metrics ─> promstore (TSDB, rules) > Prometheus' API ──┼─> page
//	gRPC/HTTP└ logs ────> logstore (SQLite)     ──> Loki's API ───────┘
//
// What an export was answered with success for can be queried at once, and
// survives a restart and the death of the process. What lens could not keep is
// counted by cause (GET /api/status).
//
//	server, err := lens.Start(ctx, lens.Config{Ephemeral: true})
//	if err != nil { ... }
//	defer server.Shutdown(ctx)
//
// It has no authentication, no TLS, no replication and one tenant: it listens
// on loopback, and production is the OpenTelemetry Collector and a real back
// end, which the same queries work on.
package lens

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"google.golang.org/grpc"

	"github.com/otelkit/kit/lens/dashboard"
	"github.com/otelkit/kit/lens/datadir"
	"github.com/otelkit/kit/lens/logstore"
	"github.com/otelkit/kit/lens/otlp"
	"github.com/otelkit/kit/lens/page"
	"github.com/otelkit/kit/lens/promstore"
	"github.com/otelkit/kit/lens/tally"
	"github.com/otelkit/kit/lens/tracestore"
)

// A Server is a running lens.
type Server struct {
	cfg        Config
	started    time.Time
	tally      *tally.Tally
	rules      []string
	dashboards []dashboard.Dashboard

	dir       *datadir.Dir
	listeners [4]net.Listener // as Config.listens
	metrics   *promstore.Store
	traces    *tracestore.Store
	logs      *logstore.Store

	grpc     *grpc.Server
	http     []*http.Server
	serving  sync.WaitGroup
	requests sync.RWMutex // read-locked by each HTTP request; locked for good by shutdown
	once     sync.Once
	closed   error
}

// Start starts a server; when it returns, all its addresses answer. The
// context bounds the start only. Errors name what is in the way and what to do
// about it.
func Start(ctx context.Context, cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	cfg = cfg.withDefaults()
	s := &Server{cfg: cfg, started: time.Now(), tally: tally.New(cfg.Log)}
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	s.serve()
	return s, nil
}

// open does all that can fail: files to read first, for they are the reader's
// own, then the data directory, the ports and the data.
func (s *Server) open(ctx context.Context) (err error) {
	if s.rules, err = promstore.RuleFiles(s.cfg.Rules); err != nil {
		return err
	}
	if s.cfg.Dashboards != "" {
		if s.dashboards, err = dashboard.Load(s.cfg.Dashboards, promstore.CheckExpr); err != nil {
			return err
		}
	}
	if s.cfg.Ephemeral {
		s.dir, err = datadir.OpenTemp()
	} else {
		s.dir, err = datadir.Open(s.cfg.DataDir)
	}
	if err != nil {
		return err
	}
	for i, l := range s.cfg.listens() {
		if s.listeners[i], err = l.open(ctx); err != nil {
			return err
		}
	}
	return s.openStores(ctx)
}

func (s *Server) openStores(ctx context.Context) (err error) {
	s.metrics, err = promstore.Open(promstore.Config{
		Dir: s.dir.Join("metrics"), Retention: s.cfg.Retention, MaxBytes: s.cfg.MaxBytes / metricsShare, Rules: s.rules, Log: s.cfg.Log,
	})
	if err != nil {
		return err
	}
	s.traces, err = tracestore.Open(ctx, tracestore.Config{
		Path: s.dir.Join("traces.db"), MaxRows: maxRows, MaxBytes: s.cfg.MaxBytes / tracesShare, MaxAge: s.cfg.Retention,
		OnEvict: func(n int64) { s.tally.Evicted(tally.Traces, n) }, Log: s.cfg.Log,
	})
	if err != nil {
		return err
	}
	s.logs, err = logstore.Open(ctx, logstore.Config{
		Path: s.dir.Join("logs.db"), MaxRows: maxRows, MaxBytes: s.cfg.MaxBytes / logsShare, MaxAge: s.cfg.Retention,
		OnEvict: func(n int64) { s.tally.Evicted(tally.Logs, n) }, Log: s.cfg.Log,
	})
	return err
}

func (l listen) open(ctx context.Context) (net.Listener, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", l.addr)
	if err == nil {
		return ln, nil
	}
	_, port, splitErr := net.SplitHostPort(l.addr)
	switch {
	case splitErr == nil && errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("port %s (%s) is taken by another process; stop it or pass %s", port, l.what, l.flag)
	case splitErr == nil && errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("port %s (%s) is not for everyone to open; pass %s with a port above 1023", port, l.what, l.flag)
	default:
		return nil, fmt.Errorf("address %s (%s) cannot be listened on: %w; pass another one with %s", l.addr, l.what, err, l.flag)
	}
}

// serve starts a goroutine for each listener; Shutdown waits for them.
func (s *Server) serve() {
	sink := sink{s}
	s.grpc = otlp.NewGRPCServer(sink)
	read, receive := s.readMux(), otlp.NewHandler(sink)
	s.run(func() error { return s.grpc.Serve(s.listeners[1]) })
	for i, h := range map[int]http.Handler{0: read, 2: receive, 3: read} {
		server := &http.Server{Handler: s.guard(h), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
		s.http = append(s.http, server)
		s.run(func() error { return server.Serve(s.listeners[i]) })
	}
}

func (s *Server) run(serve func() error) {
	s.serving.Go(func() {
		if err := serve(); err != nil && !errors.Is(err, http.ErrServerClosed) {
			s.cfg.Log.Error("a listener failed", "err", err)
		}
	})
}

// readMux routes the page and the read APIs.
func (s *Server) readMux() *http.ServeMux {
	mux := http.NewServeMux()
	s.metrics.Register(mux)
	s.traces.Register(mux)
	s.logs.Register(mux)
	page.New(page.Config{
		Metrics: s.metrics, Traces: s.traces, Logs: s.logs, Dashboards: s.dashboards, Version: s.cfg.Version, Log: s.cfg.Log,
	}).Register(mux)
	s.registerStatus(mux)
	return mux
}

// Addr returns the address of the page and the read APIs, host:port.
func (s *Server) Addr() string { return s.listeners[0].Addr().String() }

// OTLPGRPCAddr returns the address of OTLP over gRPC, host:port.
func (s *Server) OTLPGRPCAddr() string { return s.listeners[1].Addr().String() }

// OTLPHTTPAddr returns the address of OTLP over HTTP, host:port.
func (s *Server) OTLPHTTPAddr() string { return s.listeners[2].Addr().String() }

// PrometheusAddr returns the second address of the read APIs, host:port.
func (s *Server) PrometheusAddr() string { return s.listeners[3].Addr().String() }

// DataDir returns the data directory's absolute path.
func (s *Server) DataDir() string { return s.dir.Path() }

// Shutdown stops listening, lets the requests that are under way end until the
// context does, writes what is queued and closes the data. The first call
// counts; later ones wait for it and return its error.
func (s *Server) Shutdown(ctx context.Context) error {
	s.once.Do(func() { s.closed = s.shutdown(ctx) })
	return s.closed
}

// Close is Shutdown without patience: requests under way are cut off. What was
// answered with success is kept all the same.
func (s *Server) Close() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return s.Shutdown(ctx)
}

func (s *Server) shutdown(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, server := range s.http {
		wg.Go(func() {
			if server.Shutdown(ctx) != nil {
				server.Close()
			}
		})
	}
	if s.grpc != nil {
		wg.Go(func() { s.stopGRPC(ctx) })
	}
	wg.Wait()
	s.serving.Wait()
	s.requests.Lock() // requests that were cut off still have to notice

	var errs []error
	for _, ln := range s.listeners {
		if ln != nil {
			if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	if s.metrics != nil {
		errs = append(errs, s.metrics.Close())
	}
	if s.traces != nil {
		errs = append(errs, s.traces.Close())
	}
	if s.logs != nil {
		errs = append(errs, s.logs.Close())
	}
	if s.dir != nil {
		errs = append(errs, s.dir.Close())
	}
	return errors.Join(errs...)
}

func (s *Server) stopGRPC(ctx context.Context) {
	cut := context.AfterFunc(ctx, s.grpc.Stop)
	defer cut()
	s.grpc.GracefulStop()
}
