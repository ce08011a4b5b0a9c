package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/otelkit/kit/examples/webstore/platform"
	"github.com/otelkit/kit/internal/child"
	"github.com/otelkit/kit/internal/pgserver"
	"github.com/otelkit/kit/internal/testlimit"
)

// kills is how many processes the crash test kills. CI has time for ten;
// `make crash` kills 200.
var (
	kills     = flag.Int("kills", 10, "processes that the crash test kills")
	crashSeed = flag.Uint64("crash-seed", 0, "what the crash test draws its instants from; 0 is another one each time")
)

// TestNoKillLosesOrDoublesAnOrder has shoppers buy from two instances of main while
// main, payments and PostgreSQL are killed with SIGKILL, one after another, at any
// instant. Afterwards all that anybody wrote down about an order has to agree: the
// provider's charges, payments' rows, the order's state, the stock, the uses of
// coupons, the reservations in the warehouse, and what the shoppers were told.
func TestNoKillLosesOrDoublesAnOrder(t *testing.T) {
	seed := *crashSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("the instants are drawn from -crash-seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	town := startTown(t)
	crowd := town.shop(6, seed)

	victims := []func(){town.killMain0, town.killMain1, town.killPayments, town.killPostgres}
	for n := range *kills {
		crowd.untilAnswered(3)                                           // or nobody could be struck in the middle of something
		<-time.After(time.Duration(random.IntN(150)) * time.Millisecond) // any instant
		victims[random.IntN(len(victims))]()
		if n%20 == 19 {
			t.Logf("%d killed, %d checkouts answered", n+1, crowd.answers())
		}
	}
	crowd.leave()
	town.untilQuiet()
	town.agrees(crowd.told)
}

// town is the store with each part a process of its own, which can be killed and
// started again at the same address.
type town struct {
	t        *testing.T
	dir      string
	database *pgserver.Server
	redis    *miniredis.Miniredis
	at       map[string]string // addresses, by part
	commands map[string][]string

	mu        sync.Mutex
	processes map[string]*child.Process
}

// The parts that are killed.
const (
	main0Part    = "main 0"
	main1Part    = "main 1"
	paymentsPart = "payments"
)

func startTown(t *testing.T) *town {
	dir, err := os.MkdirTemp("/tmp", "crash") // short, since the path of PostgreSQL's socket must be
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil { // PostgreSQL may run as another user
		t.Fatal(err)
	}
	town := &town{t: t, dir: dir, redis: miniredis.RunT(t), at: map[string]string{}, processes: map[string]*child.Process{}}
	town.startPostgres()
	t.Cleanup(func() { _ = town.database.Stop(context.Background()) })

	for _, part := range []string{main0Part, main1Part, paymentsPart, "promotions", "inventory", "crm", "payment-provider"} {
		town.at[part] = freeAddress(t)
	}
	url := func(part string) string { return "http://" + town.at[part] }
	quick := []string{"--latency-scale", "0.05"}
	serve := func(role, part string, more ...string) []string {
		return append(append([]string{"serve", role, "--addr", town.at[part]}, quick...), more...)
	}
	third := []string{"--failure-scale", "1", "--seed", strconv.Itoa(int(rand.Uint32()))}
	shop := []string{
		"--payments-url", url(paymentsPart), "--promotions-url", url("promotions"), "--inventory-url", url("inventory"), "--crm-url", url("crm"),
		"--demo-data", "--limit-per-address", "off", "--limit-per-user", "off",
		"--reconcile-after", "1s", "--cancel-after", "3s", "--outbox-max-pause", "1s",
	}
	town.commands = map[string][]string{
		"inventory":        serve("inventory", "inventory", third...),
		"crm":              serve("crm", "crm", third...),
		"payment-provider": serve("payment-provider", "payment-provider", third...),
		"promotions":       serve("promotions", "promotions"),
		paymentsPart:       serve("payments", paymentsPart, "--provider-url", url("payment-provider")),
		main0Part:          serve("main", main0Part, shop...),
		main1Part:          serve("main", main1Part, shop...),
	}
	for part := range town.commands {
		town.start(part)
	}
	for part := range town.commands {
		town.untilReady(part)
	}
	// So that orders are delayed, and cancelled after they were paid.
	out, err := exec.Command(filepath.Join(binaries, "webstore"), "fault", "start", "inventory-out-of-stock",
		"--intensity", "0.2", "--for", "1h", "--url", url(main0Part)).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return town
}

func (w *town) startPostgres() {
	w.t.Helper()
	// The processes that a killed server left behind need a moment to see that it has gone.
	eventually(w.t, "PostgreSQL to start", func() (err error) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		w.database, err = pgserver.Start(ctx, pgserver.Config{Dir: filepath.Join(w.dir, "pg"), Databases: []string{"webstore"}})
		return err
	})
}

func (w *town) start(part string) {
	w.t.Helper()
	log, err := os.OpenFile(filepath.Join(w.dir, strings.ReplaceAll(part, " ", "-")+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		w.t.Fatal(err)
	}
	command := exec.Command(filepath.Join(binaries, "webstore"), w.commands[part]...)
	command.Env = append(os.Environ(), "DATABASE_URL="+w.database.URL("webstore"), "REDIS_URL=redis://"+w.redis.Addr(), "WEBSTORE_FAULTS_KEY=crash")
	process, err := child.Start(command, log, syscall.SIGKILL)
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	w.processes[part] = process
	w.mu.Unlock()
	w.t.Cleanup(func() {
		stop(process)
		log.Close()
	})
}

// untilReady waits until a part answers.
func (w *town) untilReady(part string) {
	w.t.Helper()
	path := "/healthz/live"
	switch part {
	case "inventory", "crm", "payment-provider":
		path = "/health"
	}
	ready := platform.HTTPReady("http://" + w.at[part] + path)
	eventually(w.t, part+" to answer", func() error {
		w.mu.Lock()
		process := w.processes[part]
		w.mu.Unlock()
		select {
		case <-process.Done(): // it found no PostgreSQL; an orchestrator would start it again
			w.start(part)
		default:
		}
		return ready(w.t.Context())
	})
}

func (w *town) kill(part string) {
	w.t.Helper()
	w.mu.Lock()
	process := w.processes[part]
	w.mu.Unlock()
	_ = syscall.Kill(process.PID(), syscall.SIGKILL)
	<-process.Done()
	w.start(part)
	w.untilReady(part)
}

func (w *town) killMain0()    { w.kill(main0Part) }
func (w *town) killMain1()    { w.kill(main1Part) }
func (w *town) killPayments() { w.kill(paymentsPart) }

// killPostgres kills the server's first process, whose others then end by themselves.
func (w *town) killPostgres() {
	w.t.Helper()
	content, err := os.ReadFile(filepath.Join(w.dir, "pg", "data", "postmaster.pid"))
	if err != nil {
		w.t.Fatal(err)
	}
	first, _, _ := bytes.Cut(content, []byte("\n"))
	pid, err := strconv.Atoi(string(bytes.TrimSpace(first)))
	if err != nil {
		w.t.Fatalf("postmaster.pid begins with %q", first)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		w.t.Fatal(err)
	}
	<-w.database.Done()
	w.startPostgres()
	for _, part := range []string{main0Part, main1Part, paymentsPart, "promotions"} {
		w.untilReady(part)
	}
}

// untilQuiet waits until nobody has anything left to do.
func (w *town) untilQuiet() {
	w.t.Helper()
	db := w.connect()
	eventually(w.t, "every order to come to its end", func() error {
		var open, messages int
		if err := db.QueryRow(w.t.Context(), `
			SELECT (SELECT count(*) FROM shop.orders WHERE status IN ('pending', 'paid')), (SELECT count(*) FROM shop.outbox)`,
		).Scan(&open, &messages); err != nil {
			return err
		}
		if open+messages > 0 {
			return fmt.Errorf("%d orders are open, %d messages are not delivered", open, messages)
		}
		return nil
	})
}

func (w *town) connect() *pgxpool.Pool {
	w.t.Helper()
	pool, err := pgxpool.New(w.t.Context(), w.database.URL("webstore"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(pool.Close)
	return pool
}

// freeAddress is one that nobody listens on, and that the kernel does not give to
// anybody who asks for any port.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 100 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(10000+rand.IntN(22768)))
		if listener, err := net.Listen("tcp", address); err == nil {
			listener.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}

// crowd is the shoppers.
type crowd struct {
	cancel  context.CancelFunc
	working sync.WaitGroup
	t       *testing.T

	mu   sync.Mutex
	told []promise
	news *sync.Cond
}

// promise is what a shopper was told of a checkout.
type promise struct {
	key, order, status string
	code               int
}

// shop sends shoppers, who go on until leave.
func (w *town) shop(shoppers int, seed uint64) *crowd {
	ctx, cancel := context.WithCancel(testlimit.Context(w.t))
	c := &crowd{cancel: cancel, t: w.t}
	c.news = sync.NewCond(&c.mu)
	for n := range shoppers {
		s := &shopper{town: w, crowd: c, random: rand.New(rand.NewPCG(seed, uint64(n)+1)), name: n}
		c.working.Go(func() { s.live(ctx) })
	}
	w.t.Cleanup(c.leave)
	return c
}

func (c *crowd) leave() {
	c.cancel()
	c.working.Wait()
}

func (c *crowd) tell(p promise) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.told = append(c.told, p)
	c.news.Broadcast()
}

func (c *crowd) answers() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.told)
}

// untilAnswered waits until n more checkouts have got an answer.
func (c *crowd) untilAnswered(n int) {
	c.t.Helper()
	ctx := testlimit.Context(c.t)
	stop := context.AfterFunc(ctx, c.news.Broadcast)
	defer stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for until := len(c.told) + n; len(c.told) < until; c.news.Wait() {
		if ctx.Err() != nil {
			c.t.Fatalf("only %d checkouts were answered", len(c.told))
		}
	}
}

// shopper is somebody who buys again and again, and asks again when the store does not
// answer, as people do, but not for ever.
type shopper struct {
	*town
	*crowd
	random *rand.Rand
	name   int
	token  string
}

func (s *shopper) live(ctx context.Context) {
	markets := []string{"US", "UK", "DE", "FR", "JP", "BR", "IN"}
	coupons := []string{"", "", "WELCOME10", "NEWUSER", "SAVE20", "NONSENSE"}
	for n := 0; ctx.Err() == nil; n++ {
		if s.token == "" && !s.arrive(ctx) {
			continue
		}
		market := markets[s.random.IntN(len(markets))]
		for range 1 + s.random.IntN(3) {
			s.ask(ctx, "/cart/add", map[string]any{"product_id": 1 + s.random.IntN(8), "quantity": 1 + s.random.IntN(3), "country": market}, "")
		}
		order := map[string]any{"payment_method": "paypal", "country": market}
		if coupon := coupons[s.random.IntN(len(coupons))]; coupon != "" {
			order["coupon"] = coupon
		}
		s.buy(ctx, fmt.Sprintf("crash-%d-%d", s.name, n), order)
	}
}

func (s *shopper) arrive(ctx context.Context) bool {
	code, answer := s.ask(ctx, "/auth/guest", map[string]any{}, "")
	if code == http.StatusCreated {
		s.token, _ = answer["token"].(string)
	}
	return s.token != ""
}

// buy checks out until there is an answer that settles it, or the shopper has lost
// patience: then it is the store's own affair.
func (s *shopper) buy(ctx context.Context, key string, order map[string]any) {
	for range 1 + s.random.IntN(8) {
		code, answer := s.ask(ctx, "/checkout", order, key)
		switch {
		case code == http.StatusOK, code == http.StatusPaymentRequired:
			id, _ := answer["order_id"].(string)
			status, _ := answer["status"].(string)
			if code == http.StatusPaymentRequired {
				status = "declined"
			}
			s.tell(promise{key: key, order: id, status: status, code: code})
			return
		case code >= 400 && code < 500:
			s.tell(promise{key: key, code: code})
			s.token = "" // what is in this cart cannot be bought
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Duration(20+s.random.IntN(200)) * time.Millisecond):
		}
	}
}

// ask sends a request to one of the two instances of main. Code 0 is no answer.
func (s *shopper) ask(ctx context.Context, path string, body any, key string) (code int, answer map[string]any) {
	content, err := json.Marshal(body)
	if err != nil {
		return 0, nil
	}
	part := []string{main0Part, main1Part}[s.random.IntN(2)]
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.at[part]+path, bytes.NewReader(content))
	if err != nil {
		return 0, nil
	}
	request.Header.Set("Content-Type", "application/json")
	if s.token != "" {
		request.Header.Set("Authorization", "Bearer "+s.token)
	}
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return 0, nil // it was killed while it answered
	}
	return response.StatusCode, answer
}
