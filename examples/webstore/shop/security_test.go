package shop

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/gorilla/mux"

	"github.com/otelkit/kit/examples/webstore/jsonhttp"
)

// The tests of this file are those that docs/SECURITY-MODEL.md names, beside others that
// stand with what they test.

// doors is who may call which endpoint. One that is missing here fails a test: whoever
// adds it has to say.
var doors = map[string]string{
	"GET /{country}/products":      "anybody",
	"GET /{country}/products/{id}": "anybody",
	"POST /auth/register":          "anybody",
	"POST /auth/login":             "anybody",
	"POST /auth/guest":             "anybody",
	"POST /auth/logout":            "user",
	"GET /cart":                    "user",
	"POST /cart/add":               "user",
	"PATCH /cart/items/{id}":       "user",
	"DELETE /cart/items/{id}":      "user",
	"POST /orders/checkout":        "user",
	"POST /checkout":               "user",
	"GET /orders":                  "user",
	"GET /orders/{id}":             "user",
	"GET /me/stats":                "user",
	"GET /openapi.json":            "anybody",
	"GET /docs":                    "anybody",
	"GET /admin/faults":            "admin",
	"PUT /admin/faults/{name}":     "admin",
	"DELETE /admin/faults/{name}":  "admin",
	"DELETE /admin/faults":         "admin",
	"GET /healthz":                 "anybody",
	"GET /healthz/live":            "anybody",
	"GET /healthz/startup":         "anybody",
	"GET /healthz/ready":           "anybody",
}

// endpoints are those that the service really has, as doors writes them.
func (f *fixture) endpoints() []string {
	f.t.Helper()
	var all []string
	err := f.shop.routes().Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := route.GetPathTemplate()
		if err != nil {
			return err
		}
		methods, err := route.GetMethods()
		for _, method := range methods {
			if method != http.MethodHead {
				all = append(all, method+" "+path)
			}
		}
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return all
}

// fill makes a path of a template.
var fill = strings.NewReplacer("{country}", "DE", "{id}", "1", "{name}", "panics")

func TestEachEndpointIsForThoseWhoMayCallIt(t *testing.T) {
	f := start(t, withFaults)
	over, out := f.guest(), f.guest()
	f.expire(over)
	status, answer := f.do("POST", "/auth/logout", out, "")
	want(t, status, answer, http.StatusNoContent, "")
	endpoints := f.endpoints()
	if len(endpoints) != len(doors) {
		t.Errorf("there are %d endpoints, and of %d it is known who may call them", len(endpoints), len(doors))
	}
	// What each caller is told: of what is the user's, and of what is the administrator's.
	const in, unknown, forbidden = "", "unauthenticated", "forbidden"
	for _, caller := range []struct {
		is, token   string
		user, admin string
	}{
		{"nobody", "", unknown, unknown},
		{"somebody with a token made up", "user-token-124", unknown, unknown},
		{"somebody whose session is over", over, unknown, unknown},
		{"somebody who has logged out", out, unknown, unknown},
		{"a guest", f.guest(), in, forbidden},
		{"a shopper", alice, in, forbidden},
		{"a registered shopper", f.register("mallory", "long enough"), in, forbidden},
		{"an administrator", admin, in, in},
	} {
		for _, endpoint := range slices.Sorted(slices.Values(endpoints)) {
			method, template, _ := strings.Cut(endpoint, " ")
			told := in
			switch doors[endpoint] {
			case "anybody":
			case "user":
				told = caller.user
			case "admin":
				told = caller.admin
			default:
				t.Fatalf("who may call %s is not known", endpoint)
			}
			if template == "/auth/logout" && told == in {
				continue // tested elsewhere: it would end the caller
			}
			answer := f.ask(method, fill.Replace(template), caller.token, `{}`, "Idempotency-Key", "k")
			status := map[string]int{unknown: http.StatusUnauthorized, forbidden: http.StatusForbidden}[told]
			refused := answer.Code == http.StatusForbidden || answer.Code == http.StatusUnauthorized && strings.Contains(answer.Body.String(), ":unauthenticated")
			if told != in && (answer.Code != status || !strings.Contains(answer.Body.String(), "urn:webstore:problem:"+told)) || told == in && refused {
				t.Errorf("%s asks for %s: got %d %s, want %q", caller.is, endpoint, answer.Code, answer.Body, told)
			}
		}
	}
}

func TestWhatIsAnothersIsAsIfItWereNotThere(t *testing.T) {
	f := start(t, nil)
	f.add(alice, 1, 1)
	status, order := f.pay(alice, "k1")
	want(t, status, order, http.StatusOK, "")
	f.add(alice, 2, 3)
	_, cart := f.do("GET", "/cart", alice, "")
	item := fmt.Sprint(cart["items"].([]any)[0].(map[string]any)["id"])
	before := f.books()

	for _, thing := range []struct {
		requests []string // with %s for an id
		id       string   // alice's
		none     []string // ids of nothing
	}{
		{[]string{"GET /orders/%s"}, order["order_id"].(string), []string{"00000000-0000-4000-8000-000000000000", "1", "-1", "'; DROP TABLE orders; --", "%"}},
		{[]string{"PATCH /cart/items/%s", "DELETE /cart/items/%s"}, item, []string{"999999", "0", "-1", "1.0", "9223372036854775808", "1 OR 1=1", "x"}},
	} {
		for _, token := range []string{bob, f.guest(), admin} { // an administrator administers no orders
			for _, r := range thing.requests {
				var answers []string
				for _, id := range append([]string{thing.id}, thing.none...) {
					method, path, _ := strings.Cut(r, " ")
					answer := f.ask(method, fmt.Sprintf(path, url.PathEscape(id)), token, `{"quantity": 7}`)
					body := map[string]any{}
					if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil {
						t.Fatal(err)
					}
					delete(body, "trace_id")
					answer.Header().Del("Server-Timing") // the trace, as well
					answers = append(answers, fmt.Sprint(answer.Code, body, answer.Header()))
				}
				if !strings.HasPrefix(answers[0], "404 ") {
					t.Errorf("%s with another's id: got %s, want 404", r, answers[0])
				}
				for i, answer := range answers {
					if answer != answers[0] {
						t.Errorf("%s: another's id is answered with %s, %q with %s", r, answers[0], thing.none[i-1], answer)
					}
				}
			}
		}
		if n := len(f.orders(bob)); n != 0 {
			t.Errorf("another one sees %d orders, want none", n)
		}
	}
	after := f.books()
	for _, table := range []string{"orders", "order_lines", "cart_lines"} {
		if before[table] != after[table] {
			t.Errorf("%s has changed", table)
		}
	}
}

// books is a digest of each table, by name.
func (f *fixture) books() map[string]string {
	f.t.Helper()
	all := map[string]string{}
	for _, table := range []string{"users", "sessions", "products", "prices", "cart_lines", "orders", "order_lines", "outbox"} {
		var digest string
		err := f.database.QueryRow(f.t.Context(), `SELECT count(*) || ' rows ' || md5(coalesce(string_agg(t::text, E'\n' ORDER BY t::text), '')) FROM `+table+` t`).Scan(&digest)
		if err != nil {
			f.t.Fatal(err)
		}
		all[table] = digest
	}
	return all
}

// bodies is a good body of each endpoint that reads one.
var bodies = map[string]string{
	"POST /auth/register":      `{"username": "ada.lovelace", "password": "correct horse", "guest_token": ""}`,
	"POST /auth/login":         `{"username": "user123", "password": "password123", "guest_token": ""}`,
	"POST /auth/guest":         `{}`,
	"POST /cart/add":           `{"product_id": 2, "quantity": 1, "country": "DE"}`,
	"PATCH /cart/items/{id}":   `{"quantity": 1}`,
	"POST /orders/checkout":    `{"payment_method": "credit_card", "country": "DE", "coupon": ""}`,
	"POST /checkout":           `{"payment_method": "credit_card", "country": "DE", "coupon": ""}`,
	"PUT /admin/faults/{name}": `{"for": "1m", "market": "", "intensity": 1}`,
}

func TestWhatOneMayNotSayIsRefusedInEveryBody(t *testing.T) {
	f := start(t, withFaults)
	f.add(alice, 1, 2)
	before := f.books()
	for endpoint, body := range bodies {
		var good map[string]any
		if err := json.Unmarshal([]byte(body), &good); err != nil {
			t.Fatal(err)
		}
		for field, value := range map[string]any{
			"id": 1, "user_id": 1, "role": "admin", "is_admin": true, "demo": true, "name": "admin", "password_hash": "x", "token": "mine", "expires_at": "9999-12-31T00:00:00Z",
			"price": 1, "amount": 1, "total": 1, "subtotal": 1, "discount": 99, "currency": "JPY", "promotion_code": "MINE",
			"status": "completed", "order_id": "00000000-0000-4000-8000-000000000000", "charge_id": "TXN-1", "payment_transaction_id": "TXN-1", "refunded": true,
			"stock": 1, "warehouse": "MINE", "__proto__": map[string]any{}, "url": "http://127.0.0.1:1/",
		} {
			with := maps.Clone(good)
			with[field] = value
			text, err := json.Marshal(with)
			if err != nil {
				t.Fatal(err)
			}
			method, path, _ := strings.Cut(endpoint, " ")
			token := alice
			if doors[endpoint] == "admin" {
				token = admin
			}
			status, answer := f.do(method, fill.Replace(path), token, string(text), "Idempotency-Key", "k")
			if detail := fmt.Sprint(answer["detail"]); status != http.StatusBadRequest || answer["type"] != "urn:webstore:problem:malformed_body" || !strings.Contains(detail, field) {
				t.Errorf("%s with %q: got %d %v, want 400 malformed_body", endpoint, field, status, answer)
			}
		}
	}
	if after := f.books(); !maps.Equal(before, after) {
		t.Errorf("something has changed: %v, before %v", after, before)
	}
}

// hostile is what somebody writes who is after more than to shop.
var hostile = []string{
	`'; DROP TABLE users; --`,
	`' OR '1'='1`,
	`1; SELECT pg_sleep(60); --`,
	`$1 %s %d {}`,
	"a\x00b",
	"line\r\nINJECTED: yes\r\n\r\nINJECTED {\"level\":\"ERROR\"}",
	"\nINJECTED: yes",
	"a\u2028INJECTED",
	`../../../../etc/passwd`,
	`${jndi:ldap://127.0.0.1/x}`,
	`{{7*7}}<script>INJECTED</script>`,
	"\x1b[31mINJECTED",
	strings.Repeat("A", 5000),
}

func TestWhatIsHostileIsNeitherRunNorBelieved(t *testing.T) {
	redis := miniredis.RunT(t)
	f := start(t, func(cfg *Config) { withFaults(cfg); withRedis(redis)(cfg) })
	f.add(alice, 1, 2)
	before := f.books()
	check := func(what string, answer *httptest.ResponseRecorder) {
		t.Helper()
		if answer.Code >= 500 || answer.Code < 400 {
			t.Errorf("%s: got %d %.300s, want that it is refused", what, answer.Code, answer.Body)
		}
		if headers := fmt.Sprint(answer.Header()); strings.Contains(headers, "INJECTED") {
			t.Errorf("%s: the answer's headers are %s", what, headers)
		}
	}
	for _, text := range hostile {
		for endpoint, body := range bodies {
			var good map[string]any
			if err := json.Unmarshal([]byte(body), &good); err != nil {
				t.Fatal(err)
			}
			method, path, _ := strings.Cut(endpoint, " ")
			token := alice
			if doors[endpoint] == "admin" {
				token = admin
			}
			for field := range good {
				if field == "guest_token" || endpoint == "POST /auth/register" && field == "password" {
					continue // below: any text may be one
				}
				with := maps.Clone(good)
				with[field] = text
				sent, err := json.Marshal(with)
				if err != nil {
					t.Fatal(err)
				}
				check(fmt.Sprintf("%s with %s %.40q", endpoint, field, text), f.ask(method, fill.Replace(path), token, string(sent), "Idempotency-Key", "k"))
			}
			if strings.HasSuffix(path, "checkout") && !jsonhttp.ValidKey(text) {
				check(fmt.Sprintf("%s with key %.40q", endpoint, text), f.ask(method, path, token, body, "Idempotency-Key", text))
			}
		}
		in := url.PathEscape(text)
		for _, r := range []string{
			"GET /" + in + "/products", "GET /DE/products/" + in, "GET /cart?country=" + url.QueryEscape(text), "PATCH /cart/items/" + in, "DELETE /cart/items/" + in,
			"GET /orders/" + in, "PUT /admin/faults/" + in, "DELETE /admin/faults/" + in, "GET /" + in,
		} {
			method, path, _ := strings.Cut(r, " ")
			token := alice
			if strings.HasPrefix(path, "/admin") {
				token = admin
			}
			body := `{"quantity": 1}`
			if strings.HasPrefix(path, "/admin/faults/") {
				body = `{}`
			}
			// A slash in a path may make it another endpoint's, or none's.
			request := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
			request.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " + token}}
			answer := httptest.NewRecorder()
			f.ServeHTTP(answer, request)
			check(fmt.Sprintf("%.60s", r), answer)
		}
		check(fmt.Sprintf("token %.40q", text), f.ask("GET", "/cart", text, ""))
	}
	if after := f.books(); !maps.Equal(before, after) {
		t.Errorf("something has changed: %v, before %v", after, before)
	}

	// Whatever of it is logged, now or one day, stays within its line.
	for _, text := range hostile {
		f.shop.log.WarnContext(t.Context(), text, "text", text)
	}
	f.oneLineEach()
	if !strings.Contains(f.kit.Lines(), `\nINJECTED`) {
		t.Error("nothing of what was sent is in the log, so that it shows nothing")
	}
}

// oneLineEach asserts that each line of the log is one record of ours.
func (f *fixture) oneLineEach() {
	f.t.Helper()
	for line := range strings.Lines(f.kit.Lines()) {
		var record struct{ Msg, Level string }
		if err := json.Unmarshal([]byte(line), &record); err != nil || record.Msg == "" || strings.HasPrefix(line, "INJECTED") || strings.ContainsAny(line, "\x1b\r\u2028") {
			f.t.Errorf("a line of the log is not one record: %.200q", line)
		}
	}
}

func TestAPasswordMayBeAnyTextAndAGuestsTokenMovesNothingThatIsNotTheirs(t *testing.T) {
	f := start(t, nil)
	f.add(alice, 1, 2)
	for i, text := range hostile {
		if len(text) > maxPassword || len(text) < minPassword {
			continue
		}
		name := fmt.Sprintf("mallory%d", i)
		f.register(name, text)
		body, err := json.Marshal(map[string]string{"username": name, "password": text, "guest_token": text})
		if err != nil {
			t.Fatal(err)
		}
		mine := f.token("/auth/login", string(body), http.StatusOK)
		if in := f.quantities(mine); len(in) != 0 {
			t.Errorf("guest_token %q: the cart has %v, want nothing", text, in)
		}
	}
	if in := f.quantities(alice); in[1] != 2 {
		t.Errorf("the shopper's cart has %v, want what was in it", in)
	}
}

// Anybody's header, on a request that is answered and one that is not.
func TestHostileHeadersAreNeitherRunNorBelieved(t *testing.T) {
	f := start(t, nil)
	for _, header := range []string{
		"User-Agent", "X-Forwarded-For", "Forwarded", "X-Real-Ip", "Traceparent", "Tracestate", "Baggage", "Origin", "Referer", "X-Http-Method-Override", "X-User-Id",
		"X-Original-Url", "Accept", "Accept-Encoding", "Range", "If-None-Match", "Content-Encoding",
	} {
		for _, text := range hostile {
			answer := f.ask("GET", "/DE/products", "", "", header, text)
			if answer.Code != http.StatusOK || strings.Contains(fmt.Sprint(answer.Header()), "INJECTED") {
				t.Errorf("%s %.40q: got %d with %v", header, text, answer.Code, answer.Header())
			}
			answer = f.ask("GET", "/cart", "", "", header, text)
			if answer.Code != http.StatusUnauthorized || strings.Contains(answer.Body.String(), "INJECTED") {
				t.Errorf("%s %.40q: got %d %s", header, text, answer.Code, answer.Body)
			}
		}
	}
	f.oneLineEach()
}

// The original took ?redis_client=x, and failed.
func TestAQueryThatNobodyAskedForChangesNothing(t *testing.T) {
	f := start(t, nil)
	f.add(alice, 1, 2)
	const query = "redis_client=x&user_id=2&role=admin&limit=100000&order_by=password_hash&demo=true"
	for _, r := range []string{"GET /DE/products", "GET /DE/products/1", "GET /cart", "GET /orders"} {
		method, path, _ := strings.Cut(r, " ")
		plain, asked := f.ask(method, path, alice, ""), f.ask(method, path+"?"+query, alice, "")
		if plain.Code != http.StatusOK || asked.Code != plain.Code || asked.Body.String() != plain.Body.String() {
			t.Errorf("%s: got %d %s, with a query %d %s", r, plain.Code, plain.Body, asked.Code, asked.Body)
		}
	}
	status, answer := f.do("POST", "/cart/add?quantity=50&price=1", alice, `{"product_id": 2, "quantity": 1, "country": "DE"}`)
	want(t, status, answer, http.StatusOK, "")
	if in := f.quantities(alice); in[1] != 2 || in[2] != 1 {
		t.Errorf("the cart has %v, want what the bodies said", in)
	}
}

func TestNoOtherSiteMayAskInAShoppersName(t *testing.T) {
	f := start(t, withFaults)
	for _, endpoint := range f.endpoints() {
		method, template, _ := strings.Cut(endpoint, " ")
		path := fill.Replace(template)
		for _, origin := range []string{"https://evil.example", "null", "http://127.0.0.1:8000", "http://localhost:3001"} {
			preflight := f.ask("OPTIONS", path, "", "", "Origin", origin,
				"Access-Control-Request-Method", method, "Access-Control-Request-Headers", "authorization, content-type, idempotency-key")
			if preflight.Code < 400 {
				t.Errorf("OPTIONS %s from %s: got %d, which allows the request", path, origin, preflight.Code)
			}
			for _, answer := range []*httptest.ResponseRecorder{preflight, f.ask(method, path, alice, `{}`, "Origin", origin)} {
				for name := range answer.Header() {
					if strings.HasPrefix(name, "Access-Control-") {
						t.Errorf("%s from %s: the answer has %s: %v", endpoint, origin, name, answer.Header()[name])
					}
				}
				if len(answer.Header()["Set-Cookie"]) > 0 {
					t.Errorf("%s: a cookie is set, which a browser sends along from anywhere", endpoint)
				}
			}
		}
	}
	// What a form of another site can send without being asked is not read.
	for _, media := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data"} {
		status, answer := f.do("POST", "/cart/add", alice, `{"product_id": 2, "quantity": 1, "country": "DE"}`, "Content-Type", media)
		want(t, status, answer, http.StatusUnsupportedMediaType, "not_json")
	}
}

// insides is what no answer tells: the parts, versions and places that the service is
// made of.
var insides = []string{
	"SQLSTATE", "pgx", "postgres:", "SELECT ", "INSERT ", "relation ", "goroutine", ".go:", "runtime", "panic", "redis:", "argon2", "password_hash", "token_hash",
	"127.0.0.1", "dial tcp", "go1.", "gorilla", "github.com", "/tmp/", "shop.",
}

func TestAnAnswerTellsNothingOfOurInsides(t *testing.T) {
	f := start(t, withFaults)
	look := func(when string) {
		t.Helper()
		for _, endpoint := range f.endpoints() {
			if endpoint == "GET /docs" || endpoint == "GET /openapi.json" || strings.Contains(endpoint, "/healthz") || strings.HasSuffix(endpoint, "/admin/faults") {
				continue // which are for people and for probes, and tell how the store can be broken
			}
			method, template, _ := strings.Cut(endpoint, " ")
			token := alice
			if doors[endpoint] == "admin" {
				token = admin
			}
			for _, body := range []string{bodies[endpoint], "{", "[]"} {
				path := fill.Replace(template)
				if strings.Contains(path, "/admin/faults/") {
					path = strings.Replace(path, "panics", "no-fault", 1)
				}
				answer := f.ask(method, path, token, body, "Idempotency-Key", "k")
				for _, inside := range insides {
					if strings.Contains(answer.Body.String(), inside) {
						t.Errorf("%s, %s: the answer tells of %q: %d %s", when, endpoint, inside, answer.Code, answer.Body)
					}
				}
				for _, name := range []string{"Server", "X-Powered-By", "Via", "X-Aspnet-Version"} {
					if value := answer.Header().Get(name); value != "" {
						t.Errorf("%s, %s: the answer has %s: %s", when, endpoint, name, value)
					}
				}
				if answer.Header().Get("X-Content-Type-Options") != "nosniff" || answer.Header().Get("Cache-Control") == "" {
					t.Errorf("%s, %s: the answer has headers %v", when, endpoint, answer.Header())
				}
				media := answer.Header().Get("Content-Type")
				if answer.Code >= 400 && media != "application/problem+json" {
					t.Errorf("%s, %s: got %d of type %q, want a problem", when, endpoint, answer.Code, media)
				}
			}
		}
	}
	look("all being well")
	f.payments.always(failing(http.StatusInternalServerError))
	f.add(alice, 3, 1)
	look("payments failing")
	f.fault("database-away", `{}`)
	f.untilProduct(http.StatusInternalServerError)
	look("the database being away")
	f.stopFault("database-away")
}

func TestNobodyIsFollowedElsewhere(t *testing.T) {
	f := start(t, hasty)
	var astray []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		astray = append(astray, r.Method+" "+r.URL.Path)
		w.WriteHeader(http.StatusCreated)
		fmt.Fprint(w, `{"state": "authorised", "charge_id": "MINE", "available": true, "warehouse": "MINE"}`)
	}))
	defer elsewhere.Close()
	for _, status := range []int{http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect} {
		redirect := func(_ *fake, w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL+"/internal", status)
		}
		f.add(alice, 1, 1)
		f.promotions.next(redirect, redirect, redirect)
		f.inventory.next(redirect)
		f.payments.next(redirect)
		f.crm.next(redirect)
		key := fmt.Sprint("k", status)
		got, answer := f.pay(alice, key)
		want(t, got, answer, http.StatusServiceUnavailable, "payment_unavailable")
		got, answer = f.pay(alice, key)
		want(t, got, answer, http.StatusOK, "")
		f.settle()
	}
	if len(astray) > 0 {
		t.Errorf("requests went astray: %v", astray)
	}
	f.agrees()
}

func TestWhatOthersMakeUpIsNotWrittenDown(t *testing.T) {
	saying := func(status int, text string) trouble {
		return func(_ *fake, w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, text)
		}
	}
	f := start(t, hasty)
	for i, text := range []string{
		`{"warehouse": "a\u0000b", "fulfillment_days": 3}`,
		`{"warehouse": "a\nINJECTED", "fulfillment_days": 3}`,
		`{"warehouse": "` + strings.Repeat("A", 1<<20) + `", "fulfillment_days": 3}`,
		`{"warehouse": "EU-CENTRAL", "fulfillment_days": 99999999999}`,
		`{"warehouse": "EU-CENTRAL", "fulfillment_days": -1}`,
		`{"warehouse": "", "fulfillment_days": 1}`, `<html>`, ``, strings.Repeat("[", 60_000),
	} {
		f.add(alice, 1, 1)
		f.inventory.next(nil, saying(http.StatusCreated, text))
		status, order := f.pay(alice, fmt.Sprint("reservation", i))
		want(t, status, order, http.StatusOK, "")
		if order["status"] != "delayed" {
			t.Errorf("reserved by %.60q, order %v is not delayed", text, order)
		}
	}
	for i, text := range []string{
		`{"discount": 1, "currency": "EUR", "promotion_code": "a\u0000b"}`,
		`{"discount": 99900, "currency": "EUR", "promotion_code": "ALL"}`,
		`{"discount": -1, "currency": "EUR", "promotion_code": "MORE"}`,
		`{"discount": 1, "currency": "JPY", "promotion_code": "YEN"}`,
		`{"discount": 1e99, "currency": "EUR"}`, `[]`, ``,
	} {
		f.add(alice, 1, 1)
		f.promotions.next(saying(http.StatusOK, text))
		status, order := f.pay(alice, fmt.Sprint("promotion", i))
		want(t, status, order, http.StatusOK, "")
		if total := order["total"].(map[string]any); total["amount"] != 99900.0 {
			t.Errorf("with %.60q order %v does not cost the full price", text, order)
		}
	}
	f.settle()
	f.agrees()
	f.oneLineEach()
}
