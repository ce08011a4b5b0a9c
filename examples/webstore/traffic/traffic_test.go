package traffic_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/examples/webstore/traffic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shop is a store of which only the API is there. It notes what it is asked.
type shop struct {
	mux   *http.ServeMux
	delay time.Duration // before each answer

	mu       sync.Mutex
	asked    []asked
	underWay int
	most     int // that were under way at once
}

type asked struct {
	at                       time.Time
	method, path, token, key string
	body                     string
}

func (a asked) String() string { return fmt.Sprintf("%s %s %s %s", a.method, a.path, a.token, a.body) }

func (a asked) country() string {
	var body struct{ Country string }
	_ = json.Unmarshal([]byte(a.body), &body)
	return body.Country
}

// newShop makes one that answers a checkout as told.
func newShop(checkout http.HandlerFunc) *shop {
	s := &shop{mux: http.NewServeMux()}
	handle := func(pattern, answer string) {
		s.mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, answer) })
	}
	handle("GET /healthz/live", `{}`)
	handle("GET /{country}/products", `{"products":[{"id":1},{"id":2},{"id":3}]}`)
	handle("GET /{country}/products/{id}", `{}`)
	handle("POST /auth/login", `{}`)
	handle("POST /cart/add", `{}`)
	handle("GET /cart", `{"items":[{"id":7}]}`)
	handle("DELETE /cart/items/{id}", ``)
	handle("GET /orders", `{}`)
	s.mux.HandleFunc("POST /orders/checkout", checkout)
	return s
}

func paid(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"status":"completed"}`) }

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.asked = append(s.asked, asked{time.Now(), r.Method, r.URL.Path, token, r.Header.Get("Idempotency-Key"), string(body)})
	s.underWay++
	s.most = max(s.most, s.underWay)
	delay := s.delay
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.underWay--
	}()
	if delay > 0 {
		time.Sleep(delay) // in a bubble of synctest only
	}
	s.mux.ServeHTTP(w, r)
}

// RoundTrip lets the shop be asked without a network, as testing/synctest needs.
func (s *shop) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, r)
	if err := r.Context().Err(); err != nil {
		return nil, err // nobody waits for it any more
	}
	return answer.Result(), nil
}

// run sends shoppers without a network.
func (s *shop) run(t *testing.T, cfg traffic.Config) traffic.Report {
	t.Helper()
	cfg.URL, cfg.Transport = "http://127.0.0.1:8000", s
	report, err := traffic.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.asked = s.asked[1:] // whether the shop is there
	return report
}

func (s *shop) sequence() []string {
	var sequence []string
	for _, a := range s.asked {
		sequence = append(sequence, a.String())
	}
	return sequence
}

func (s *shop) tokens() []string {
	tokens := map[string]bool{}
	for _, a := range s.asked {
		tokens[a.token] = true
	}
	return slices.Sorted(maps.Keys(tokens))
}

func TestTheSameSeedMakesTheSameVisits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := func(seed uint64) []string {
			s := newShop(paid)
			// The end falls between two requests.
			s.run(t, traffic.Config{Users: 1, Seed: seed, Duration: time.Minute + 50*time.Millisecond})
			return s.sequence()
		}
		first, second, other := asked(1), asked(1), asked(2)
		if len(first) != len(second) {
			t.Fatalf("seed 1 asked %d times, and then %d times", len(first), len(second))
		}
		for i := range first {
			if first[i] != second[i] {
				t.Fatalf("request %d with seed 1 was %q, and then %q", i, first[i], second[i])
			}
		}
		if slices.Equal(first, other) {
			t.Errorf("seeds 1 and 2 asked the same, beginning with %q", first[:10])
		}
	})
}

func TestACheckoutHasAKeyThatNoOtherRunHad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keys := map[string]bool{}
		for range 2 {
			s := newShop(paid)
			s.run(t, traffic.Config{Duration: 2 * time.Minute})
			ofRun := map[string]bool{}
			for _, a := range s.asked {
				if a.path == "/orders/checkout" {
					ofRun[a.key] = true
				}
			}
			if len(ofRun) == 0 || ofRun[""] {
				t.Fatalf("checkouts had the keys %v, want some and none empty", ofRun)
			}
			for key := range ofRun {
				if keys[key] {
					t.Errorf("key %s was used in both runs", key)
				}
				keys[key] = true
			}
		}
	})
}

func TestShoppersComeInTheirSharesAndToEveryMarket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(paid)
		report := s.run(t, traffic.Config{Users: 10, Rate: 1000, Duration: 10 * time.Second})
		visits := 0
		for _, n := range report.Visits {
			visits += n
		}
		for intent, want := range map[traffic.Intent]float64{traffic.Browse: 0.5, traffic.Abandon: 0.3, traffic.Buy: 0.2} {
			if got := float64(report.Visits[intent]) / float64(visits); got < want-0.03 || got > want+0.03 {
				t.Errorf("%.3f of %d visits are for %s, want about %v", got, visits, intent, want)
			}
		}
		markets := map[string]bool{}
		for _, a := range s.asked {
			if market, ok := strings.CutSuffix(a.path, "/products"); ok {
				markets[market] = true
			}
		}
		if len(markets) != len(telemetry.Market("").Values()) {
			t.Errorf("only %v were visited", slices.Collect(maps.Keys(markets)))
		}
	})
}

func TestRequestsKeepToTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(paid)
		report := s.run(t, traffic.Config{Users: 7, Rate: 20, Duration: 30 * time.Second})
		if got := report.Requests(); got < 599 || got > 601 {
			t.Errorf("%d requests in 30 s at 20 per second, want 600", got)
		}
	})
}

func TestAStoreThatWasSlowIsNotFloodedAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(paid)
		s.delay = 5 * time.Second
		time.AfterFunc(30*time.Second, func() { s.mu.Lock(); defer s.mu.Unlock(); s.delay = 0 })
		s.run(t, traffic.Config{Users: 5, Rate: 10, Duration: time.Minute})
		for i, a := range s.asked[1:] {
			if gap := a.at.Sub(s.asked[i].at); gap < 100*time.Millisecond {
				t.Fatalf("requests %d and %d are %v apart, want 100ms or more", i, i+1, gap)
			}
		}
	})
}

func TestAShopperHasOneRequestUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(paid)
		s.delay = time.Second
		s.run(t, traffic.Config{Users: 3, Rate: 1000, Duration: time.Minute})
		if s.most != 3 {
			t.Errorf("%d requests were under way at once, want as many as there are shoppers, 3", s.most)
		}
	})
}

func TestACartHasOneShopperAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(paid)
		s.run(t, traffic.Config{Users: 20, Rate: 100, Duration: 5 * time.Minute})
		markets := map[string]string{} // that the cart of a token is being filled in
		for _, a := range s.asked {
			switch market := markets[a.token]; {
			case a.path == "/cart":
				delete(markets, a.token) // this shopper has filled it
			case a.path == "/cart/add" && market != "" && market != a.country():
				t.Fatalf("the cart of %s was filled from %s and %s at the same time", a.token, market, a.country())
			case a.path == "/cart/add":
				markets[a.token] = a.country()
			}
		}
		if got := len(s.tokens()); got != 1+len(traffic.DemoIdentities) {
			t.Errorf("the shoppers were %v, want nobody and each demo user", s.tokens())
		}
	})
}

func TestTheEndWaitsForWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(paid)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(1500*time.Millisecond, func() { cancel() })
		s.delay = time.Second
		report, err := traffic.Run(ctx, traffic.Config{URL: "http://localhost:8000", Users: 1, Transport: s})
		if err != nil {
			t.Fatal(err)
		}
		// One second went to asking whether the store is there.
		if report.Requests() != 1 || report.Statuses[http.StatusOK] != 1 || report.Elapsed != time.Second {
			t.Errorf("got %+v, want one answered request after 1s", report)
		}
	})
}

func TestAnEndBeforeTheBeginningIsNoError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	report, err := traffic.Run(ctx, traffic.Config{
		URL:       "http://localhost:8000",
		Transport: roundTripper(func(r *http.Request) (*http.Response, error) { return nil, r.Context().Err() }),
	})
	if err != nil || report.Requests() != 0 {
		t.Errorf("got %v and %v", report, err)
	}
}

func TestShoppersGoOnWhateverACheckoutAnswers(t *testing.T) {
	problem := func(status int, name string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(status)
			json.NewEncoder(w).Encode(map[string]any{"status": status, "type": "urn:webstore:problem:" + name})
		}
	}
	for _, test := range []struct {
		name     string
		checkout http.HandlerFunc
		want     telemetry.CheckoutOutcome
		times    int // that a key is sent, at least
	}{
		{"completed", paid, telemetry.CheckoutCompleted, 1},
		{"delayed", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"status":"delayed"}`) }, telemetry.CheckoutDelayed, 1},
		{"declined", problem(402, "payment_declined"), telemetry.CheckoutDeclined, 1},
		{"sold out", problem(409, "out_of_stock"), telemetry.CheckoutOutOfStock, 1},
		{"unavailable", problem(503, "payment_unavailable"), telemetry.CheckoutUnavailable, 3},
		{"failed", problem(500, "internal"), telemetry.CheckoutFailed, 1},
		{"no answer", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, telemetry.CheckoutUnavailable, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			times := map[string]int{} // that each key was sent
			var keys []string
			s := newShop(func(w http.ResponseWriter, r *http.Request) {
				key := r.Header.Get("Idempotency-Key")
				if times[key]++; times[key] == 1 {
					keys = append(keys, key)
				}
				if len(keys) == 5 {
					cancel()
				}
				test.checkout(w, r)
			})
			server := httptest.NewServer(s)
			report, err := traffic.Run(ctx, traffic.Config{
				URL: server.URL + "/", Rate: 1e6, Identities: traffic.DemoIdentities[:1],
			})
			server.Close()
			if err != nil {
				t.Fatal(err)
			}
			if len(report.Orders) != 1 || report.Orders[test.want] < 4 {
				t.Errorf("the checkouts are %v, want all %s", report.Orders, test.want)
			}
			for _, key := range keys[:4] { // the fifth met the end
				if times[key] < test.times {
					t.Errorf("key %s was sent %d times, want %d", key, times[key], test.times)
				}
			}
		})
	}
}

func TestACartIsEmptiedWhenSomethingInItIsSoldOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, emptied := range map[string]bool{"out_of_stock": true, "cart_empty": false, "order_pending": false} {
			s := newShop(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(http.StatusConflict)
				fmt.Fprintf(w, `{"status":409,"type":"urn:webstore:problem:%s"}`, name)
			})
			report := s.run(t, traffic.Config{Duration: time.Minute})
			deleted := slices.ContainsFunc(s.asked, func(a asked) bool { return a.method == "DELETE" && a.path == "/cart/items/7" })
			if counted := len(report.Orders) > 0; deleted != emptied || counted != emptied {
				t.Errorf("%s: the cart was emptied: %t, and a checkout counted: %t; want both %t", name, deleted, counted, emptied)
			}
		}
	})
}

func TestWhatIsWrongIsSaidBeforeAnybodyIsSent(t *testing.T) {
	elsewhere := httptest.NewServer(http.NotFoundHandler())
	defer elsewhere.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for name, test := range map[string]struct {
		cfg  traffic.Config
		want string
	}{
		"no URL":          {traffic.Config{}, "give a URL such as http://127.0.0.1:8000"},
		"no scheme":       {traffic.Config{URL: "127.0.0.1:8000"}, "give a URL such as http://127.0.0.1:8000"},
		"another machine": {traffic.Config{URL: "https://shop.example.com"}, "shop.example.com is another machine's"},
		"a private one":   {traffic.Config{URL: "http://10.0.0.1"}, "10.0.0.1 is another machine's"},
		"negative users":  {traffic.Config{URL: elsewhere.URL, Users: -1}, "cannot be negative"},
		"no store":        {traffic.Config{URL: gone.URL}, "connection refused; start it, or correct the URL"},
		"something else":  {traffic.Config{URL: elsewhere.URL}, "answers 404 Not Found to GET /healthz/live"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := traffic.Run(t.Context(), test.cfg)
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("got %v, want one line with %q", err, test.want)
			}
		})
	}
}

func TestAnotherMachineIsReachedWhenThatIsAllowed(t *testing.T) {
	refused := errors.New("nobody home")
	_, err := traffic.Run(t.Context(), traffic.Config{
		URL: "https://shop.example.com", AllowRemote: true,
		Transport: roundTripper(func(*http.Request) (*http.Response, error) { return nil, refused }),
	})
	if !errors.Is(err, refused) {
		t.Fatalf("got %v, want the transport's error", err)
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
