package shop

import (
	"context"
	"net/http"
	"net/netip"

	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit/ratelimit"
)

// visitor is who sent a request, as far as that is known. One request has one,
// and works with it in one goroutine.
type visitor struct {
	address netip.Addr // behind the trusted proxies; invalid if there is none

	// Who they are, once somebody has asked for it: whom to limit, and whom to let
	// in, is one lookup.
	identified bool
	user       User
	outcome    telemetry.AuthOutcome
	err        error
}

// client is the visitor's address, for spans and logs and never for a metric.
func (v *visitor) client() string {
	if !v.address.IsValid() {
		return ""
	}
	return v.address.String()
}

type visitorKey struct{}

// visitorOf returns the visitor of a request; of what is none, nobody.
func visitorOf(ctx context.Context) *visitor {
	if v, ok := ctx.Value(visitorKey{}).(*visitor); ok {
		return v
	}
	return &visitor{}
}

// receive has next serve requests that know their visitor, and wait for Redis
// no longer than their budget.
func (s *shop) receive(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v := &visitor{address: ratelimit.ClientAddress(r, s.limits.trusted)}
		ctx := context.WithValue(s.cache.budgeted(r.Context()), visitorKey{}, v)
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// identify finds out who sent a request, once. The error is ours; what is wrong
// with the request is the outcome.
func (s *shop) identify(r *http.Request) *visitor {
	v := visitorOf(r.Context())
	if !v.identified {
		v.user, v.outcome, v.err = s.lookUpUser(r)
		v.identified = true
	}
	return v
}
