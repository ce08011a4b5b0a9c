package shop

import (
	"net/http"

	"github.com/otelkit/kit/examples/webstore/probes"
)

// watch has the answers of a handler be looked at for what suspicious clients
// get.
func (s *shop) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := &answer{ResponseWriter: w}
		next.ServeHTTP(answer, r)
		if probes.Not(r) {
			s.suspicion.Saw(r.Context(), visitorOf(r.Context()).address, answer.status)
		}
	})
}

// answer remembers its status.
type answer struct {
	http.ResponseWriter
	status int // 0 while there is none
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
