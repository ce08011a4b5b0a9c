// Package traffic sends simulated shoppers through a running store.
//
// It is what makes a fresh store worth watching, and what puts load on one. A
// shopper makes a visit: looks around in one market, and then leaves (half of
// them), leaves with things in the cart (three of ten), or buys (two of ten).
//
//	pace ──> shopper 1: visit, visit, ...        each has one request under way
//	     ──> shopper 2: visit, visit, ...        at a time
//	     ──> ...
//	             └── whoever needs a cart borrows one of the identities
//
// What a shopper does in visit n is decided by the seed and n alone, given the
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
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Config configures Run. The zero value of every field but URL is useful.
type Config struct {
	URL         string        // required: where the shop's API is, such as "http://127.0.0.1:8000"
	AllowRemote bool          // let URL be another machine's; without it a slip cannot load a store that is not yours
	Users       int           // shoppers at a time, each with at most one request under way; 0 means 5
	Rate        float64       // requests per second of all shoppers together; 0 means 10
	Duration    time.Duration // how long to start requests; 0 means until the context is done
	Seed        uint64        // of what the shoppers decide

	// Identities are who has carts; nil means DemoIdentities. An identity is
	// used by one shopper at a time, and a shopper that needs one waits.
	Identities []Identity

	// Progress is called about once a second with the report so far, never by
	// two at once. Nil means nobody asks.
	Progress func(Report)

	// Transport carries the requests. Nil means one of its own.
	Transport http.RoundTripper
}

// Identity is an account of the store.
type Identity struct {
	Username, Password string
	Token              string // that works without logging in
}

// DemoIdentities are the accounts that the store has when it has demo data.
var DemoIdentities = []Identity{
	{"user123", "password123", "user-token-123"},
	{"admin", "admin123", "admin-token-456"},
	{"test", "test123", "test-token-789"},
}

// requestTimeout is how long a shopper waits for an answer.
const requestTimeout = 10 * time.Second

// Run sends shoppers until ctx is done or the time is over, waits for the
// answers that are under way, at most 10 s, and reports. It fails if cfg is
// wrong or the store does not answer at the start; what fails later is in the
// report.
func Run(ctx context.Context, cfg Config) (Report, error) {
	if err := cfg.complete(); err != nil {
		return Report{}, fmt.Errorf("traffic: %w", err)
	}
	client := &http.Client{Transport: cfg.Transport, Timeout: requestTimeout}
	if cfg.Transport == nil {
		transport := &http.Transport{MaxIdleConnsPerHost: cfg.Users}
		defer transport.CloseIdleConnections()
		client.Transport = transport
	}
	err := answers(ctx, client, cfg.URL)
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
		client:     client,
		pace:       &pace{interval: time.Duration(float64(time.Second) / cfg.Rate)},
		tally:      newTally(),
		identities: make(chan Identity, len(cfg.Identities)),
	}
	for _, identity := range cfg.Identities {
		r.identities <- identity
	}
	var working sync.WaitGroup
	for range cfg.Users {
		working.Go(func() { r.shop(ctx) })
	}
	reported := make(chan struct{})
	go func() {
		defer close(reported)
		r.reportProgress(ctx)
	}()
	working.Wait()
	<-reported
	return r.tally.report(), nil
}

// complete checks what was given and fills in what was not.
func (cfg *Config) complete() error {
	cfg.URL = strings.TrimRight(cfg.URL, "/")
	target, err := url.Parse(cfg.URL)
	if err != nil || target.Scheme != "http" && target.Scheme != "https" || target.Host == "" {
		return fmt.Errorf("%q is not where a shop's API is; give a URL such as http://127.0.0.1:8000", cfg.URL)
	}
	if !cfg.AllowRemote && !isLoopback(target.Hostname()) {
		return fmt.Errorf("%s is another machine's; if that store is yours to load, set AllowRemote (--allow-remote)", target.Host)
	}
	if cfg.Users < 0 || cfg.Rate < 0 || cfg.Duration < 0 {
		return errors.New("the users, the rate and the duration cannot be negative")
	}
	cfg.Users = cmp.Or(cfg.Users, 5)
	cfg.Rate = cmp.Or(cfg.Rate, 10)
	if cfg.Identities == nil {
		cfg.Identities = DemoIdentities
	}
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// answers checks that a shop is there before anybody is sent.
func answers(ctx context.Context, client *http.Client, shop string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, shop+"/healthz/live", nil)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		var cause *url.Error
		if errors.As(err, &cause) {
			err = cause.Err // without the method and the URL, which we name
		}
		return fmt.Errorf("the store at %s does not answer: %w; start it, or correct the URL", shop, err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s to GET /healthz/live; is it the shop's API?", shop, response.Status)
	}
	return nil
}

// run is what the shoppers of one Run share.
type run struct {
	cfg        Config
	client     *http.Client
	pace       *pace
	tally      *tally
	identities chan Identity // those that nobody uses
	visits     atomic.Uint64 // that have begun
}

// shop makes visits until ctx is done.
func (r *run) shop(ctx context.Context) {
	for ctx.Err() == nil {
		r.newVisit(r.visits.Add(1) - 1).make(ctx)
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
