package health_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/otelkit/kit/otelkit/health"
)

func TestAnHTTPCheckTellsByTheStatus(t *testing.T) {
	for code, passes := range map[int]bool{200: true, 204: true, 304: true, 400: false, 404: false, 503: false} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }))
		err := health.HTTP(server.Client(), server.URL)(t.Context())
		if (err == nil) != passes {
			t.Errorf("an answer of %d gives %v", code, err)
		}
		server.Close()
	}
}

func TestAnHTTPCheckSaysWhatWentWrong(t *testing.T) {
	half := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "half")
	}))
	defer half.Close()
	for url, want := range map[string]string{
		"http://[::1]:namedport/": "invalid port",
		"http://127.0.0.1:1/":     "connection refused",
		half.URL:                  "reading the answer: unexpected EOF",
	} {
		if err := health.HTTP(nil, url)(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s gives %v, want %q", url, err, want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestAnHTTPCheckUsesItsConnectionAgain(t *testing.T) {
	var opened atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Repeat("x", 10_000))
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			opened.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	check := health.HTTP(server.Client(), server.URL)
	for range 20 {
		if err := check(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := opened.Load(); n != 1 {
		t.Errorf("20 runs opened %d connections, want 1", n)
	}
}
