package ratelimit

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strconv"
)

// By says whose requests a rule counts together.
type By int

// Whose requests are counted together.
const (
	ByClient         By = iota // those from one address, or one /64 of IPv6; see ClientAddress
	ByUser                     // those of one user; a request without one is not counted
	ByUserElseClient           // those of one user, and without one those from one address
)

// Rule has requests counted against a limit. The zero value of every field but Limit is
// useful.
type Rule struct {
	Limit string                     // required: the name of one of the limiter's limits
	By    By                         // whose requests are counted together; 0 means ByClient
	Key   func(*http.Request) string // whose, instead of By; "" means that the request is not counted
	Cost  func(*http.Request) int    // how many units; nil means 1, and what returns 0 or less is not counted
}

// HTTPConfig configures Middleware. The zero value of every field but Limiter and Rules
// is useful.
type HTTPConfig struct {
	Limiter *Limiter // required
	Rules   []Rule   // required: all are asked in one round trip, and all let a request pass or none counts it

	// User returns who sent a request, as the service has verified it: from a session
	// or a token whose signature was checked, never from a field that a client can
	// write. "" means nobody. Required by rules ByUser and ByUserElseClient. It may look
	// the user up: it is not asked about a request from an address that this instance
	// knows to be over a limit of its own.
	User func(*http.Request) string

	// TrustedProxies are the networks of the proxies in front of the service, whose
	// X-Forwarded-For is believed. None means that clients connect by themselves.
	TrustedProxies []netip.Prefix

	// Deny answers what is over a limit, in the service's own words; nil means the
	// problem that Middleware tells of. Retry-After and the fields of the limits are set
	// already.
	Deny func(http.ResponseWriter, *http.Request, Decision)

	Exempt     func(*http.Request) bool // whether a request is not limited, such as a health check; nil means none
	XRateLimit bool                     // also send X-RateLimit-Limit, -Remaining and -Reset (in seconds), of the limit with the least remaining
}

// Middleware returns what puts limits in front of a handler. It stands behind what
// verifies the user, and inside of httpserver.Wrap.
//
// What is over a limit is answered 429 with Retry-After and a problem of type
// quota-exceeded (RFC 9457), in which the limits are named; with FailClosed and no
// Redis, 503 and temporary-reduced-capacity. Every answer that was counted has
// RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-11). A request
// whose cost can never pass is answered 429 without Retry-After.
func Middleware(cfg HTTPConfig) (func(http.Handler) http.Handler, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	m := &middleware{cfg: cfg, policies: map[string]string{}}
	for _, rule := range cfg.Rules {
		m.policies[rule.Limit] = policyItem(cfg.Limiter.limits[rule.Limit].Limit)
		if rule.needsUser() {
			m.withUser = append(m.withUser, rule)
		} else {
			m.withoutUser = append(m.withoutUser, rule)
		}
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { m.serve(w, r, next) })
	}, nil
}

type middleware struct {
	cfg      HTTPConfig
	policies map[string]string // items of RateLimit-Policy, by limit

	withoutUser, withUser []Rule
}

// needsUser says whether who sent a request has to be found out for the rule.
func (r Rule) needsUser() bool { return r.Key == nil && r.By != ByClient }

func (c HTTPConfig) validate() error {
	if c.Limiter == nil {
		return errors.New("ratelimit: HTTPConfig.Limiter is missing")
	}
	if len(c.Rules) == 0 {
		return errors.New("ratelimit: HTTPConfig.Rules is empty, so nothing would be limited")
	}
	for i, rule := range c.Rules {
		if _, ok := c.Limiter.limits[rule.Limit]; !ok {
			return fmt.Errorf("ratelimit: rule %d: there is no limit %q; the limiter has %s", i, rule.Limit, c.Limiter.names())
		}
		if rule.By < ByClient || rule.By > ByUserElseClient {
			return fmt.Errorf("ratelimit: rule %d: By is %d; it has to be ByClient, ByUser or ByUserElseClient", i, rule.By)
		}
		if rule.Key == nil && rule.By != ByClient && c.User == nil {
			return fmt.Errorf("ratelimit: rule %d counts by user, and HTTPConfig.User does not say who that is", i)
		}
		for _, other := range c.Rules[:i] {
			if other.Limit == rule.Limit {
				return fmt.Errorf("ratelimit: limit %q stands in two rules; a limit counts by one thing", rule.Limit)
			}
		}
	}
	for _, prefix := range c.TrustedProxies {
		if !prefix.IsValid() {
			return errors.New("ratelimit: HTTPConfig.TrustedProxies has an invalid prefix; it has to be such as 10.0.0.0/8")
		}
		if prefix.Addr().Is4In6() {
			return fmt.Errorf("ratelimit: HTTPConfig.TrustedProxies has %v; write it as IPv4", prefix)
		}
		if prefix.Bits() == 0 {
			return fmt.Errorf("ratelimit: HTTPConfig.TrustedProxies has %v, which trusts everybody: any client could then choose its address in X-Forwarded-For", prefix)
		}
	}
	return nil
}

func (m *middleware) serve(w http.ResponseWriter, r *http.Request, next http.Handler) {
	if m.cfg.Exempt != nil && m.cfg.Exempt(r) {
		next.ServeHTTP(w, r)
		return
	}
	var space [4]Ask // so that few rules need no allocation
	asks := m.asks(space[:0], r, m.withoutUser)
	if len(m.withUser) > 0 && !m.cfg.Limiter.knowsDenied(asks) {
		// If it is denied, whose request it is makes no difference, and who floods the
		// service with made-up tokens must not have each of them looked up.
		asks = m.asks(asks, r, m.withUser)
	}
	if len(asks) == 0 {
		next.ServeHTTP(w, r)
		return
	}
	decision, err := m.cfg.Limiter.Take(r.Context(), asks...)
	if err != nil { // all else was ruled out: the cost is more than the limit ever lets pass
		writeProblem(w, http.StatusTooManyRequests, problem{
			Type:   problemTypes + "quota-exceeded",
			Title:  "Quota exceeded",
			Detail: "This request asks for more than can ever be let through at once.",
		})
		return
	}
	m.setFields(w.Header(), decision)
	if !decision.Allowed {
		m.deny(w, r, decision)
		return
	}
	next.ServeHTTP(w, r)
}

// asks appends what rules ask about a request.
func (m *middleware) asks(asks []Ask, r *http.Request, rules []Rule) []Ask {
	for i := range rules {
		rule := &rules[i]
		key, cost := m.key(rule, r), 1
		if rule.Cost != nil {
			cost = rule.Cost(r)
		}
		if key != "" && cost > 0 {
			asks = append(asks, Ask{Limit: rule.Limit, Key: key, Cost: cost})
		}
	}
	return asks
}

func (m *middleware) key(rule *Rule, r *http.Request) string {
	if rule.Key != nil {
		return rule.Key(r)
	}
	if rule.By != ByClient {
		if user := m.cfg.User(r); user != "" {
			return "user:" + user
		}
	}
	if rule.By == ByUser {
		return ""
	}
	return AddressKey(ClientAddress(r, m.cfg.TrustedProxies))
}

// problemTypes is where IANA registers types of problems.
const problemTypes = "https://iana.org/assignments/http-problem-types#"

// problem is the body of an error (RFC 9457).
type problem struct {
	Type     string   `json:"type"`
	Title    string   `json:"title"`
	Status   int      `json:"status"`
	Detail   string   `json:"detail,omitempty"`
	Violated []string `json:"violated-policies,omitempty"`
}

// deny answers a request that a limit denies.
func (m *middleware) deny(w http.ResponseWriter, r *http.Request, d Decision) {
	after := strconv.FormatInt(seconds(d.RetryAfter), 10)
	w.Header().Set("Retry-After", after)
	if m.cfg.Deny != nil {
		m.cfg.Deny(w, r, d)
		return
	}
	status, p := http.StatusTooManyRequests, problem{Type: problemTypes + "quota-exceeded", Title: "Quota exceeded"}
	for i := range d.Results {
		res := &d.Results[i]
		if res.Allowed || res.Source == "" {
			continue
		}
		p.Violated = append(p.Violated, res.Limit.Name)
		if res.Source == FromPolicy {
			status, p.Type, p.Title = http.StatusServiceUnavailable, problemTypes+"temporary-reduced-capacity", "Capacity reduced for a time"
		}
	}
	p.Detail = "Try again in " + after + " s."
	writeProblem(w, status, p)
}

func writeProblem(w http.ResponseWriter, status int, p problem) {
	p.Status = status
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(p)
}
