package service

import (
	"net/http"
	"strings"

	"github.com/gorilla/mux"

	"github.com/otelkit/kit/otelkit/health"
)

// probes is the path below which probes ask.
const probes = "/healthz/"

// RouteProbes has router answer what an orchestrator asks: whether the process
// runs, whether it has begun, and whether it should get requests now.
func RouteProbes(router *mux.Router, checks *health.Checker) {
	router.Handle(probes+"live", checks.Live()).Methods(http.MethodGet, http.MethodHead)
	router.Handle(probes+"startup", checks.Startup()).Methods(http.MethodGet, http.MethodHead)
	router.Handle(probes+"ready", checks.Ready()).Methods(http.MethodGet, http.MethodHead)
}

// NotHealth reports whether r is work, and no probe: probes would drown it in
// telemetry and in rates.
func NotHealth(r *http.Request) bool { return !strings.HasPrefix(r.URL.Path, probes) }
