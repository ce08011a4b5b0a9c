package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/otelkit/kit/examples/webstore/platform"
)

// listen is the addresses that the parts of the store listen on.
type listen struct {
	main, payments, promotions           string
	provider, crm, inventory             string
	lens, prometheus, otlpGRPC, otlpHTTP string
}

// port is one of them, as a flag.
type port struct {
	addr                 *string
	flag, value, service string
}

func (l *listen) ports() []port {
	return []port{
		{&l.main, "main-addr", "127.0.0.1:8000", "main"},
		{&l.payments, "payments-addr", "127.0.0.1:8081", "payments"},
		{&l.promotions, "promotions-addr", "127.0.0.1:8082", "promotions"},
		{&l.provider, "payment-provider-addr", "127.0.0.1:8091", "payment-provider"},
		{&l.crm, "crm-addr", "127.0.0.1:8092", "crm"},
		{&l.inventory, "inventory-addr", "127.0.0.1:8093", "inventory"},
		{&l.lens, "lens-addr", "127.0.0.1:3000", "lens"},
		{&l.prometheus, "prometheus-addr", "127.0.0.1:9090", "lens, Prometheus API"},
		{&l.otlpGRPC, "otlp-grpc-addr", "127.0.0.1:4317", "lens, OTLP over gRPC"},
		{&l.otlpHTTP, "otlp-http-addr", "127.0.0.1:4318", "lens, OTLP over HTTP"},
	}
}

// settle checks that all of them are free, and gives those with port 0 a free
// one. It returns where the parts will be.
func (u *up) settle() (addresses, error) {
	var (
		ports []port
		asked []platform.Port
	)
	taken := map[string]bool{}
	for _, p := range u.listen.ports() {
		if p.addr == &u.listen.provider && u.providerURL != "" {
			continue // not ours
		}
		if !bool(u.telemetry) && slices.Contains([]*string{&u.listen.lens, &u.listen.prometheus, &u.listen.otlpGRPC, &u.listen.otlpHTTP}, p.addr) {
			continue // nobody listens there
		}
		ports = append(ports, p)
		*p.addr = pickPort(*p.addr, taken)
		asked = append(asked, platform.Port{Service: p.service, Flag: "--" + p.flag, Addr: *p.addr})
	}
	free, err := platform.CheckPorts(asked...)
	if err != nil {
		return addresses{}, err
	}
	for i, p := range ports {
		*p.addr = free[i]
	}
	return addresses{
		Main:            urlOf(u.listen.main),
		Payments:        urlOf(u.listen.payments),
		Promotions:      urlOf(u.listen.promotions),
		PaymentProvider: cmp.Or(u.providerURL, urlOf(u.listen.provider)),
		CRM:             urlOf(u.listen.crm),
		Inventory:       urlOf(u.listen.inventory),
		Lens:            urlOf(u.listen.lens),
		Prometheus:      urlOf(u.listen.prometheus),
		OTLPHTTP:        urlOf(u.listen.otlpHTTP),
		OTLPGRPC:        urlOf(u.listen.otlpGRPC),
	}, nil
}

// pickPort puts a free port in place of port 0, one that is not in taken, and
// leaves other addresses alone.
//
// It takes none of those that the kernel hands out, to outgoing connections and
// to who listens on port 0: on Linux they begin at 32768. One of them could be
// somebody else's by the time that its service listens.
func pickPort(addr string, taken map[string]bool) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port != "0" {
		return addr
	}
	const first, end, tries = 10000, 32768, 100
	for range tries {
		picked := net.JoinHostPort(host, strconv.Itoa(first+rand.IntN(end-first)))
		if taken[picked] {
			continue
		}
		listener, err := net.Listen("tcp", picked)
		if err != nil {
			continue
		}
		listener.Close()
		taken[picked] = true
		return picked
	}
	return addr // whoever checks it says why
}

// addresses is where the parts of the store are, as URLs.
type addresses struct {
	Main            string `json:"main"`
	Payments        string `json:"payments"`
	Promotions      string `json:"promotions"`
	PaymentProvider string `json:"payment-provider"`
	CRM             string `json:"crm"`
	Inventory       string `json:"inventory"`
	Lens            string `json:"lens"`
	Prometheus      string `json:"prometheus"`
	OTLPHTTP        string `json:"otlp-http"`
	OTLPGRPC        string `json:"otlp-grpc"`
}

// urlOf is how this machine reaches what listens on addr.
func urlOf(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && ip.IsUnspecified() {
		addr = net.JoinHostPort("127.0.0.1", port) // [::] takes IPv4 too
	}
	return "http://" + addr
}

// writeFile writes the addresses as JSON. Who finds the file finds it whole.
func (a addresses) writeFile(path string) error {
	content, err := json.MarshalIndent(a, "", "  ")
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".new-")
	if err != nil {
		return err
	}
	defer os.Remove(file.Name()) // does nothing once it is renamed
	_, err = file.Write(append(content, '\n'))
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
