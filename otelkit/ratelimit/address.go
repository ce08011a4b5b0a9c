package ratelimit

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// ClientAddress returns the address of the client that sent r, as the last hop tells
// it that can be believed. The invalid Addr means that there is none.
//
// The peer of the connection is the client, unless it is one of the trusted proxies:
// then it is whoever the proxy names, last, in X-Forwarded-For, and so on from right
// to left. What stands further left came from the client, who may write there what it
// likes. A peer without an address, as on a Unix socket, is taken for a proxy if there
// are any.
func ClientAddress(r *http.Request, trusted []netip.Prefix) netip.Addr {
	client := parseAddress(r.RemoteAddr)
	if len(trusted) == 0 || client.IsValid() && !contains(trusted, client) {
		return client
	}
	for _, line := range slices.Backward(r.Header.Values("X-Forwarded-For")) {
		for line != "" {
			comma := strings.LastIndexByte(line, ',')
			hop := parseAddress(strings.TrimSpace(line[comma+1:]))
			if !hop.IsValid() {
				return client // the proxy names nobody: it answers for it
			}
			client = hop
			if !contains(trusted, client) {
				return client
			}
			line = line[:max(0, comma)]
		}
	}
	return client
}

// parseAddress reads an address, with a port or without. An IPv4 address that is
// mapped into IPv6 is the IPv4 address.
func parseAddress(s string) netip.Addr {
	if pair, err := netip.ParseAddrPort(s); err == nil {
		return pair.Addr().Unmap().WithZone("")
	}
	addr, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		return netip.Addr{}
	}
	return addr.Unmap().WithZone("")
}

func contains(prefixes []netip.Prefix, addr netip.Addr) bool {
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(addr) })
}

// AddressKey returns the key by which an address is limited: an IPv4 address is one,
// an IPv6 address is its /64, of which a client has 2^64. All without an address share
// a key.
func AddressKey(addr netip.Addr) string {
	addr = addr.Unmap()
	switch {
	case !addr.IsValid():
		return "client:unknown"
	case addr.Is4():
		return "client:" + addr.String()
	default:
		return "client:" + netip.PrefixFrom(addr.WithZone(""), 64).Masked().String()
	}
}
