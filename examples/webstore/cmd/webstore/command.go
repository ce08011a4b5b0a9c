package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/otelkit/kit/examples/webstore/crm"
	"github.com/otelkit/kit/examples/webstore/inventory"
	"github.com/otelkit/kit/examples/webstore/paymentprovider"
)

// command is one thing that webstore does.
type command struct {
	name string // one word, or two: "serve main"
	does string // what, on one line
	more string // what help adds; may be empty

	// prepare declares the flags and returns what runs once they are set.
	prepare func(*flags) func(ctx context.Context, out, errs io.Writer) error
}

// commands is every command but help, in the order that help lists them.
var commands = []command{
	{"up", "run the whole store with its telemetry, until ^C", upHelp, prepareUp},
	{"serve main", "run the shop's API", serveHelp, prepareMain},
	{"serve payments", "run the service that takes payments", serveHelp, preparePayments},
	{"serve promotions", "run the service that makes orders cheaper", serveHelp, preparePromotions},
	{"serve payment-provider", "run the third party that moves the money", "", thirdParty(providerPart, "127.0.0.1:8091", paymentprovider.Run)},
	{"serve crm", "run the third party that knows the customers", "", thirdParty(crmPart, "127.0.0.1:8092", crm.Run)},
	{"serve inventory", "run the third party that keeps the goods", "", thirdParty(inventoryPart, "127.0.0.1:8093", inventory.Run)},
	{"fault list", "say in which ways the store can be broken", "", prepareFaultList},
	{"fault start", "break a running store in one way", faultHelp, prepareFaultStart},
	{"fault stop", "end a fault, or all of them by the name all", "", prepareFaultStop},
	{"fault status", "say which faults are on", "", prepareFaultStatus},
	{"traffic", "send shoppers through a running store", trafficHelp, prepareTraffic},
	{"health", "tell how the parts of a running store are", healthHelp, prepareHealth},
	{"version", "say which version this is", "", prepareVersion},
}

// usageError is a command line that cannot be understood.
type usageError struct{ message string }

func (e *usageError) Error() string { return e.message }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// execute finds the command that the arguments name and runs it.
func execute(ctx context.Context, args []string, out, errs io.Writer) error {
	if len(args) == 0 {
		return usagef("no command is given; begin with webstore up, or see webstore help")
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		return help(args[1:], out)
	case "-version", "--version":
		args = []string{"version"}
	}
	c, rest, err := find(args)
	if err != nil {
		return err
	}
	f := newFlags(c.name)
	action := c.prepare(f)
	switch err := f.parse(rest, os.LookupEnv); {
	case errors.Is(err, flag.ErrHelp):
		return helpOn(c, out)
	case err != nil:
		return misused(err, f.misuse)
	}
	return misused(action(ctx, out, errs), f.misuse)
}

// find returns the command that the first one or two arguments name, and the
// arguments that follow.
func find(args []string) (command, []string, error) {
	for _, c := range commands {
		words := strings.Fields(c.name)
		if len(args) >= len(words) && strings.Join(args[:len(words)], " ") == c.name {
			return c, args[len(words):], nil
		}
	}
	return command{}, nil, unknown(args)
}

func unknown(args []string) error {
	first, others, _ := strings.Cut(strings.Join(args, " "), " ")
	second, _, _ := strings.Cut(others, " ")
	var roles, names []string
	for _, c := range commands {
		group, role, two := strings.Cut(c.name, " ")
		if two && group == first {
			roles = append(roles, role)
		}
		names = append(names, group)
	}
	switch {
	case len(roles) > 0 && (second == "" || strings.HasPrefix(second, "-")):
		return usagef("%s what? There are %s", first, strings.Join(roles, ", "))
	case len(roles) > 0:
		return usagef("there is no %q to %s%s; there are %s", second, first, didYouMean(second, roles), strings.Join(roles, ", "))
	}
	return usagef("there is no command %q%s; see webstore help", first, didYouMean(first, append(names, "help")))
}

// help lists the commands, or explains those that the arguments name.
func help(args []string, out io.Writer) error {
	if len(args) == 0 {
		fmt.Fprint(out, "webstore runs the example store of otelkit.\n\n")
		for _, c := range commands {
			fmt.Fprintf(out, "  webstore %-24s %s\n", c.name, c.does)
		}
		fmt.Fprint(out, "\nwebstore help COMMAND lists a command's flags. Begin with: webstore up\n")
		return nil
	}
	asked := strings.Join(args, " ")
	found := false
	for _, c := range commands {
		if c.name == asked || strings.HasPrefix(c.name, asked+" ") {
			if found {
				fmt.Fprintln(out)
			}
			found = true
			if err := helpOn(c, out); err != nil {
				return err
			}
		}
	}
	if !found {
		return unknown(args)
	}
	return nil
}

func helpOn(c command, out io.Writer) error {
	fmt.Fprintf(out, "webstore %s: %s\n", c.name, c.does)
	if c.more != "" {
		fmt.Fprintf(out, "\n%s\n", strings.TrimSpace(c.more))
	}
	f := newFlags(c.name)
	c.prepare(f)
	f.describe(out)
	return nil
}
