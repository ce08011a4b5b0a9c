// Package profiles sends a service's profiles to Pyroscope: where its CPU time
// goes, what it allocates and holds in memory, what its goroutines do, and what
// they wait for.
//
//	profiler := profiles.New(profiles.Config{URL: "http://localhost:4040"})
//	kit, err := otelkit.Start(ctx, otelkit.Config{Service: "payments", Profiles: profiler})
//	defer kit.Shutdown(ctx)
//	handler := httpserver.Wrap(router, httpserver.Config{Kit: kit, Profiles: profiler})
//
// Every 15 seconds the profiles of these seconds are sent. CPU and goroutine
// profiles are labelled with the route of the request that was served, and with
// its span if the trace is sampled, so that a slow span opens its own profile:
//
//	span                         profile
//	pyroscope.profile.id ──────> span_id:    what this one request did
//	http.route ────────────────> http_route: what requests to this route do
//
// Profiles are taken and uploaded by pyroscope-go. What this package adds is that
// the last profiles are sent when the service stops, that stopping takes no longer
// than it may, that uploads are tried again, that those that fail are counted and
// logged, and that no garbage collection is forced.
//
// Without otelkit.Start, [Start] starts a Profiler and [Profiler.Stop] ends it. Stop
// it before a kit, so that the kit still exports what was counted.
//
// Without a URL nothing is profiled: no goroutine runs, and requests cost nothing
// more.
package profiles

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grafana/pyroscope-go"
	"github.com/otelkit/kit/otelkit/metrics"
)

// Kit is what Start needs of a *otelkit.Kit.
type Kit interface {
	Recorder() *metrics.Recorder
	Logger() *slog.Logger
}

// Config configures New and Start. The zero value of every field is useful, but for
// Service, which Start needs. The variable PYROSCOPE_SERVER_ADDRESS, by which the
// Pyroscope clients of other languages are told theirs, rules over URL, and
// pyroscope-go's own PYROSCOPE_ADHOC_SERVER_ADDRESS over a URL that is set.
type Config struct {
	Service string            // service_name in Pyroscope; "" means the one of the kit that starts the Profiler
	URL     string            // of Pyroscope, such as "http://localhost:4040" or "https://user:password@host"; "" means that nothing is profiled
	Labels  map[string]string // of all profiles, such as service_version; a label name has letters, digits, "_" and "."
	Kit     Kit               // where telemetry about profiling goes; nil means the kit that starts the Profiler, else the default recorder and slog.Default

	Interval time.Duration     // how much time one profile covers, and the longest that sending it may take; 0 means 15 s
	Headers  map[string]string // of each upload, such as X-Scope-OrgID for a tenant
	Client   *http.Client      // uploads; nil means one of its own. Redirects are followed only if it has a CheckRedirect

	// Mutex is in how many a contention for a mutex is sampled: 1 means each; 0
	// means one in 100; less than 0 means that mutexes are not profiled.
	Mutex int
	// Block is the time of waiting, on channels and locks, in which one sample is
	// taken on average; 0 means 1 ms; less than 0 means that it is not profiled.
	Block time.Duration
}

const (
	defaultInterval = 15 * time.Second
	defaultMutex    = 100
	defaultBlock    = time.Millisecond
	stopTimeout     = 5 * time.Second
)

// Profiler is the profiling of this process. Make one with [New] or [Start]. Once
// started, it is safe for concurrent use.
type Profiler struct {
	cfg     Config
	session *pyroscope.Profiler // nil means that nothing is profiled
	uploads *uploads
	reports *reports
	labels  labels

	restore func() // the runtime's sampling as it was
	stop    sync.Once
	stopped chan struct{}
}

// profiling says whether this process is being profiled: the runtime has one CPU
// profile, one mutex profile and one block profile.
var profiling atomic.Bool

// New returns a Profiler for otelkit.Start to start, as Config.Profiles; what uses it
// comes after that. Until then, it does nothing.
func New(cfg Config) *Profiler {
	cfg.URL = cmp.Or(os.Getenv("PYROSCOPE_SERVER_ADDRESS"), cfg.URL)
	return &Profiler{cfg: cfg}
}

// Start begins to profile this process. It fails if something about the
// configuration is wrong, or if the process is being profiled already; it does
// not fail, nor wait, because Pyroscope cannot be reached.
func Start(cfg Config) (*Profiler, error) {
	p := New(cfg)
	if err := p.start(nil); err != nil {
		return nil, err
	}
	return p, nil
}

// StartProfiling starts a Profiler as part of a kit: this is for otelkit.Start. What
// [Config] does not say, and labels that it does not have, are those of the kit. A
// profile that is lost is reported to lost, with its cause in otelkit's terms, rather
// than logged.
func (p *Profiler) StartProfiling(service string, labels map[string]string, recorder *metrics.Recorder, logger *slog.Logger, lost func(cause string, err error)) error {
	p.cfg.Service = cmp.Or(p.cfg.Service, service)
	all := map[string]string{}
	maps.Copy(all, labels)
	maps.Copy(all, p.cfg.Labels)
	p.cfg.Labels = all
	if p.cfg.Kit == nil {
		p.cfg.Kit = starter{recorder, logger}
	}
	return p.start(lost)
}

// starter is the kit that started a Profiler.
type starter struct {
	recorder *metrics.Recorder
	logger   *slog.Logger
}

func (s starter) Recorder() *metrics.Recorder { return s.recorder }
func (s starter) Logger() *slog.Logger        { return s.logger }

func (p *Profiler) start(lost func(cause string, err error)) error {
	cfg := p.cfg
	if cfg.URL == "" {
		return nil
	}
	if err := cfg.check(); err != nil {
		return err
	}
	if !profiling.CompareAndSwap(false, true) {
		return errors.New("profiles: this process is being profiled already; Stop the other Profiler first")
	}
	cfg.Interval = cmp.Or(cfg.Interval, defaultInterval)
	p.uploads = newUploads(cfg, lost)
	p.reports = newReports(cfg.Kit, lost != nil)
	p.stopped = make(chan struct{})
	session, err := pyroscope.Start(pyroscope.Config{
		ApplicationName: cfg.Service,
		Tags:            maps.Clone(cfg.Labels),
		ServerAddress:   cfg.URL,
		HTTPHeaders:     maps.Clone(cfg.Headers),
		HTTPClient:      p.uploads,
		UploadRate:      cfg.Interval,
		Logger:          p.reports,
		ProfileTypes:    cfg.types(),
		DisableGCRuns:   true,
	})
	if err != nil {
		profiling.Store(false)
		return fmt.Errorf("profiles: starting: %w", err)
	}
	p.session = session
	p.restore = cfg.sample()
	return nil
}

// check returns everything that is wrong with the configuration.
func (c Config) check() error {
	var errs []error
	if c.Service == "" {
		errs = append(errs, errors.New("profiles: set Service to the name of the service"))
	}
	if u, err := url.Parse(c.URL); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		errs = append(errs, errors.New("profiles: URL (or PYROSCOPE_SERVER_ADDRESS) is not one of Pyroscope, such as http://localhost:4040")) // it may hold a password
	}
	for name, value := range c.Labels {
		if strings.ContainsAny(value, ",}") {
			errs = append(errs, fmt.Errorf(`profiles: label %q has the value %q; Pyroscope takes no "," or "}" in one`, name, value))
		}
	}
	if c.Interval < 0 {
		errs = append(errs, fmt.Errorf("profiles: Interval %v is negative; leave it out for %v", c.Interval, defaultInterval))
	}
	return errors.Join(errs...)
}

// types are the profiles to take. CPU has to be among them: without it,
// pyroscope-go v1.4.3 hangs when it is told to flush.
func (c Config) types() []pyroscope.ProfileType {
	types := []pyroscope.ProfileType{
		pyroscope.ProfileCPU,
		pyroscope.ProfileAllocObjects, pyroscope.ProfileAllocSpace,
		pyroscope.ProfileInuseObjects, pyroscope.ProfileInuseSpace,
		pyroscope.ProfileGoroutines,
	}
	if c.Mutex >= 0 {
		types = append(types, pyroscope.ProfileMutexCount, pyroscope.ProfileMutexDuration)
	}
	if c.Block >= 0 {
		types = append(types, pyroscope.ProfileBlockCount, pyroscope.ProfileBlockDuration)
	}
	return types
}

// sample has the runtime sample mutexes and blocking, and returns what ends it.
func (c Config) sample() (restore func()) {
	before := runtime.SetMutexProfileFraction(-1)
	if c.Mutex >= 0 {
		runtime.SetMutexProfileFraction(cmp.Or(c.Mutex, defaultMutex))
	}
	if c.Block >= 0 {
		runtime.SetBlockProfileRate(int(cmp.Or(c.Block, defaultBlock)))
	}
	return func() {
		if c.Mutex >= 0 {
			runtime.SetMutexProfileFraction(before)
		}
		if c.Block >= 0 {
			runtime.SetBlockProfileRate(0) // the runtime does not tell what it was
		}
	}
}

// Stop sends the profiles of the time since the last ones, each once, and ends
// profiling. It returns when ctx is done at the latest, after 5 s if ctx has no
// deadline; uploads under way are given up then, and what runs still ends soon
// after on its own. The error says that last profiles were not sent, and why.
func (p *Profiler) Stop(ctx context.Context) error {
	if p.session == nil {
		return nil
	}
	if _, bounded := ctx.Deadline(); !bounded {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, stopTimeout)
		defer cancel()
	}
	p.stop.Do(func() { go p.end() })
	select {
	case <-p.stopped:
		if err := p.uploads.failed(); err != nil {
			return fmt.Errorf("profiles: the last profiles were not sent: %w", err)
		}
		return nil
	case <-ctx.Done():
		p.uploads.abandon()
		return fmt.Errorf("profiles: the last profiles were not sent in time: %w", ctx.Err())
	}
}

// end ends profiling. It takes as long as uploads take, and as a CPU profile
// that [ServeCPUProfile] serves.
func (p *Profiler) end() {
	defer close(p.stopped)
	p.uploads.hurry()
	p.session.Flush(true) // pyroscope-go's Stop alone loses what Flush sends
	_ = p.session.Stop()  // it has no error to return
	p.restore()
	p.uploads.close()
	p.reports.flush()
	profiling.Store(false)
}
