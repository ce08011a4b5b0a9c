package lens

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"
)

// Defaults of Config.
const (
	DefaultAddr           = "127.0.0.1:3000"
	DefaultOTLPGRPCAddr   = "127.0.0.1:4317"
	DefaultOTLPHTTPAddr   = "127.0.0.1:4318"
	DefaultPrometheusAddr = "127.0.0.1:9090"

	// DefaultRetention holds an SLO window of 30 days with room to spare.
	DefaultRetention = 35 * 24 * time.Hour
	DefaultMaxBytes  = 4 << 30
)

const (
	minRetention = time.Hour
	minBytes     = 64 << 20
	maxRows      = 5_000_000 // spans, and log records

	// A data directory's bytes: half for metrics, a quarter each for traces
	// and logs.
	metricsShare, tracesShare, logsShare = 2, 4, 4
)

// Config configures a Server. Set DataDir or Ephemeral; every other field is
// useful as it is.
type Config struct {
	// DataDir is where the data is kept; it is made if need be.
	DataDir string
	// Ephemeral keeps the data in a temporary directory that Shutdown removes.
	Ephemeral bool

	// The addresses to listen on, host:port; port 0 is any free one. Addr and
	// PrometheusAddr serve the same: the page and all read APIs, the latter
	// where Prometheus' clients look for them.
	Addr           string // "" means DefaultAddr
	OTLPGRPCAddr   string // "" means DefaultOTLPGRPCAddr
	OTLPHTTPAddr   string // "" means DefaultOTLPHTTPAddr
	PrometheusAddr string // "" means DefaultPrometheusAddr

	// AllowedHosts are names by which clients may address lens over HTTP,
	// besides localhost, every IP address and the names in the addresses
	// above. Requests for other names are refused: they are how a web site
	// makes a browser talk to a server on its own machine (DNS rebinding).
	AllowedHosts []string

	// Rules are files of Prometheus rules, or folders of them.
	Rules []string
	// Dashboards is a folder of Grafana dashboards in JSON; "" means none.
	Dashboards string

	// Retention is how long data is kept; 0 means DefaultRetention.
	Retention time.Duration
	// MaxBytes is how much data is kept on disk, half of it metrics, a quarter
	// each traces and logs; 0 means DefaultMaxBytes. The newest two to three
	// hours of metrics stay whatever their size.
	MaxBytes int64

	// Version is what the page and the status name; "" means "dev".
	Version string
	// Log takes warnings and errors; nil discards them.
	Log *slog.Logger
}

// Validate says what is wrong with the configuration as such. Whether ports
// are free and files sound shows when the server starts.
func (c Config) Validate() error {
	var errs []error
	if c.DataDir == "" && !c.Ephemeral {
		errs = append(errs, errors.New("say where to keep the data with --data-dir, or --ephemeral to keep none"))
	}
	if c.DataDir != "" && c.Ephemeral {
		errs = append(errs, errors.New("--data-dir and --ephemeral exclude each other"))
	}
	for _, l := range c.listens() {
		if _, _, err := net.SplitHostPort(l.addr); err != nil {
			errs = append(errs, fmt.Errorf("%s %q is not host:port", l.flag, l.addr))
		}
	}
	if c.Retention < 0 || c.Retention > 0 && c.Retention < minRetention {
		errs = append(errs, fmt.Errorf("--retention %v is less than %v", c.Retention, minRetention))
	}
	if c.MaxBytes < 0 || c.MaxBytes > 0 && c.MaxBytes < minBytes {
		errs = append(errs, fmt.Errorf("--max-bytes %d is less than %d (64 MiB)", c.MaxBytes, minBytes))
	}
	return errors.Join(errs...)
}

// A listen is an address of the configuration.
type listen struct {
	what string // for people
	flag string
	addr string
}

func (c Config) listens() [4]listen {
	c = c.withDefaults()
	return [4]listen{
		{"page", "--addr", c.Addr},
		{"OTLP/gRPC", "--otlp-grpc-addr", c.OTLPGRPCAddr},
		{"OTLP/HTTP", "--otlp-http-addr", c.OTLPHTTPAddr},
		{"Prometheus API", "--prometheus-addr", c.PrometheusAddr},
	}
}

func (c Config) withDefaults() Config {
	for _, f := range []struct {
		field    *string
		fallback string
	}{
		{&c.Addr, DefaultAddr},
		{&c.OTLPGRPCAddr, DefaultOTLPGRPCAddr},
		{&c.OTLPHTTPAddr, DefaultOTLPHTTPAddr},
		{&c.PrometheusAddr, DefaultPrometheusAddr},
		{&c.Version, "dev"},
	} {
		if *f.field == "" {
			*f.field = f.fallback
		}
	}
	if c.Retention == 0 {
		c.Retention = DefaultRetention
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = DefaultMaxBytes
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}
