package shop

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/jackc/pgx/v5"
	"go.opentelemetry.io/otel/attribute"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

func login(name, password string) string {
	text, _ := json.Marshal(map[string]string{"username": name, "password": password}) // never fails
	return string(text)
}

func TestALoginGivesATokenThatWorks(t *testing.T) {
	f := start(t, nil)
	status, answer := f.do("POST", "/auth/login", "", login("user123", "password123"))
	want(t, status, answer, http.StatusOK, "")
	token, _ := answer["token"].(string)
	if len(token) < 26 || answer["token_type"] != "bearer" {
		t.Fatalf("answer %v, want a bearer token of 128 bits or more", answer)
	}
	status, answer = f.do("GET", "/cart", token, "")
	want(t, status, answer, http.StatusOK, "")
	f.add(token, 1, 1)
	if in := f.quantities(alice); in[1] != 1 {
		t.Errorf("the demo token of the same user sees %v", in)
	}
}

func TestAWrongNameAndAWrongPasswordAreAnsweredAlike(t *testing.T) {
	f := start(t, nil)
	var answers []string
	for _, body := range []string{login("user123", "wrong"), login("nobody", "password123"), login("", ""), login("user123", "")} {
		status, answer := f.do("POST", "/auth/login", "", body)
		want(t, status, answer, http.StatusUnauthorized, "bad_credentials")
		delete(answer, "trace_id")
		answers = append(answers, fmt.Sprint(answer))
	}
	for _, answer := range answers {
		if answer != answers[0] {
			t.Errorf("answers differ: %s and %s", answer, answers[0])
		}
	}
	for outcome, n := range map[string]float64{"wrong_password": 2, "unknown_user": 2} {
		f.kit.Total(telemetry.AuthAttempts, attribute.String("webstore.auth.kind", "login"), attribute.String("webstore.auth.outcome", outcome)).Is(n)
	}
}

func TestWhoDoesNotProveWhoTheyAreIsNotLetIn(t *testing.T) {
	f := start(t, nil)
	for outcome, header := range map[string]string{
		"missing_header": "",
		"invalid_format": "Basic dXNlcjEyMzpwYXNzd29yZDEyMw==",
		"invalid_token":  "Bearer user-token-124",
	} {
		for _, r := range []string{"GET /cart", "POST /cart/add", "PATCH /cart/items/1", "DELETE /cart/items/1", "POST /orders/checkout", "POST /checkout", "GET /orders", "GET /orders/1"} {
			method, path, _ := strings.Cut(r, " ")
			status, answer := f.do(method, path, "", germany, "Authorization", header)
			want(t, status, answer, http.StatusUnauthorized, "unauthenticated")
		}
		f.kit.Total(telemetry.AuthAttempts, attribute.String("webstore.auth.kind", "token"), attribute.String("webstore.auth.outcome", outcome)).Is(8)
	}
}

func TestWithoutDemoDataTheDemoUsersAreNobody(t *testing.T) {
	var url string
	f := start(t, func(cfg *Config) { url = cfg.DatabaseURL })
	f.add(alice, 1, 1)
	// The same database, in production.
	f = start(t, func(cfg *Config) { cfg.DatabaseURL, cfg.DemoData = url, false })
	status, answer := f.do("GET", "/cart", alice, "")
	want(t, status, answer, http.StatusUnauthorized, "unauthenticated")
	status, answer = f.do("POST", "/auth/login", "", login("user123", "password123"))
	want(t, status, answer, http.StatusUnauthorized, "bad_credentials")
}

func TestAServiceThatStartsAgainKeepsItsUsers(t *testing.T) {
	var url string
	f := start(t, func(cfg *Config) { url = cfg.DatabaseURL })
	f.add(alice, 1, 1)
	f = start(t, func(cfg *Config) { cfg.DatabaseURL = url })
	if in := f.quantities(alice); in[1] != 1 {
		t.Errorf("the cart has %v, want what was in it", in)
	}
}

func TestASessionEndsWhenItsTimeIsOver(t *testing.T) {
	redis := miniredis.RunT(t)
	f := start(t, withRedis(redis))
	_, answer := f.do("POST", "/auth/login", "", login("user123", "password123"))
	token := answer["token"].(string)
	if _, err := f.shop.store.pool.Exec(t.Context(), `UPDATE sessions SET expires_at = now() - interval '1 second' WHERE token_hash = $1`, hashToken(token)); err != nil {
		t.Fatal(err)
	}
	status, answer := f.do("GET", "/cart", token, "")
	want(t, status, answer, http.StatusUnauthorized, "unauthenticated")
}

func TestTokensAndPasswordsAreKeptNowhere(t *testing.T) {
	redis := miniredis.RunT(t)
	f := start(t, withRedis(redis))
	token := f.token("/auth/login", login("user123", "password123"), http.StatusOK)
	f.add(token, 1, 1)
	f.do("POST", "/auth/login", "", login("user123", "a-wrong-secret"))
	f.do("GET", "/cart", "a-wrong-token", "")
	guest := f.guest()
	f.add(guest, 1, 1)
	account := f.token("/auth/register", fmt.Sprintf(`{"username": "ada", "password": "a-new-secret", "guest_token": %q}`, guest), http.StatusCreated)
	f.pay(account, "k1")

	var all strings.Builder
	all.WriteString(f.kit.Lines())
	all.WriteString(redis.Dump())
	for _, record := range f.kit.Logs() {
		fmt.Fprintln(&all, record.Message(), record.Attributes())
	}
	for _, span := range f.kit.Spans() {
		fmt.Fprintln(&all, span.Name(), span.Attributes(), span.Events(), span.Status())
	}
	for table := range f.books() {
		rows, err := f.database.Query(t.Context(), `SELECT t::text FROM `+table+` t`)
		if err != nil {
			t.Fatal(err)
		}
		kept, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&all, kept)
	}
	for _, secret := range []string{token, account, guest, "a-new-secret", "password123", "a-wrong-secret", "a-wrong-token", "user-token-123"} {
		if strings.Contains(all.String(), secret) {
			t.Errorf("%q is in the logs, the spans, Redis or the database", secret)
		}
	}
	for _, public := range []string{"Login failed: wrong_password", "Authentication failed: invalid_token", "POST /auth/register", "session:", "$argon2id$"} {
		if !strings.Contains(all.String(), public) {
			t.Errorf("%q is nowhere, so that what is not found shows nothing", public)
		}
	}
}

func TestAHashThatIsNoneIsAnError(t *testing.T) {
	p := newPasswords(64)
	for _, hash := range []string{"", "password123", "$argon2id$v=19$m=1$x$y", "$argon2id$v=19$m=19456,t=2,p=1$!$AAAA", "$argon2id$v=19$m=19456,t=2,p=1$AAAA$!"} {
		if match, err := p.match(t.Context(), "password123", hash); match || err == nil {
			t.Errorf("%q: match %v, error %v; want an error", hash, match, err)
		}
	}
}
