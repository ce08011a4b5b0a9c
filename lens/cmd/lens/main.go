// Command lens is a back end for OpenTelemetry in one process: OTLP in;
// Prometheus', Tempo's and Loki's read APIs and a plain page out. See
// "lens --help".
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/otelkit/kit/lens"
)

// Exit statuses.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
)

// patience is how long requests under way may take when lens is told to stop.
const patience = 3 * time.Second

func main() {
	os.Exit(run(os.Args[1:], os.Getenv, os.Stdout, os.Stderr))
}

// run is main with its surroundings handed in.
func run(args []string, getenv func(string) string, stdout, stderr io.Writer) int {
	began := time.Now()
	opts, err := parse(args, getenv)
	switch {
	case errors.Is(err, errHelp):
		printHelp(stdout)
		return exitOK
	case err != nil:
		printError(stderr, fmt.Errorf("%w (see lens --help)", err))
		return exitUsage
	case opts.version:
		printVersion(stdout)
		return exitOK
	}
	opts.Version = currentVersion()
	opts.Log = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	server, err := lens.Start(ctx, opts.Config)
	if err != nil {
		printError(stderr, err)
		return exitFailure
	}
	fmt.Fprintf(stdout, "lens: ready after %d ms: page http://%s, OTLP/gRPC %s, OTLP/HTTP http://%s, Prometheus API http://%s, data in %s\n",
		time.Since(began).Milliseconds(), server.Addr(), server.OTLPGRPCAddr(), server.OTLPHTTPAddr(), server.PrometheusAddr(), server.DataDir())

	<-ctx.Done()
	stop() // a second signal ends the process at once
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		printError(stderr, err)
		return exitFailure
	}
	return exitOK
}

// printError prints an error on one line.
func printError(w io.Writer, err error) {
	fmt.Fprintf(w, "lens: %s\n", strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' }), "; "))
}
