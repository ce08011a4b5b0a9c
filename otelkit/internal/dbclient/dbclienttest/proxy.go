package dbclienttest

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/otelkit/kit/internal/reserved"
)

// Proxy stands before a database and can become a black hole, as a network does
// that lost its way: connections stay, new ones are accepted, and nothing comes
// back.
type Proxy struct {
	Addr string // host:port, where it listens

	swallow atomic.Bool
	cut     chan struct{}
	end     sync.Once
}

// NewProxy returns a proxy before an address, which ends with the test.
func NewProxy(t *testing.T, network, address string) *Proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{Addr: listener.Addr().String(), cut: make(chan struct{})}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			database, err := net.Dial(network, address)
			if err != nil {
				t.Error(err)
				return
			}
			serving.Go(func() { p.pipe(database, client) })
			serving.Go(func() { p.pipe(client, database) })
			serving.Go(func() {
				<-p.cut
				client.Close()
			})
		}
	})
	t.Cleanup(func() {
		p.Cut()
		listener.Close()
		serving.Wait()
	})
	return p
}

// Swallow lets nothing through from now on.
func (p *Proxy) Swallow() { p.swallow.Store(true) }

// Cut ends all connections.
func (p *Proxy) Cut() { p.end.Do(func() { close(p.cut) }) }

// pipe hands on what comes in until either side is closed.
func (p *Proxy) pipe(to, from net.Conn) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		if p.swallow.Load() {
			continue
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return
		}
	}
}

// Unreachable returns two addresses of databases that are not there: at one nothing
// listens, at the other nobody answers.
func Unreachable(t *testing.T) (closed, silent string) {
	t.Helper()
	silence, err := net.Listen("tcp", "127.0.0.1:0") // whose connections nobody serves
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silence.Close() })
	closed, _ = reserved.Port(t)
	return closed, silence.Addr().String()
}
