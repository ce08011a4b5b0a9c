package shop

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	goredis "github.com/redis/go-redis/v9"
	"go.opentelemetry.io/otel/attribute"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// token makes a request that gives a token, and returns that.
func (f *fixture) token(path, body string, status int) string {
	f.t.Helper()
	got, answer := f.do("POST", path, "", body)
	want(f.t, got, answer, status, "")
	token, _ := answer["token"].(string)
	if len(token) < 26 || answer["token_type"] != "bearer" || answer["user_id"] == 0.0 {
		f.t.Fatalf("answer %v, want a bearer token of 128 bits or more and a user", answer)
	}
	return token
}

func (f *fixture) guest() string {
	f.t.Helper()
	return f.token("/auth/guest", `{}`, http.StatusCreated)
}

func (f *fixture) register(name, password string) string {
	f.t.Helper()
	return f.token("/auth/register", login(name, password), http.StatusCreated)
}

// attempts is how often somebody tried to prove an identity.
func (f *fixture) attempts(kind, outcome string) float64 {
	f.t.Helper()
	return f.kit.Total(telemetry.AuthAttempts, attribute.String("webstore.auth.kind", kind), attribute.String("webstore.auth.outcome", outcome)).Value()
}

func TestAnAccountIsItsUsersWhateverTheCaseOfTheName(t *testing.T) {
	f := start(t, nil)
	first := f.register("Ada.Lovelace", "correct horse")
	f.add(first, 1, 2)
	again := f.token("/auth/login", login("aDa.lOvelace", "correct horse"), http.StatusOK)
	if in := f.quantities(again); in[1] != 2 {
		t.Errorf("after a login with other capitals the cart has %v, want two of product 1", in)
	}
	status, answer := f.do("POST", "/auth/register", "", login("ADA.LOVELACE", "another password"))
	want(t, status, answer, http.StatusConflict, "username_taken")
	status, answer = f.do("POST", "/auth/login", "", login("ada.lovelace", "Correct horse"))
	want(t, status, answer, http.StatusUnauthorized, "bad_credentials")
	if n := f.attempts("register", "success"); n != 1 {
		t.Errorf("%v registrations counted, want 1", n)
	}
	if n := f.attempts("register", "name_taken"); n != 1 {
		t.Errorf("%v registrations with a name that is taken counted, want 1", n)
	}
}

func TestNamesAndPasswordsHaveTheirLimits(t *testing.T) {
	f := start(t, nil)
	for _, c := range []struct{ name, password, problem string }{
		{"ab", "long enough", "invalid_username"},
		{strings.Repeat("a", 33), "long enough", "invalid_username"},
		{"a b", "long enough", "invalid_username"},
		{"a\x00b", "long enough", "invalid_username"},
		{"bj\u00f6rn", "long enough", "invalid_username"},
		{"\u212aelvin", "long enough", "invalid_username"}, // the sign of kelvin, which is k in lower case
		{"admin'--", "long enough", "invalid_username"},
		{"abc", "seven77", "invalid_password"},
		{"abc", strings.Repeat("x", 129), "invalid_password"},
		{"abc", "\u00e4\u00f6\u00fc\u00df\u00e4\u00f6\u00fc", "invalid_password"}, // seven characters of two bytes each
		{"abc", "eight888", ""},
		{"a_-" + strings.Repeat(".", 29), strings.Repeat("\u00e4", 128), ""},
	} {
		status, answer := f.do("POST", "/auth/register", "", login(c.name, c.password))
		if c.problem == "" {
			want(t, status, answer, http.StatusCreated, "")
			continue
		}
		want(t, status, answer, http.StatusUnprocessableEntity, c.problem)
	}
	status, answer := f.do("POST", "/auth/login", "", `{"username": "a\u0000b", "password": "long enough"}`)
	want(t, status, answer, http.StatusUnauthorized, "bad_credentials")
	status, answer = f.do("POST", "/auth/register", "", `{"username": "mallory", "password": "long enough", "role": "admin"}`)
	want(t, status, answer, http.StatusBadRequest, "malformed_body")
}

// Who measures must not learn which names there are: what a login costs is
// compared, not how long it took.
func TestALoginDoesTheSameWorkWhateverIsWrong(t *testing.T) {
	f := start(t, nil)
	f.register("ada.lovelace", "correct horse")
	var derived []string
	derive := f.shop.passwords.derive
	f.shop.passwords.derive = func(password, salt []byte, time, memory uint32, threads uint8, size uint32) []byte {
		derived = append(derived, fmt.Sprint(len(password), len(salt), time, memory, threads, size))
		return derive(password, salt, time, memory, threads, size)
	}
	var works []string
	for _, name := range []string{"ada.lovelace", "bob.lovelace", "no name at all"} {
		derived = nil
		before := len(f.kit.Spans())
		status, answer := f.do("POST", "/auth/login", "", login(name, "wrong password"))
		want(t, status, answer, http.StatusUnauthorized, "bad_credentials")
		var spans []string
		for _, span := range f.kit.Spans()[before:] {
			spans = append(spans, span.Name())
		}
		works = append(works, fmt.Sprint(derived, spans))
	}
	if len(derived) != 1 || works[0] != works[1] || works[0] != works[2] {
		t.Errorf("work differs:\n%s", strings.Join(works, "\n"))
	}
}

func TestGuestsHaveCartsAndOrdersOfTheirOwn(t *testing.T) {
	f := start(t, nil)
	one, other := f.guest(), f.guest()
	f.add(one, 1, 1)
	if in := f.quantities(other); len(in) != 0 {
		t.Errorf("another guest's cart has %v", in)
	}
	status, order := f.pay(one, "k1")
	want(t, status, order, http.StatusOK, "")
	status, answer := f.do("GET", "/orders/"+order["order_id"].(string), other, "")
	want(t, status, answer, http.StatusNotFound, "unknown_order")
	if n := f.attempts("guest", "success"); n != 2 {
		t.Errorf("%v guests counted, want 2", n)
	}
	status, answer = f.do("POST", "/auth/guest", "", `{"role": "admin"}`)
	want(t, status, answer, http.StatusBadRequest, "malformed_body")
}

func TestAGuestsSessionIsShorter(t *testing.T) {
	f := start(t, nil)
	expires := func(path, body string) time.Time {
		_, answer := f.do("POST", path, "", body)
		at, err := time.Parse(time.RFC3339, fmt.Sprint(answer["expires_at"]))
		if err != nil {
			t.Fatalf("POST %s: %v: %v", path, answer, err)
		}
		return at
	}
	guest, account := expires("/auth/guest", `{}`), expires("/auth/register", login("ada", "correct horse"))
	if between := account.Sub(guest); between < accountSession-guestSession-time.Hour || guest.Before(time.Now()) {
		t.Errorf("a guest's session ends at %v and an account's at %v", guest, account)
	}
}

func TestAGuestsCartComesAlong(t *testing.T) {
	f := start(t, nil)
	f.register("ada", "correct horse")
	for _, c := range []struct {
		path   string
		name   string
		status int
		has    map[int]int // in the account's cart before, by product
		want   map[int]int
	}{
		{"/auth/register", "new", http.StatusCreated, nil, map[int]int{1: 98, 2: 1}},
		{"/auth/login", "ada", http.StatusOK, map[int]int{1: 2, 3: 1}, map[int]int{1: 99, 2: 1, 3: 1}},
	} {
		if len(c.has) > 0 {
			token := f.token("/auth/login", login(c.name, "correct horse"), http.StatusOK)
			for product, quantity := range c.has {
				f.add(token, product, quantity)
			}
		}
		guest := f.guest()
		f.add(guest, 1, 98)
		f.add(guest, 2, 1)
		body := fmt.Sprintf(`{"username": %q, "password": "correct horse", "guest_token": %q}`, c.name, guest)
		token := f.token(c.path, body, c.status)
		if in := f.quantities(token); fmt.Sprint(in) != fmt.Sprint(c.want) {
			t.Errorf("POST %s: the cart has %v, want %v", c.path, in, c.want)
		}
		if in := f.quantities(guest); len(in) != 0 {
			t.Errorf("POST %s: the guest's cart still has %v", c.path, in)
		}
	}
}

func TestWhatAGuestIsOrderingStaysTheirs(t *testing.T) {
	f := start(t, nil)
	guest := f.guest()
	f.add(guest, 1, 1)
	f.payments.next(refusing(http.StatusServiceUnavailable, "provider_unavailable"))
	status, answer := f.pay(guest, "k1")
	want(t, status, answer, http.StatusServiceUnavailable, "payment_unavailable")
	f.add(guest, 2, 1)
	token := f.token("/auth/register", fmt.Sprintf(`{"username": "ada", "password": "correct horse", "guest_token": %q}`, guest), http.StatusCreated)
	if in := f.quantities(token); in[1] != 0 || in[2] != 1 {
		t.Errorf("the account's cart has %v, want what was not ordered", in)
	}
	status, answer = f.pay(guest, "k1")
	want(t, status, answer, http.StatusOK, "")
}

func TestATokenThatIsNoGuestsMovesNothing(t *testing.T) {
	f := start(t, nil)
	f.add(alice, 1, 1)
	over := f.guest()
	f.add(over, 2, 1)
	f.expire(over)
	for i, token := range []string{alice, over, "no-token"} {
		mine := f.token("/auth/register", fmt.Sprintf(`{"username": "ada%d", "password": "correct horse", "guest_token": %q}`, i, token), http.StatusCreated)
		if in := f.quantities(mine); len(in) != 0 {
			t.Errorf("guest_token %d: the cart has %v, want nothing", i, in)
		}
	}
	if in := f.quantities(alice); in[1] != 1 {
		t.Errorf("the shopper's cart has %v, want what was in it", in)
	}
}

// expire makes a token's time be over.
func (f *fixture) expire(token string) {
	f.t.Helper()
	f.exec(`UPDATE sessions SET expires_at = now() - interval '1 second' WHERE token_hash = $1`, hashToken(token))
}

func (f *fixture) exec(sql string, args ...any) {
	f.t.Helper()
	if _, err := f.shop.store.pool.Exec(f.t.Context(), sql, args...); err != nil {
		f.t.Fatal(err)
	}
}

// count returns how many rows there are of something.
func (f *fixture) count(of string) (n int) {
	f.t.Helper()
	if err := f.shop.store.pool.QueryRow(f.t.Context(), `SELECT count(*) FROM `+of).Scan(&n); err != nil {
		f.t.Fatal(err)
	}
	return n
}

func TestGuestsWhoseTimeIsOverAreForgottenUnlessTheyOrdered(t *testing.T) {
	f := start(t, nil)
	buyer, looker, late := f.guest(), f.guest(), f.guest()
	f.add(buyer, 1, 1)
	status, answer := f.pay(buyer, "k1")
	want(t, status, answer, http.StatusOK, "")
	f.add(looker, 1, 1)
	f.add(late, 1, 1)
	f.shop.forget(t.Context())
	if n := f.count(`users WHERE role = 'guest'`); n != 3 {
		t.Fatalf("%d guests, want all 3 while their time is not over", n)
	}
	for _, token := range []string{buyer, looker} {
		f.expire(token)
		f.exec(`UPDATE users SET forget_at = now() - interval '1 second' WHERE id = (SELECT user_id FROM sessions WHERE token_hash = $1)`, hashToken(token))
	}
	f.shop.forget(t.Context())
	for of, n := range map[string]int{
		`users WHERE role = 'guest'`:                           2, // who ordered, and whose time is not over
		`users WHERE role = 'guest' AND forget_at IS NOT NULL`: 1, // so that who ordered is not looked at again
		`users WHERE demo`:                                     3,
		`sessions WHERE expires_at < now()`:                    0,
		`cart_lines`:                                           1,
		`orders`:                                               1,
	} {
		if got := f.count(of); got != n {
			t.Errorf("%d %s, want %d", got, of, n)
		}
	}
}

func TestForgettingGoesOnUntilNothingIsLeft(t *testing.T) {
	f := start(t, nil)
	f.exec(`INSERT INTO users (role, forget_at) SELECT 'guest', now() - interval '1 second' FROM generate_series(1, $1)`, forgetBatch+1)
	seen, err := f.shop.store.forgetGuests(t.Context(), 10)
	if seen != 10 || err != nil {
		t.Fatalf("of 10 at most, %d were seen: %v", seen, err)
	}
	f.shop.forget(t.Context())
	if n := f.count(`users WHERE role = 'guest'`); n != 0 {
		t.Errorf("%d guests are left", n)
	}
}

func TestALogoutEndsASessionAtEveryInstanceAtOnce(t *testing.T) {
	redis := miniredis.RunT(t)
	var url string
	f := start(t, func(cfg *Config) { withRedis(redis)(cfg); url = cfg.DatabaseURL })
	other := start(t, func(cfg *Config) { withRedis(redis)(cfg); cfg.DatabaseURL = url })
	token := f.register("ada", "correct horse")
	for _, instance := range []*fixture{f, other} {
		status, answer := instance.do("GET", "/cart", token, "")
		want(t, status, answer, http.StatusOK, "")
	}
	status, answer := f.do("POST", "/auth/logout", token, "")
	want(t, status, answer, http.StatusNoContent, "")
	for _, instance := range []*fixture{f, other} {
		status, answer := instance.do("GET", "/cart", token, "")
		want(t, status, answer, http.StatusUnauthorized, "unauthenticated")
	}
	status, answer = f.do("POST", "/auth/logout", token, "")
	want(t, status, answer, http.StatusUnauthorized, "unauthenticated")
	if n := f.count(`sessions WHERE user_id = (SELECT id FROM users WHERE name = 'ada')`); n != 0 {
		t.Errorf("%d sessions are left in the database", n)
	}
}

// An instance reads a session, another ends it, and the first caches what it
// has read.
func TestASessionThatWasReadBeforeItsEndIsNotCachedAfterIt(t *testing.T) {
	redis := miniredis.RunT(t)
	instances := twoInstances(t, withRedis(redis))
	token := instances[0].guest()
	f, other := instances[0], instances[1]
	f.shop.cache.client.Load().AddHook(beforeWriting{sync.OnceFunc(func() {
		status, answer := other.do("POST", "/auth/logout", token, "")
		want(t, status, answer, http.StatusNoContent, "")
	})})
	status, answer := f.do("GET", "/cart", token, "")
	want(t, status, answer, http.StatusOK, "")
	for _, instance := range instances {
		status, answer = instance.do("GET", "/cart", token, "")
		want(t, status, answer, http.StatusUnauthorized, "unauthenticated")
	}
}

// beforeWriting does something before a client of Redis writes.
type beforeWriting struct{ do func() }

func (h beforeWriting) DialHook(next goredis.DialHook) goredis.DialHook { return next }

func (h beforeWriting) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		if strings.HasPrefix(cmd.Name(), "set") {
			h.do()
		}
		return next(ctx, cmd)
	}
}

func (h beforeWriting) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return next
}

func TestALogoutHoldsThoughRedisWasNotThereToBeTold(t *testing.T) {
	redis := miniredis.RunT(t)
	var url string
	f := start(t, func(cfg *Config) { withRedis(redis)(cfg); url = cfg.DatabaseURL })
	other := start(t, func(cfg *Config) { withRedis(redis)(cfg); cfg.DatabaseURL = url })
	token := f.guest()
	f.do("GET", "/cart", token, "") // is cached
	f.shop.cache.note(t.Context(), errors.New("away"))
	status, answer := f.do("POST", "/auth/logout", token, "")
	want(t, status, answer, http.StatusNoContent, "")
	f.rested()
	status, answer = f.do("GET", "/cart", token, "")
	want(t, status, answer, http.StatusUnauthorized, "unauthenticated")
	f.shop.tellUnsaid(t.Context())
	status, answer = other.do("GET", "/cart", token, "")
	want(t, status, answer, http.StatusUnauthorized, "unauthenticated")
	if due := f.shop.unsaid.due(); len(due) != 0 {
		t.Errorf("Redis is still to be told of %v", due)
	}
}

// rested has Redis be asked again.
func (f *fixture) rested() {
	f.shop.cache.mu.Lock()
	defer f.shop.cache.mu.Unlock()
	f.shop.cache.restsTo = time.Time{}
}

func TestNobodyEndsATokenThatIsEverybodys(t *testing.T) {
	f := start(t, nil)
	status, answer := f.do("POST", "/auth/logout", alice, "")
	want(t, status, answer, http.StatusConflict, "shared_token")
	status, answer = f.do("GET", "/cart", alice, "")
	want(t, status, answer, http.StatusOK, "")
}

func TestAFloodOfLoginsWaitsInALineThatEnds(t *testing.T) {
	p := newPasswords(64)
	var hashes, most atomic.Int32
	release := make(chan struct{})
	p.derive = func([]byte, []byte, uint32, uint32, uint8, uint32) []byte {
		n := hashes.Add(1)
		defer hashes.Add(-1)
		for {
			if m := most.Load(); n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		<-release
		return nil
	}
	results := make(chan error)
	const flood = 3 * (hashesAtOnce + hashesWaiting)
	for range flood {
		go func() {
			_, err := p.hash(t.Context(), "password")
			results <- err
		}()
	}
	var refused []error
	for range flood - hashesAtOnce - hashesWaiting {
		refused = append(refused, <-results)
	}
	close(release)
	for range hashesAtOnce + hashesWaiting {
		if err := <-results; err != nil {
			t.Errorf("one in the line: %v", err)
		}
	}
	if slices.ContainsFunc(refused, func(err error) bool { return !errors.Is(err, Busy) }) {
		t.Errorf("those beyond the line got %v, want all %v", refused, Busy)
	}
	if n := most.Load(); n != hashesAtOnce {
		t.Errorf("%d were hashed at a time, want %d", n, hashesAtOnce)
	}
}

func TestWhoGivesUpLeavesTheLine(t *testing.T) {
	p := newPasswords(64)
	for range hashesAtOnce {
		if _, err := p.turn(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	if _, err := p.turn(gone); !errors.Is(err, context.Canceled) {
		t.Errorf("who has gone got %v", err)
	}
	late, cancel := context.WithTimeout(t.Context(), time.Nanosecond)
	defer cancel()
	if _, err := p.turn(late); !errors.Is(err, Busy) {
		t.Errorf("who waited for too long got %v, want %v", err, Busy)
	}
	if n := len(p.waiting); n != hashesAtOnce {
		t.Errorf("%d are in the line, want the %d whose turn it is", n, hashesAtOnce)
	}
}
