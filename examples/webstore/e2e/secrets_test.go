package e2e_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/jackc/pgx/v5"

	"github.com/otelkit/kit/examples/webstore/paymentprovider"
	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/internal/pgserver/pgtest"
)

// What a run is told in confidence, by the test.
const (
	databasePassword = "Vq7-postgres-3fJm2"
	redisPassword    = "Wx8-redis-9kTn4"
	userName         = "Zuleika.Dobson"
	otherUserName    = "Max.Beerbohm"
	password         = "Orris-root-4711"
	otherPassword    = "Havana-smoke-0815"
	wrongPassword    = "Hunter-nearly-right"
	passwordAsName   = "Judas-College-99" // typed where the name belongs
	madeUpToken      = "Madeup-token-31415926"
	cookie           = "Cookie-jar-271828"

	shopperAddress = "203.0.113.77"
	firstUserID    = 734000001 // so that an id can be told from other numbers
	userIDs        = "7340000" // how they begin
)

// talker sends what shoppers and those who are none do, and keeps what must be told to
// nobody else.
type talker struct {
	t       *testing.T
	main    string
	secrets map[string]string // by what it is
}

// ask makes a request, with a token if there is one, and returns the answer.
func (s *talker) ask(method, path, token, body string, header ...string) (int, map[string]any) {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.main+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("X-Forwarded-For", shopperAddress)
	request.Header.Set("Cookie", "session="+cookie)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	var answer map[string]any
	_ = json.NewDecoder(response.Body).Decode(&answer) // some have none
	return response.StatusCode, answer
}

// must is ask where only one status will do.
func (s *talker) must(status int, method, path, token, body string, header ...string) map[string]any {
	s.t.Helper()
	got, answer := s.ask(method, path, token, body, header...)
	if got != status {
		s.t.Fatalf("%s %s: got %d %v, want %d", method, path, got, answer, status)
	}
	return answer
}

// token is must for what answers with a token, which is a secret from then on.
func (s *talker) token(what string, status int, path, body string) string {
	s.t.Helper()
	token, _ := s.must(status, "POST", path, "", body)["token"].(string)
	s.secret(what, token)
	hash := sha256.Sum256([]byte(token))
	s.secrets["the hash of "+what] = hex.EncodeToString(hash[:])
	s.secrets["the hash of "+what+", in bytes"] = string(hash[:])
	return token
}

func (s *talker) secret(what, value string) {
	s.t.Helper()
	if len(value) < 8 {
		s.t.Fatalf("%s is %q, which nothing can be looked through for", what, value)
	}
	s.secrets[what] = value
}

// cashier is a payment provider of the test's: it declines or fails when it is told to,
// and keeps the key that faults are started with, which payments sends it.
type cashier struct {
	http.Handler
	mu     sync.Mutex
	answer int // what charges are answered with, if not 0
	key    string
}

func (p *cashier) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	if key := r.Header.Get("Webstore-Faults-Key"); key != "" {
		p.key = key
	}
	status := p.answer
	p.mu.Unlock()
	if status != 0 && r.URL.Path == "/v1/charges" {
		w.WriteHeader(status)
		fmt.Fprint(w, `{"status": "failed", "code": "invalid_payment_details"}`)
		return
	}
	p.Handler.ServeHTTP(w, r)
}

func (p *cashier) answers(status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answer = status
}

// everything is what is left of a run, by where it was found.
type everything map[string][]byte

// find returns where a text is.
func (e everything) find(text string) (where []string) {
	for place, content := range e {
		if bytes.Contains(content, []byte(text)) {
			where = append(where, place)
		}
	}
	slices.Sort(where)
	return where
}

// fetch adds an answer of lens.
func (e everything) fetch(l lens, place, path string, query url.Values) {
	l.t.Helper()
	response, err := http.Get(l.url + path + "?" + query.Encode())
	if err != nil {
		l.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		l.t.Fatalf("%s: %s %v", path, response.Status, err)
	}
	e[place] = append(e[place], text...)
}

// The session has everything in it that is told in confidence, and everything that goes
// wrong. Then all that is left of it is looked through: what lens tells of logs, traces and
// metrics, every file of the run, and what the program printed.
func TestNothingThatWasToldInConfidenceIsInTelemetryOrLogs(t *testing.T) {
	database := pgtest.URL(t)
	withPassword, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	withPassword.User = url.UserPassword(withPassword.User.Username(), databasePassword)
	t.Setenv("DATABASE_URL", withPassword.String())
	redis := miniredis.RunT(t)
	redis.RequireAuth(redisPassword)
	t.Setenv("REDIS_URL", "redis://:"+redisPassword+"@"+redis.Addr())
	paying := &cashier{Handler: paymentprovider.Handler(paymentprovider.Config{})}
	paymentProvider := httptest.NewServer(paying)
	defer paymentProvider.Close()
	data := t.TempDir()

	store := start(t, "--data-dir", data, "--payment-provider-url", paymentProvider.URL)
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(t.Context(), fmt.Sprintf(`ALTER TABLE shop.users ALTER id RESTART WITH %d`, firstUserID))
	conn.Close(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s := &talker{t: t, main: store.at.Main, secrets: map[string]string{}}
	for what, value := range map[string]string{
		"the database's password": databasePassword, "the password of Redis": redisPassword,
		"a user's name": userName, "another user's name": otherUserName,
		"a user's name in small letters": strings.ToLower(userName), "another user's name in small letters": strings.ToLower(otherUserName),
		"a password": password, "another password": otherPassword, "a wrong password": wrongPassword,
		"a password typed as a name": passwordAsName, "a token made up": madeUpToken, "a cookie": cookie,
		"a header of Basic": base64.StdEncoding.EncodeToString([]byte(userName + ":" + password)),
	} {
		s.secret(what, value)
	}
	orders := s.shop(paying)
	s.breakThings(redis)
	s.secret("the key of faults", paying.key)
	s.must(http.StatusUnauthorized, "GET", "/cart", "", "") // the only one without a token, and the last

	left := everything{}
	s.readLens(lens{t, store.at.Lens}, left)
	stop(store.up)
	readFiles(t, left, data)
	left["what up printed"] = store.out.Bytes()

	// What is in confidence is nowhere.
	for what, value := range s.secrets {
		if where := left.find(value[:8]); len(where) > 0 {
			t.Errorf("%s, or how it begins, %q, is in %s", what, value[:8], strings.Join(where, ", "))
		}
	}
	// Who did what is in traces and logs, for those who look after the store, and not in
	// metrics, which are for everybody and for ever. That this is found shows that the
	// search would find the rest.
	for what, c := range map[string]struct {
		text string
		in   []string
	}{
		"an order":           {orders[0], []string{"logs", "traces", "file logs/main.log", "file logs/payments.log", "file lens"}},
		"a client's address": {shopperAddress, []string{"logs", "traces", "file logs/main.log", "file lens"}},
		"a user's id":        {userIDs, []string{"logs", "traces", "file logs/main.log", "file lens"}},
		"a coupon":           {"SAVE20", []string{"metrics", "traces", "file lens"}},
		"a market":           {`"DE"`, []string{"metrics", "traces", "logs"}},
	} {
		where := left.find(c.text)
		for _, place := range c.in {
			if !slices.ContainsFunc(where, func(w string) bool { return strings.HasPrefix(w, place) }) {
				t.Errorf("%s, %q, is not in %s, only in %v: then what is not found there shows nothing", what, c.text, place, where)
			}
		}
		if slices.Contains(where, "metrics") && !slices.Contains(c.in, "metrics") {
			t.Errorf("%s, %q, is in metrics", what, c.text)
		}
	}
	seriesNameNobody(t, left["metrics"])
}

// shop buys, fails to buy, and gets names, passwords and tokens wrong. It returns the ids of
// orders.
func (s *talker) shop(paying *cashier) (orders []string) {
	s.t.Helper()
	credentials := func(name, password, guest string) string {
		return fmt.Sprintf(`{"username": %q, "password": %q, "guest_token": %q}`, name, password, guest)
	}
	mine := s.token("the token of a registration", http.StatusCreated, "/auth/register", credentials(userName, password, ""))
	again := s.token("the token of a login", http.StatusOK, "/auth/login", credentials(userName, password, ""))
	guest := s.token("the token of a guest", http.StatusCreated, "/auth/guest", `{}`)
	const add, pay = `{"product_id": 1, "quantity": 1, "country": "DE"}`, `{"payment_method": "credit_card", "country": "DE"}`
	s.must(http.StatusOK, "POST", "/cart/add", guest, add)
	theirs := s.token("the token of who was a guest", http.StatusCreated, "/auth/register", credentials(otherUserName, otherPassword, guest))

	s.must(http.StatusUnauthorized, "POST", "/auth/login", "", credentials(userName, wrongPassword, ""))
	s.must(http.StatusUnauthorized, "POST", "/auth/login", "", credentials(passwordAsName, password, mine))
	s.must(http.StatusConflict, "POST", "/auth/register", "", credentials(userName, otherPassword, ""))
	s.must(http.StatusUnprocessableEntity, "POST", "/auth/register", "", credentials(passwordAsName+" ", otherPassword, ""))
	s.must(http.StatusBadRequest, "POST", "/auth/login", "", `{"username": ["`+userName+`"], "password": "`+password+`"}`)
	s.must(http.StatusBadRequest, "POST", "/auth/login", "", `{"username": "`+userName+`", "password": "`+password) // cut off
	s.must(http.StatusUnsupportedMediaType, "POST", "/auth/login", "", "username="+userName+"&password="+password, "Content-Type", "application/x-www-form-urlencoded")
	s.must(http.StatusUnauthorized, "GET", "/cart", madeUpToken, "")
	s.must(http.StatusUnauthorized, "GET", "/cart", "", "", "Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte(userName+":"+password)))
	s.must(http.StatusUnauthorized, "GET", "/cart", "", "", "Authorization", mine)
	s.must(http.StatusOK, "GET", "/DE/products?access_token="+mine+"&password="+password+"&"+madeUpToken, mine, "")

	buy := func(key, token, body string, status int) {
		s.t.Helper()
		answer := s.must(status, "POST", "/orders/checkout", token, body, "Idempotency-Key", key)
		if id, ok := answer["order_id"].(string); ok {
			orders = append(orders, id)
		}
	}
	buy("with-a-coupon", theirs, `{"payment_method": "credit_card", "country": "DE", "coupon": "SAVE20"}`, http.StatusOK)
	s.must(http.StatusOK, "POST", "/cart/add", mine, add)
	paying.answers(http.StatusBadRequest)
	buy("declined", mine, pay, http.StatusPaymentRequired)
	paying.answers(http.StatusInternalServerError)
	buy("an-outage", mine, pay, http.StatusServiceUnavailable)
	paying.answers(0)
	buy("an-outage", mine, pay, http.StatusOK)
	s.must(http.StatusOK, "GET", "/orders", mine, "")
	s.must(http.StatusNotFound, "GET", "/orders/"+orders[0], mine, "")
	s.must(http.StatusOK, "GET", "/me/stats", mine, "")
	s.must(http.StatusNoContent, "POST", "/auth/logout", again, "")
	s.must(http.StatusUnauthorized, "GET", "/cart", again, "")
	return orders
}

// breakThings has requests fail for all reasons of ours, the last of which stay.
func (s *talker) breakThings(redis *miniredis.Miniredis) {
	s.t.Helper()
	const admin = "admin-token-456"
	s.must(http.StatusOK, "GET", "/admin/faults", admin, "")
	login := func() {
		s.t.Helper()
		s.ask("POST", "/auth/login", "", fmt.Sprintf(`{"username": %q, "password": %q}`, userName, password))
		s.ask("POST", "/auth/register", "", fmt.Sprintf(`{"username": %q, "password": %q}`, userName+"2", password))
		s.ask("GET", "/cart", s.secrets["the token of a registration"], "")
		s.ask("POST", "/orders/checkout", s.secrets["the token of a registration"], `{"payment_method": "paypal", "country": "DE"}`, "Idempotency-Key", "broken")
	}
	for _, fault := range []string{"panics", "database-away", "redis-away", "bad-release"} {
		s.must(http.StatusOK, "PUT", "/admin/faults/"+fault, admin, `{"for": "1m"}`)
		login()
		s.must(http.StatusOK, "DELETE", "/admin/faults/"+fault, admin, "")
	}
	redis.RequireAuth("another one") // connections that there are go on
	redis.Close()
	login()
	if err := redis.Restart(); err != nil {
		s.t.Fatal(err)
	}
	login()
}

// readLens adds what lens has, once the last request has reached it.
func (s *talker) readLens(l lens, into everything) {
	s.t.Helper()
	now := time.Now()
	when := url.Values{
		"start": {strconv.FormatInt(now.Add(-time.Hour).Unix(), 10)}, "end": {strconv.FormatInt(now.Add(time.Hour).Unix(), 10)},
	}
	eventually(s.t, "the last request's trace and all logs and metrics", func() error {
		told, err := l.logs(`{service_name="main"} |= "Authentication failed: missing_header"`)
		if err == nil && len(told) == 0 {
			err = errors.New("it is not in the logs")
		}
		if err != nil {
			return err
		}
		traces, err := l.search(`{span.url.path="/cart" && span.http.response.status_code=401}`)
		if err == nil && len(traces) < 5 {
			err = fmt.Errorf("%d traces of those who were not let in", len(traces))
		}
		if err != nil {
			return err
		}
		refused, err := l.value(total(telemetry.AuthAttempts, map[string]string{"webstore.auth.outcome": string(telemetry.AuthMissingHeader)}))
		if err == nil && refused == 0 {
			err = errors.New("it is not counted")
		}
		return err
	})
	into.fetch(l, "logs", "/loki/api/v1/query_range", url.Values{
		"query": {`{service_name=~".+"}`}, "limit": {"5000"},
		"start": {strconv.FormatInt(now.Add(-time.Hour).UnixNano(), 10)}, "end": {strconv.FormatInt(now.Add(time.Hour).UnixNano(), 10)},
	})
	into.fetch(l, "metrics", "/api/v1/series", url.Values{"match[]": {`{__name__=~".+"}`}, "start": when["start"], "end": when["end"]})
	into.fetch(l, "exemplars", "/api/v1/query_exemplars", url.Values{"query": {`{__name__=~".+"}`}, "start": when["start"], "end": when["end"]})
	var found struct{ Traces []struct{ TraceID string } }
	if err := l.get("/api/search", url.Values{"q": {`{ }`}, "limit": {"1000"}, "start": when["start"], "end": when["end"]}, &found); err != nil {
		s.t.Fatal(err)
	}
	for _, trace := range found.Traces {
		into.fetch(l, "traces", "/api/traces/"+trace.TraceID, nil)
	}
}

// readFiles adds every file of a run.
func readFiles(t *testing.T, into everything, data string) {
	t.Helper()
	err := filepath.WalkDir(data, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		name, _ := filepath.Rel(data, path)
		into["file "+filepath.ToSlash(name)] = content
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// personal is what a metric's label must not be about.
var personal = regexp.MustCompile(`user|client_(address|ip|port|id)|customer_id|mail|token|password|session_id|order_id|cookie|^ip|_ip$|peer|agent|url_(path|full|query)`)

// seriesNameNobody asserts that no label of any series is about a person.
func seriesNameNobody(t *testing.T, answer []byte) {
	t.Helper()
	var all struct{ Data []map[string]string }
	if err := json.Unmarshal(answer, &all); err != nil || len(all.Data) < 500 {
		t.Fatalf("%d series: %v", len(all.Data), err)
	}
	labels := map[string]string{}
	for _, series := range all.Data {
		for label, value := range series {
			labels[label] = series["__name__"] + " = " + value
		}
	}
	for label, example := range labels {
		if personal.MatchString(label) {
			t.Errorf("the label %s is about people, as in %s", label, example)
		}
	}
}
