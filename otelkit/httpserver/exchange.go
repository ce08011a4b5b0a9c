package httpserver

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// exchange is what a handler gets of a request: the ResponseWriter, which notes what
// passes through, the request and, in exchangeContext, the context below the span.
// They are one allocation (BenchmarkWrap). It is not pooled: a handler may keep each
// of them after it has returned, and would then write into somebody else's answer.
//
// Its size is 384 bytes, just the runtime's class.
type exchange struct {
	http.ResponseWriter

	server   *server
	request  http.Request
	written  int64
	status   int16 // 0 until the answer has begun
	hijacked bool

	mu   sync.Mutex // http.TimeoutHandler's handlers go on in a goroutine of their own
	told string     // the route, by SetRoute
	base context.Context
}

// exchangeContext is the server's context, with the labels of profiles, and leads
// SetRoute to the exchange.
type exchangeContext struct{ *exchange }

// exchangeKey is the context key of the exchange.
type exchangeKey struct{}

func (c exchangeContext) Deadline() (time.Time, bool) { return c.context().Deadline() }
func (c exchangeContext) Done() <-chan struct{}       { return c.context().Done() }
func (c exchangeContext) Err() error                  { return c.context().Err() }

func (c exchangeContext) Value(key any) any {
	if key == (exchangeKey{}) {
		return c.exchange
	}
	return c.context().Value(key)
}

// context returns the server's context, which is replaced by one with labels if there
// are profiles.
func (x *exchange) context() context.Context {
	if x.server.profiles == nil {
		return x.base
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.base
}

// setRoute notes the route, and labels the goroutine with it.
func (x *exchange) setRoute(route string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.told = route
	x.label(route)
}

// route returns the route, "" if none is known.
func (x *exchange) route() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.told != "" {
		return x.told
	}
	return routeOf(x.request.Pattern)
}

// body counts what is read of a request's body. Proxies read on while, and after,
// the handler returns.
type body struct {
	io.ReadCloser
	read atomic.Int64
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read.Add(int64(n))
	return n, err
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

func (x *exchange) WriteHeader(status int) {
	x.ResponseWriter.WriteHeader(status)
	if informational := status < 200 && status != http.StatusSwitchingProtocols; !informational {
		x.begin(status)
	}
}

func (x *exchange) Write(p []byte) (int, error) {
	x.begin(http.StatusOK)
	n, err := x.ResponseWriter.Write(p)
	x.written += int64(n)
	return n, err
}

func (x *exchange) WriteString(s string) (int, error) {
	x.begin(http.StatusOK)
	n, err := io.WriteString(x.ResponseWriter, s)
	x.written += int64(n)
	return n, err
}

// begin notes the status of the answer, the first time.
func (x *exchange) begin(status int) {
	if x.status == 0 {
		x.status = int16(status)
	}
}

// writer returns the exchange as a ResponseWriter with those optional interfaces
// that the server's has: code asks for them to know what is possible. There are
// the combinations that net/http has, and the one that most middlewares have.
func (x *exchange) writer() http.ResponseWriter {
	_, flushes := x.ResponseWriter.(http.Flusher)
	_, hijacks := x.ResponseWriter.(http.Hijacker)
	_, readsFrom := x.ResponseWriter.(io.ReaderFrom)
	_, pushes := x.ResponseWriter.(http.Pusher)
	switch {
	case flushes && hijacks && readsFrom:
		return http1Writer{hijacker{flusher{x}}}
	case flushes && hijacks:
		return hijacker{flusher{x}}
	case flushes && pushes:
		return http2Writer{flusher{x}}
	case flushes:
		return flusher{x}
	default:
		return x
	}
}

type flusher struct{ *exchange }

func (f flusher) Flush() { _ = f.FlushError() }

func (f flusher) FlushError() error {
	f.begin(http.StatusOK)
	return http.NewResponseController(f.ResponseWriter).Flush()
}

type hijacker struct{ flusher }

func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(h.ResponseWriter).Hijack()
	h.hijacked = h.hijacked || err == nil
	return conn, rw, err
}

type http1Writer struct{ hijacker }

// ReadFrom lets the server send a file without copying it through the process.
func (w http1Writer) ReadFrom(src io.Reader) (int64, error) {
	w.begin(http.StatusOK)
	n, err := w.ResponseWriter.(io.ReaderFrom).ReadFrom(src)
	w.written += n
	return n, err
}

type http2Writer struct{ flusher }

func (w http2Writer) Push(target string, opts *http.PushOptions) error {
	return w.ResponseWriter.(http.Pusher).Push(target, opts)
}
