// Package checkup looks over a running store, layer by layer: what is there, what
// is not, and what that means for whom.
//
//	5  front end       asked for its page
//	4  third parties   asked, or seen through the services that use them
//	3  services        asked for /healthz, which tells what they need
//	2  telemetry       asked whether it is ready, and whether what our services send arrives
//	1  datastores      seen through the services that use them
//
// Nobody but a service can tell whether it reaches its database, so the datastores
// are not asked: a service's answer says so. And a back end that is ready is no
// proof that telemetry arrives, so each service's is looked for in it.
//
// All is asked at once, each within the same time. Where a store is does not
// matter: it has the addresses of webstore up, of containers, or any others, and
// what has no address is left out.
package checkup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/otelkit/kit/otelkit/health"
)

// Config configures Run. The zero value of every field but Addresses is useful.
type Config struct {
	// Addresses is where the parts of the store are, as URLs, by their names (see
	// Addressable). A part without one is not asked.
	Addresses map[string]string
	Layer     Layer         // the only one to check; 0 means all
	Timeout   time.Duration // longest wait for one answer, and so for all of them; 0 means 5 s

	// Transport carries the requests. Nil means one of its own.
	Transport http.RoundTripper
}

const defaultTimeout = 5 * time.Second

// Status is how a part of the store is, or the whole.
type Status string

// The statuses.
const (
	Healthy   Status = "healthy"   // does all of its work
	Degraded  Status = "degraded"  // does its work, but not all of it or not as well
	Unhealthy Status = "unhealthy" // does not do its work, or gives no answer
	Unknown   Status = "unknown"   // nobody who could tell has answered
)

// Report is what a look at the store came to.
type Report struct {
	Overall   Status
	At        time.Time // when it began
	Took      time.Duration
	Results   map[string]Result   // by the name of the part
	DependsOn map[string][]string // of the parts in Results, what each needs
}

// Result is how one part is.
type Result struct {
	Layer       Layer
	Criticality health.Criticality
	Status      Status
	Took        time.Duration // until it answered, or until the service that uses it had an answer; 0 if there was none
	Error       string        // why it is not healthy; "" if it is
	Impact      string        // what does not work without it; "" if it does its work
	NeededBy    []string      // who needs it, if it is not healthy
}

// Run looks at the store once. It fails only if cfg is wrong or ctx is done: that
// nothing answers is a result, with Overall Unknown.
func Run(ctx context.Context, cfg Config) (Report, error) {
	if err := cfg.complete(); err != nil {
		return Report{}, fmt.Errorf("checkup: %w", err)
	}
	client := &http.Client{Transport: cfg.Transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	if cfg.Transport == nil {
		transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
		defer transport.CloseIdleConnections()
		client.Transport = transport
	}
	l := &look{cfg: cfg, client: client, answers: map[string]answer{}}
	begin := time.Now()
	l.ask(ctx)
	if err := ctx.Err(); err != nil {
		return Report{}, fmt.Errorf("checkup: interrupted: %w", err)
	}
	return l.report(begin, time.Since(begin)), nil
}

// complete checks what was given and fills in what was not.
func (cfg *Config) complete() error {
	cfg.Timeout = cmp.Or(cfg.Timeout, defaultTimeout)
	if cfg.Timeout < 0 {
		return fmt.Errorf("a timeout of %v is negative", cfg.Timeout)
	}
	if cfg.Layer != 0 && !slices.Contains(cfg.Layer.Values(), cfg.Layer) {
		return fmt.Errorf("there is no layer %d; there are %s", cfg.Layer, listOfLayers())
	}
	addresses := map[string]string{}
	for name, address := range cfg.Addresses {
		if !slices.Contains(Addressable(), name) {
			return fmt.Errorf("there is no part %q that has an address; there are %s", name, strings.Join(Addressable(), ", "))
		}
		parsed, err := url.Parse(address)
		if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Host == "" {
			return fmt.Errorf("%q is not where %s is; give a URL such as http://127.0.0.1:8000", address, name)
		}
		addresses[name] = strings.TrimRight(address, "/")
	}
	cfg.Addresses = addresses
	if !slices.ContainsFunc(parts, func(p part) bool { return cfg.asks(p) }) {
		return errors.New("there is nothing to ask; give the addresses of parts of that layer, or of services")
	}
	return nil
}

// asks reports whether p is to be asked: it has an address, and the report is to
// tell of it or of what is seen through it.
func (cfg *Config) asks(p part) bool {
	_, ok := cfg.Addresses[p.name]
	seen := cfg.Layer == Datastores || cfg.Layer == ThirdParties
	return ok && (cfg.covers(p) || seen && p.layer == Services)
}

// covers reports whether the report is to tell of p.
func (cfg *Config) covers(p part) bool { return cfg.Layer == 0 || cfg.Layer == p.layer }

// look is one look at the store.
type look struct {
	cfg    Config
	client *http.Client

	mu      sync.Mutex
	answers map[string]answer // by the name of the part that was asked
}

// ask asks all that are to be asked, at once.
func (l *look) ask(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Timeout)
	defer cancel()
	var asking sync.WaitGroup
	for _, p := range parts {
		question := l.question(p)
		if question == nil {
			continue
		}
		asking.Go(func() {
			begin := time.Now()
			a := question(ctx)
			if a.heard {
				a.took = time.Since(begin)
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.answers[p.name] = a
		})
	}
	asking.Wait()
}

// question returns what asks about p, or nil if it is not to be asked.
func (l *look) question(p part) func(context.Context) answer {
	switch {
	case p.telemetryOf != "" && l.cfg.covers(p) && l.knows(p.name):
		return func(ctx context.Context) answer { return l.arrival(ctx, p) }
	case p.telemetryOf != "" || !l.cfg.asks(p):
		return nil
	case p.layer == Services:
		return func(ctx context.Context) answer { return l.service(ctx, p) }
	}
	return func(ctx context.Context) answer { return l.probe(ctx, p) }
}

// report puts together what the answers came to.
func (l *look) report(begin time.Time, took time.Duration) Report {
	r := Report{At: begin, Took: took, Results: map[string]Result{}, DependsOn: map[string][]string{}}
	for _, p := range parts {
		if a, ok := l.verdict(p); ok && l.cfg.covers(p) {
			r.Results[p.name] = Result{Layer: p.layer, Criticality: p.criticality, Status: a.status, Took: a.took, Error: a.err}
		}
	}
	for _, p := range parts {
		result, ok := r.Results[p.name]
		if !ok {
			continue
		}
		r.DependsOn[p.name] = slices.DeleteFunc(append([]string{}, p.needs...), func(name string) bool { return !l.knows(name) })
		if result.Status != Healthy {
			result.NeededBy = l.dependents(p.name)
		}
		if result.Status == Unhealthy || result.Status == Unknown {
			result.Impact = p.impact
		}
		r.Results[p.name] = result
	}
	r.Overall = l.overall(r.Results)
	return r
}

// verdict returns how p is: by its own answer, or by what services say of it.
func (l *look) verdict(p part) (a answer, ok bool) {
	if a, ok := l.answers[p.name]; ok {
		return a, true
	}
	return l.seen(p)
}

// knows reports whether a part belongs to the store that is looked at.
func (l *look) knows(name string) bool {
	p := partNamed(name)
	if p.telemetryOf != "" {
		return l.cfg.Addresses[p.telemetryOf] != "" && l.promQL() != ""
	}
	_, seen := l.seen(p)
	return seen || l.cfg.Addresses[name] != ""
}

// dependents names the parts that need one.
func (l *look) dependents(name string) []string {
	var list []string
	for _, p := range parts {
		if slices.Contains(p.needs, name) && l.knows(p.name) {
			list = append(list, p.name)
		}
	}
	return list
}

// overall sums up. What is critical and unknown cannot be relied on.
func (l *look) overall(results map[string]Result) Status {
	heard := slices.ContainsFunc(parts, func(p part) bool { return l.answers[p.name].heard })
	if !heard {
		return Unknown
	}
	overall := Healthy
	for _, r := range results {
		switch {
		case r.Status == Healthy:
		case r.Criticality == health.Critical && r.Status != Degraded:
			return Unhealthy
		default:
			overall = Degraded
		}
	}
	return overall
}
