//go:build unix

package platform

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
)

// Port is an address that a service is to listen on.
type Port struct {
	Service string // for errors
	Flag    string // for errors: the flag that changes it, such as "--main-addr"
	Addr    string // "127.0.0.1:8000"; port 0 asks for a free one
}

// CheckPorts returns the addresses, in the same order and each with a real
// port, after it has seen that all of them are free. One that is not is an
// error that names the port, the service, the flag and, where it can be found
// out, the process that has it. Nothing stays reserved: a port may be taken
// between the check and the service's start.
func CheckPorts(ports ...Port) ([]string, error) {
	addrs := make([]string, len(ports))
	taken := map[string]Port{}
	for i, port := range ports {
		if other, ok := taken[port.Addr]; ok {
			return nil, fmt.Errorf("%s is meant for both %s and %s; pass %s or %s",
				port.Addr, other.Service, port.Service, other.Flag, port.Flag)
		}
		listener, err := net.Listen("tcp", port.Addr)
		if err != nil {
			return nil, port.explain(err)
		}
		// Open until all are checked, so that no two get the same free port.
		defer listener.Close()
		addrs[i] = listener.Addr().String()
		taken[addrs[i]] = port
	}
	return addrs, nil
}

func (p Port) explain(err error) error {
	host, number, splitErr := net.SplitHostPort(p.Addr)
	var lookup *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("port %s (%s) is taken by %s; stop it or pass %s", number, p.Service, holder(number), p.Flag)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("port %s (%s) needs more rights than this user has; pass %s with a port from 1024 up", number, p.Service, p.Flag)
	case errors.Is(err, syscall.EADDRNOTAVAIL), errors.As(err, &lookup) && splitErr == nil && lookup.Name == host:
		return fmt.Errorf("%s (%s) is no address of this machine; pass %s", p.Addr, p.Service, p.Flag)
	}
	return fmt.Errorf("%q (%s) is no address to listen on, such as 127.0.0.1:8000; pass %s", p.Addr, p.Service, p.Flag)
}

// holder describes the process that listens on a port.
func holder(port string) string {
	pid, name := listenerOf(port)
	if pid == 0 {
		return "another process"
	}
	return fmt.Sprintf("process %d (%s)", pid, name)
}
