package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/otelkit/kit/examples/webstore/checkup"
)

const healthHelp = `
It asks all parts of a store at once and tells how each is, what does not work if
it is not well, and who needs it: 1 datastores, 2 telemetry, 3 services, 4 third
parties, 5 front end. The datastores are seen through the services that use them.
Of telemetry it tells too whether that of each service has arrived lately.

Without addresses it looks at what webstore up runs. With --addresses it asks the
parts that the file names and no other, and in both cases those that a flag names;
the address "off" leaves a part out. A Collector is asked at its health_check
extension, such as http://127.0.0.1:13133.

The exit status is
  0   all is well
  1   degraded: something does not work, and shoppers can buy
  2   something critical does not work
  3   nothing answered: the store does not run, or is not there
  64  the command line is wrong
`

// The exit statuses of health beside 0. Its 2 is why a wrong command line has
// another one than with all other commands: that of sysexits.h.
const (
	exitDegraded  = 1
	exitUnhealthy = 2
	exitUnknown   = 3
	exitUsage     = 64
)

// upAddresses is where webstore up has what can be asked, if not told otherwise.
func upAddresses() map[string]string {
	addresses := map[string]string{}
	for _, port := range new(listen).ports() {
		if part := strings.TrimSuffix(port.flag, "-addr"); slices.Contains(checkup.Addressable(), part) {
			addresses[part] = urlOf(port.value)
		}
	}
	return addresses
}

func prepareHealth(f *flags) func(context.Context, io.Writer, io.Writer) error {
	f.misuse = exitUsage
	urls := map[string]*string{}
	for _, name := range checkup.Addressable() {
		urls[name] = f.String(name+"-url", upAddresses()[name], "`URL` of "+name+", or off")
	}
	file := f.String("addresses", "", "`file` of addresses as JSON, such as up writes by its flag of this name")
	layer := f.Int("layer", 0, "`number` of the only layer to check, 0 for all")
	timeout := f.span("timeout", 5*time.Second, "longest `time` to wait for an answer, and so for all")
	asJSON := f.Bool("json", false, "print JSON, for programs")
	quiet := f.Bool("quiet", false, "print nothing while all is well")
	return func(ctx context.Context, out, _ io.Writer) error {
		if *timeout == 0 {
			return usagef("health needs a --timeout above 0")
		}
		addresses, err := healthAddresses(f, *file, urls)
		if err != nil {
			return err
		}
		report, err := checkup.Run(ctx, checkup.Config{Addresses: addresses, Layer: checkup.Layer(*layer), Timeout: *timeout})
		switch {
		case ctx.Err() != nil:
			return &exitError{exitUnknown, "interrupted before all had answered"}
		case err != nil:
			return usagef("health: %s", strings.TrimPrefix(err.Error(), "checkup: "))
		case report.Overall == checkup.Healthy && *quiet:
			return nil
		case *asJSON:
			err = printJSON(out, report)
		default:
			_, err = fmt.Fprint(out, report)
		}
		if err != nil {
			return &exitError{exitUnknown, err.Error()}
		}
		return verdict(report.Overall)
	}
}

// verdict is the error by which the exit status tells how the store is.
func verdict(overall checkup.Status) error {
	switch overall {
	case checkup.Healthy:
		return nil
	case checkup.Degraded:
		return &exitError{status: exitDegraded}
	case checkup.Unhealthy:
		return &exitError{status: exitUnhealthy}
	}
	return &exitError{exitUnknown, "nothing answers; start the store (webstore up), or correct the addresses"}
}

// healthAddresses returns whom to ask: those of the file, or else of webstore up,
// and of the flags that were set.
func healthAddresses(f *flags, file string, urls map[string]*string) (map[string]string, error) {
	addresses := upAddresses()
	if file != "" {
		var err error
		if addresses, err = readAddresses(file); err != nil {
			return nil, err
		}
	}
	f.Visit(func(fl *flag.Flag) {
		if name, ok := strings.CutSuffix(fl.Name, "-url"); ok {
			addresses[name] = *urls[name]
		}
	})
	maps.DeleteFunc(addresses, func(_, address string) bool { return address == "off" })
	return addresses, nil
}

// readAddresses reads a file as up writes it.
func readAddresses(file string) (map[string]string, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, usagef("--addresses: %v", err)
	}
	addresses := map[string]string{}
	if err := json.Unmarshal(content, &addresses); err != nil {
		return nil, usagef("--addresses: %s is not an object of names and URLs: %v", file, err)
	}
	for _, takesTelemetry := range []string{"otlp-http", "otlp-grpc"} { // and cannot be asked
		delete(addresses, takesTelemetry)
	}
	for name := range addresses {
		if known := checkup.Addressable(); !slices.Contains(known, name) {
			return nil, usagef("--addresses: %s names %q, which is no part that can be asked%s", file, name, didYouMean(name, known))
		}
	}
	return addresses, nil
}

func printJSON(out io.Writer, v any) error {
	encoder := json.NewEncoder(out)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}

// exitError ends the program with a status of the command's own. Without a
// message, all has been said.
type exitError struct {
	status  int
	message string
}

func (e *exitError) Error() string { return e.message }

// misused gives a wrong command line a status of the command's own.
func misused(err error, status int) error {
	var wrong *usageError
	if status != 0 && errors.As(err, &wrong) {
		return &exitError{status, wrong.message}
	}
	return err
}
