package faults_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/otelkit/kit/examples/webstore/faults"
)

// chain is main, payments and the payment provider, each of which reaches the next.
type chain struct {
	main, payments, provider *faults.Board
	control                  *faults.Control // main's
	paymentsURL, providerURL string
	stopProvider             func()
}

func newChain(t *testing.T, paymentsKey string) *chain {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(client.CloseIdleConnections)
	make := func(service, key string) *faults.Board {
		b := faults.NewBoard(service, key)
		t.Cleanup(b.Close)
		return b
	}
	serve := func(h http.Handler) *httptest.Server {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s
	}
	own := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "the service's own", http.StatusNotFound) })

	c := &chain{main: make(faults.Main, "k"), payments: make(faults.Payments, paymentsKey), provider: make(faults.PaymentProvider, "k")}
	provider := serve(faults.NewControl(c.provider, nil).Wrap(own))
	payments := serve(faults.NewControl(c.payments, client, faults.Peer{Service: faults.PaymentProvider, URL: provider.URL}).Wrap(own))
	c.control = faults.NewControl(c.main, client, faults.Peer{Service: faults.Payments, URL: payments.URL + "/", Behind: []string{faults.PaymentProvider}})
	c.paymentsURL, c.providerURL, c.stopProvider = payments.URL, provider.URL, provider.Close
	return c
}

func TestAFaultIsStartedAndStoppedWhereItIs(t *testing.T) {
	c := newChain(t, "k")
	states, err := c.control.Start(t.Context(), faults.ProviderSlow, faults.Options{For: time.Minute, Market: "DE", Intensity: 2})
	if err != nil {
		t.Fatal(err)
	}
	on := c.provider.Active()
	if len(on) != 1 || on[0].Market != "DE" || on[0].Intensity != 2 || on[0].Ends.Sub(on[0].Since) != time.Minute {
		t.Errorf("on at the provider are %+v, want the one that was started", on)
	}
	want := faults.State{Name: faults.ProviderSlow, Service: faults.PaymentProvider, On: true, Since: on[0].Since, Ends: on[0].Ends, Market: "DE", Intensity: 2}
	if len(states) != 1 || states[0] != want {
		t.Errorf("got %+v, want %+v", states, want)
	}
	if all := c.control.States(t.Context()); !slices.Contains(all, want) {
		t.Errorf("%+v is not in %+v", want, all)
	}
	if _, err := c.control.Stop(t.Context(), faults.ProviderSlow); err != nil || c.provider.On(faults.ProviderSlow) {
		t.Errorf("error %v, on %v; want it off", err, c.provider.On(faults.ProviderSlow))
	}
}

func TestAFaultOfSeveralServicesIsStartedInAllOrNone(t *testing.T) {
	c := newChain(t, "k")
	states, err := c.control.Start(t.Context(), faults.TelemetryAway, faults.Options{})
	if err != nil || len(states) != 2 || !c.main.On(faults.TelemetryAway) || !c.payments.On(faults.TelemetryAway) {
		t.Errorf("got %+v, %v; want it on in main and payments", states, err)
	}
	if states, err := c.control.StopAll(t.Context()); err != nil || len(states) != 2 || c.main.On(faults.TelemetryAway) || c.payments.On(faults.TelemetryAway) {
		t.Errorf("got %+v, %v; want it off in both", states, err)
	}
	c.payments.Close() // as when it ends
	if _, err := c.control.Start(t.Context(), faults.TelemetryAway, faults.Options{}); !errors.Is(err, faults.ErrAway) || !strings.Contains(err.Error(), "payments is ending") {
		t.Errorf("error %v, want one that says that payments is ending", err)
	}
	if c.main.On(faults.TelemetryAway) {
		t.Error("it is on in main alone")
	}
}

func TestStopAllStopsAllThereIs(t *testing.T) {
	c := newChain(t, "k")
	for _, name := range []faults.Name{faults.Panics, faults.ProviderSlow, faults.ProviderHanging, faults.TelemetryAway} {
		if _, err := c.control.Start(t.Context(), name, faults.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	states, err := c.control.StopAll(t.Context())
	if err != nil || len(states) != 5 {
		t.Errorf("got %+v, %v; want five that are off", states, err)
	}
	if left := slices.Concat(c.main.Active(), c.payments.Active(), c.provider.Active()); len(left) > 0 {
		t.Errorf("still on: %+v", left)
	}
}

func TestAServiceThatIsAwayIsNamed(t *testing.T) {
	c := newChain(t, "k")
	c.stopProvider()
	if _, err := c.control.Start(t.Context(), faults.ProviderSlow, faults.Options{}); !errors.Is(err, faults.ErrAway) || !strings.Contains(err.Error(), "payment-provider is away") {
		t.Errorf("starting: %v, want that the provider is away", err)
	}
	var unknown int
	for _, s := range c.control.States(t.Context()) {
		if s.Service == faults.PaymentProvider && strings.Contains(s.Unknown, "payment-provider is away") {
			unknown++
		} else if s.Unknown != "" {
			t.Errorf("%+v, want it known", s)
		}
	}
	if unknown != 5 {
		t.Errorf("%d states are unknown, want the provider's five", unknown)
	}
	if _, err := c.control.StopAll(t.Context()); !errors.Is(err, faults.ErrAway) || strings.Count(err.Error(), "is away") != 1 {
		t.Errorf("stopping all: %v, want once that the provider is away", err)
	}
}

func TestTheKeysHaveToBeTheSame(t *testing.T) {
	for key, want := range map[string]string{"another": "payments has another WEBSTORE_FAULTS_KEY", "": "payments has no faults: start it with the same WEBSTORE_FAULTS_KEY"} {
		c := newChain(t, key)
		if _, err := c.control.Start(t.Context(), faults.ProviderSlow, faults.Options{}); !errors.Is(err, faults.ErrAway) || !strings.Contains(err.Error(), want) {
			t.Errorf("key %q: %v, want %q", key, err, want)
		}
	}
}

func TestWhatIsWrongIsSaidFromAfar(t *testing.T) {
	c := newChain(t, "k")
	for _, test := range []struct {
		name faults.Name
		o    faults.Options
		kind error
		want string
	}{
		{"nothing", faults.Options{}, faults.ErrUnknown, `"nothing"`},
		{faults.CRMFailing, faults.Options{}, faults.ErrUnknown, "belongs to [crm], which main does not reach"},
		{faults.ProviderSlow, faults.Options{Market: "XX"}, faults.ErrOptions, `market "XX"`},
		{faults.ProviderSlow, faults.Options{For: -time.Second}, faults.ErrOptions, "between 0 and 1h"},
	} {
		if _, err := c.control.Start(t.Context(), test.name, test.o); !errors.Is(err, test.kind) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %+v: %v, want %q", test.name, test.o, err, test.want)
		}
	}
}

func TestTheEndpointIsForThoseWithTheKey(t *testing.T) {
	c := newChain(t, "k")
	for _, test := range []struct {
		method, path, key, body string
		want                    int
	}{
		{"GET", "/faults", "k", "", 200},
		{"GET", "/faults", "", "", 401},
		{"GET", "/faults", "K", "", 401},
		{"PUT", "/faults/provider-slow", "", "{}", 401},
		{"DELETE", "/faults/provider-slow", "kk", "", 401},
		{"PUT", "/faults/provider-slow", "k", "{}", 200},
		{"PUT", "/faults/provider-slow", "k", "", 422},
		{"PUT", "/faults/provider-slow", "k", `{"for": "soon"}`, 422},
		{"PUT", "/faults/provider-slow", "k", `{"market": "` + strings.Repeat("x", 1<<20) + `"}`, 422},
		{"PUT", "/faults/panics", "k", "{}", 404},
		{"POST", "/faults", "k", "", 405},
		{"GET", "/faultsx", "k", "", 404},
	} {
		request, err := http.NewRequestWithContext(t.Context(), test.method, c.providerURL+test.path, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Webstore-Faults-Key", test.key)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != test.want || err != nil || strings.Contains(string(text), `"k"`) {
			t.Errorf("%s %s with key %q: %d %s, want %d", test.method, test.path, test.key, response.StatusCode, text, test.want)
		}
		if own := strings.Contains(string(text), "the service's own"); own != (test.path == "/faultsx") {
			t.Errorf("%s was answered by the wrong one: %s", test.path, text)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}
