package httpserver

import (
	"net/http"
	"strings"

	"github.com/gorilla/mux"
)

// SetRoute tells Wrap the route that a request was matched to, as the template
// that is written in the code: "/orders/{id}", never the path itself. A pattern of
// http.ServeMux will do. Call it where Wrap cannot look: with routers other than
// http.ServeMux and gorilla/mux, and behind middleware that copies the request
// (r.WithContext, http.TimeoutHandler) or hides a *mux.Router. The last call
// counts. Outside Wrap it does nothing.
func SetRoute(r *http.Request, route string) {
	if x, ok := r.Context().Value(exchangeKey{}).(*exchange); ok {
		x.setRoute(routeOf(route))
	}
}

// tellMuxRoute is a middleware of a *mux.Router, which runs it for requests that
// match a route. The router matches on a copy of the request, so Wrap cannot look
// for itself.
func tellMuxRoute(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if route := mux.CurrentRoute(r); route != nil {
			if template, err := route.GetPathTemplate(); err == nil { // else it matches by host or header alone
				SetRoute(r, template)
			}
		}
		next.ServeHTTP(w, r)
	})
}

// routeOf returns the path of a pattern of http.ServeMux: "GET example.com/a/{b}"
// is route "/a/{b}".
func routeOf(pattern string) string {
	if slash := strings.IndexByte(pattern, '/'); slash >= 0 {
		return pattern[slash:]
	}
	return ""
}
