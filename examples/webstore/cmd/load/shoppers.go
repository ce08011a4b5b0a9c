//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// shopper is who a connection shops for at the moment.
type shopper struct {
	c     *connection
	guest string // a token
	n     int    // of this shopper among all
}

// answers is what a visit got.
type answers struct {
	latencies []time.Duration // of what the phase is about
	requests  int
	failed    int
}

// visitRequests is how many requests a visit of who looks around has.
const visitRequests = 5

// markets are those with all products.
var markets = []string{"US", "UK", "DE", "FR", "IN"}

// ampleProducts are those that the warehouse delivers most of.
var ampleProducts = []int{2, 3, 6, 7, 8}

// browse is a visit of who looks around: a list, and four products of it. Every other
// one says who it is.
func browse(s shopper, a *answers) error {
	market := markets[s.n%len(markets)]
	q := request{method: http.MethodGet, address: forwarded(s.n)}
	if s.n%2 == 0 {
		q.token = s.guest
	}
	for i := range visitRequests {
		q.path = "/" + market + "/products"
		if i > 0 {
			q.path = fmt.Sprintf("/%s/products/%d", market, 1+(s.n+i)%8)
		}
		begin := time.Now()
		status, _, err := s.c.ask(q)
		if err != nil {
			return err
		}
		a.requests++
		a.latencies = append(a.latencies, time.Since(begin))
		if status != http.StatusOK {
			a.failed++
		}
	}
	return nil
}

// keys makes Idempotency-Keys that no run had before.
var keys = fmt.Sprintf("load-%d-", time.Now().UnixNano())

// buy is a visit of who puts something into the cart and pays for it.
func buy(s shopper, a *answers) error {
	market := markets[s.n%len(markets)]
	q := request{method: http.MethodPost, address: forwarded(s.n), token: s.guest}
	q.path, q.body = "/cart/add", fmt.Sprintf(`{"product_id": %d, "quantity": 1, "country": %q}`, ampleProducts[s.n%len(ampleProducts)], market)
	status, _, err := s.c.ask(q)
	if err != nil {
		return err
	}
	a.requests++
	if status != http.StatusOK {
		a.failed++
		return nil
	}
	q.path, q.body, q.key = "/checkout", fmt.Sprintf(`{"payment_method": "paypal", "country": %q}`, market), fmt.Sprint(keys, s.n)
	begin := time.Now()
	status, _, err = s.c.ask(q)
	if err != nil {
		return err
	}
	a.requests++
	a.latencies = append(a.latencies, time.Since(begin))
	if status != http.StatusOK {
		a.failed++
	}
	return nil
}

// shoppers counts all that ever came, so that each has an address of its own.
var shoppers atomic.Int64

// load is what shoppers do for a while.
type load struct {
	connections int
	guests      []string
	visit       func(shopper, *answers) error
	duration    time.Duration
	interval    time.Duration // between the beginnings of two visits of a connection; 0 is no pause
}

// load has connections carry visits.
func (s *store) load(ctx context.Context, l load) (phase, error) {
	var (
		working sync.WaitGroup
		mu      sync.Mutex
		p       phase
		errs    []error
	)
	before, err := s.usage()
	if err != nil {
		return phase{}, err
	}
	begin := time.Now()
	for n := range l.connections {
		working.Go(func() {
			var a answers
			// Not all at once, or they would wait for each other.
			err := s.visits(ctx, l, begin.Add(l.interval*time.Duration(n)/time.Duration(l.connections)), &a)
			mu.Lock()
			defer mu.Unlock()
			p.requests += a.requests
			p.failed += a.failed
			p.latencies = append(p.latencies, a.latencies...)
			errs = append(errs, err)
		})
	}
	working.Wait()
	p.took = time.Since(begin)
	after, err := s.usage()
	if err := errors.Join(append(errs, err)...); err != nil {
		return phase{}, err
	}
	slices.Sort(p.latencies)
	p.memory = map[string]int64{}
	for name, u := range after {
		p.cpu += u.cpu - before[name].cpu
		p.memory[name] = u.peak
	}
	return p, ctx.Err()
}

func (s *store) visits(ctx context.Context, l load, begin time.Time, a *answers) error {
	c, err := dial(s.shop)
	if err != nil {
		return err
	}
	defer c.Close()
	end := time.Now().Add(l.duration)
	for next := begin; time.Now().Before(end) && ctx.Err() == nil; next = next.Add(l.interval) {
		time.Sleep(time.Until(next))
		n := int(shoppers.Add(1))
		if err := l.visit(shopper{c: c, guest: l.guests[n%len(l.guests)], n: n}, a); err != nil {
			return err
		}
	}
	return nil
}

// guests are tokens of shoppers without an account.
func (s *store) guests(n int) ([]string, error) {
	c, err := dial(s.shop)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	var tokens []string
	for range n {
		status, body, err := c.ask(request{method: http.MethodPost, path: "/auth/guest", body: "{}", address: forwarded(int(shoppers.Add(1)))})
		if err != nil {
			return nil, err
		}
		var answer struct{ Token string }
		if err := json.Unmarshal(body, &answer); err != nil || answer.Token == "" {
			return nil, fmt.Errorf("POST /auth/guest: %d %s", status, body)
		}
		tokens = append(tokens, answer.Token)
	}
	return tokens, nil
}
