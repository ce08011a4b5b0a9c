package faults

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// path is where services have their faults:
//
//	GET    /faults          how they are
//	PUT    /faults/{name}   start one: {"for": "5m", "market": "DE", "intensity": 0.5}, all of it optional
//	DELETE /faults/{name}   stop it
const path = "/faults"

// keyHeader is the header that brings the key.
const keyHeader = "Webstore-Faults-Key"

const (
	peerTimeout = 5 * time.Second // that another service may take
	maxBody     = 64 << 10        // bytes, of a request or an answer
)

// Request asks for a fault to be started. All of it is optional.
type Request struct {
	For       string  `json:"for,omitempty"` // such as "5m"
	Market    string  `json:"market,omitempty"`
	Intensity float64 `json:"intensity,omitempty"`
}

// Options reads the request. The error is ErrOptions.
func (r Request) Options() (Options, error) {
	o := Options{Market: r.Market, Intensity: r.Intensity}
	if r.For == "" {
		return o, nil
	}
	var err error
	if o.For, err = time.ParseDuration(r.For); err != nil {
		return Options{}, fmt.Errorf("%w: for has to be a time, such as 90s or 5m, not %q", ErrOptions, r.For)
	}
	return o, nil
}

func requestOf(o Options) Request {
	r := Request{Market: o.Market, Intensity: o.Intensity}
	if o.For != 0 {
		r.For = o.For.String()
	}
	return r
}

// message is an answer: how some faults are, or why there is none.
type message struct {
	Faults []State `json:"faults,omitempty"`
	Code   string  `json:"code,omitempty"`
	Error  string  `json:"error,omitempty"`
}

// codes are the errors that go over the wire, with their status.
var codes = []struct {
	err    error
	code   string
	status int
}{
	{ErrUnknown, "unknown_fault", http.StatusNotFound},
	{ErrOptions, "wrong_options", http.StatusUnprocessableEntity},
	{ErrAway, "service_away", http.StatusBadGateway},
}

// Wrap has the control's endpoint stand before a service's handler, for those who have
// the key. A nil control has none.
func (c *Control) Wrap(next http.Handler) http.Handler {
	if c == nil {
		return next
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+path, c.guard(func(r *http.Request) ([]State, error) {
		return c.States(r.Context()), nil
	}))
	mux.HandleFunc("PUT "+path+"/{name}", c.guard(func(r *http.Request) ([]State, error) {
		var request Request
		if err := json.NewDecoder(io.LimitReader(r.Body, maxBody)).Decode(&request); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrOptions, err)
		}
		o, err := request.Options()
		if err != nil {
			return nil, err
		}
		return c.Start(r.Context(), Name(r.PathValue("name")), o)
	}))
	mux.HandleFunc("DELETE "+path+"/{name}", c.guard(func(r *http.Request) ([]State, error) {
		return c.Stop(r.Context(), Name(r.PathValue("name")))
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path || strings.HasPrefix(r.URL.Path, path+"/") {
			mux.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// guard answers those who have the key.
func (c *Control) guard(do func(*http.Request) ([]State, error)) http.HandlerFunc {
	want := sha256.Sum256([]byte(c.board.key))
	return func(w http.ResponseWriter, r *http.Request) {
		got := sha256.Sum256([]byte(r.Header.Get(keyHeader)))
		if subtle.ConstantTimeCompare(got[:], want[:]) == 0 {
			answer(w, http.StatusUnauthorized, message{Code: "wrong_key", Error: "the key is missing or another one"})
			return
		}
		states, err := do(r)
		if err == nil {
			answer(w, http.StatusOK, message{Faults: states})
			return
		}
		for _, known := range codes {
			if errors.Is(err, known.err) {
				answer(w, known.status, message{Code: known.code, Error: err.Error()})
				return
			}
		}
		answer(w, http.StatusInternalServerError, message{Code: "internal", Error: err.Error()})
	}
}

func answer(w http.ResponseWriter, status int, m message) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(m) // an error means that the caller has gone
}

// peerError is what another service said.
type peerError struct {
	kind error
	text string
}

func (e *peerError) Error() string { return e.text }
func (e *peerError) Unwrap() error { return e.kind }

// ask asks another service. The errors that it does not make are ErrAway.
func (c *Control) ask(ctx context.Context, peer Peer, method, name string, o *Options) ([]State, error) {
	ctx, cancel := context.WithTimeout(ctx, peerTimeout)
	defer cancel()
	away := func(format string, args ...any) ([]State, error) {
		return nil, fmt.Errorf("%w: %s %w", ErrAway, peer.Service, fmt.Errorf(format, args...))
	}
	var body io.Reader = http.NoBody
	if o != nil {
		text, err := json.Marshal(requestOf(*o))
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(peer.URL, "/")+path+name, body)
	if err != nil {
		return away("has a URL that is none: %w", err)
	}
	request.Header.Set(keyHeader, c.board.key)
	request.Header.Set("Content-Type", "application/json")
	response, err := c.client.Do(request)
	if err != nil {
		return away("is away: %w", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if err != nil {
		return away("does not answer: %w", err)
	}
	var m message
	err = json.Unmarshal(text, &m)
	for _, known := range codes {
		if err == nil && m.Code == known.code {
			return nil, &peerError{known.err, m.Error}
		}
	}
	switch {
	case response.StatusCode == http.StatusNotFound:
		return away("has no faults: start it with the same WEBSTORE_FAULTS_KEY as this service")
	case response.StatusCode == http.StatusUnauthorized:
		return away("has another WEBSTORE_FAULTS_KEY than this service")
	case response.StatusCode != http.StatusOK || err != nil || len(m.Faults) == 0:
		return away("answers with status %d what is no answer about faults", response.StatusCode)
	}
	return m.Faults, nil
}
