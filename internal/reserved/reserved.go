//go:build unix

// Package reserved has ports on which connections are refused.
//
// A port that a test listened on and closed is anybody's: another test binary may
// listen there by the time that the test expects to be refused. A reserved one is bound,
// so that nobody else gets it, and not listened on, so that everybody is refused.
package reserved

import (
	"net"
	"os"
	"syscall"
	"testing"
)

// Port reserves a port of 127.0.0.1 until the test ends, and returns its address. Until
// listen is called, connections to it are refused.
func Port(t testing.TB) (address string, listen func() net.Listener) {
	t.Helper()
	fail := func(err error) {
		if err != nil {
			t.Helper()
			t.Fatal("reserving a port:", err)
		}
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	fail(err)
	syscall.CloseOnExec(fd)
	file := os.NewFile(uintptr(fd), "reserved port")
	t.Cleanup(func() { _ = file.Close() })
	fail(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}))
	bound, err := syscall.Getsockname(fd)
	fail(err)
	tcp := net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: bound.(*syscall.SockaddrInet4).Port}
	return tcp.String(), func() net.Listener {
		fail(syscall.Listen(fd, 128))
		listener, err := net.FileListener(file)
		fail(err)
		return listener
	}
}
