package ratelimit_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/otelkit/kit/otelkit/ratelimit"
)

var proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8:ffff::/48")}

func request(peer string, forwarded ...string) *http.Request {
	r := &http.Request{RemoteAddr: peer, Header: http.Header{}}
	for _, line := range forwarded {
		r.Header.Add("X-Forwarded-For", line)
	}
	return r
}

func TestTheClientIsTheLastHopThatCanBeBelieved(t *testing.T) {
	for name, tt := range map[string]struct {
		r       *http.Request
		trusted []netip.Prefix
		want    string // "" means no address
	}{
		"no proxies":                       {request("192.0.2.7:4711"), nil, "192.0.2.7"},
		"no proxies, and a forged field":   {request("192.0.2.7:4711", "198.51.100.1"), nil, "192.0.2.7"}, // sethvargo/go-limiter v1.1.0 takes the field
		"a stranger with a forged field":   {request("192.0.2.7:4711", "198.51.100.1"), proxies, "192.0.2.7"},
		"behind a proxy":                   {request("10.1.2.3:80", "192.0.2.7"), proxies, "192.0.2.7"},
		"behind a proxy, forged":           {request("10.1.2.3:80", "198.51.100.1, 192.0.2.7"), proxies, "192.0.2.7"},
		"forged as a proxy":                {request("10.1.2.3:80", "10.9.9.9, 192.0.2.7"), proxies, "192.0.2.7"},
		"forged in a line of its own":      {request("10.1.2.3:80", "198.51.100.1", "192.0.2.7"), proxies, "192.0.2.7"},
		"behind two proxies":               {request("10.1.2.3:80", "198.51.100.1,192.0.2.7 , 10.4.5.6"), proxies, "192.0.2.7"},
		"two proxies, two lines":           {request("10.1.2.3:80", "192.0.2.7", "10.4.5.6"), proxies, "192.0.2.7"},
		"all are proxies":                  {request("10.1.2.3:80", "10.7.7.7, 10.4.5.6"), proxies, "10.7.7.7"},
		"a proxy that names nobody":        {request("10.1.2.3:80"), proxies, "10.1.2.3"},
		"a proxy that names nonsense":      {request("10.1.2.3:80", "192.0.2.7, unknown"), proxies, "10.1.2.3"},
		"an empty hop":                     {request("10.1.2.3:80", "192.0.2.7, "), proxies, "10.1.2.3"},
		"with a port":                      {request("10.1.2.3:80", "192.0.2.7:5555"), proxies, "192.0.2.7"},
		"IPv6":                             {request("[2001:db8:ffff::1]:80", "2001:db8::7"), proxies, "2001:db8::7"},
		"IPv6 in brackets":                 {request("10.1.2.3:80", "[2001:db8::7]"), proxies, "2001:db8::7"},
		"IPv6 with a port":                 {request("10.1.2.3:80", "[2001:db8::7]:443"), proxies, "2001:db8::7"},
		"IPv6 with a zone":                 {request("[fe80::1%eth0]:80"), proxies, "fe80::1"},
		"IPv4 mapped into IPv6":            {request("[::ffff:192.0.2.7]:80"), proxies, "192.0.2.7"},
		"a proxy mapped into IPv6":         {request("[::ffff:10.1.2.3]:80", "::ffff:192.0.2.7"), proxies, "192.0.2.7"},
		"a Unix socket":                    {request("@", "192.0.2.7"), proxies, "192.0.2.7"},
		"a Unix socket that names nobody":  {request("@"), proxies, ""},
		"a Unix socket without proxies":    {request("@", "192.0.2.7"), nil, ""},
		"no peer at all, and forged":       {request("", "192.0.2.7"), nil, ""},
		"a line of commas behind a proxy":  {request("10.1.2.3:80", ",,,"), proxies, "10.1.2.3"},
		"an empty line behind a proxy":     {request("10.1.2.3:80", "", "192.0.2.7", ""), proxies, "192.0.2.7"},
		"a comma before the only hop":      {request("10.1.2.3:80", ",192.0.2.7"), proxies, "192.0.2.7"},
		"a comma before a proxy, the only": {request("10.1.2.3:80", ",10.4.5.6"), proxies, "10.4.5.6"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if addr := ratelimit.ClientAddress(tt.r, tt.trusted); addr.IsValid() {
				got = addr.String()
			}
			if got != tt.want {
				t.Errorf("peer %q, X-Forwarded-For %q: got %q, want %q", tt.r.RemoteAddr, tt.r.Header.Values("X-Forwarded-For"), got, tt.want)
			}
		})
	}
}

func TestAnIPv6ClientIsItsNetwork(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.7":            "client:192.0.2.7",
		"192.0.2.8":            "client:192.0.2.8",
		"2001:db8:1:2:3:4:5:6": "client:2001:db8:1:2::/64",
		"2001:db8:1:2:ffff::":  "client:2001:db8:1:2::/64",
		"2001:db8:1:3::":       "client:2001:db8:1:3::/64",
		"fe80::1%a":            "client:fe80::/64",
		"::ffff:192.0.2.7":     "client:192.0.2.7",
	} {
		if got := ratelimit.AddressKey(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s: key %q, want %q", addr, got, want)
		}
	}
	if got := ratelimit.AddressKey(netip.Addr{}); got != "client:unknown" {
		t.Errorf("no address: key %q", got)
	}
}

// Whatever a client writes into X-Forwarded-For, the proxies' own words come after it,
// and decide.
func FuzzNobodyChoosesItsAddress(f *testing.F) {
	f.Add("192.0.2.1", "198.51.100.1", true)
	f.Add("10.0.0.1, ,,", "::1", false)
	f.Add("[2001:db8::1]:80,\x00", "2001:db8::9", true)
	f.Fuzz(func(t *testing.T, forged, client string, ownLine bool) {
		addr, err := netip.ParseAddr(client)
		if err != nil || addr.Zone() != "" {
			return
		}
		addr = addr.Unmap()
		for _, p := range proxies {
			if p.Contains(addr) {
				return
			}
		}
		hops := addr.String() + ", 10.4.5.6"
		r := request("10.1.2.3:80", forged+","+hops)
		if ownLine {
			r = request("10.1.2.3:80", forged, hops)
		}
		r.Header["Forwarded"] = []string{"for=" + forged} // which nobody reads
		if got := ratelimit.ClientAddress(r, proxies); got != addr {
			t.Errorf("forged %q: got %v, want %v", forged, got, addr)
		}
		if got := ratelimit.ClientAddress(request(netip.AddrPortFrom(addr, 1).String(), forged), proxies); got != addr {
			t.Errorf("forged %q without a proxy: got %v, want %v", forged, got, addr)
		}
		if key := ratelimit.AddressKey(addr); strings.ContainsAny(key, "%{} ") {
			t.Errorf("key %q", key)
		}
	})
}

// A proxy passes on whatever a client calls itself, and a key is made of it.
func FuzzAnAddressIsReadOrRefused(f *testing.F) {
	for _, seed := range []string{"192.0.2.7", "192.0.2.7:80", "[2001:db8::7]:443", "[2001:db8::7]", "::ffff:192.0.2.7", "fe80::1%eth0", "0.0.0.0.0", "[[::1]]", "for=\"[::1]\"", "", ",", "1.2.3.4,", "::%\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, named string) {
		addr := ratelimit.ClientAddress(request("10.1.2.3:80", named), proxies)
		if !addr.IsValid() || addr.Zone() != "" || addr.Is4In6() {
			t.Fatalf("X-Forwarded-For %q: %v, want a plain address, the proxy's own if there is no other", named, addr)
		}
		if got := ratelimit.ClientAddress(request("10.1.2.3:80", addr.String()), proxies); got != addr {
			t.Errorf("X-Forwarded-For %q: %v, which is read as %v", named, addr, got)
		}
		key := ratelimit.AddressKey(addr)
		if len(key) > 64 || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune("{}#%", r) }) {
			t.Errorf("X-Forwarded-For %q: key %q, want a short and plain one", named, key)
		}
		if addr.Is6() { // all of a /64 are one client
			bytes := addr.As16()
			for i := 8; i < 16; i++ {
				bytes[i] ^= 0xff
			}
			if got := ratelimit.AddressKey(netip.AddrFrom16(bytes)); got != key {
				t.Errorf("%v has key %s, and %v of the same /64 %s", addr, key, netip.AddrFrom16(bytes), got)
			}
		}
	})
}
