// Package traffic sends simulated shoppers, and people who are up to something,
// through a running store.
//
// It is what makes a fresh store worth watching, and what puts load on one. A
// shopper makes a visit: looks around in one market, and then leaves (half of
// them), leaves with things in the cart (three of ten), or buys (two of ten).
//
//	pace ──> shopping: visit, visit, ...      at most one request under way each
//	     ──> shopping: visit, visit, ...
//	     ──> ...
//	             └── each visit is by somebody new, or by somebody who was here
//	                 before, with an address and, if need be, an identity of theirs
//
// Whoever needs a cart is a guest of the store; some register, and the store's demo
// users come too. Nobody shares a cart, and nobody comes back within a minute, so
// that a shopper meets no limit of a store that counts by address and by user: the
// address is sent as X-Forwarded-For, which a store has to be told to believe.
//
// The load is open: requests fall due at the rate, however fast the store is. What
// falls due while everybody waits for an answer is not sent, then or later, and
// counted as unsent: a slow store is neither flooded nor spared in the report.
//
// What somebody does in visit n is decided by the seed and n alone, given the
// same answers: a run can be repeated. What it sends as Idempotency-Key is not:
// a store that was there before would take the second run for a repetition.
//
// Shoppers are people: a declined card, something that sold out or a store that
// has trouble is counted, and they go on.
//
// It is a client without telemetry. What it saw is in the [Report]; what the
// store saw is in the store's own.
package traffic

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config configures Run. The zero value of every field but URL is useful.
type Config struct {
	URL         string        // required: where the shop's API is, such as "http://127.0.0.1:8000"
	AllowRemote bool          // let URL be another machine's; without it a slip cannot load a store that is not yours
	Scenario    Scenario      // what they come for; "" means Shoppers
	Users       int           // how many are in the store at a time, at most MaxUsers; 0 means 5
	Rate        float64       // requests per second of all together; 0 means 10
	Duration    time.Duration // how long to start requests; 0 means until the context is done
	Seed        uint64        // of what they decide
	Demo        bool          // the store's demo users come, too

	// Progress is called about once a second with the report so far, never by
	// two at once. Nil means nobody asks.
	Progress func(Report)

	// Transport carries the requests. Nil means one of its own.
	Transport http.RoundTripper
}

// MaxUsers is how many may be in the store at a time. Each may need a connection.
const MaxUsers = 10_000

// Account is how somebody logs in.
type Account struct{ Username, Password string }

// DemoAccounts are the accounts that a store has when it has demo data.
var DemoAccounts = []Account{{"user123", "password123"}, {"admin", "admin123"}, {"test", "test123"}}

// requestTimeout is how long anybody waits for an answer.
const requestTimeout = 10 * time.Second

// Run sends people until ctx is done or the time is over, waits for the answers
// that are under way, at most 10 s, and reports. It fails if cfg is wrong or the
// store does not answer at the start; what fails later is in the report.
func Run(ctx context.Context, cfg Config) (Report, error) {
	target, err := cfg.complete()
	if err != nil {
		return Report{}, fmt.Errorf("traffic: %w", err)
	}
	if cfg.Transport == nil {
		transport := &http.Transport{MaxIdleConnsPerHost: cfg.Users, DisableCompression: true}
		defer transport.CloseIdleConnections()
		cfg.Transport = transport
	}
	err = answers(ctx, cfg)
	if ctx.Err() != nil {
		return newTally().report(), nil // over before it began
	}
	if err != nil {
		return Report{}, fmt.Errorf("traffic: %w", err)
	}
	if cfg.Duration > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, cfg.Duration)
		defer cancel()
	}

	r := &run{
		cfg:        cfg,
		target:     target,
		tally:      newTally(),
		pace:       newPace(cfg.rate()),
		population: newPopulation(cfg),
	}
	var working sync.WaitGroup
	for i := range cfg.Users {
		working.Go(func() { r.visitAgain(ctx, i) })
	}
	working.Go(func() { r.pace.run(ctx, r.tally.unsent) })
	working.Go(func() { r.reportProgress(ctx) })
	working.Wait()
	return r.tally.report(), nil
}

// complete checks what was given and fills in what was not.
func (cfg *Config) complete() (target *url.URL, err error) {
	target, err = url.Parse(strings.TrimRight(cfg.URL, "/"))
	if err != nil || target.Scheme != "http" && target.Scheme != "https" || target.Host == "" {
		return nil, fmt.Errorf("%q is not where a shop's API is; give a URL such as http://127.0.0.1:8000", cfg.URL)
	}
	if !cfg.AllowRemote && !isLoopback(target.Hostname()) {
		return nil, fmt.Errorf("%s is another machine's; if that store is yours to load, set AllowRemote (--allow-remote)", target.Host)
	}
	cfg.Scenario = cmp.Or(cfg.Scenario, Shoppers)
	if !slices.Contains(cfg.Scenario.Values(), cfg.Scenario) {
		return nil, fmt.Errorf("there is no scenario %q; there are %v", cfg.Scenario, cfg.Scenario.Values())
	}
	if cfg.Users < 0 || cfg.Rate < 0 || cfg.Duration < 0 {
		return nil, errors.New("the users, the rate and the duration cannot be negative")
	}
	if cfg.Users > MaxUsers {
		return nil, fmt.Errorf("%d users are more than one process should play; let it be %d, and run several", cfg.Users, MaxUsers)
	}
	cfg.Users = cmp.Or(cfg.Users, 5)
	cfg.Rate = cmp.Or(cfg.Rate, 10)
	cfg.URL = target.String()
	return target, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// answers checks that a shop is there before anybody is sent.
func answers(ctx context.Context, cfg Config) error {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, cfg.URL+"/healthz/live", nil)
	if err != nil {
		return err
	}
	response, err := cfg.Transport.RoundTrip(request)
	if err != nil {
		return fmt.Errorf("the store at %s does not answer: %w; start it, or correct the URL", cfg.URL, err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s to GET /healthz/live; is it the shop's API?", cfg.URL, response.Status)
	}
	return nil
}

// run is what all visits of one Run share.
type run struct {
	cfg        Config
	target     *url.URL
	pace       *pace
	tally      *tally
	population *population
	catalogues catalogues
	visits     atomic.Uint64 // that have begun
}

// visitAgain makes visits until ctx is done. A door is what one after the other
// comes in by; it has a number.
func (r *run) visitAgain(ctx context.Context, door int) {
	for ctx.Err() == nil {
		r.visit(ctx, r.visits.Add(1)-1, door)
	}
}

// reportProgress tells whoever asked how the run stands, until ctx is done.
func (r *run) reportProgress(ctx context.Context) {
	if r.cfg.Progress == nil {
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			r.cfg.Progress(r.tally.report())
		case <-ctx.Done():
			return
		}
	}
}
