package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/otelkit/kit/lens"
	"github.com/otelkit/kit/lens/promstore"
)

var errHelp = errors.New("help wanted")

// options are what the command line and the environment say.
type options struct {
	lens.Config
	version bool
}

// help is what --help prints. Every flag stands in it (see the tests).
const help = `lens is a back end for OpenTelemetry in one process: OTLP in; Prometheus', Tempo's
and Loki's read APIs and a plain page out. For a developer's machine and for tests.

  lens --data-dir DIR | --ephemeral [flags]

Data
  --data-dir DIR            keep the data in DIR; made if need be
  --ephemeral               keep the data in a temporary directory, removed at the end
  --retention DURATION      keep data for this long, such as 12h or 35d (default 35d)
  --max-bytes SIZE          keep this much on disk, such as 512MiB (default 4GiB):
                            half of it metrics, a quarter each traces and logs

Addresses (host:port, port 0 is any free one)
  --addr ADDR               page and read APIs (default ` + lens.DefaultAddr + `)
  --prometheus-addr ADDR    the same, where Prometheus' clients look (default ` + lens.DefaultPrometheusAddr + `)
  --otlp-grpc-addr ADDR     OTLP over gRPC (default ` + lens.DefaultOTLPGRPCAddr + `)
  --otlp-http-addr ADDR     OTLP over HTTP (default ` + lens.DefaultOTLPHTTPAddr + `)
  --allowed-hosts NAMES     names, separated by commas, by which browsers may address
                            lens, besides localhost and every IP address

Definitions
  --rules PATH              a file of Prometheus rules, or a folder of them; may be repeated
  --dashboards DIR          a folder of Grafana dashboards in JSON

  --version                 print the version
  --help                    print this

Every flag is also an environment variable: --data-dir is LENS_DATA_DIR. Flags win.
A list in a variable is separated by commas.

Exit status: 0 after SIGINT or SIGTERM, 1 if lens cannot run, 2 for wrong usage.
`

func printHelp(w io.Writer) { io.WriteString(w, help) }

func printVersion(w io.Writer) {
	fmt.Fprintf(w, "lens %s (Prometheus %s, %s %s/%s)\n", currentVersion(), promstore.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// version is set by the linker (see the Makefile).
var version string

// currentVersion is what the linker was told, else the module's version,
// "(devel)" in a working copy.
func currentVersion() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// flags binds options to their flags.
func (o *options) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("lens", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // errors are printed by run
	fs.StringVar(&o.DataDir, "data-dir", "", "")
	fs.BoolVar(&o.Ephemeral, "ephemeral", false, "")
	fs.Var((*days)(&o.Retention), "retention", "")
	fs.Var((*size)(&o.MaxBytes), "max-bytes", "")
	fs.StringVar(&o.Addr, "addr", "", "")
	fs.StringVar(&o.PrometheusAddr, "prometheus-addr", "", "")
	fs.StringVar(&o.OTLPGRPCAddr, "otlp-grpc-addr", "", "")
	fs.StringVar(&o.OTLPHTTPAddr, "otlp-http-addr", "", "")
	fs.Var((*list)(&o.AllowedHosts), "allowed-hosts", "")
	fs.Var((*list)(&o.Rules), "rules", "")
	fs.StringVar(&o.Dashboards, "dashboards", "", "")
	fs.BoolVar(&o.version, "version", false, "")
	return fs
}

func parse(args []string, getenv func(string) string) (options, error) {
	var o options
	fs := o.flags()
	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return o, errHelp
	}
	if err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	if o.version {
		return o, nil
	}
	if err := fromEnvironment(fs, getenv); err != nil {
		return o, err
	}
	return o, o.Validate()
}

// fromEnvironment sets the flags that the command line left alone. Where the
// data goes is one choice, though two flags make it.
func fromEnvironment(fs *flag.FlagSet, getenv func(string) string) error {
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if given["data-dir"] || given["ephemeral"] {
		given["data-dir"], given["ephemeral"] = true, true
	}
	var errs []error
	fs.VisitAll(func(f *flag.Flag) {
		name := "LENS_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value := getenv(name)
		if given[f.Name] || value == "" || f.Name == "version" {
			return
		}
		if err := fs.Set(f.Name, value); err != nil {
			errs = append(errs, fmt.Errorf("invalid value %q for %s: %w", value, name, err))
		}
	})
	return errors.Join(errs...)
}

// list is a flag that may be repeated, or hold several values.
type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(s string) error {
	for item := range strings.SplitSeq(s, ",") {
		if item = strings.TrimSpace(item); item != "" {
			*l = append(*l, item)
		}
	}
	return nil
}

// days is a duration that may be in days.
type days time.Duration

func (d *days) String() string { return time.Duration(*d).String() }

func (d *days) Set(s string) error {
	if n, ok := strings.CutSuffix(s, "d"); ok {
		whole, err := strconv.ParseFloat(n, 64)
		if err != nil || whole > 100*365 {
			return errors.New("not a duration such as 12h or 35d")
		}
		*d = days(whole * float64(24*time.Hour))
		return nil
	}
	v, err := time.ParseDuration(s)
	if err != nil {
		return errors.New("not a duration such as 12h or 35d")
	}
	*d = days(v)
	return nil
}

// size is a number of bytes that may have a unit.
type size int64

func (b *size) String() string { return strconv.FormatInt(int64(*b), 10) }

func (b *size) Set(s string) error {
	unit := int64(1)
	for suffix, n := range map[string]int64{"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40} {
		if rest, ok := strings.CutSuffix(s, suffix); ok {
			s, unit = strings.TrimSpace(rest), n
			break
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 || n > (1<<62)/unit {
		return errors.New("not a size such as 512MiB or 4GiB")
	}
	*b = size(n * unit)
	return nil
}
