// Command webstore is the example store: all of its services, and what runs
// them on one machine without Docker.
//
//	webstore up                    everything, each service a process of its own
//	webstore serve main            one service, in this process
//	webstore traffic --users 50    shoppers
//	webstore health                how the parts of a running store are
//	webstore help up               what a command can do
//
// What up runs:
//
//	webstore up ── PostgreSQL (a process), Redis (in this process)
//	   ├── lens                            takes the telemetry and shows it
//	   ├── webstore serve inventory        the third parties
//	   ├── webstore serve crm
//	   ├── webstore serve payment-provider
//	   ├── webstore serve promotions
//	   ├── webstore serve payments
//	   ├── webstore serve main
//	   └── webstore traffic
//
// Every flag can be given by the environment: --main-addr as
// WEBSTORE_MAIN_ADDR. The exit status is 0 when all went well, also after ^C, 2
// when the command line is wrong, and 1 for anything else; an error is one line
// that says what to do. What health found out is told by statuses of its own: see
// webstore help health.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/otelkit/kit/examples/webstore/platform"
)

func main() {
	// ^C asks for an orderly end; a second ^C ends this process at once, and
	// the kernel ends its children.
	signals := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) { // as nohup has it
		signals = append(signals, syscall.SIGHUP)
	}
	ctx, stop := signal.NotifyContext(context.Background(), signals...)
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run does what the arguments say and returns the exit status.
func run(ctx context.Context, args []string, out, errs io.Writer) int {
	err := execute(ctx, args, out, errs)
	if err == nil {
		return 0
	}
	if message := describe(err); message != "" {
		fmt.Fprintln(errs, "webstore:", message)
	}
	var exit *exitError
	if errors.As(err, &exit) {
		return exit.status
	}
	var wrong *usageError
	if errors.As(err, &wrong) {
		return 2
	}
	return 1
}

// describe keeps to one line what is one line.
func describe(err error) string {
	var exit *platform.ExitError
	if errors.As(err, &exit) && len(exit.LastLines) == 1 {
		return fmt.Sprintf("%s ended (%s): %s", exit.Name, exit.Status, exit.LastLines[0])
	}
	return err.Error()
}
