package faults

import (
	"context"
	"net"
	"sync"
	"syscall"
)

// DialFunc makes a connection, as net.Dialer.DialContext does.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// Dialer returns what connects until a fault is on. Then it refuses, and the connections
// that it has made are cut, as when a server has gone. For a nil board it returns nil,
// which is to say that whoever dials does so themselves.
func (b *Board) Dialer(name Name) DialFunc {
	if b == nil {
		return nil
	}
	d := &dialer{open: map[net.Conn]struct{}{}}
	b.While(name, func(context.Context, Active) { d.cut() })
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if b.On(name) {
			return nil, refused(network)
		}
		c, err := d.dial(ctx, network, addr)
		if err == nil && b.On(name) { // begun meanwhile
			_ = c.Close()
			return nil, refused(network)
		}
		return c, err
	}
}

// Refuses returns the error of a connection that nobody takes while a fault is on, and
// nil while it is off.
func (b *Board) Refuses(name Name) error {
	if !b.On(name) {
		return nil
	}
	return refused("tcp")
}

func refused(network string) error {
	return &net.OpError{Op: "dial", Net: network, Err: syscall.ECONNREFUSED}
}

// dialer knows the connections that it has made.
type dialer struct {
	mu   sync.Mutex
	open map[net.Conn]struct{}
}

// connection leaves its dialer when it is closed.
type connection struct {
	net.Conn
	dialer *dialer
}

func (d *dialer) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	made, err := new(net.Dialer).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open[made] = struct{}{}
	return &connection{made, d}, nil
}

func (c *connection) Close() error {
	c.dialer.mu.Lock()
	delete(c.dialer.open, c.Conn)
	c.dialer.mu.Unlock()
	return c.Conn.Close()
}

// cut ends all connections as the other side would: who reads finds the end, and who
// writes a broken pipe.
func (d *dialer) cut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for c := range d.open {
		stream, ok := c.(interface {
			CloseRead() error
			CloseWrite() error
		})
		if !ok {
			_ = c.Close()
			continue
		}
		_, _ = stream.CloseRead(), stream.CloseWrite()
	}
}
