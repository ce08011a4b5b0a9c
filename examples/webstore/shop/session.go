package shop

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// Session is a user for as long as a token stands for them.
type Session struct {
	User    User      `json:"user"`
	Expires time.Time `json:"expires"`
}

const (
	accountSession = 24 * time.Hour   // that a token of an account is good for
	guestSession   = 2 * time.Hour    // that one of a guest is
	guestKept      = time.Hour        // that a guest is kept for after that
	sessionTTL     = 30 * time.Second // that a session may be cached
)

// Where the cache has this, the session has ended. It stays for longer than
// anybody holds a session that was read before it ended, and cannot be filled
// over.
const (
	sessionEnded = "ended"
	endedTTL     = 2 * sessionTTL
)

// session returns what a token stands for, from the cache if it can.
func (s *shop) session(ctx context.Context, token string) (Session, error) {
	hash := hashToken(token)
	key := sessionKey(hash)
	if s.unsaid.has(key) {
		return Session{}, errNotFound
	}
	if text, ok := s.cache.get(ctx, telemetry.SessionCache, key); ok {
		if string(text) == sessionEnded {
			return Session{}, errNotFound
		}
		var session Session
		if json.Unmarshal(text, &session) == nil && time.Now().Before(session.Expires) {
			return session, nil
		}
	}
	session, err := s.store.session(ctx, hash, s.demo)
	if err != nil {
		return Session{}, err
	}
	if text, err := json.Marshal(session); err == nil {
		s.cache.fill(ctx, key, text, sessionTTL)
	}
	return session, nil
}

// logout ends a session, here and at all other instances at once. That one of
// them has just read it, and is about to cache it, changes nothing: what is in
// the cache then is that it has ended.
func (s *shop) logout(ctx context.Context, token string) error {
	hash := hashToken(token)
	if slices.ContainsFunc(demoUsers, func(u demoUser) bool { return u.token == token }) {
		return SharedToken
	}
	// Who goes away in the middle of it has logged out all the same.
	ctx = context.WithoutCancel(ctx)
	if err := s.store.endSession(ctx, hash); err != nil {
		return err
	}
	s.tellEnded(ctx, sessionKey(hash))
	return nil
}

func (s *shop) tellEnded(ctx context.Context, key string) {
	if s.cache.off {
		return
	}
	err := s.cache.set(ctx, key, []byte(sessionEnded), endedTTL)
	if err != nil && !s.unsaid.add(key) {
		s.log.WarnContext(ctx, "a session has ended and Redis cannot be told: other instances may take its token for a while",
			"webstore.session.longest", sessionTTL.String(), "exception.message", err.Error())
	}
}

// tellUnsaid tells Redis of the sessions that ended while it was away.
func (s *shop) tellUnsaid(ctx context.Context) {
	for _, key := range s.unsaid.due() {
		if s.cache.set(ctx, key, []byte(sessionEnded), endedTTL) != nil {
			return
		}
		s.unsaid.remove(key)
	}
}

// unsaid is the sessions that ended while Redis could not be told, which may
// still have them. It is safe for concurrent use.
type unsaid struct {
	mu   sync.Mutex
	keys map[string]time.Time // when Redis will have forgotten them by itself
}

// maxUnsaid is the most sessions that are remembered so.
const maxUnsaid = 10_000

// add remembers a session, and reports whether there was room.
func (u *unsaid) add(key string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if len(u.keys) >= maxUnsaid {
		return false
	}
	if u.keys == nil {
		u.keys = map[string]time.Time{}
	}
	u.keys[key] = time.Now().Add(endedTTL)
	return true
}

func (u *unsaid) has(key string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, ok := u.keys[key]
	return ok
}

func (u *unsaid) remove(key string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.keys, key)
}

// due returns the sessions that Redis is to be told of, and forgets those that
// it has forgotten.
func (u *unsaid) due() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var keys []string
	for key, until := range u.keys {
		if time.Now().After(until) {
			delete(u.keys, key)
			continue
		}
		keys = append(keys, key)
	}
	return keys
}

func sessionKey(hash []byte) string { return "session:" + hex.EncodeToString(hash) }

// hashToken is how a token is kept. Tokens are random, so that a fast hash is
// enough.
func hashToken(token string) []byte {
	sum := sha256.Sum256([]byte(token))
	return sum[:]
}
