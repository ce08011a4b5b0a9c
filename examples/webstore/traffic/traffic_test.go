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
	"testing"
	"testing/synctest"
	"time"

	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/examples/webstore/traffic"
)

func TestTheSameSeedMakesTheSameVisits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := func(seed uint64) []string {
			s := newShop()
			// The end falls between two requests.
			s.run(t, traffic.Config{Users: 1, Seed: seed, Demo: true, Scenario: traffic.Mixed, Duration: 5*time.Minute + 50*time.Millisecond})
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
			s := newShop()
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
		s := newShop()
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
	for _, rate := range []float64{0.5, 20, 333, 3000} {
		synctest.Test(t, func(t *testing.T) {
			s := newShop()
			report := s.run(t, traffic.Config{Users: 50, Rate: rate, Duration: 4 * time.Second})
			if got, want := float64(report.Requests()), 4*rate; got < want*0.99-2 || got > want+1 || report.Unsent > 0 {
				t.Errorf("%v requests in 4 s at %v per second, want %v; %d unsent", got, rate, want, report.Unsent)
			}
		})
	}
}

func TestWhatFallsDueWhileAllWaitIsCountedAndNotSentLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		s.delay = 5 * time.Second
		time.AfterFunc(30*time.Second, func() { s.mu.Lock(); defer s.mu.Unlock(); s.delay = 0 })
		report := s.run(t, traffic.Config{Users: 5, Rate: 10, Duration: time.Minute})
		for i, a := range s.asked[1:] {
			if gap := a.at.Sub(s.asked[i].at); gap < 99*time.Millisecond {
				t.Fatalf("requests %d and %d are %v apart, want 100ms or more", i, i+1, gap)
			}
		}
		// Five are sent in half a second, and then nobody is free for 4.5 s.
		if due := report.Requests() + report.Unsent; due < 598 || due > 600 || report.Unsent < 200 {
			t.Errorf("%d sent and %d unsent, want 600 together", report.Requests(), report.Unsent)
		}
	})
}

func TestNobodyHasTwoRequestsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		s.delay = time.Second
		s.run(t, traffic.Config{Users: 3, Rate: 1000, Duration: time.Minute})
		if s.most != 3 {
			t.Errorf("%d requests were under way at once, want as many as there are users, 3", s.most)
		}
	})
}

func TestEachShopperHasAnAddressAndACartAndMeetsNoLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		s.run(t, traffic.Config{Users: 20, Rate: 60, Demo: true, Duration: 4 * time.Minute})
		addresses, tokens := map[string][]time.Time{}, map[string][]time.Time{}
		addressOf := map[string]string{}
		for _, a := range s.asked {
			if !strings.HasPrefix(a.address, "10.") {
				t.Fatalf("somebody comes from %q", a.address)
			}
			addresses[a.address] = append(addresses[a.address], a.at)
			if a.token == "" {
				continue
			}
			tokens[a.token] = append(tokens[a.token], a.at)
			if was, ok := addressOf[a.token]; ok && was != a.address {
				t.Fatalf("token %s came from %s and %s", a.token, was, a.address)
			}
			addressOf[a.token] = a.address
		}
		for limit, times := range map[int]map[string][]time.Time{200: addresses, 60: tokens} {
			again := 0
			for who, at := range times {
				if n := mostWithinAMinute(at); n > limit/2 {
					t.Errorf("%s sent %d requests within a minute, where %d are allowed", who, n, limit)
				}
				for i := range at[1:] {
					// Within a visit requests follow each other in less than a second.
					if away := at[i+1].Sub(at[i]); away > 10*time.Second {
						again++
						if away < time.Minute {
							t.Fatalf("%s came back after %v", who, away)
						}
					}
				}
			}
			if len(times) < 500 || again < 100 {
				t.Errorf("there were %d identities, and %d came again; want many", len(times), again)
			}
		}
	})
}

func mostWithinAMinute(at []time.Time) int {
	most, first := 0, 0
	for i := range at {
		for at[i].Sub(at[first]) >= time.Minute {
			first++
		}
		most = max(most, i-first+1)
	}
	return most
}

func TestDemoUsersLogInOnlyWhereThereAreSome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, demo := range []bool{true, false} {
			s := newShop()
			s.run(t, traffic.Config{Users: 10, Rate: 100, Demo: demo, Duration: time.Minute})
			for _, account := range traffic.DemoAccounts {
				body := fmt.Sprintf(`{"username":%q,"password":%q}`, account.Username, account.Password)
				logins := len(s.matching("POST", "/auth/login", body))
				if (logins > 0) != demo {
					t.Errorf("with demo users: %t, %s logged in %d times", demo, account.Username, logins)
				}
			}
		}
	})
}

func TestADemoUserWhomTheStoreDoesNotKnowBecomesAGuest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		s.handle("POST /auth/login", http.StatusUnauthorized, `{}`)
		s.run(t, traffic.Config{Users: 5, Rate: 20, Demo: true, Duration: 5 * time.Minute})
		if n := len(s.matching("POST", "/auth/login", "password123")); n < 1 || n > 2 { // one may be mistyped
			t.Errorf("tried %d times, want once", n)
		}
	})
}

func TestWhoRegistersBringsTheirCartAndIsAnotherFromThenOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		s.run(t, traffic.Config{Users: 10, Rate: 50, Duration: 5 * time.Minute})
		registrations := s.matching("POST", "/auth/register", "")
		if len(registrations) == 0 {
			t.Fatal("nobody registered")
		}
		names := map[string]bool{}
		for _, a := range registrations {
			var body struct {
				Username, Password string
				Guest              string `json:"guest_token"`
			}
			if err := json.Unmarshal([]byte(a.body), &body); err != nil || body.Guest == "" || body.Guest != a.token || len(body.Password) < 8 || len(body.Username) > 32 {
				t.Fatalf("registered with %s and the token %s (%v)", a.body, a.token, err)
			}
			if names[body.Username] {
				t.Errorf("%s registered twice", body.Username)
			}
			names[body.Username] = true
			for _, later := range s.asked {
				if later.token == a.token && later.at.After(a.at) {
					t.Fatalf("the guest's token is still used: %v", later)
				}
			}
		}
		if again := s.matching("POST", "/auth/login", "shopper-"); len(again) == 0 {
			t.Error("nobody who had registered logged in later")
		}
	})
}

func TestWhoAsksTooMuchLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		s.handle("POST /cart/add", http.StatusTooManyRequests, `{}`)
		report := s.run(t, traffic.Config{Duration: time.Minute})
		if n := len(s.matching("GET", "/cart", "")); n > 0 {
			t.Errorf("%d went on after an answer of 429", n)
		}
		if got, want := report.Limited(), len(s.matching("POST", "/cart/add", "")); got != want || want == 0 || report.Refused() > 0 {
			t.Errorf("%d limited and %d refused, want %d and none", got, report.Refused(), want)
		}
	})
}

func TestWhoseSessionIsOverBecomesAnotherGuest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		s.handle("POST /cart/add", http.StatusUnauthorized, `{}`)
		s.run(t, traffic.Config{Users: 1, Rate: 100, Duration: 3 * time.Minute})
		refused := map[string]bool{}
		for _, a := range s.asked {
			if a.token != "" && refused[a.token] {
				t.Fatalf("a token that was refused is used again: %v", a)
			}
			refused[a.token] = refused[a.token] || a.path == "/cart/add"
		}
		if len(refused) < 10 {
			t.Errorf("there were only %d guests", len(refused))
		}
	})
}

func TestTheEndWaitsForWhatIsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(1500*time.Millisecond, func() { cancel() })
		s.delay = time.Second
		report, err := traffic.Run(ctx, traffic.Config{URL: "http://localhost:8000", Users: 1, Transport: s})
		if err != nil {
			t.Fatal(err)
		}
		// One second went to asking whether the store is there, and after a tenth the
		// first request fell due.
		if report.Requests() != 1 || report.Statuses[http.StatusOK] != 1 || report.Elapsed != 1100*time.Millisecond {
			t.Errorf("got %+v, want one answered request after 1.1s", report)
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
	order := func(status string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintf(w, `{"order_id":"o","status":%q,"total":{"amount":1000,"currency":"USD"}}`, status)
		}
	}
	for _, test := range []struct {
		name     string
		checkout http.HandlerFunc
		want     telemetry.CheckoutOutcome
		times    int // that a key is sent, at least
		paid     bool
	}{
		{"completed", order("completed"), telemetry.CheckoutCompleted, 1, true},
		{"delayed", order("delayed"), telemetry.CheckoutDelayed, 1, true},
		{"cancelled", order("cancelled"), telemetry.CheckoutCancelled, 1, false},
		{"cancelled because nobody could tell", problem(409, "order_cancelled"), telemetry.CheckoutCancelled, 1, false},
		{"declined", problem(402, "payment_declined"), telemetry.CheckoutDeclined, 1, false},
		{"sold out", problem(409, "out_of_stock"), telemetry.CheckoutOutOfStock, 1, false},
		{"unavailable", problem(503, "payment_unavailable"), telemetry.CheckoutUnavailable, 3, false},
		{"failed", problem(500, "internal"), telemetry.CheckoutFailed, 1, false},
		{"no answer", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, telemetry.CheckoutUnavailable, 3, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			times := map[string]int{} // that each key was sent
			var keys []string
			s := newShop()
			s.mux.HandleFunc("POST /orders/checkout", func(w http.ResponseWriter, r *http.Request) {
				s.mu.Lock()
				key := r.Header.Get("Idempotency-Key")
				if times[key]++; times[key] == 1 {
					keys = append(keys, key)
				}
				if len(keys) == 5 {
					cancel()
				}
				s.mu.Unlock()
				test.checkout(w, r)
			})
			server := httptest.NewServer(s)
			report, err := traffic.Run(ctx, traffic.Config{URL: server.URL + "/", Rate: 1000, Users: 1})
			server.Close()
			if err != nil {
				t.Fatal(err)
			}
			if len(report.Orders) != 1 || report.Orders[test.want] < 4 {
				t.Errorf("the checkouts are %v, want all %s", report.Orders, test.want)
			}
			if (len(report.Sales) > 0) != test.paid {
				t.Errorf("the sales are %v, want some: %t", report.Sales, test.paid)
			}
			for _, key := range keys[:4] { // the fifth met the end
				if times[key] < test.times {
					t.Errorf("key %s was sent %d times, want %d", key, times[key], test.times)
				}
			}
		})
	}
}

func TestSalesAreCountedOnceAndInDollars(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		s.mux.HandleFunc("POST /orders/checkout", func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, `{"order_id":"o","status":"completed","total":{"amount":1000,"currency":"is that of the market"}}`)
		})
		report := s.run(t, traffic.Config{Users: 10, Rate: 100, Duration: time.Minute})
		paid := map[string]map[string]bool{}
		for _, a := range s.matching("POST", "/orders/checkout", "") {
			if paid[a.country()] == nil {
				paid[a.country()] = map[string]bool{}
			}
			paid[a.country()][a.key] = true
		}
		for market, dollars := range map[telemetry.Market]float64{telemetry.UnitedStates: 10, telemetry.Japan: 6.7, telemetry.Germany: 10.8} {
			want := dollars * float64(len(paid[string(market)]))
			if got := report.Sales[market]; got < want-0.01 || got > want+0.01 || want == 0 {
				t.Errorf("%s: sold for %v USD, want %v for %d orders", market, got, want, len(paid[string(market)]))
			}
		}
	})
}

func TestWhoseCouponIsRefusedPaysWithoutIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, name := range []string{"unknown_coupon", "coupon_used_up", "below_minimum"} {
			s := newShop()
			s.mux.HandleFunc("POST /orders/checkout", func(w http.ResponseWriter, r *http.Request) {
				if body, _ := io.ReadAll(r.Body); strings.Contains(string(body), "coupon") {
					problem(422, name)(w, r)
					return
				}
				fmt.Fprint(w, `{"status":"completed"}`)
			})
			report := s.run(t, traffic.Config{Users: 10, Rate: 100, Duration: time.Minute})
			withCoupon := len(s.matching("POST", "/orders/checkout", "coupon"))
			refused, completed := report.Orders[telemetry.CheckoutCouponRefused], report.Orders[telemetry.CheckoutCompleted]
			if refused == 0 || refused != withCoupon || completed < refused {
				t.Errorf("%s: %d checkouts had a coupon, %d were refused and %d completed", name, withCoupon, refused, completed)
			}
		}
	})
}

func TestACartIsEmptiedWhenSomethingInItIsSoldOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, emptied := range map[string]bool{"out_of_stock": true, "cart_empty": false, "order_pending": false} {
			s := newShop()
			s.mux.HandleFunc("POST /orders/checkout", problem(409, name))
			report := s.run(t, traffic.Config{Duration: time.Minute})
			deleted := len(s.matching("DELETE", "/cart/items/7", "")) > 0
			if counted := len(report.Orders) > 0; deleted != emptied || counted != emptied {
				t.Errorf("%s: the cart was emptied: %t, and a checkout counted: %t; want both %t", name, deleted, counted, emptied)
			}
		}
	})
}

func TestAFlashSaleIsARushForOneProduct(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop()
		begin := time.Now()
		report := s.run(t, traffic.Config{Scenario: traffic.FlashSale, Users: 50, Rate: 50, Duration: 3 * time.Minute})
		requests, additions, wanted := [3]int{}, [3]int{}, [3]int{}
		for _, a := range s.asked {
			third := min(int(a.at.Sub(begin)/time.Minute), 2)
			requests[third]++
			if a.path == "/cart/add" {
				additions[third]++
				if strings.Contains(a.body, `"product_id":1,`) {
					wanted[third]++
				}
			}
		}
		if requests[1] < 4*requests[0] || requests[1] < 4*requests[2] || report.Unsent > 0 {
			t.Errorf("there were %v requests in the thirds, want five times as many in the second; %d unsent", requests, report.Unsent)
		}
		if float64(wanted[1]) < 0.8*float64(additions[1]) || float64(wanted[0]) > 0.5*float64(additions[0]) {
			t.Errorf("of %v additions to carts %v were of what is on sale in the second third", additions, wanted)
		}
	})
}

func TestAttackersAreNoticedByTheRuleThatIsMeantAndByNoOther(t *testing.T) {
	for scenario, test := range map[traffic.Scenario]struct {
		intent    traffic.Intent
		paths     []string // that they ask, all of them
		addresses int      // that they come from, in a minute at 3 per second
		min, max  int      // requests of each
	}{
		traffic.CredentialStuffing: {traffic.Stuff, []string{"/auth/login"}, 20, 5, 19},
		traffic.EndpointScanning:   {traffic.Scan, nil, 10, 10, 19},
		traffic.Abuse:              {traffic.Misuse, []string{"/auth/guest", "/cart", "/cart/add", "/orders", "/orders/checkout"}, 3, 20, 80},
	} {
		t.Run(string(scenario), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newShop()
				report := s.run(t, traffic.Config{Scenario: scenario, Users: 3, Rate: 3, Duration: time.Minute})
				addresses := map[string]int{}
				for _, a := range s.asked {
					addresses[a.address]++
					if test.paths != nil && !slices.Contains(test.paths, a.path) {
						t.Errorf("asked %v", a)
					}
				}
				inTime := 0
				for address, n := range addresses {
					if !strings.HasPrefix(address, "203.0.113.") || n > test.max {
						t.Errorf("%d requests came from %s", n, address)
					}
					if n >= test.min {
						inTime++
					}
				}
				if inTime < len(addresses)-3 || inTime < test.addresses { // three met the end
					t.Errorf("they came from %v", addresses)
				}
				if len(report.Visits) != 1 || report.Visits[test.intent] == 0 || report.Kinds[traffic.Attacking].Requests < report.Requests()*9/10 {
					t.Errorf("got\n%v", report)
				}
			})
		})
	}
}

func TestInAMixedCrowdOneInTwentyIsUpToSomething(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		report := newShop().run(t, traffic.Config{Scenario: traffic.Mixed, Users: 100, Rate: 1000, Duration: 12 * time.Second})
		attacks, visits := 0, 0
		for intent, n := range report.Visits {
			visits += n
			if slices.Contains([]traffic.Intent{traffic.Stuff, traffic.Scan, traffic.Misuse}, intent) && n > 0 {
				attacks += n
			}
		}
		if got := float64(attacks) / float64(visits); got < 0.03 || got > 0.07 || len(report.Visits) != 6 {
			t.Errorf("%.3f of the visits are attacks: %v", got, report.Visits)
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
		"too many users":  {traffic.Config{URL: elsewhere.URL, Users: 10_001}, "let it be 10000, and run several"},
		"no scenario":     {traffic.Config{URL: elsewhere.URL, Scenario: "sale"}, `no scenario "sale"; there are [shoppers flash-sale`},
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
