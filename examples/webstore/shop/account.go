package shop

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// Role is what a user may do.
type Role string

// The roles.
const (
	Shopper Role = "shopper"
	Admin   Role = "admin"
)

// User is somebody whose identity has been verified.
type User struct {
	ID   int64 `json:"id"`
	Role Role  `json:"role"`
}

// Session is a user for as long as a token stands for them.
type Session struct {
	User    User      `json:"user"`
	Expires time.Time `json:"expires"`
}

const (
	sessionTime = 24 * time.Hour   // that a token is good for
	sessionTTL  = 30 * time.Second // that a session may be cached
)

// login returns a new token for a user. The answer to a name that is unknown is
// that to a wrong password, and takes as long.
func (s *shop) login(ctx context.Context, name, password string) (token string, session Session, err error) {
	user, hash, err := s.store.credentials(ctx, name, s.demo)
	unknown := errors.Is(err, errNotFound)
	if unknown {
		hash = s.passwords.decoy
	} else if err != nil {
		return "", Session{}, err
	}
	match, err := s.passwords.match(ctx, password, hash)
	if err != nil {
		return "", Session{}, err
	}
	if unknown {
		s.countAuth(ctx, telemetry.AuthLogin, telemetry.AuthUnknownUser)
		return "", Session{}, BadCredentials
	}
	if !match {
		s.countAuth(ctx, telemetry.AuthLogin, telemetry.AuthWrongPassword)
		return "", Session{}, BadCredentials
	}
	token = rand.Text()
	session = Session{user, time.Now().Add(sessionTime).UTC().Truncate(time.Second)}
	if err := s.store.openSession(ctx, hashToken(token), user.ID, session.Expires); err != nil {
		return "", Session{}, err
	}
	s.countAuth(ctx, telemetry.AuthLogin, telemetry.AuthSucceeded)
	return token, session, nil
}

// authenticate returns the user whose token r brings, or Unauthenticated.
func (s *shop) authenticate(r *http.Request) (User, error) {
	user, outcome, err := s.identify(r)
	if err != nil {
		return User{}, err
	}
	s.countAuth(r.Context(), telemetry.AuthToken, outcome)
	if outcome != telemetry.AuthSucceeded {
		return User{}, Unauthenticated
	}
	trace.SpanFromContext(r.Context()).SetAttributes(attribute.Int64("user.id", user.ID))
	return user, nil
}

// recognise notes who r is from, where anybody may ask.
func (s *shop) recognise(r *http.Request) error {
	if r.Header.Get("Authorization") == "" {
		return nil
	}
	_, err := s.authenticate(r)
	if errors.Is(err, Unauthenticated) {
		return nil // a token that has expired is no reason to show nothing
	}
	return err
}

func (s *shop) identify(r *http.Request) (User, telemetry.AuthOutcome, error) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return User{}, telemetry.AuthMissingHeader, nil
	}
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return User{}, telemetry.AuthInvalidFormat, nil
	}
	session, err := s.session(r.Context(), token)
	if errors.Is(err, errNotFound) {
		return User{}, telemetry.AuthInvalidToken, nil
	}
	return session.User, telemetry.AuthSucceeded, err
}

// session returns what a token stands for, from the cache if it can.
func (s *shop) session(ctx context.Context, token string) (Session, error) {
	hash := hashToken(token)
	key := "session:" + hex.EncodeToString(hash)
	var session Session
	if text, ok := s.cache.get(ctx, telemetry.SessionCache, key); ok &&
		json.Unmarshal(text, &session) == nil && time.Now().Before(session.Expires) {
		return session, nil
	}
	session, err := s.store.session(ctx, hash, s.demo)
	if err != nil {
		return Session{}, err
	}
	if text, err := json.Marshal(session); err == nil {
		s.cache.set(ctx, key, text, sessionTTL)
	}
	return session, nil
}

// hashToken is how a token is kept. Tokens are random, so that a fast hash is
// enough.
func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}

func (s *shop) countAuth(ctx context.Context, kind telemetry.AuthKind, outcome telemetry.AuthOutcome) {
	telemetry.AuthAttempts.Add(ctx, 1, telemetry.AuthAttrs{Kind: kind, Outcome: outcome})
}
