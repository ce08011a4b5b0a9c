package service_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/otelkit/kit/examples/webstore/service"
	"github.com/otelkit/kit/internal/testlimit"
)

// serve runs a service until the test ends, and returns its address.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	address := make(chan string, 1)
	var serving sync.WaitGroup
	serving.Go(func() {
		err := service.Serve(ctx, service.Config{Addr: "127.0.0.1:0", Handler: handler, Log: quiet, Ready: func(addr string) { address <- addr }})
		if err != nil {
			t.Errorf("Serve returned %v", err)
		}
	})
	t.Cleanup(func() {
		stop()
		serving.Wait()
	})
	return <-address
}

// dial connects, for as long as the test may wait.
func dial(t *testing.T, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if end, ok := testlimit.Context(t).Deadline(); ok {
		if err := conn.SetDeadline(end); err != nil {
			t.Fatal(err)
		}
	}
	return conn
}

// trickle sends a byte now and then, until the other side does not take it any more.
func trickle(conn net.Conn, b string) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if _, err := io.WriteString(conn, b); err != nil {
			return
		}
	}
}

// A client that keeps sending, only never the whole, holds a connection and a goroutine
// for as long as it is let (slowloris, and R.U.D.Y. with its bodies).
func TestWhoSendsSlowlyIsCutOffAndHoldsNobodyUp(t *testing.T) {
	address := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			panic(http.ErrAbortHandler)
		}
	})
	var trickling sync.WaitGroup
	defer trickling.Wait()
	var slow []net.Conn
	for range 50 {
		for _, begun := range []string{"GET / HTTP/1.1\r\nHost: shop\r\nX-Slow: ", "POST / HTTP/1.1\r\nHost: shop\r\nContent-Length: 1000000\r\n\r\n"} {
			conn := dial(t, address)
			if _, err := io.WriteString(conn, begun); err != nil {
				t.Fatal(err)
			}
			trickling.Go(func() { trickle(conn, "x") })
			slow = append(slow, conn)
		}
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for range 100 {
		response, err := client.Post("http://"+address, "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Fatalf("somebody else was not served: %v", err)
		}
		response.Body.Close()
		if response.StatusCode != http.StatusOK {
			t.Fatalf("somebody else got %s", response.Status)
		}
	}
	for i, conn := range slow {
		text, err := io.ReadAll(conn)
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			t.Fatalf("slow connection %d is still open when the test has no more time", i)
		}
		if strings.Contains(string(text), "200 OK") {
			t.Fatalf("slow connection %d was answered as if it had sent all: %s", i, text)
		}
		conn.Close() // ends what trickles, if the end of the connection was not seen yet
	}
}

func TestHeadersHaveALimit(t *testing.T) {
	address := serve(t, func(http.ResponseWriter, *http.Request) {})
	many := strings.Repeat("X-Many: "+strings.Repeat("x", 100)+"\r\n", 1000)
	for what, c := range map[string]struct {
		request string
		status  int
	}{
		"an ordinary request": {"GET / HTTP/1.1\r\nHost: shop\r\n\r\n", http.StatusOK},
		"many headers":        {"GET / HTTP/1.1\r\nHost: shop\r\n" + many + "\r\n", http.StatusRequestHeaderFieldsTooLarge},
		"a long header":       {"GET / HTTP/1.1\r\nHost: shop\r\nX-Long: " + strings.Repeat("x", 100<<10) + "\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
		"a long URL":          {"GET /" + strings.Repeat("x", 100<<10) + " HTTP/1.1\r\nHost: shop\r\n\r\n", http.StatusRequestHeaderFieldsTooLarge},
	} {
		conn := dial(t, address)
		go func() { _, _ = io.WriteString(conn, c.request) }() // may not be taken to its end
		response, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		response.Body.Close()
		if response.StatusCode != c.status {
			t.Errorf("%s: got %s, want %d", what, response.Status, c.status)
		}
		if server := response.Header.Get("Server"); server != "" {
			t.Errorf("%s: the answer says that it comes from %q", what, server)
		}
	}
}
