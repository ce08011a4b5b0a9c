package service_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"

	"go.uber.org/goleak"

	"github.com/otelkit/kit/examples/webstore/service"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

func TestARequestInFlightIsAnsweredBeforeTheEnd(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	began, finish := make(chan struct{}), make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(began)
		<-finish
		if r.Context().Err() != nil {
			t.Error("the request's context ended with the service's")
		}
		_, _ = io.WriteString(w, "done")
	})
	address := make(chan string, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- service.Serve(ctx, service.Config{Addr: "127.0.0.1:0", Handler: handler, Log: quiet, Ready: func(addr string) { address <- addr }})
	}()
	url := "http://" + <-address

	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answered := make(chan string, 1)
	go func() {
		response, err := client.Get(url)
		if err != nil {
			answered <- err.Error()
			return
		}
		defer response.Body.Close()
		body, _ := io.ReadAll(response.Body)
		answered <- string(body)
	}()
	<-began
	stop()
	select {
	case err := <-ended:
		t.Fatalf("Serve returned %v with a request in flight", err)
	default:
	}
	close(finish)
	if answer := <-answered; answer != "done" {
		t.Errorf("the request was answered with %q, want done", answer)
	}
	if err := <-ended; err != nil {
		t.Errorf("Serve returned %v, want nil", err)
	}
}

func TestAPortThatIsTakenIsAnError(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	err = service.Serve(t.Context(), service.Config{Addr: taken.Addr().String(), Handler: http.NotFoundHandler(), Log: quiet})
	var refused *net.OpError
	if !errors.As(err, &refused) {
		t.Errorf("got %v, want the error of the listener", err)
	}
}
