package shop

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/examples/webstore/jsonhttp"
	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// Role is what a user may do.
type Role string

// The roles.
const (
	Guest   Role = "guest" // has no account, and a cart and orders all the same
	Shopper Role = "shopper"
	Admin   Role = "admin"
)

// User is somebody whose identity has been verified.
type User struct {
	ID   int64 `json:"id"`
	Role Role  `json:"role"`
}

// credentials is how somebody logs in or registers.
type credentials struct {
	Username string `json:"username"`
	Password string `json:"password"`
	Guest    string `json:"guest_token"` // of the guest they were before; may be empty
}

// userName is what a name may be, in capitals or not.
var userName = regexp.MustCompile(`^[A-Za-z0-9._-]{3,32}$`)

// name is how a user name is kept; "" is nobody's.
func (c credentials) name() string {
	if !userName.MatchString(c.Username) {
		return ""
	}
	return strings.ToLower(c.Username)
}

// The least and the most characters of a password.
const minPassword, maxPassword = 8, 128

// register makes an account and gives its user a token.
func (s *shop) register(ctx context.Context, c credentials) (grant, error) {
	name := c.name()
	if name == "" {
		return grant{}, InvalidUsername
	}
	if n := utf8.RuneCountInString(c.Password); n < minPassword || n > maxPassword {
		return grant{}, InvalidPassword
	}
	hash, err := s.passwords.hash(ctx, c.Password)
	if err != nil {
		return grant{}, err
	}
	g := newGrant(accountSession)
	g.User, err = s.store.register(ctx, name, hash, g.session(c.Guest))
	if errors.Is(err, errNameTaken) {
		s.authFailed(ctx, telemetry.AuthRegister, telemetry.AuthNameTaken)
		return grant{}, UsernameTaken
	}
	if err != nil {
		return grant{}, err
	}
	s.log.InfoContext(ctx, "User registered", "user.id", strconv.FormatInt(g.User.ID, 10), "client.address", visitorOf(ctx).client())
	s.countAuth(ctx, telemetry.AuthRegister, telemetry.AuthSucceeded)
	return g, nil
}

// login gives a user a token. The answer to a name that is unknown is that to a
// wrong password, and takes as long.
func (s *shop) login(ctx context.Context, c credentials) (grant, error) {
	user, hash, err := s.store.credentials(ctx, c.name(), s.demo)
	unknown := errors.Is(err, errNotFound)
	if unknown {
		hash = s.passwords.decoy
	} else if err != nil {
		return grant{}, err
	}
	match, err := s.passwords.match(ctx, c.Password, hash)
	if err != nil {
		return grant{}, err
	}
	if unknown {
		s.authFailed(ctx, telemetry.AuthLogin, telemetry.AuthUnknownUser)
		return grant{}, BadCredentials
	}
	if !match {
		s.authFailed(ctx, telemetry.AuthLogin, telemetry.AuthWrongPassword)
		return grant{}, BadCredentials
	}
	g := newGrant(accountSession)
	g.User = user
	if err := s.store.openSession(ctx, user.ID, g.session(c.Guest)); err != nil {
		return grant{}, err
	}
	s.log.InfoContext(ctx, "User logged in successfully", "user.id", strconv.FormatInt(user.ID, 10), "client.address", visitorOf(ctx).client())
	s.countAuth(ctx, telemetry.AuthLogin, telemetry.AuthSucceeded)
	return g, nil
}

// admit gives somebody without an account a token, and with it a cart of their
// own.
func (s *shop) admit(ctx context.Context) (grant, error) {
	g := newGrant(guestSession)
	var err error
	if g.User, err = s.store.admit(ctx, g.session("")); err != nil {
		return grant{}, err
	}
	s.countAuth(ctx, telemetry.AuthGuest, telemetry.AuthSucceeded)
	return g, nil
}

// authenticate returns the user whose token r brings, or Unauthenticated.
func (s *shop) authenticate(r *http.Request) (User, error) {
	v := s.identify(r)
	if v.err != nil {
		return User{}, v.err
	}
	if v.outcome != telemetry.AuthSucceeded {
		s.authFailed(r.Context(), telemetry.AuthToken, v.outcome)
		return User{}, Unauthenticated
	}
	s.countAuth(r.Context(), telemetry.AuthToken, v.outcome)
	trace.SpanFromContext(r.Context()).SetAttributes(userID(v.user.ID))
	return v.user, nil
}

// recognise returns who r is from, where anybody may ask: a User without an ID is
// somebody who does not say.
func (s *shop) recognise(r *http.Request) (User, error) {
	if r.Header.Get("Authorization") == "" {
		return User{}, nil
	}
	user, err := s.authenticate(r)
	if errors.Is(err, Unauthenticated) {
		return User{}, nil // a token that has expired is no reason to show nothing
	}
	return user, err
}

// lookUpTimeout is how long that may take: it comes before what limits the rest
// of a request.
const lookUpTimeout = 3 * time.Second

func (s *shop) lookUpUser(r *http.Request) (User, telemetry.AuthOutcome, error) {
	token, outcome := bearer(r)
	if token == "" {
		return User{}, outcome, nil
	}
	ctx, cancel := context.WithTimeout(r.Context(), lookUpTimeout)
	defer cancel()
	session, err := s.session(ctx, token)
	if errors.Is(err, errNotFound) {
		return User{}, telemetry.AuthInvalidToken, nil
	}
	return session.User, telemetry.AuthSucceeded, err
}

// bearer returns the token that r brings, or what is wrong with how it does.
func bearer(r *http.Request) (token string, wrong telemetry.AuthOutcome) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return "", telemetry.AuthMissingHeader
	}
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return "", telemetry.AuthInvalidFormat
	}
	return token, telemetry.AuthInvalidFormat
}

func (s *shop) countAuth(ctx context.Context, kind telemetry.AuthKind, outcome telemetry.AuthOutcome) {
	telemetry.AuthAttempts.Add(ctx, 1, telemetry.AuthAttrs{Kind: kind, Outcome: outcome})
}

// failures is what the log says of an attempt that failed, before the reason.
var failures = map[telemetry.AuthKind]string{
	telemetry.AuthToken:    "Authentication failed: ",
	telemetry.AuthLogin:    "Login failed: ",
	telemetry.AuthRegister: "Registration failed: ",
}

// authFailed counts and logs an attempt that failed. Whose it was, or was meant
// to be, is not told: people type passwords where a name belongs.
func (s *shop) authFailed(ctx context.Context, kind telemetry.AuthKind, outcome telemetry.AuthOutcome) {
	s.countAuth(ctx, kind, outcome)
	s.log.WarnContext(ctx, failures[kind]+string(outcome), "client.address", visitorOf(ctx).client())
}

func (s *shop) postRegister(w http.ResponseWriter, r *http.Request) error {
	var body credentials
	if err := jsonhttp.Decode(w, r, &body); err != nil {
		return err
	}
	g, err := s.register(r.Context(), body)
	if err != nil {
		return err
	}
	return g.write(w, http.StatusCreated)
}

func (s *shop) postLogin(w http.ResponseWriter, r *http.Request) error {
	var body credentials
	if err := jsonhttp.Decode(w, r, &body); err != nil {
		return err
	}
	g, err := s.login(r.Context(), body)
	if err != nil {
		return err
	}
	return g.write(w, http.StatusOK)
}

func (s *shop) postGuest(w http.ResponseWriter, r *http.Request) error {
	if err := jsonhttp.Decode(w, r, &struct{}{}); err != nil {
		return err
	}
	g, err := s.admit(r.Context())
	if err != nil {
		return err
	}
	return g.write(w, http.StatusCreated)
}

func (s *shop) postLogout(w http.ResponseWriter, r *http.Request) error {
	if _, err := s.authenticate(r); err != nil {
		return err
	}
	token, _ := bearer(r)
	if err := s.logout(r.Context(), token); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// grant is a token that somebody is given.
type grant struct {
	Session
	token string
}

// newGrant makes a token that nobody can guess. Whose it is, is still to be
// said.
func newGrant(lasts time.Duration) grant {
	return grant{
		Session: Session{Expires: time.Now().Add(lasts).UTC().Truncate(time.Second)},
		token:   rand.Text(),
	}
}

// session is what is kept of a grant. A guest's token has their cart come along.
func (g grant) session(guestToken string) newSession {
	kept := newSession{token: hashToken(g.token), expires: g.Expires}
	if guestToken != "" {
		kept.guest = hashToken(guestToken)
	}
	return kept
}

func (g grant) write(w http.ResponseWriter, status int) error {
	return jsonhttp.Encode(w, status, struct {
		Token     string    `json:"token"`
		TokenType string    `json:"token_type"`
		ExpiresAt time.Time `json:"expires_at"`
		UserID    int64     `json:"user_id"`
	}{g.token, "bearer", g.Expires, g.User.ID})
}
