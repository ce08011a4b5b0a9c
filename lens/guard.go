package lens

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
)

// guard refuses requests for a host that is not lens', sets what every answer
// has and keeps the data open while a request is under way.
//
// A browser may be led to 127.0.0.1 under a name that a web site owns (DNS
// rebinding), and then counts lens' answers as that site's own. The Host
// header tells: it holds the site's name. An address in it cannot be rebound.
func (s *Server) guard(next http.Handler) http.Handler {
	allowed := slices.Clone(s.cfg.AllowedHosts)
	for _, l := range s.cfg.listens() {
		if host, _, err := net.SplitHostPort(l.addr); err == nil {
			allowed = append(allowed, host)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := hostName(r.Host)
		if !local(host) && !slices.ContainsFunc(allowed, func(a string) bool { return strings.EqualFold(a, host) }) {
			http.Error(w, fmt.Sprintf("lens does not answer to the host %q; pass --allowed-hosts %s if it should", host, host), http.StatusForbidden)
			return
		}
		if !s.requests.TryRLock() {
			http.Error(w, "lens is shutting down", http.StatusServiceUnavailable)
			return
		}
		defer s.requests.RUnlock()
		w.Header().Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

func hostName(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.Trim(hostport, "[]")
	}
	return strings.TrimSuffix(host, ".")
}

// local says whether a host is an address or a name of this machine. A client
// that sends none is no browser.
func local(host string) bool {
	if host == "" || strings.EqualFold(host, "localhost") || strings.HasSuffix(strings.ToLower(host), ".localhost") {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}
