// Package service runs an HTTP server the way a service should: with a limit
// on everything that a client could draw out, and with an end in which nobody's
// request is cut off.
//
// It knows nothing of the store and nothing of telemetry, so that a third party
// can be played with it too.
package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// grace is how long requests in flight may take to end. It is longer than a
// request may take at all.
const grace = 30 * time.Second

// Config configures Serve. All fields but Ready are required.
type Config struct {
	Addr    string // to listen on, such as "127.0.0.1:8000"; port 0 takes a free one
	Handler http.Handler
	Log     *slog.Logger
	Ready   func(addr string) // called once, with the real address, when connections are taken; may be nil
}

// Serve listens and serves until ctx is done. Then it takes no more
// connections, waits until the requests in flight are answered, at most 30 s,
// and returns nil. A request's context is not derived from ctx: what is in
// flight may end well.
func Serve(ctx context.Context, cfg Config) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.Addr)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           cfg.Handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(cfg.Log.Handler(), slog.LevelWarn),
	}
	cfg.Log.InfoContext(ctx, "listening", "address", listener.Addr().String())
	if cfg.Ready != nil {
		cfg.Ready(listener.Addr().String())
	}

	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := server.Shutdown(ending); err != nil {
		return errors.Join(fmt.Errorf("requests were cut off: %w", err), server.Close())
	}
	return nil
}
