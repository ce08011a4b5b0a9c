package thirdparty_test

import (
	"context"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/otelkit/kit/examples/webstore/latency"
	"github.com/otelkit/kit/examples/webstore/thirdparty"
	"github.com/otelkit/kit/examples/webstore/thirdparty/thirdpartytest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The ways to fail, one of each kind.
var (
	refused = thirdparty.Failure{Status: http.StatusBadRequest, Code: "refused", Message: "No", Final: true}
	closed  = thirdparty.Failure{Status: http.StatusServiceUnavailable, Code: "closed", Message: "Not now"}
	lost    = thirdparty.Failure{Status: http.StatusInternalServerError, Code: "lost", Message: "Perhaps", Lost: true}
)

// shop is a third party with one call, which counts what took effect.
type shop struct {
	http.Handler
	effects  int
	refusals int
}

func newShop(cfg thirdparty.Config, rows ...thirdparty.Behaviour) *shop {
	for i := range rows {
		rows[i].Call = "POST /buy/{country}"
	}
	party := thirdparty.New(cfg, rows)
	s := &shop{}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /buy/{country}", func(w http.ResponseWriter, r *http.Request) {
		party.Do(w, r, r.PathValue("country"), func(refusal *thirdparty.Failure) thirdparty.Reply {
			if refusal != nil {
				s.refusals++
				return refusal.Reply()
			}
			s.effects++
			return thirdparty.Reply{Status: http.StatusCreated, Body: map[string]string{"id": party.ID("SHOP")}}
		})
	})
	s.Handler = mux
	return s
}

func (s *shop) buy(ctx context.Context, country string) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	s.ServeHTTP(recorder, httptest.NewRequestWithContext(ctx, "POST", "/buy/"+country, nil))
	return recorder
}

func TestAFailureHappensBeforeOrAfterTheEffectOrInItsPlace(t *testing.T) {
	for name, c := range map[string]struct {
		failure           thirdparty.Failure
		effects, refusals int
	}{
		"at the door": {closed, 0, 0},
		"refused":     {refused, 0, 1},
		"lost answer": {lost, 1, 0},
	} {
		s := newShop(thirdparty.Config{FailureScale: 1}, thirdparty.Behaviour{Failure: 1, Failures: []thirdparty.Failure{c.failure}})
		answer := s.buy(t.Context(), "DE")
		if answer.Code != c.failure.Status || !strings.Contains(answer.Body.String(), c.failure.Code) {
			t.Errorf("%s: answered with %d %s, want %d %s", name, answer.Code, answer.Body, c.failure.Status, c.failure.Code)
		}
		if s.effects != c.effects || s.refusals != c.refusals {
			t.Errorf("%s: %d effects and %d refusals, want %d and %d", name, s.effects, s.refusals, c.effects, c.refusals)
		}
	}
}

func TestCallsFailAsOftenAndAsMixedAsTheirRowSays(t *testing.T) {
	const n, scale = 5_000, 0.5
	rates := map[string]float64{"DE": 0.1, "BR": 0.6, "": 0.3}
	failures := []thirdparty.Failure{refused, closed, lost}
	var rows []thirdparty.Behaviour
	for country, rate := range rates {
		rows = append(rows, thirdparty.Behaviour{Country: country, Failure: rate, Failures: failures})
	}
	s := newShop(thirdparty.Config{FailureScale: scale, Seed: 7}, rows...)
	for _, country := range []string{"DE", "BR", "elsewhere"} {
		rate, ok := rates[country]
		if !ok {
			rate = rates[""]
		}
		seen := map[int]float64{}
		for range n {
			seen[s.buy(t.Context(), country).Code]++
		}
		for _, failure := range failures {
			want := rate * scale / float64(len(failures))
			if share := seen[failure.Status] / n; math.Abs(share-want) > 0.015 {
				t.Errorf("%s: %.3f fail with %d, want %.3f", country, share, failure.Status, want)
			}
		}
		if share := seen[http.StatusCreated] / n; math.Abs(share-(1-rate*scale)) > 0.02 {
			t.Errorf("%s: %.3f go well, want %.3f", country, share, 1-rate*scale)
		}
	}
}

func TestAFailureScaleOf0NeverFailsAndALargeOneAlways(t *testing.T) {
	row := thirdparty.Behaviour{Failure: 0.5, Failures: []thirdparty.Failure{closed}}
	for scale, want := range map[float64]int{0: http.StatusCreated, 1000: closed.Status} {
		s := newShop(thirdparty.Config{FailureScale: scale}, row)
		for range 100 {
			if status := s.buy(t.Context(), "DE").Code; status != want {
				t.Fatalf("scale %v: status %d, want %d", scale, status, want)
			}
		}
	}
}

func TestTheSameSeedDecidesTheSame(t *testing.T) {
	row := thirdparty.Behaviour{
		Failure: 0.5, Failures: []thirdparty.Failure{closed, lost},
		Latency: latency.Delay{Min: time.Millisecond, Max: time.Second},
	}
	run := func(seed uint64) (record string) {
		synctest.Test(t, func(t *testing.T) {
			s := newShop(thirdparty.Config{FailureScale: 1, LatencyScale: 1, Seed: seed}, row)
			start := time.Now()
			for range 50 {
				record += s.buy(t.Context(), "DE").Body.String() + time.Since(start).String()
			}
		})
		return record
	}
	first := run(1)
	if run(1) != first {
		t.Error("seed 1 gave two different runs")
	}
	if run(2) == first {
		t.Error("seeds 1 and 2 gave the same run")
	}
}

func TestAnAnswerTakesTheTimeOfItsRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := latency.Delay{Min: 2 * time.Second, Max: 3 * time.Second}
		quick := latency.Delay{Min: 100 * time.Millisecond, Max: 200 * time.Millisecond}
		s := newShop(thirdparty.Config{LatencyScale: 2, FailureScale: 1},
			thirdparty.Behaviour{Country: "DE", Latency: slow},
			thirdparty.Behaviour{Latency: quick, Failure: 0.5, Failures: []thirdparty.Failure{closed, refused, lost}})
		for country, delay := range map[string]latency.Delay{"DE": slow, "FR": quick} {
			for range 50 {
				start := time.Now()
				s.buy(t.Context(), country)
				if took := time.Since(start); took < 2*delay.Min || took > 2*delay.Max {
					t.Fatalf("%s took %v, want twice %v to %v", country, took, delay.Min, delay.Max)
				}
			}
		}
	})
}

func TestWhatACallerDoesNotWaitForHappensAllTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(thirdparty.Config{LatencyScale: 1}, thirdparty.Behaviour{Latency: latency.Delay{Min: time.Hour, Max: time.Hour}})
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		answer := s.buy(impatient, "DE")
		if s.effects != 1 || answer.Body.Len() > 0 {
			t.Errorf("%d effects and the answer %q, want one that nobody hears of", s.effects, answer.Body)
		}
		if took := time.Since(start); took != time.Second {
			t.Errorf("it was busy for %v after its caller had gone", took-time.Second)
		}
	})
}

func TestNoIDIsGivenTwiceNotEvenAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		given := map[string]bool{}
		for range 2 {
			party := thirdparty.New(thirdparty.Config{Seed: 1}, nil)
			for range 100 {
				id := party.ID("TXN")
				if given[id] || !strings.HasPrefix(id, "TXN-") {
					t.Fatalf("%s was given before, or has no prefix", id)
				}
				given[id] = true
			}
			time.Sleep(time.Second) // a restart takes some time
		}
	})
}

func TestACallThatHasNoRowIsAMistakeThatShows(t *testing.T) {
	defer func() {
		if said, _ := recover().(string); !strings.Contains(said, `"POST /buy/{country}" has no row`) {
			t.Errorf("it said %q", said)
		}
	}()
	newShop(thirdparty.Config{}, thirdparty.Behaviour{Country: "DE"}).buy(t.Context(), "FR")
}

func TestABodyIsOneSmallJSONObject(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		ok   bool
	}{
		"an object":        {`{"n": 1}`, true},
		"space around it":  {" {\"n\": 1}\n", true},
		"an unknown field": {`{"n": 1, "m": 2}`, true},
		"nothing":          {``, false},
		"cut off":          {`{"n": 1`, false},
		"no JSON":          {`n=1`, false},
		"another type":     {`{"n": "1"}`, false},
		"a list":           {`[1]`, false},
		"two":              {`{"n": 1} {"n": 2}`, false},
		"rubbish after it": {`{"n": 1} rubbish`, false},
		"too large":        {`{"n": 1, "m": "` + strings.Repeat("x", 4<<10) + `"}`, false},
		"too much after":   {`{"n": 1}` + strings.Repeat(" ", 4<<10), false},
		"out of range":     {`{"n": 1e30}`, false},
		"deep":             {strings.Repeat("[", 4000), false},
	} {
		var v struct {
			N int `json:"n"`
		}
		recorder := httptest.NewRecorder()
		ok := thirdparty.Decode(recorder, httptest.NewRequest("POST", "/", strings.NewReader(c.body)), &v)
		if ok != c.ok || ok && v.N != 1 {
			t.Errorf("%s: decoded %v to %+v, want %v", name, ok, v, c.ok)
		}
		if said := recorder.Body.String(); !ok && (recorder.Code != http.StatusBadRequest || !strings.Contains(said, `"bad_request"`)) {
			t.Errorf("%s: answered with %d %s, want 400 bad_request", name, recorder.Code, said)
		}
	}
}

func TestAKeyIsNeitherEmptyNorEndless(t *testing.T) {
	for key, want := range map[string]bool{"": false, "k": true, strings.Repeat("k", 255): true, strings.Repeat("k", 256): false} {
		request := httptest.NewRequest("POST", "/", nil)
		request.Header.Set("Idempotency-Key", key)
		recorder := httptest.NewRecorder()
		got, ok := thirdparty.Key(recorder, request)
		if ok != want || ok && got != key || !ok && recorder.Code != http.StatusBadRequest {
			t.Errorf("%d bytes: got %v and status %d, want %v", len(key), ok, recorder.Code, want)
		}
	}
}

func TestRunServesUntilItIsToldToEnd(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	address, ended := make(chan string, 1), make(chan error, 1)
	api := http.HandlerFunc(thirdparty.Health)
	go func() {
		ended <- thirdparty.Run(ctx, thirdparty.Config{Addr: "127.0.0.1:0", Ready: func(addr string) { address <- addr }}, api)
	}()
	conn, err := net.Dial("tcp", <-address)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	stop()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestItKnowsNothingOfTelemetry(t *testing.T) { thirdpartytest.KnowsNothingOfTelemetry(t) }
