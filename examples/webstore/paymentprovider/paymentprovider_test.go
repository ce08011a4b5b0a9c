package paymentprovider_test

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/otelkit/kit/examples/webstore/paymentprovider"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// provider is one to ask without a network.
type provider struct {
	t testing.TB
	http.Handler
}

func start(t testing.TB, cfg paymentprovider.Config) provider {
	return provider{t, paymentprovider.Handler(cfg)}
}

func (p provider) ask(method, path, body, key string) (int, map[string]any) {
	p.t.Helper()
	request := httptest.NewRequestWithContext(p.t.Context(), method, path, strings.NewReader(body))
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	recorder := httptest.NewRecorder()
	p.ServeHTTP(recorder, request)
	var answer map[string]any
	if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil {
		p.t.Fatalf("%s %s: %d with a body that is not JSON: %q", method, path, recorder.Code, recorder.Body)
	}
	return recorder.Code, answer
}

func (p provider) charge(country, key string) (int, map[string]any) {
	p.t.Helper()
	body := fmt.Sprintf(`{"amount": 1999, "currency": "EUR", "country": %q, "payment_method": "paypal"}`, country)
	return p.ask("POST", "/v1/charges", body, key)
}

func (p provider) charges() []any {
	p.t.Helper()
	_, answer := p.ask("GET", "/v1/charges", "", "")
	return answer["charges"].([]any)
}

func TestAKeyIsChargedOnceHoweverOftenItComes(t *testing.T) {
	p := start(t, paymentprovider.Config{})
	ids := make([]any, 20)
	var calls sync.WaitGroup
	for i := range ids {
		calls.Go(func() {
			status, answer := p.charge("DE", "one")
			if status != http.StatusCreated {
				t.Errorf("status %d, want 201", status)
			}
			ids[i] = answer["id"]
		})
	}
	calls.Wait()
	for _, id := range ids {
		if id != ids[0] {
			t.Errorf("charges %v, want one", ids)
			break
		}
	}
	if n := len(p.charges()); n != 1 {
		t.Errorf("%d charges, want 1", n)
	}
}

func TestAKeyIsRefusedForAnotherCharge(t *testing.T) {
	p := start(t, paymentprovider.Config{})
	p.charge("DE", "one")
	status, answer := p.charge("FR", "one")
	if status != http.StatusConflict || answer["code"] != "idempotency_key_reused" {
		t.Errorf("got %d %v, want 409 idempotency_key_reused", status, answer)
	}
}

func TestARefusalStandsAndAnOutagePasses(t *testing.T) {
	p := start(t, paymentprovider.Config{FailureScale: 5, Seed: 1}) // in JP one in two
	var stood, passed bool
	for i := range 200 {
		key := fmt.Sprint(i)
		status, first := p.charge("JP", key)
		switch again, answer := p.charge("JP", key); {
		case status == http.StatusBadRequest || status == http.StatusNotFound:
			if again == http.StatusCreated {
				t.Fatalf("key %s: refused with %d, then charged", key, status)
			}
			stood = stood || answer["code"] == first["code"]
		case status != http.StatusCreated:
			passed = passed || again == http.StatusCreated
		}
	}
	if !stood || !passed {
		t.Errorf("a refusal stood %v, an outage passed %v: the test met only one of the two", stood, passed)
	}
}

func TestFailuresAreAsFrequentAndAsMixedAsTheTableSays(t *testing.T) {
	const n = 5_000
	for _, behaviour := range paymentprovider.Behaviours {
		if behaviour.Call != "POST /v1/charges" {
			continue
		}
		country := behaviour.Country
		p := start(t, paymentprovider.Config{FailureScale: 1, Seed: 7})
		seen := map[int]float64{}
		for i := range n {
			status, _ := p.charge(country, fmt.Sprint(i))
			seen[status]++
		}
		if rate := 1 - seen[http.StatusCreated]/n; math.Abs(rate-behaviour.Failure) > 0.01 {
			t.Errorf("%s: %.3f fail, want %.3f", country, rate, behaviour.Failure)
		}
		for _, failure := range paymentprovider.Failures {
			want := behaviour.Failure / float64(len(paymentprovider.Failures))
			if share := seen[failure.Status] / n; math.Abs(share-want) > 0.01 {
				t.Errorf("%s: %.3f fail with %d, want %.3f", country, share, failure.Status, want)
			}
		}
	}
}

func TestTheSameSeedFailsTheSameWay(t *testing.T) {
	answers := func(seed uint64) string {
		p := start(t, paymentprovider.Config{FailureScale: 3, Seed: seed})
		var all strings.Builder
		for i := range 100 {
			status, answer := p.charge("BR", fmt.Sprint(i))
			fmt.Fprintln(&all, status, answer["id"])
		}
		return all.String()
	}
	first := answers(1)
	if answers(1) != first {
		t.Error("seed 1 gave two different runs")
	}
	if answers(2) == first {
		t.Error("seeds 1 and 2 gave the same run")
	}
}

func TestARefundIsMadeOnce(t *testing.T) {
	p := start(t, paymentprovider.Config{})
	_, charge := p.charge("US", "one")
	path := fmt.Sprintf("/v1/charges/%v", charge["id"])
	for range 2 {
		if status, answer := p.ask("POST", path+"/refund", "", ""); status != http.StatusOK || answer["refunded"] != true {
			t.Errorf("refund: %d %v", status, answer)
		}
	}
	if _, answer := p.ask("GET", path, "", ""); answer["refunded"] != true {
		t.Errorf("charge after its refund: %v", answer)
	}
	if status, _ := p.ask("POST", "/v1/charges/TXN-none/refund", "", ""); status != http.StatusNotFound {
		t.Errorf("refund of no charge: %d, want 404", status)
	}
}

func TestWhatIsNoChargeIsABadRequest(t *testing.T) {
	p := start(t, paymentprovider.Config{})
	for name, c := range map[string]struct{ body, key string }{
		"no key":      {`{"amount": 1, "currency": "EUR"}`, ""},
		"not JSON":    {`amount=1`, "k"},
		"no amount":   {`{"currency": "EUR"}`, "k"},
		"negative":    {`{"amount": -1, "currency": "EUR"}`, "k"},
		"no currency": {`{"amount": 1}`, "k"},
	} {
		if status, answer := p.ask("POST", "/v1/charges", c.body, c.key); status != http.StatusBadRequest || answer["code"] != "bad_request" {
			t.Errorf("%s: %d %v, want 400 bad_request", name, status, answer)
		}
	}
	if n := len(p.charges()); n != 0 {
		t.Errorf("%d charges were made", n)
	}
}

// A third party that shared our telemetry would show us what no third party
// shows.
func TestItKnowsNothingOfTelemetry(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for imported := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(imported, "github.com/otelkit/kit/otelkit") || strings.Contains(imported, "opentelemetry") ||
			strings.HasSuffix(imported, "webstore/telemetry") {
			t.Errorf("it imports %s", imported)
		}
	}
}
