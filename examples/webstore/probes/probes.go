// Package probes tells an orchestrator how a service of the store is, and people
// what it needs and which of that is there. It stands beside package service, with
// which a third party is played too: a third party shares nothing of otelkit's with us.
package probes

import (
	"net"
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"github.com/otelkit/kit/otelkit/health"
)

// path is where the checks are told; probes ask below it.
const path = "/healthz"

// Route has router answer what an orchestrator asks (whether the process runs,
// whether it has begun, and whether it should get requests now) and GET /healthz,
// which tells of each check how it stands and how long it took. Who asks from this
// machine is told why a check fails, too: errors name addresses.
func Route(router *mux.Router, checks *health.Checker) {
	router.Handle(path+"/live", checks.Live()).Methods(http.MethodGet, http.MethodHead)
	router.Handle(path+"/startup", checks.Startup()).Methods(http.MethodGet, http.MethodHead)
	router.Handle(path+"/ready", checks.Ready()).Methods(http.MethodGet, http.MethodHead)

	details, overview := checks.Details(), checks.Overview()
	router.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
		if fromThisMachine(r) {
			details.ServeHTTP(w, r)
			return
		}
		overview.ServeHTTP(w, r)
	}).Methods(http.MethodGet, http.MethodHead)
}

// fromThisMachine reports whether r comes from a loopback address, and from
// there itself: a proxy on this machine says for whom it asks.
func fromThisMachine(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || r.Header.Get("X-Forwarded-For") != "" || r.Header.Get("Forwarded") != "" {
		return false
	}
	return net.ParseIP(host).IsLoopback()
}

// Not reports whether r is work, and no probe: probes would drown it in
// telemetry and in rates.
func Not(r *http.Request) bool {
	return r.URL.Path != path && !strings.HasPrefix(r.URL.Path, path+"/")
}
