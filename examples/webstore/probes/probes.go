// Package probes tells an orchestrator how a service of the store is. It stands beside
// package service, with which a third party is played too: a third party shares nothing
// of otelkit's with us.
package probes

import (
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"github.com/otelkit/kit/otelkit/health"
)

// path is below which probes ask.
const path = "/healthz/"

// Route has router answer what an orchestrator asks: whether the process
// runs, whether it has begun, and whether it should get requests now.
func Route(router *mux.Router, checks *health.Checker) {
	router.Handle(path+"live", checks.Live()).Methods(http.MethodGet, http.MethodHead)
	router.Handle(path+"startup", checks.Startup()).Methods(http.MethodGet, http.MethodHead)
	router.Handle(path+"ready", checks.Ready()).Methods(http.MethodGet, http.MethodHead)
}

// Not reports whether r is work, and no probe: probes would drown it in
// telemetry and in rates.
func Not(r *http.Request) bool { return !strings.HasPrefix(r.URL.Path, path) }
