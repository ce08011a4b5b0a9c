package shop

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// The cost of a hash: OWASP's advice for argon2id. One takes some 25 ms.
const (
	argonMemory = 19 << 10 // in KiB
	argonTime   = 2
	argonLanes  = 1
	saltSize    = 16
	hashSize    = 32
)

// How many hashes are made at a time, and how many requests may wait for their
// turn. Each takes 19 MiB and a processor: a flood of logins must take neither
// all the memory nor all the time that there is, and who would wait for seconds
// is better told so.
const (
	hashesAtOnce  = 2
	hashesWaiting = 64
)

// passwords hashes and compares passwords, a few at a time.
type passwords struct {
	turns   chan struct{}
	waiting chan struct{}
	memory  uint32 // that a hash takes, in KiB
	decoy   string // is compared with when there is no user, so that it takes as long

	// derive is argon2.IDKey. Tests count its calls.
	derive func(password, salt []byte, time, memory uint32, threads uint8, size uint32) []byte
}

func newPasswords(memory uint32) *passwords {
	p := &passwords{
		turns:   make(chan struct{}, hashesAtOnce),
		waiting: make(chan struct{}, hashesAtOnce+hashesWaiting),
		memory:  memory,
		derive:  argon2.IDKey,
	}
	p.decoy = p.encode(rand.Text())
	return p
}

// turn waits for one, until ctx is done. Whoever gets it calls done after the
// work. The error is Busy, or that of ctx if nobody waits any more.
func (p *passwords) turn(ctx context.Context) (done func(), err error) {
	select {
	case p.waiting <- struct{}{}:
	default:
		return nil, Busy
	}
	select {
	case p.turns <- struct{}{}:
		return func() { <-p.turns; <-p.waiting }, nil
	case <-ctx.Done():
		<-p.waiting
		if errors.Is(ctx.Err(), context.Canceled) {
			return nil, ctx.Err() // nobody is there to be told
		}
		return nil, Busy
	}
}

// hash returns a hash of a password, when its turn has come.
func (p *passwords) hash(ctx context.Context, password string) (string, error) {
	done, err := p.turn(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	return p.encode(password), nil
}

// encode returns a hash in the form of the PHC, which says how it was made.
func (p *passwords) encode(password string) string {
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails
	hash := p.derive([]byte(password), salt, argonTime, p.memory, argonLanes, hashSize)
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.memory, argonTime, argonLanes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(hash))
}

// match reports whether a password is that of a hash, when its turn has come.
func (p *passwords) match(ctx context.Context, password, hash string) (bool, error) {
	done, err := p.turn(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	var version int
	var memory, time uint32
	var lanes uint8
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, fmt.Errorf("a password hash is not of argon2id")
	}
	if _, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=%d", &version, &memory, &time, &lanes); err != nil {
		return false, fmt.Errorf("a password hash cannot be read: %w", err)
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, fmt.Errorf("a password hash cannot be read: %w", err)
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil {
		return false, fmt.Errorf("a password hash cannot be read: %w", err)
	}
	got := p.derive([]byte(password), salt, time, memory, lanes, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1, nil
}
