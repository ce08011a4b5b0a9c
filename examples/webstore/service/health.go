package service

import (
	"context"
	"net/http"
	"strings"
	"time"
)

// readyTimeout is how long the answer to "are you ready?" may take.
const readyTimeout = time.Second

// NotHealth reports whether r is work, and no probe: probes would drown it in
// telemetry and in rates.
func NotHealth(r *http.Request) bool { return !strings.HasPrefix(r.URL.Path, "/healthz") }

// Live answers whether the process runs at all, which it does.
func Live(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(`{"status":"live"}` + "\n"))
}

// Ready answers whether requests make sense now: with 200 if check, which has
// a second, returns nil, else with 503.
func Ready(check func(context.Context) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
		defer cancel()
		w.Header().Set("Content-Type", "application/json")
		if check(ctx) != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"status":"not ready"}` + "\n"))
			return
		}
		_, _ = w.Write([]byte(`{"status":"ready"}` + "\n"))
	}
}
