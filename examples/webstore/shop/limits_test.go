package shop

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/otelkit/kit/internal/redistest"
	"github.com/otelkit/kit/otelkit/ratelimit"
)

// noon is when the limits' clock stands still in tests: then no unit comes back.
func noon() time.Time { return time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC) }

// limited has the limits be those of the documentation, over a Redis.
func limited(redisURL string) func(*Config) {
	return func(cfg *Config) {
		cfg.RedisURL = redisURL
		cfg.cachePatience = cachePatience{connection: time.Minute, wait: time.Minute, rest: usualCachePatience.rest}
		cfg.LimitPerAddress, cfg.LimitPerUser, cfg.Instances, cfg.limitClock = 200, 60, 2, noon
	}
}

// twoInstances starts two instances over one database and one Redis.
func twoInstances(t *testing.T, edit func(*Config)) [2]*fixture {
	t.Helper()
	var url string
	one := start(t, func(cfg *Config) { edit(cfg); url = cfg.DatabaseURL })
	other := start(t, func(cfg *Config) { edit(cfg); cfg.DatabaseURL = url })
	return [2]*fixture{one, other}
}

// from sends a request from an address.
func (f *fixture) from(address, method, path string, header ...string) *httptest.ResponseRecorder {
	f.t.Helper()
	r := httptest.NewRequestWithContext(f.t.Context(), method, path, strings.NewReader("{}"))
	r.RemoteAddr = netip.AddrPortFrom(netip.MustParseAddr(address), 4711).String()
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	f.ServeHTTP(w, r)
	return w
}

// passes sends requests until one is denied, and returns how many were not.
func passes(t *testing.T, most int, send func(i int) *httptest.ResponseRecorder) int {
	t.Helper()
	for i := range most {
		switch w := send(i); w.Code {
		case http.StatusTooManyRequests:
			return i
		case http.StatusInternalServerError:
			t.Fatalf("request %d: %s", i, w.Body)
		}
	}
	return most
}

func TestAnAddressIsLimitedByTwoInstancesTogether(t *testing.T) {
	redistest.Each(t, func(t *testing.T, url string, _ func()) {
		instances := twoInstances(t, limited(url))
		paths := []string{"/DE/products", "/nowhere", "/DE/products/1", "/cart"}
		send := func(i int) *httptest.ResponseRecorder {
			// Whatever the address says of itself, or of who it is.
			return instances[i%2].from("192.0.2.1", http.MethodGet, paths[i%len(paths)],
				"X-Forwarded-For", fmt.Sprint("198.51.100.", i%250), "Authorization", fmt.Sprint("Bearer made-up-", i))
		}
		if n := passes(t, 300, send); n != 200 {
			t.Fatalf("%d requests passed, want 200", n)
		}
		for i := range 20 {
			if code := send(i).Code; code != http.StatusTooManyRequests {
				t.Errorf("a request after that: %d", code)
			}
		}
		if code := instances[0].from("192.0.2.2", http.MethodGet, "/DE/products").Code; code != http.StatusOK {
			t.Errorf("another address: %d", code)
		}
	})
}

func TestAUserIsLimitedByTwoInstancesTogether(t *testing.T) {
	redistest.Each(t, func(t *testing.T, url string, _ func()) {
		instances := twoInstances(t, limited(url))
		token := instances[0].guest()
		send := func(i int) *httptest.ResponseRecorder {
			return instances[i%2].from(fmt.Sprint("192.0.2.", i%250), http.MethodGet, "/cart", "Authorization", "Bearer "+token)
		}
		if n := passes(t, 300, send); n != 60 {
			t.Fatalf("%d requests passed, want 60", n)
		}
		if code := instances[1].from("192.0.2.1", http.MethodGet, "/cart", "Authorization", "Bearer "+instances[0].guest()).Code; code != http.StatusOK {
			t.Errorf("another user: %d", code)
		}
	})
}

func TestOnlyATrustedProxySaysWhoTheClientIs(t *testing.T) {
	f := start(t, func(cfg *Config) {
		limited("")(cfg)
		cfg.Instances = 1
		cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	})
	forged := func(peer, behind string) func(i int) *httptest.ResponseRecorder {
		return func(i int) *httptest.ResponseRecorder {
			return f.from(peer, http.MethodGet, "/DE/products", "X-Forwarded-For", fmt.Sprint("198.51.100.", i%250, behind),
				"X-Real-Ip", fmt.Sprint("198.51.100.", i%250), "Forwarded", fmt.Sprint("for=198.51.100.", i%250))
		}
	}
	for name, send := range map[string]func(int) *httptest.ResponseRecorder{
		"of a stranger's":                        forged("192.0.2.1", ""),
		"of a proxy's client's":                  forged("10.0.0.1", ", 192.0.2.7"),
		"that came through two proxies":          forged("10.0.0.1", ", 192.0.2.8, 10.1.1.1"),
		"of one that calls itself a proxy, too,": forged("192.0.2.9", ", 10.0.0.1"),
	} {
		if n := passes(t, 300, send); n != 200 {
			t.Errorf("%d forged requests %s passed, want 200", n, name)
		}
	}
	if n := passes(t, 250, forged("10.0.0.2", "")); n != 250 {
		t.Errorf("%d requests of as many clients of a proxy passed, want all 250", n)
	}
	span := f.kit.Spans()[len(f.kit.Spans())-1]
	if !slices.Contains(span.Attributes(), attribute.String("client.address", "198.51.100.249")) {
		t.Errorf("the span has %v, want the client whom the proxy names", span.Attributes())
	}
}

func TestADenialSaysWhatToDo(t *testing.T) {
	f := start(t, func(cfg *Config) { limited("")(cfg); cfg.Instances = 1 })
	token := f.guest()
	send := func(int) *httptest.ResponseRecorder {
		return f.from("192.0.2.7", http.MethodGet, "/DE/products", "Authorization", "Bearer "+token)
	}
	if n := passes(t, 100, send); n != 60 {
		t.Fatalf("%d requests passed, want 60", n)
	}
	w := send(0)
	var problem struct {
		Type, Detail, Limit string
		Status              int
		TraceID             string `json:"trace_id"`
	}
	if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil {
		t.Fatal(err)
	}
	if w.Code != 429 || problem.Status != 429 || problem.Type != "urn:webstore:problem:too_many_requests" || problem.Limit != "user" ||
		problem.Detail != "One user may make 60 requests a minute; try again in 1 s." || len(problem.TraceID) != 32 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	for field, want := range map[string]string{
		"Content-Type":     "application/problem+json",
		"Retry-After":      "1",
		"RateLimit":        `"user";r=0;t=1`,
		"RateLimit-Policy": `"user";q=60;w=60`,
	} {
		if got := strings.Join(w.Header().Values(field), ", "); got != want {
			t.Errorf("%s: %s, want %s", field, got, want)
		}
	}
	if n := f.kit.Total(ratelimit.Decisions, attribute.String("otelkit.ratelimit.limit", "user"), attribute.String("otelkit.ratelimit.outcome", "denied")).Value(); n != 2 {
		t.Errorf("%v denials counted, want 2", n)
	}
	if n := strings.Count(f.kit.Lines(), "Rate limit exceeded for user"); n != 1 {
		t.Errorf("%d lines about it, want 1 a minute:\n%s", n, f.kit.Lines())
	}
	span := f.kit.Spans()[len(f.kit.Spans())-1]
	if span.Name() != "GET /{country}/products" {
		t.Errorf("the span is %q, want its route", span.Name())
	}
}

func TestProbesAndWhatIsNotLimitedAreNotCounted(t *testing.T) {
	f := start(t, func(cfg *Config) { limited("")(cfg); cfg.Instances, cfg.LimitPerAddress = 1, 1 })
	f.from("192.0.2.1", http.MethodGet, "/DE/products")
	for _, path := range []string{"/healthz", "/healthz/live", "/healthz/startup", "/healthz/ready"} {
		if w := f.from("192.0.2.1", http.MethodGet, path); w.Code == http.StatusTooManyRequests || w.Header().Get("RateLimit") != "" {
			t.Errorf("%s: %d with RateLimit %q", path, w.Code, w.Header().Get("RateLimit"))
		}
	}
	for _, r := range []string{"GET /nowhere", "PUT /cart", "GET /DE/products"} {
		method, path, _ := strings.Cut(r, " ")
		if code := f.from("192.0.2.1", method, path).Code; code != http.StatusTooManyRequests {
			t.Errorf("%s: %d, want it counted like all else", r, code)
		}
	}
	unlimited := start(t, nil)
	if n := passes(t, 300, func(int) *httptest.ResponseRecorder { return unlimited.from("192.0.2.1", http.MethodGet, "/nowhere") }); n != 300 {
		t.Errorf("without limits %d of 300 passed", n)
	}
}

func TestMadeUpTokensAreNotLookedUpForAnAddressThatIsOverItsLimit(t *testing.T) {
	f := start(t, func(cfg *Config) { limited("")(cfg); cfg.Instances = 1 })
	passes(t, 201, func(int) *httptest.ResponseRecorder { return f.from("192.0.2.1", http.MethodGet, "/DE/products/1") })
	before := len(f.kit.Spans())
	w := f.from("192.0.2.1", http.MethodGet, "/cart", "Authorization", "Bearer made-up")
	if spans := f.kit.Spans()[before:]; w.Code != http.StatusTooManyRequests || len(spans) != 1 {
		t.Errorf("%d, and %d spans, want 429 and that of the request alone", w.Code, len(spans))
	}
}

func TestAProxyOfWhichEverybodyIsOneIsRefused(t *testing.T) {
	cfg := Config{LimitPerAddress: 1, TrustedProxies: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}}
	if _, err := newLimits(cfg, &cache{off: true}, start(t, nil).kit, nil); err == nil || !strings.Contains(err.Error(), "trusts everybody") {
		t.Errorf("got %v, want an error that says why", err)
	}
}

func TestARequestAsksRedisOnceForItsSessionAndOnceForItsLimits(t *testing.T) {
	redistest.Each(t, func(t *testing.T, url string, _ func()) {
		f := start(t, limited(url))
		token := f.guest()
		f.do("GET", "/cart", token, "") // caches the session and loads the script
		calls := f.watchRedis()
		for path, want := range map[string][]string{
			"/cart":          {"evalsha", "get"},
			"/DE/products/1": {"evalsha", "get"},
		} {
			f.do("GET", path, token, "")
			names, _ := calls.made()
			slices.Sort(names)
			if !slices.Equal(names, want) {
				t.Errorf("GET %s asked Redis %v, want %v", path, names, want)
			}
		}
	})
}

// Redis dies while shoppers are served, or hangs, which is worse: all are
// answered, and a few requests wait for it, none for more than 40 ms.
func TestARedisThatDiesHoldsNobodyUp(t *testing.T) {
	die := func(t *testing.T, url string, end func()) {
		f := start(t, func(cfg *Config) {
			limited(url)(cfg)
			cfg.cachePatience.rest = time.Hour
		})
		token := f.guest()
		shop := func(i int) {
			t.Helper()
			for _, path := range []string{"/DE/products", "/cart"} {
				if w := f.from(fmt.Sprint("192.0.2.", i), http.MethodGet, path, "Authorization", "Bearer "+token); w.Code != http.StatusOK {
					t.Errorf("GET %s: %d %s", path, w.Code, w.Body)
				}
			}
		}
		shop(0)
		calls := f.watchRedis()
		shop(1)
		if names, _ := calls.made(); len(names) != 5 {
			t.Fatalf("Redis was asked %v while it was well, want five things", names)
		}
		f.shop.cache.wait = usualCachePatience.wait // from now on; before, a slow machine might be impatient
		end()
		for i := range 10 {
			shop(i)
		}
		names, patient := calls.made()
		if len(names) == 0 || len(names) > 6 {
			t.Errorf("Redis was asked %v, want once by the cache and five times by the limits until it has rested", names)
		}
		for i, d := range patient {
			if d > usualCachePatience.wait {
				t.Errorf("%s may take %v, want %v at most", names[i], d, usualCachePatience.wait)
			}
		}
		if n := strings.Count(f.kit.Lines(), "rate limits: Redis does not answer"); n != 1 {
			t.Errorf("%d lines say that limits do without Redis, want 1:\n%s", n, f.kit.Lines())
		}
		if n := f.kit.Total(ratelimit.Decisions, attribute.String("otelkit.ratelimit.source", "local")).Value(); n < 20 {
			t.Errorf("%v decisions made here, want one for each limit of 20 requests at least", n)
		}
	}
	redistest.Each(t, die)
	if redistest.Available(t) {
		t.Run("redis-server hangs", func(t *testing.T) {
			url, p := redistest.Start(t)
			die(t, url, func() {
				if err := syscall.Kill(p.PID(), syscall.SIGSTOP); err != nil {
					t.Fatal(err)
				}
			})
		})
	}
}

func TestWithoutRedisEachInstanceLetsItsSharePass(t *testing.T) {
	instances := twoInstances(t, limited(""))
	for _, f := range instances {
		send := func(int) *httptest.ResponseRecorder {
			return f.from("192.0.2.1", http.MethodGet, "/DE/products/1")
		}
		if n := passes(t, 300, send); n != 100 {
			t.Errorf("%d requests passed, want half of 200", n)
		}
	}
}

func TestOneIsToldOnceAMinute(t *testing.T) {
	var told told
	if !told.first("a") || told.first("a") || !told.first("b") {
		t.Error("a key is not told the first time, or is told again")
	}
	told.from = told.from.Add(-time.Minute)
	if !told.first("a") {
		t.Error("a key is not told after a minute")
	}
	for i := range 2 * maxTold {
		told.first(fmt.Sprint(i))
	}
	if n := len(told.keys); n != maxTold {
		t.Errorf("%d keys are remembered, want at most %d", n, maxTold)
	}
}
