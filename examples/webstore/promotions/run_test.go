package promotions

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/otelkit/kit/internal/pgserver/pgtest"
)

// run starts the service itself, which has to end well when the test does, and returns
// its URL.
func run(t *testing.T, cfg Config) string {
	t.Helper()
	cfg.Addr = "127.0.0.1:0"
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan string, 1), make(chan error, 1)
	cfg.Ready = func(addr string) { ready <- addr }
	go func() { ended <- Run(ctx, cfg) }()
	select {
	case addr := <-ready:
		t.Cleanup(func() {
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
		return "http://" + addr
	case err := <-ended:
		stop()
		t.Fatalf("it ended before it was ready: %v", err)
		return ""
	}
}

// Two processes of it would be no different: all that they share is the database.
func TestTwoInstancesAreOneService(t *testing.T) {
	database := pgtest.URL(t)
	cfg := Config{DatabaseURL: database, DemoData: true}
	urls := []string{run(t, cfg), run(t, cfg)}
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	do := func(method, url, key, body string) (status int, answer map[string]any) {
		request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
		if err != nil {
			t.Error(err)
			return 0, nil
		}
		request.Header.Set("Content-Type", "application/json")
		if key != "" {
			request.Header.Set("Idempotency-Key", key)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Error(err)
			return 0, nil
		}
		defer response.Body.Close()
		if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
			t.Errorf("%s %s: %d with a body that is not a JSON object: %v", method, url, response.StatusCode, err)
		}
		return response.StatusCode, answer
	}

	// What one instance takes the other gives back.
	path := "/api/promotions/redemptions"
	var released atomic.Int32
	all(20, func(i int) {
		key := fmt.Sprint("order-", i)
		if status, answer := do("POST", urls[i%2]+path, key, with("BIGORDER", order(50000))); status != http.StatusOK {
			t.Errorf("redeem: %d %v, want 200", status, answer)
		}
		if i%4 < 2 {
			return
		}
		_, answer := do("POST", urls[(i+1)%2]+path+"/"+key+"/release", "", "{}")
		if answer["released"] == true {
			released.Add(1)
		}
	})
	if released.Load() != 10 {
		t.Errorf("%d were released, want 10", released.Load())
	}
	for _, url := range urls {
		_, answer := do("GET", url+"/api/promotions/coupons", "", "")
		if !strings.Contains(fmt.Sprint(answer), "code:BIGORDER discount_type:percent discount_value:15 min_amount:50000 remaining_uses:90") {
			t.Errorf("coupons %v, want 90 uses of BIGORDER left", answer)
		}
		if status, answer := do("GET", url+"/healthz", "", ""); status != http.StatusOK || !strings.Contains(fmt.Sprint(answer), "postgres") {
			t.Errorf("/healthz: %d %v, want 200 and the check of postgres", status, answer)
		}
	}
}

func TestADemoDoesNotRunOutOfCoupons(t *testing.T) {
	f := start(t)
	f.allow("BIGORDER", 0)
	f.redeem("order-1", with("BIGORDER", order(50000))).isProblem(t, http.StatusConflict, "coupon_used_up")
	run(t, Config{DatabaseURL: f.pool.Config().ConnString(), DemoData: true, renewalInterval: time.Millisecond})
	eventually(t, func() error {
		if a := f.redeem("order-1", with("BIGORDER", order(50000))); a.status != http.StatusOK {
			return fmt.Errorf("got %v, want 200", a)
		}
		return nil
	})
	f.audit()
}

func TestWithoutADatabaseItDoesNotStart(t *testing.T) {
	for _, url := range []string{"", "postgres://127.0.0.1:1/none?connect_timeout=1"} {
		if err := Run(t.Context(), Config{Addr: "127.0.0.1:0", DatabaseURL: url}); err == nil {
			t.Errorf("it ran on the database %q", url)
		}
	}
}

func TestItIsReadyWhileTheDatabaseAnswers(t *testing.T) {
	f := start(t)
	ctx, stop := context.WithCancel(t.Context())
	var checking sync.WaitGroup
	checking.Go(func() { f.promotions.check(ctx) })
	t.Cleanup(func() {
		stop()
		checking.Wait()
	})
	untilReadyIs := func(want int) {
		t.Helper()
		eventually(t, func() error {
			if a := f.do("GET", "/healthz/ready", ""); a.status != want {
				return fmt.Errorf("ready: %v, want %d", a, want)
			}
			return nil
		})
	}
	f.do("GET", "/healthz/live", "").is(t, http.StatusOK)
	untilReadyIs(http.StatusOK)
	f.do("GET", "/healthz/startup", "").is(t, http.StatusOK)
	f.pool.Close()
	untilReadyIs(http.StatusServiceUnavailable)
	f.do("GET", "/healthz/live", "").is(t, http.StatusOK)
	if spans := f.kit.Spans(); len(spans) != 0 {
		t.Errorf("probes made spans: %v", spans)
	}
}
