package profiles

import (
	"net/http"

	"github.com/grafana/pyroscope-go/http/pprof"
)

// ServeCPUProfile answers GET /debug/pprof/profile?seconds=30 as the handler of
// net/http/pprof does, which fails while this package profiles the CPU: the
// runtime has one CPU profile. Pyroscope gets the same profile. As anything under
// /debug/pprof, it is for who operates the service, not for the public.
func ServeCPUProfile(w http.ResponseWriter, r *http.Request) {
	pprof.Profile(w, r)
}
