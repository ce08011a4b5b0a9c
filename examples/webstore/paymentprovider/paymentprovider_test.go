package paymentprovider_test

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/otelkit/kit/examples/webstore/paymentprovider"
	"github.com/otelkit/kit/examples/webstore/thirdparty/thirdpartytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// provider is one to ask over HTTP.
type provider struct{ *thirdpartytest.Party }

func start(t testing.TB, cfg paymentprovider.Config) provider {
	return provider{thirdpartytest.Start(t, paymentprovider.Handler(cfg))}
}

func (p provider) charge(country, key string) thirdpartytest.Answer {
	return p.Post("/v1/charges", key, fmt.Sprintf(`{"amount": 1999, "currency": "EUR", "country": %q, "payment_method": "paypal"}`, country))
}

func (p provider) void(key string) thirdpartytest.Answer { return p.Post("/v1/voids", key, "") }

func (p provider) byKey(key string) thirdpartytest.Answer {
	return p.Get("/v1/charges/by-key/" + url.PathEscape(key))
}

func (p provider) charges() []map[string]any { return p.List("/v1/charges", "charges") }

func TestAChargeIsFoundByItsIDAndByItsKey(t *testing.T) {
	p := start(t, paymentprovider.Config{})
	const key = "an order/with a key of its own"
	charge := p.charge("DE", key)
	for field, want := range map[string]any{
		"idempotency_key": key, "amount": 1999.0, "currency": "EUR", "country": "DE", "payment_method": "paypal", "refunded": false,
	} {
		if charge.Status != http.StatusCreated || charge.Body[field] != want {
			t.Errorf("charge: %d with %s %v, want 201 with %v", charge.Status, field, charge.Body[field], want)
		}
	}
	for name, found := range map[string]thirdpartytest.Answer{
		"by id": p.Get(fmt.Sprint("/v1/charges/", charge.Body["id"])), "by key": p.byKey(key),
	} {
		if found.Status != http.StatusOK || fmt.Sprint(found.Body) != fmt.Sprint(charge.Body) {
			t.Errorf("%s: %d %v, want 200 %v", name, found.Status, found.Body, charge.Body)
		}
	}
	for _, none := range []thirdpartytest.Answer{p.Get("/v1/charges/TXN-none"), p.byKey("none"), p.Post("/v1/charges/TXN-none/refund", "", "")} {
		if none.Status != http.StatusNotFound || none.Code() != "charge_not_found" {
			t.Errorf("no charge: %d %v, want 404 charge_not_found", none.Status, none.Body)
		}
	}
	if health := p.Get("/health"); health.Status != http.StatusOK || health.Body["status"] != "healthy" {
		t.Errorf("health: %d %v", health.Status, health.Body)
	}
}

func TestAKeyIsChargedOnceHoweverOftenItComesAtOnce(t *testing.T) {
	p := start(t, paymentprovider.Config{})
	answers := thirdpartytest.AtOnce(20, func(int) thirdpartytest.Answer { return p.charge("DE", "one") })
	for _, answer := range answers {
		if answer.Status != http.StatusCreated || answer.Body["id"] != answers[0].Body["id"] {
			t.Errorf("got %d %v, want 201 %v", answer.Status, answer.Body["id"], answers[0].Body["id"])
		}
	}
	if n := len(p.charges()); n != 1 {
		t.Errorf("%d charges, want 1", n)
	}
}

func TestAKeyIsRefusedForAnotherCharge(t *testing.T) {
	p := start(t, paymentprovider.Config{})
	p.charge("DE", "one")
	if answer := p.charge("FR", "one"); answer.Status != http.StatusConflict || answer.Code() != "idempotency_key_reused" {
		t.Errorf("got %d %v, want 409 idempotency_key_reused", answer.Status, answer.Body)
	}
}

// half fails every other charge in JP.
var half = paymentprovider.Config{FailureScale: 5, Seed: 1}

func TestARefusalStandsAndAnOutagePasses(t *testing.T) {
	p := start(t, half)
	var stood, passed bool
	for i := range 200 {
		key := fmt.Sprint(i)
		first, again := p.charge("JP", key), p.charge("JP", key)
		switch first.Status {
		case http.StatusBadRequest, http.StatusNotFound:
			if again.Status == http.StatusCreated {
				t.Fatalf("key %s: refused with %v, then charged", key, first.Code())
			}
			stood = stood || again.Code() == first.Code()
		case http.StatusTooManyRequests, http.StatusServiceUnavailable:
			passed = passed || again.Status == http.StatusCreated
		}
	}
	if !stood || !passed {
		t.Errorf("a refusal stood: %v, an outage passed: %v; the test met only one of the two", stood, passed)
	}
}

func TestWhetherALostAnswerTookMoneyIsToldByTheKey(t *testing.T) {
	p := start(t, half)
	lost := 0
	for i := range 200 {
		key := fmt.Sprint(i)
		answer := p.charge("JP", key)
		taken := p.byKey(key)
		if want := answer.Status == http.StatusCreated || answer.Status == http.StatusInternalServerError; (taken.Status == http.StatusOK) != want {
			t.Fatalf("key %s: after %d, by its key there is %d", key, answer.Status, taken.Status)
		}
		if answer.Status != http.StatusInternalServerError {
			continue
		}
		lost++
		again := thirdpartytest.Until(http.StatusCreated, func() thirdpartytest.Answer { return p.charge("JP", key) })
		if again.Status != http.StatusCreated || again.Body["id"] != taken.Body["id"] {
			t.Errorf("key %s: asked again it was %d %v, want charge %v", key, again.Status, again.Body, taken.Body["id"])
		}
	}
	if lost == 0 {
		t.Error("no answer was lost")
	}
}

func TestFailuresAreAsFrequentAndAsMixedAsTheTableSays(t *testing.T) {
	const n, scale = 500, 4
	for _, row := range paymentprovider.Behaviours {
		if row.Call != "POST /v1/charges" {
			continue
		}
		p := start(t, paymentprovider.Config{FailureScale: scale, Seed: 7})
		seen := map[int]float64{}
		for i := range n {
			seen[p.charge(row.Country, fmt.Sprint(i)).Status]++
		}
		for _, failure := range row.Failures {
			want := scale * row.Failure / float64(len(row.Failures))
			if share := seen[failure.Status] / n; math.Abs(share-want) > 0.03 {
				t.Errorf("%q: %.3f fail with %d, want %.3f", row.Country, share, failure.Status, want)
			}
		}
		if share, want := seen[http.StatusCreated]/n, 1-scale*row.Failure; math.Abs(share-want) > 0.04 {
			t.Errorf("%q: %.3f go well, want %.3f", row.Country, share, want)
		}
	}
}

func TestTheSameSeedFailsTheSameWay(t *testing.T) {
	answers := func(seed uint64) string {
		p := start(t, paymentprovider.Config{FailureScale: 3, Seed: seed})
		var all strings.Builder
		for i := range 100 {
			fmt.Fprintln(&all, p.charge("BR", fmt.Sprint(i)).Status)
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
	path := fmt.Sprint("/v1/charges/", p.charge("US", "one").Body["id"])
	for range 2 {
		if answer := p.Post(path+"/refund", "", ""); answer.Status != http.StatusOK || answer.Body["refunded"] != true {
			t.Errorf("refund: %d %v", answer.Status, answer.Body)
		}
	}
	if answer := p.Get(path); answer.Body["refunded"] != true {
		t.Errorf("charge after its refund: %v", answer.Body)
	}
}

func TestAVoidGivesBackWhatWasTaken(t *testing.T) {
	p := start(t, paymentprovider.Config{})
	charge := p.charge("US", "one")
	for range 2 {
		void := p.void("one")
		if void.Status != http.StatusOK || void.Body["charge_id"] != charge.Body["id"] || void.Body["refunded"] != true {
			t.Errorf("void: %d %v, want charge %v refunded", void.Status, void.Body, charge.Body["id"])
		}
	}
	if charges := p.charges(); len(charges) != 1 || charges[0]["refunded"] != true {
		t.Errorf("charges after the void: %v", charges)
	}
	if again := p.charge("US", "one"); again.Status != http.StatusConflict || again.Code() != "voided" {
		t.Errorf("charge after its void: %d %v, want 409 voided", again.Status, again.Body)
	}
}

func TestAKeyThatWasVoidedIsNeverChargedLater(t *testing.T) {
	p := start(t, paymentprovider.Config{})
	for range 2 {
		if void := p.void("one"); void.Status != http.StatusOK || void.Body["charge_id"] != "" || void.Body["refunded"] != false {
			t.Errorf("void of no charge: %d %v", void.Status, void.Body)
		}
	}
	if charge := p.charge("US", "one"); charge.Status != http.StatusConflict || charge.Code() != "voided" {
		t.Errorf("charge: %d %v, want 409 voided", charge.Status, charge.Body)
	}
	if found := p.byKey("one"); found.Status != http.StatusNotFound {
		t.Errorf("by its key there is %d %v", found.Status, found.Body)
	}
	if n := len(p.charges()); n != 0 {
		t.Errorf("%d charges, want none", n)
	}
}

func TestNoMoneyIsKeptWhenAVoidAndChargesComeAtOnce(t *testing.T) {
	p := start(t, paymentprovider.Config{})
	for i := range 50 {
		key := fmt.Sprint(i)
		answers := thirdpartytest.AtOnce(6, func(call int) thirdpartytest.Answer {
			if call%3 == 0 {
				return p.void(key)
			}
			return p.charge("DE", key)
		})
		kept := p.byKey(key)
		if kept.Status == http.StatusOK && kept.Body["refunded"] != true {
			t.Errorf("key %s: money was kept: %v", key, kept.Body)
		}
		for call, answer := range answers {
			switch {
			case call%3 == 0 && answer.Status == http.StatusOK:
				if id := answer.Body["charge_id"]; id != "" && id != kept.Body["id"] || (id != "") != (answer.Body["refunded"] == true) {
					t.Errorf("key %s: a void gave back %v, and there is %v", key, answer.Body, kept.Body)
				}
			case call%3 != 0 && answer.Status == http.StatusCreated:
				if answer.Body["id"] != kept.Body["id"] {
					t.Errorf("key %s: a charge was %v, and there is %v", key, answer.Body["id"], kept.Body["id"])
				}
			case call%3 != 0 && answer.Code() == "voided":
			default:
				t.Errorf("key %s: call %d was answered with %d %v", key, call, answer.Status, answer.Body)
			}
		}
	}
}

func TestARefusedKeyCanBeVoided(t *testing.T) {
	p := start(t, half)
	for i := range 200 {
		key := fmt.Sprint(i)
		if p.charge("JP", key).Code() != "invalid_payment_details" {
			continue
		}
		void := thirdpartytest.Until(http.StatusOK, func() thirdpartytest.Answer { return p.void(key) })
		if void.Status != http.StatusOK || void.Body["charge_id"] != "" || void.Body["refunded"] != false {
			t.Errorf("void: %d %v", void.Status, void.Body)
		}
		late := thirdpartytest.Until(http.StatusConflict, func() thirdpartytest.Answer { return p.charge("JP", key) })
		if late.Code() != "voided" {
			t.Errorf("charge after its void: %d %v, want 409 voided", late.Status, late.Body)
		}
		return
	}
	t.Error("no key was refused")
}

func TestWhatIsNoChargeIsABadRequest(t *testing.T) {
	p := start(t, paymentprovider.Config{FailureScale: 1000})
	for name, c := range map[string]struct{ body, key string }{
		"no key":         {`{"amount": 1, "currency": "EUR"}`, ""},
		"endless key":    {`{"amount": 1, "currency": "EUR"}`, strings.Repeat("k", 256)},
		"nothing":        {``, "k"},
		"null":           {`null`, "k"},
		"not JSON":       {`amount=1`, "k"},
		"cut off":        {`{"amount": 1, "curr`, "k"},
		"two":            {`{"amount": 1, "currency": "EUR"}{}`, "k"},
		"no amount":      {`{"currency": "EUR"}`, "k"},
		"negative":       {`{"amount": -1, "currency": "EUR"}`, "k"},
		"fraction":       {`{"amount": 1.5, "currency": "EUR"}`, "k"},
		"amount in text": {`{"amount": "1", "currency": "EUR"}`, "k"},
		"too much":       {`{"amount": 9223372036854775808, "currency": "EUR"}`, "k"},
		"no currency":    {`{"amount": 1}`, "k"},
		"large":          {`{"amount": 1, "currency": "EUR", "payment_method": "` + strings.Repeat("x", 4<<10) + `"}`, "k"},
	} {
		if answer := p.Post("/v1/charges", c.key, c.body); answer.Status != http.StatusBadRequest || answer.Code() != "bad_request" {
			t.Errorf("%s: %d %v, want 400 bad_request", name, answer.Status, answer.Body)
		}
	}
	if void := p.void(""); void.Status != http.StatusBadRequest || void.Code() != "bad_request" {
		t.Errorf("void without a key: %d %v, want 400 bad_request", void.Status, void.Body)
	}
	if n := len(p.charges()); n != 0 {
		t.Errorf("%d charges were made", n)
	}
}

func TestItKnowsNothingOfTelemetry(t *testing.T) { thirdpartytest.KnowsNothingOfTelemetry(t) }
