package ratelimit_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/otelkit/kit/otelkit/ratelimit"
)

// site is a handler behind limits.
type site struct {
	http.Handler
	clock  *clock
	served int
}

func newSite(t *testing.T, limits []ratelimit.Limit, cfg ratelimit.HTTPConfig) *site {
	t.Helper()
	s := &site{clock: newClock()}
	if cfg.Limiter == nil {
		cfg.Limiter = newLimiter(t, ratelimit.Config{Now: s.clock.Now, Limits: limits})
	}
	middleware, err := ratelimit.Middleware(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Handler = middleware(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { s.served++ }))
	return s
}

// get sends a request from a peer, as a user.
func (s *site) get(peer, user string) *http.Response {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(peer), 4711).String()
	r.Header.Set("Authenticated", user)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w.Result()
}

// verified stands for what verifies a token.
func verified(r *http.Request) string { return r.Header.Get("Authenticated") }

// body decodes a problem.
func body(t *testing.T, res *http.Response) (p struct {
	Type, Title, Detail string
	Status              int
	Violated            []string `json:"violated-policies"`
}) {
	t.Helper()
	if got := res.Header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type %q", got)
	}
	if err := json.NewDecoder(res.Body).Decode(&p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAnAnswerTellsWhereTheClientStands(t *testing.T) {
	s := newSite(t, []ratelimit.Limit{{Name: "api", Rate: 100, Per: time.Minute, Burst: 3}}, ratelimit.HTTPConfig{Rules: []ratelimit.Rule{{Limit: "api"}}})
	for _, want := range []struct{ status, limit, after string }{
		{"200", `"api";r=2;t=2`, ""}, // 2 in 1.2 s is the rate
		{"200", `"api";r=1;t=1`, ""},
		{"200", `"api";r=0;t=1`, ""},
		{"429", `"api";r=0;t=1`, "1"}, // 0.6 s, rounded up
	} {
		res := s.get("192.0.2.1", "")
		got := []string{strconv.Itoa(res.StatusCode), res.Header.Get("RateLimit"), res.Header.Get("Retry-After")}
		if !slices.Equal(got, []string{want.status, want.limit, want.after}) {
			t.Errorf("got %q, want %+v", got, want)
		}
		if got := res.Header.Get("RateLimit-Policy"); got != `"api";q=100;w=60;otelkit-burst=3` {
			t.Errorf("RateLimit-Policy: %s", got)
		}
		if got := res.Header.Get("X-RateLimit-Limit"); got != "" {
			t.Errorf("X-RateLimit-Limit: %s, which nobody asked for", got)
		}
	}
	if s.served != 3 {
		t.Errorf("%d served, want 3", s.served)
	}
}

func TestADenialIsAProblemThatNamesTheLimits(t *testing.T) {
	s := newSite(t, []ratelimit.Limit{
		{Name: "second", Rate: 2, Per: time.Second},
		{Name: "day", Rate: 2, Per: 24 * time.Hour},
		{Name: "roomy", Rate: 2000, Per: time.Hour},
		{Name: "new", Rate: 1, Per: time.Hour, Shadow: true},
	}, ratelimit.HTTPConfig{XRateLimit: true, Rules: []ratelimit.Rule{{Limit: "second"}, {Limit: "day"}, {Limit: "roomy"}, {Limit: "new"}}})
	s.get("192.0.2.1", "")
	if got := s.get("192.0.2.1", "").Header.Values("RateLimit"); len(got) != 3 || strings.Contains(strings.Join(got, ","), "new") {
		t.Errorf("RateLimit %q, want the three limits that are not in shadow mode", got)
	}
	res := s.get("192.0.2.1", "")
	p := body(t, res)
	if res.StatusCode != 429 || p.Status != 429 || p.Type != "https://iana.org/assignments/http-problem-types#quota-exceeded" || p.Title == "" || p.Detail != "Try again in 43200 s." || !slices.Equal(p.Violated, []string{"second", "day"}) {
		t.Errorf("status %d, %+v", res.StatusCode, p)
	}
	if got := res.Header.Get("Retry-After"); got != "43200" {
		t.Errorf("Retry-After: %s, want the 12 h until the last of them lets one pass", got)
	}
	// No window that is told may end after Retry-After.
	if got := strings.Join(res.Header.Values("RateLimit"), ", "); got != `"second";r=0;t=1, "day";r=0;t=43200` {
		t.Errorf("RateLimit: %s", got)
	}
	if got := []string{res.Header.Get("X-RateLimit-Limit"), res.Header.Get("X-RateLimit-Remaining"), res.Header.Get("X-RateLimit-Reset")}; !slices.Equal(got, []string{"2", "0", "1"}) {
		t.Errorf("X-RateLimit-* %q", got)
	}
}

func TestTheRemainingUnitsOverTheWindowAreNeverMoreThanTheRate(t *testing.T) {
	for _, limit := range []ratelimit.Limit{
		{Rate: 100, Per: time.Minute}, {Rate: 10_000, Per: time.Hour, Burst: 50}, {Rate: 7, Per: 24 * time.Hour, Burst: 1000}, {Rate: 5, Per: 300 * time.Millisecond},
	} {
		limit.Name = "api"
		s := newSite(t, []ratelimit.Limit{limit}, ratelimit.HTTPConfig{Rules: []ratelimit.Rule{{Limit: "api"}}})
		for range 1200 {
			res := s.get("192.0.2.1", "")
			var r, window float64
			for parameter := range strings.SplitSeq(res.Header.Get("RateLimit"), ";") {
				if v, ok := strings.CutPrefix(parameter, "r="); ok {
					r, _ = strconv.ParseFloat(v, 64)
				}
				if v, ok := strings.CutPrefix(parameter, "t="); ok {
					window, _ = strconv.ParseFloat(v, 64)
				}
			}
			if window < 1 || r/window > float64(limit.Rate)/limit.Per.Seconds()*1.000001 {
				t.Fatalf("%+v: RateLimit: %s", limit, res.Header.Get("RateLimit"))
			}
		}
	}
}

func TestAPolicyIsInWholeSeconds(t *testing.T) {
	for want, limit := range map[string]ratelimit.Limit{
		`"api";q=100;w=60`:                            {Rate: 100, Per: time.Minute},
		`"api";q=20;w=1;otelkit-burst=2`:              {Rate: 2, Per: 100 * time.Millisecond},
		`"api";q=13;w=2;otelkit-burst=10`:             {Rate: 10, Per: 1500 * time.Millisecond},
		`"api";q=999999999999999;w=1;otelkit-burst=2`: {Rate: 1_000_000_000, Per: time.Microsecond, Burst: 2},
	} {
		limit.Name = "api"
		s := newSite(t, []ratelimit.Limit{limit}, ratelimit.HTTPConfig{Rules: []ratelimit.Rule{{Limit: "api"}}})
		if got := s.get("192.0.2.1", "").Header.Get("RateLimit-Policy"); got != want {
			t.Errorf("%+v: %s, want %s", limit, got, want)
		}
	}
}

func TestRequestsAreCountedByClientOrUser(t *testing.T) {
	one := func(name string) ratelimit.Limit {
		return ratelimit.Limit{Name: name, Rate: 1, Per: time.Hour}
	}
	for name, tt := range map[string]struct {
		rule     ratelimit.Rule
		requests [][2]string // peer, user
		statuses []int
	}{
		"by client": {
			ratelimit.Rule{Limit: "api"},
			[][2]string{{"192.0.2.1", "ada"}, {"192.0.2.1", "bob"}, {"192.0.2.2", "ada"}, {"2001:db8::1", ""}, {"2001:db8::2", ""}, {"2001:db8:0:1::1", ""}},
			[]int{200, 429, 200, 200, 429, 200},
		},
		"by user": {
			ratelimit.Rule{Limit: "api", By: ratelimit.ByUser},
			[][2]string{{"192.0.2.1", "ada"}, {"192.0.2.2", "ada"}, {"192.0.2.1", "bob"}, {"192.0.2.1", ""}, {"192.0.2.1", ""}},
			[]int{200, 429, 200, 200, 200},
		},
		"by user, else by client": {
			ratelimit.Rule{Limit: "api", By: ratelimit.ByUserElseClient},
			[][2]string{{"192.0.2.1", "ada"}, {"192.0.2.2", "ada"}, {"192.0.2.1", ""}, {"192.0.2.1", ""}, {"192.0.2.1", "192.0.2.1"}, {"192.0.2.9", "client:192.0.2.1"}},
			[]int{200, 429, 200, 429, 200, 200},
		},
		"by a key of one's own": {
			ratelimit.Rule{Limit: "api", Key: func(r *http.Request) string { return verified(r)[:1] }},
			[][2]string{{"192.0.2.1", "ada"}, {"192.0.2.2", "adam"}, {"192.0.2.1", "bob"}},
			[]int{200, 429, 200},
		},
		"what costs nothing is not counted": {
			ratelimit.Rule{Limit: "api", Cost: func(*http.Request) int { return 0 }},
			[][2]string{{"192.0.2.1", ""}, {"192.0.2.1", ""}},
			[]int{200, 200},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, []ratelimit.Limit{one("api")}, ratelimit.HTTPConfig{User: verified, Rules: []ratelimit.Rule{tt.rule}})
			for i, from := range tt.requests {
				if got := s.get(from[0], from[1]).StatusCode; got != tt.statuses[i] {
					t.Errorf("request %d, %q: %d, want %d", i, from, got, tt.statuses[i])
				}
			}
		})
	}
}

// Whose request it is may cost a query: who sends a flood of made-up tokens must not have
// each looked up.
func TestOfAnAddressThatIsKnownToBeOverItsLimitNobodyAsksForTheUser(t *testing.T) {
	backends(t, func(t *testing.T, b backend) {
		clock := newClock()
		asked := 0
		s := newSite(t, nil, ratelimit.HTTPConfig{
			Limiter: b.limiter(t, ratelimit.Config{Now: clock.Now, Limits: []ratelimit.Limit{
				{Name: "user", Rate: 10, Per: 24 * time.Hour}, {Name: "api", Rate: 2, Per: time.Hour},
			}}),
			Rules: []ratelimit.Rule{{Limit: "user", By: ratelimit.ByUser}, {Limit: "api"}},
			User:  func(r *http.Request) string { asked++; return verified(r) },
		})
		for i := range 10 {
			want := http.StatusOK
			if i >= 2 {
				want = http.StatusTooManyRequests
			}
			if got := s.get("192.0.2.1", "ada").StatusCode; got != want {
				t.Errorf("request %d: %d, want %d", i, got, want)
			}
		}
		if asked > 3 { // Redis tells of the denial with the third
			t.Errorf("the user was asked for %d times, want not after a denial", asked)
		}
		clock.advance(30 * time.Minute)
		if got := s.get("192.0.2.1", "ada"); got.StatusCode != http.StatusOK || !strings.Contains(strings.Join(got.Header.Values("RateLimit"), ", "), `"user";r=7`) {
			t.Errorf("half an hour later: %d with %q, want 200 and that the user has 7 left", got.StatusCode, got.Header.Values("RateLimit"))
		}
	})
}

func TestAServiceDeniesInItsOwnWords(t *testing.T) {
	s := newSite(t, oneAMinute(), ratelimit.HTTPConfig{
		Rules: []ratelimit.Rule{{Limit: "api"}},
		Deny: func(w http.ResponseWriter, r *http.Request, d ratelimit.Decision) {
			w.WriteHeader(http.StatusTooManyRequests)
			fmt.Fprint(w, r.RemoteAddr, " ", d.Results[0].Limit.Name, " ", d.RetryAfter)
		},
	})
	s.get("192.0.2.1", "")
	res := s.get("192.0.2.1", "")
	text, _ := io.ReadAll(res.Body)
	if string(text) != "192.0.2.1:4711 api 1m0s" || res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("%d %q, want what the service writes", res.StatusCode, text)
	}
	if after, limit := res.Header.Get("Retry-After"), res.Header.Get("RateLimit"); after != "60" || limit != `"api";r=0;t=60` {
		t.Errorf("Retry-After %q, RateLimit %q", after, limit)
	}
}

func TestAForwardedAddressCountsBehindATrustedProxyOnly(t *testing.T) {
	s := newSite(t, oneAMinute(), ratelimit.HTTPConfig{TrustedProxies: proxies, Rules: []ratelimit.Rule{{Limit: "api"}}})
	send := func(peer, forwarded string) int {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, request(peer, forwarded))
		return w.Code
	}
	for i := range 5 { // as many names as it likes
		want := http.StatusTooManyRequests
		if i == 0 {
			want = http.StatusOK
		}
		if got := send("192.0.2.1:1", "198.51.100."+strconv.Itoa(i)); got != want {
			t.Errorf("a stranger's forged request %d: %d, want %d", i, got, want)
		}
		if got := send("10.0.0.1:1", "198.51.100."+strconv.Itoa(i)+", 203.0.113.1"); got != want {
			t.Errorf("a proxy's client's forged request %d: %d, want %d", i, got, want)
		}
	}
	if got := send("10.0.0.1:1", "203.0.113.2"); got != http.StatusOK {
		t.Errorf("another client of the proxy: %d", got)
	}
}

// Two instances of a service, each with a limiter of its own, on one Redis: what a client
// sends to the one counts at the other, whatever name it gives itself.
func TestTwoInstancesThatShareRedisCountTogether(t *testing.T) {
	redisBackends(t, func(t *testing.T, b backend) {
		clock := newClock()
		limits := []ratelimit.Limit{{Name: "api", Rate: 6, Per: time.Hour}, {Name: "user", Rate: 4, Per: time.Hour}}
		var sites [2]*site
		for i := range sites {
			sites[i] = newSite(t, nil, ratelimit.HTTPConfig{
				Limiter:        b.limiter(t, ratelimit.Config{Now: clock.Now, Limits: limits, Instances: 2}),
				Rules:          []ratelimit.Rule{{Limit: "api"}, {Limit: "user", By: ratelimit.ByUser}},
				User:           verified,
				TrustedProxies: proxies,
			})
		}
		send := func(i int, forwarded, user string) int {
			r := request("10.0.0.1:1", forwarded)
			r.Header.Set("Forwarded", "for=198.51.100."+strconv.Itoa(i)) // of which nobody says that a proxy wrote it
			r.Header.Set("X-Real-Ip", "198.51.100."+strconv.Itoa(i))
			r.Header.Set("Authenticated", user)
			w := httptest.NewRecorder()
			sites[i%2].ServeHTTP(w, r)
			return w.Code
		}
		for i := range 20 {
			want := http.StatusTooManyRequests
			if i < 4 { // the user's limit
				want = http.StatusOK
			}
			if got := send(i, "198.51.100."+strconv.Itoa(i)+", 192.0.2.7", "ada"); got != want {
				t.Errorf("request %d of the user, to instance %d: %d, want %d", i, i%2, got, want)
			}
		}
		for i := range 20 {
			want := http.StatusTooManyRequests
			if i < 2 { // what is left to the address
				want = http.StatusOK
			}
			if got := send(i, "198.51.100."+strconv.Itoa(i)+", 192.0.2.7", ""); got != want {
				t.Errorf("request %d of the address, to instance %d: %d, want %d", i, i%2, got, want)
			}
		}
		if served := sites[0].served + sites[1].served; served != 6 || sites[0].served == 0 || sites[1].served == 0 {
			t.Errorf("%d and %d served, want 6 by both together", sites[0].served, sites[1].served)
		}
	})
}

func TestWhatIsExemptIsNotCounted(t *testing.T) {
	s := newSite(t, oneAMinute(), ratelimit.HTTPConfig{
		Rules:  []ratelimit.Rule{{Limit: "api"}},
		Exempt: func(r *http.Request) bool { return verified(r) == "probe" },
	})
	for range 5 {
		if res := s.get("192.0.2.1", "probe"); res.StatusCode != http.StatusOK || len(res.Header) != 0 {
			t.Errorf("%d, %v, want the handler's answer alone", res.StatusCode, res.Header)
		}
	}
	if res := s.get("192.0.2.1", ""); res.StatusCode != http.StatusOK {
		t.Errorf("%d", res.StatusCode)
	}
}

func TestALimitInShadowModeIsNothingToTheClient(t *testing.T) {
	s := newSite(t, []ratelimit.Limit{{Name: "new", Rate: 1, Per: time.Hour, Shadow: true}}, ratelimit.HTTPConfig{XRateLimit: true, Rules: []ratelimit.Rule{{Limit: "new"}}})
	for range 5 {
		if res := s.get("192.0.2.1", ""); res.StatusCode != http.StatusOK || len(res.Header) != 0 {
			t.Errorf("%d, %v, want the handler's answer alone", res.StatusCode, res.Header)
		}
	}
}

// redis_rate v10.0.1 says to retry after a second what costs more than the burst.
func TestACostThatCanNeverPassHasNoRetryAfter(t *testing.T) {
	s := newSite(t, oneAMinute(), ratelimit.HTTPConfig{Rules: []ratelimit.Rule{{Limit: "api", Cost: func(*http.Request) int { return 2 }}}})
	res := s.get("192.0.2.1", "")
	p := body(t, res)
	if res.StatusCode != 429 || res.Header.Get("Retry-After") != "" || p.Type != "https://iana.org/assignments/http-problem-types#quota-exceeded" || !strings.Contains(p.Detail, "can ever be let through") {
		t.Errorf("%d, Retry-After %q, %+v", res.StatusCode, res.Header.Get("Retry-After"), p)
	}
	if s.served != 0 {
		t.Error("it was served")
	}
}

func TestWithFailClosedAnOutageIs503(t *testing.T) {
	for policy, want := range map[ratelimit.Policy]int{ratelimit.FailClosed: 503, ratelimit.FailOpen: 200} {
		o := newOutage(t, ratelimit.Config{OnError: policy, Limits: oneAMinute()})
		o.fail()
		s := newSite(t, nil, ratelimit.HTTPConfig{Limiter: o.Limiter, Rules: []ratelimit.Rule{{Limit: "api"}}})
		for range 3 {
			res := s.get("192.0.2.1", "")
			if res.StatusCode != want || res.Header.Get("RateLimit") != "" {
				t.Fatalf("%v: %d, RateLimit %q, want %d without", policy, res.StatusCode, res.Header.Get("RateLimit"), want)
			}
			if want == 200 {
				continue
			}
			if p := body(t, res); p.Status != 503 || p.Type != "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity" || res.Header.Get("Retry-After") != "1" {
				t.Errorf("%+v, Retry-After %q", p, res.Header.Get("Retry-After"))
			}
		}
	}
}

func TestAMiddlewareThatCannotLimitIsRefused(t *testing.T) {
	limiter := newLimiter(t, ratelimit.Config{Limits: oneAMinute()})
	rules := []ratelimit.Rule{{Limit: "api"}}
	for want, cfg := range map[string]ratelimit.HTTPConfig{
		"Limiter is missing":                     {Rules: rules},
		"Rules is empty":                         {Limiter: limiter},
		`no limit "apis"; the limiter has "api"`: {Limiter: limiter, Rules: []ratelimit.Rule{{Limit: "apis"}}},
		"HTTPConfig.User does not say":           {Limiter: limiter, Rules: []ratelimit.Rule{{Limit: "api", By: ratelimit.ByUser}}},
		"By is 3":                                {Limiter: limiter, Rules: []ratelimit.Rule{{Limit: "api", By: 3}}},
		"stands in two rules":                    {Limiter: limiter, Rules: append(rules, rules...)},
		"invalid prefix":                         {Limiter: limiter, Rules: rules, TrustedProxies: []netip.Prefix{{}}},
		"trusts everybody":                       {Limiter: limiter, Rules: rules, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("::/0")}},
		"write it as IPv4":                       {Limiter: limiter, Rules: rules, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")}},
	} {
		if _, err := ratelimit.Middleware(cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want it to say %q", err, want)
		}
	}
}
