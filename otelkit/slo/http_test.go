package slo_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestRequestsAreEventsByStatusAndDuration(t *testing.T) {
	for name, tc := range map[string]struct {
		handler   http.HandlerFunc
		good, bad int64
	}{
		"answered":             {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "yes") }, 1, 0},
		"nothing written":      {func(http.ResponseWriter, *http.Request) {}, 1, 0},
		"redirected":           {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusFound) }, 1, 0},
		"failed":               {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, 0, 1},
		"the client's mistake": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }, 0, 0},
		"a hint before the answer": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusInternalServerError)
		}, 0, 1},
		"the first status holds": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "yes")
			w.WriteHeader(http.StatusInternalServerError)
		}, 1, 0},
		"at the threshold": {func(http.ResponseWriter, *http.Request) { time.Sleep(time.Second) }, 1, 0},
		"slow":             {func(http.ResponseWriter, *http.Request) { time.Sleep(time.Second + 1) }, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFixture(t)
				f.recorder().Wrap(tc.handler, nil).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
				f.counted(tc.good, tc.bad)
			})
		})
	}
}

func TestARequestWhoseClientHasGoneIsNoEvent(t *testing.T) {
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	h := f.recorder().Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		cancel()
		w.WriteHeader(http.StatusInternalServerError)
	}), nil)
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil).WithContext(ctx))
	f.counted(0, 0)
}

func TestAPanicIsBadAndGoesOn(t *testing.T) {
	f := newFixture(t)
	h := f.recorder().Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("oops") }), nil)
	defer func() {
		if got := recover(); got != "oops" {
			t.Errorf("the panic became %v", got)
		}
		f.counted(0, 1)
	}()
	h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
}

func TestTheServiceMaySayWhichRequestsAreEvents(t *testing.T) {
	f := newFixture(t)
	counts := func(req *http.Request, status int) bool {
		return req.URL.Path == "/orders" && status != http.StatusBadRequest
	}
	h := f.recorder().Wrap(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		w.WriteHeader(map[string]int{"missing": 404, "wrong": 400}[req.URL.RawQuery])
	}), counts)
	for _, path := range []string{"/orders?missing", "/orders?wrong", "/health?missing"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
	}
	f.counted(1, 0)
}

func TestWhatAResponseWriterCanDoIsKept(t *testing.T) {
	f := newFixture(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/flush", func(w http.ResponseWriter, _ *http.Request) {
		w.(http.Flusher).Flush()
		if err := http.NewResponseController(w).Flush(); err != nil {
			t.Errorf("flush: %v", err)
		}
		_, _ = io.WriteString(w, "flushed")
	})
	mux.HandleFunc("/copy", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.(io.ReaderFrom).ReadFrom(strings.NewReader("copied"))
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Errorf("deadline: %v", err)
		}
	})
	mux.HandleFunc("/hijack", func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			t.Errorf("hijack: %v", err)
			return
		}
		_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\nConnection: close\r\n\r\nhijacked")
		_ = conn.Close()
	})
	server := httptest.NewServer(f.recorder().Wrap(mux, nil))
	defer server.Close()
	for path, want := range map[string]string{"/flush": "flushed", "/copy": "copied", "/hijack": "hijacked"} {
		res, err := server.Client().Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(res.Body)
		if err != nil || string(body) != want {
			t.Errorf("%s: got %q (%v), want %q", path, body, err, want)
		}
		_ = res.Body.Close()
	}
	server.Client().CloseIdleConnections()
	server.Close() // waits for the handlers
	f.counted(2, 0)
}

// blunt is a ResponseWriter that can do nothing else.
type blunt struct{ http.ResponseWriter }

func TestAResponseControllerIsToldThatTheAnswerCannotBeFlushed(t *testing.T) { // it was told that it had been
	var err error
	h := newFixture(t).recorder().Wrap(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		err = http.NewResponseController(w).Flush()
	}), nil)
	h.ServeHTTP(blunt{httptest.NewRecorder()}, httptest.NewRequest("GET", "/", nil))
	if !errors.Is(err, http.ErrNotSupported) {
		t.Errorf("flushing returns %v, want http.ErrNotSupported", err)
	}
}
