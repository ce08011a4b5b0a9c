package shop

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"github.com/otelkit/kit/examples/webstore/openapi/openapitest"
	"github.com/otelkit/kit/internal/pgserver/pgtest"
	"github.com/otelkit/kit/otelkit/otelkittest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(pgtest.Runner{M: m}) }

// The demo users' tokens.
const (
	alice = "user-token-123"
	bob   = "test-token-789"
)

// fixture is the service over a real database, in a world of the test's.
type fixture struct {
	t    testing.TB
	kit  *otelkittest.Kit
	shop *shop
	http.Handler
	*world
	database *pgxpool.Pool         // the test's own
	contract *openapitest.Contract // that every answer is held against
}

// contracts are the documents of the API, with faults and without, for all tests.
var contracts = map[bool]func() (*openapitest.Contract, error){
	false: sync.OnceValues(func() (*openapitest.Contract, error) { return openapitest.Read(document(false).JSON()) }),
	true:  sync.OnceValues(func() (*openapitest.Contract, error) { return openapitest.Read(document(true).JSON()) }),
}

// start starts a service; edit, if not nil, changes its configuration.
func start(t testing.TB, edit func(*Config)) *fixture {
	t.Helper()
	return newWorld(t).start(pgtest.URL(t), edit)
}

// start starts a service in a world over a database.
func (w *world) start(database string, edit func(*Config)) *fixture {
	t := w.t
	t.Helper()
	cfg := w.config(database)
	if edit != nil {
		edit(&cfg)
	}
	kit := otelkittest.New(t)
	s, closeAll, err := open(t.Context(), cfg, kit)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(closeAll)
	s.hopeless = func(string) bool { return false }
	documented, err := contracts[s.faults != nil]()
	if err != nil {
		t.Fatal(err)
	}
	return &fixture{t, kit, s, s.handler(kit, nil), w, openDatabase(t, database), documented}
}

// openDatabase connects the test itself to a database.
func openDatabase(t testing.TB, url string) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	cfg.ConnConfig.RuntimeParams["search_path"] = schema
	cfg.ConnConfig.RuntimeParams["application_name"] = "test"
	pool, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// check runs the checks of health until the test ends.
func (f *fixture) check() {
	ctx, stop := context.WithCancel(f.t.Context())
	var checking sync.WaitGroup
	checking.Go(func() { f.shop.check(ctx) })
	f.t.Cleanup(func() {
		stop()
		checking.Wait()
	})
}

// untilReadyIs waits for an answer to the probe of readiness.
func (f *fixture) untilReadyIs(want int) {
	f.t.Helper()
	for range time.Tick(10 * time.Millisecond) {
		if status, _ := f.do("GET", "/healthz/ready", "", ""); status == want {
			return
		}
		if f.t.Context().Err() != nil {
			f.t.Fatalf("ready: never %d", want)
		}
	}
}

// withRedis has the service use a Redis of the test's, with the patience that a slow
// machine needs.
func withRedis(redis *miniredis.Miniredis) func(*Config) {
	return func(cfg *Config) {
		cfg.RedisURL = "redis://" + redis.Addr()
		cfg.cachePatience = cachePatience{connection: time.Minute, wait: time.Minute, rest: usualCachePatience.rest}
	}
}

// do makes a request and returns the answer's status and JSON object.
func (f *fixture) do(method, path, token, body string, header ...string) (int, map[string]any) {
	f.t.Helper()
	recorder := f.ask(method, path, token, body, header...)
	var answer map[string]any
	if recorder.Code == http.StatusNoContent {
		return recorder.Code, nil
	}
	if err := json.Unmarshal(recorder.Body.Bytes(), &answer); err != nil {
		f.t.Fatalf("%s %s: %d with a body that is not a JSON object: %q", method, path, recorder.Code, recorder.Body)
	}
	return recorder.Code, answer
}

// ask makes a request and returns the answer.
func (f *fixture) ask(method, path, token, body string, header ...string) *httptest.ResponseRecorder {
	f.t.Helper()
	request := httptest.NewRequestWithContext(f.t.Context(), method, path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	return f.contract.Exchange(f.t, f, request)
}

// want compares an answer with a status and, for a problem, its name.
func want(t testing.TB, status int, answer map[string]any, wantStatus int, problem string) {
	t.Helper()
	if status != wantStatus || problem != "" && answer["type"] != "urn:webstore:problem:"+problem {
		t.Errorf("got %d %v, want %d %s", status, answer, wantStatus, problem)
	}
}

// add puts a product into somebody's cart of Germany.
func (f *fixture) add(token string, product, quantity int) {
	f.t.Helper()
	status, answer := f.do("POST", "/cart/add", token, fmt.Sprintf(`{"product_id": %d, "quantity": %d, "country": "DE"}`, product, quantity))
	want(f.t, status, answer, http.StatusOK, "")
}

const germany = `{"payment_method": "credit_card", "country": "DE"}`

// pay checks out somebody's cart of Germany.
func (f *fixture) pay(token, key string) (int, map[string]any) {
	f.t.Helper()
	return f.do("POST", "/orders/checkout", token, germany, "Idempotency-Key", key)
}

// quantities returns what is in somebody's cart, by product.
func (f *fixture) quantities(token string) map[int]int {
	f.t.Helper()
	_, cart := f.do("GET", "/cart", token, "")
	in := map[int]int{}
	for _, item := range cart["items"].([]any) {
		line := item.(map[string]any)
		in[int(line["product_id"].(float64))] += int(line["quantity"].(float64))
	}
	return in
}

// stock returns what is left of a product.
func (f *fixture) stock(product int) int {
	f.t.Helper()
	_, answer := f.do("GET", fmt.Sprintf("/DE/products/%d", product), "", "")
	return int(answer["stock"].(float64))
}

// setStock makes that much be left of a product.
func (f *fixture) setStock(product, n int) {
	f.t.Helper()
	if _, err := f.database.Exec(f.t.Context(), `UPDATE products SET stock = $2 WHERE id = $1`, product, n); err != nil {
		f.t.Fatal(err)
	}
}

// orders returns somebody's orders, the newest first.
func (f *fixture) orders(token string) []map[string]any {
	f.t.Helper()
	_, answer := f.do("GET", "/orders", token, "")
	var orders []map[string]any
	for _, o := range answer["orders"].([]any) {
		orders = append(orders, o.(map[string]any))
	}
	return orders
}
