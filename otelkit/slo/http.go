package slo

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"time"
)

// Wrap returns h with its requests counted: 500 and above, or a panic, is bad, and
// anything else is judged by how long the handler took.
//
// counts says which requests are events, by the status that they were answered
// with; nil means all but those answered 4xx, which are the client's mistakes. What
// is no request any more is no event either: one whose client has gone, and a
// connection that was hijacked.
//
// It stands inside of httpserver.Wrap, so that a bad event has the request's trace
// as its exemplar. What it hands to h is an http.Flusher, http.Hijacker and
// io.ReaderFrom, and works with http.ResponseController.
func (r *Recorder) Wrap(h http.Handler, counts func(req *http.Request, status int) bool) http.Handler {
	if counts == nil {
		counts = notTheClients
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		answer := &answer{ResponseWriter: w}
		start := time.Now()
		finished := false
		defer func() {
			took := time.Since(start)
			if !finished {
				answer.status = http.StatusInternalServerError // a panic, which goes on
			}
			if answer.hijacked || errors.Is(req.Context().Err(), context.Canceled) || !counts(req, answer.code()) {
				return
			}
			if answer.code() >= http.StatusInternalServerError {
				r.Record(req.Context(), false)
				return
			}
			r.Latency(req.Context(), took)
		}()
		h.ServeHTTP(answer, req)
		finished = true
	})
}

// notTheClients leaves out what clients did wrong.
func notTheClients(_ *http.Request, status int) bool { return status < 400 || status >= 500 }

// answer is a ResponseWriter that knows its status.
type answer struct {
	http.ResponseWriter
	status   int // 0 until there is one
	hijacked bool
}

// code returns the status that the client sees.
func (a *answer) code() int {
	if a.status == 0 {
		return http.StatusOK // as net/http has it
	}
	return a.status
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

func (a *answer) WriteHeader(status int) {
	informational := status < 200 && status != http.StatusSwitchingProtocols
	if a.status == 0 && !informational {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	a.status = a.code()
	return a.ResponseWriter.Write(p)
}

// ReadFrom lets net/http send a file without copying it through this process.
func (a *answer) ReadFrom(src io.Reader) (int64, error) {
	a.status = a.code()
	return io.Copy(a.ResponseWriter, src)
}

func (a *answer) Flush() { _ = a.FlushError() } // http.Flusher has no way to say that it cannot

// FlushError is for http.ResponseController, which would take Flush for a success.
func (a *answer) FlushError() error {
	a.status = a.code()
	return http.NewResponseController(a.ResponseWriter).Flush()
}

func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(a.ResponseWriter).Hijack()
	a.hijacked = err == nil
	return conn, rw, err
}
