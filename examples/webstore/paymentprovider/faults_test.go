package paymentprovider_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/otelkit/kit/examples/webstore/faults"
	"github.com/otelkit/kit/examples/webstore/paymentprovider"
	"github.com/otelkit/kit/examples/webstore/thirdparty/thirdpartytest"
)

// broken is a provider that can be broken.
func broken(t *testing.T) (provider, *faults.Board) {
	t.Helper()
	board := faults.NewBoard(faults.PaymentProvider, "the key")
	t.Cleanup(board.Close)
	return start(t, paymentprovider.Config{Faults: board}), board
}

func begin(t *testing.T, board *faults.Board, name faults.Name, o faults.Options) {
	t.Helper()
	if _, err := board.Start(name, o); err != nil {
		t.Fatal(err)
	}
}

func end(t *testing.T, board *faults.Board, name faults.Name) {
	t.Helper()
	if err := board.Stop(name); err != nil {
		t.Fatal(err)
	}
}

func TestFaultProviderFailing(t *testing.T) {
	p, board := broken(t)
	begin(t, board, faults.ProviderFailing, faults.Options{Market: "BR"})
	seen := map[int]int{}
	for range 50 {
		seen[p.charge("BR", "one").Status]++
	}
	if seen[http.StatusInternalServerError]+seen[http.StatusServiceUnavailable] != 50 || len(seen) != 2 {
		t.Errorf("statuses %v, want 500 and 503", seen)
	}
	if other := p.charge("DE", "other"); other.Status != http.StatusCreated {
		t.Errorf("in another market: %d %v, want 201", other.Status, other.Body)
	}
	end(t, board, faults.ProviderFailing)
	if after := p.charge("BR", "one"); after.Status != http.StatusCreated {
		t.Errorf("after the fault: %d %v, want 201", after.Status, after.Body)
	}
	if taken := len(p.charges()); taken != 2 {
		t.Errorf("%d charges, want one for each key", taken)
	}
}

func TestFaultProviderDeclining(t *testing.T) {
	p, board := broken(t)
	begin(t, board, faults.ProviderDeclining, faults.Options{Market: "BR"})
	declined := func(when string) {
		t.Helper()
		if answer := p.charge("BR", "one"); answer.Status != http.StatusBadRequest || answer.Code() != "invalid_payment_details" {
			t.Errorf("%s: %d %v, want it refused", when, answer.Status, answer.Body)
		}
	}
	declined("at first")
	if other := p.charge("DE", "other"); other.Status != http.StatusCreated {
		t.Errorf("in another market: %d %v, want 201", other.Status, other.Body)
	}
	end(t, board, faults.ProviderDeclining)
	declined("after the fault, as a refusal stands")
	if after := p.charge("BR", "two"); after.Status != http.StatusCreated {
		t.Errorf("another one after the fault: %d %v, want 201", after.Status, after.Body)
	}
}

func TestFaultProviderSlow(t *testing.T) {
	p, board := broken(t)
	begin(t, board, faults.ProviderSlow, faults.Options{Intensity: 0.05})
	began := time.Now()
	if answer := p.charge("DE", "one"); answer.Status != http.StatusCreated || time.Since(began) < 50*time.Millisecond {
		t.Errorf("answered %d after %v, want 201 after 50 ms", answer.Status, time.Since(began))
	}
	end(t, board, faults.ProviderSlow)
	if answer := p.charge("DE", "two"); answer.Status != http.StatusCreated {
		t.Errorf("after the fault: %d", answer.Status)
	}
}

func TestFaultProviderHanging(t *testing.T) {
	p, board := broken(t)
	begin(t, board, faults.ProviderHanging, faults.Options{Market: "DE"})
	answered := make(chan thirdpartytest.Answer, 1)
	go func() { answered <- p.charge("DE", "one") }()
	for len(p.charges()) == 0 && t.Context().Err() == nil { // until the money is taken
	}
	if other := p.charge("FR", "other"); other.Status != http.StatusCreated {
		t.Errorf("in another market: %d %v, want 201", other.Status, other.Body)
	}
	select {
	case answer := <-answered:
		t.Errorf("it was answered: %d %v", answer.Status, answer.Body)
	default:
	}
	end(t, board, faults.ProviderHanging)
	if answer := <-answered; answer.Status != http.StatusCreated {
		t.Errorf("when the fault was over: %d %v, want 201", answer.Status, answer.Body)
	}
}

func TestFaultProviderUnreachable(t *testing.T) {
	board := faults.NewBoard(faults.PaymentProvider, "the key")
	t.Cleanup(board.Close)
	server := httptest.NewServer(paymentprovider.Handler(paymentprovider.Config{Faults: board}))
	t.Cleanup(server.Close)
	health := func() error {
		response, err := server.Client().Get(server.URL + "/health")
		if err == nil {
			response.Body.Close()
		}
		return err
	}
	begin(t, board, faults.ProviderUnreachable, faults.Options{})
	if err := health(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("asking for its health: %v, want the connection reset", err)
	}
	end(t, board, faults.ProviderUnreachable)
	if err := health(); err != nil {
		t.Errorf("after the fault: %v", err)
	}
}
