package traffic

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"time"
)

// maxAnswer is the most that is read of an answer, in bytes.
const maxAnswer = 1 << 20

// notSent is the status of a request that there was no time for.
const notSent = -1

// Kind is what a request is about.
type Kind string

// The kinds.
const (
	Browsing    Kind = "browse"   // lists of products, and their pages
	InCart      Kind = "cart"     // what is in the cart, and changes of that
	CheckingOut Kind = "checkout" // orders that are placed
	Signing     Kind = "account"  // who somebody is: guests, logins, registrations
	LookingUp   Kind = "orders"   // one's orders and statistics
	Attacking   Kind = "attack"   // what nobody sends in good faith
)

// Values is every kind.
func (Kind) Values() []Kind {
	return []Kind{Browsing, InCart, CheckingOut, Signing, LookingUp, Attacking}
}

// request is what somebody asks the store.
type request struct {
	kind         Kind
	method, path string
	query        string // of the URL; may be empty
	body         any    // sent as JSON, or as it is if it is text; nil for none
	key          string // the Idempotency-Key; empty for none
}

func (v *visit) get(ctx context.Context, kind Kind, path string) (status int) {
	return v.send(ctx, request{kind: kind, method: http.MethodGet, path: path}, nil)
}

// send sends a request when its turn comes, counts it, decodes a JSON answer of
// any status into answer unless that is nil, and returns the status, NoAnswer,
// or notSent when ctx is done. What is under way then is waited for, so that
// the store and the report agree on what happened.
//
// Whoever is told that they ask too much, leaves; a token that is refused is
// forgotten.
func (v *visit) send(ctx context.Context, q request, answer any) (status int) {
	if v.left || v.pace.wait(ctx) != nil {
		return notSent
	}
	begin := time.Now()
	status, err := v.exchange(context.WithoutCancel(ctx), q, answer)
	if err != nil {
		status = NoAnswer
	}
	v.tally.answer(q.kind, status, time.Since(begin))
	switch {
	case status == http.StatusTooManyRequests:
		v.left = true
	case status == http.StatusUnauthorized && q.kind != Signing:
		v.token = ""
	}
	return status
}

// Headers that are the same for all.
var (
	userAgent  = []string{"webstore-traffic"}
	typeIsJSON = []string{"application/json"}
)

// exchange sends the request and reads the answer to its end, so that the
// connection is used again.
func (v *visit) exchange(ctx context.Context, q request, answer any) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	r := (&http.Request{
		Method: q.method,
		URL:    &url.URL{Scheme: v.target.Scheme, Host: v.target.Host, Path: v.target.Path + q.path, RawQuery: q.query},
		Header: http.Header{"User-Agent": userAgent, "X-Forwarded-For": {v.address}},
	}).WithContext(ctx)
	if q.body != nil {
		content, err := encode(q.body)
		if err != nil {
			return 0, err
		}
		r.ContentLength = int64(len(content))
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
		r.Body, _ = r.GetBody()
		r.Header["Content-Type"] = typeIsJSON
	}
	if q.key != "" {
		r.Header["Idempotency-Key"] = []string{q.key}
	}
	if v.token != "" {
		r.Header["Authorization"] = []string{"Bearer " + v.token}
	}
	response, err := v.cfg.Transport.RoundTrip(r)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	body := io.LimitReader(response.Body, maxAnswer)
	if answer == nil {
		_, err = io.Copy(io.Discard, body)
		return response.StatusCode, err
	}
	content, err := io.ReadAll(body)
	if err == nil {
		_ = json.Unmarshal(content, answer) // an answer that is not JSON says nothing
	}
	return response.StatusCode, err
}

func encode(body any) ([]byte, error) {
	if text, ok := body.(string); ok {
		return []byte(text), nil
	}
	return json.Marshal(body)
}
