package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/otelkit/kit/internal/child"
	"github.com/otelkit/kit/internal/pgserver/pgtest"
	"github.com/otelkit/kit/internal/testlimit"
)

// binaries is the folder with webstore and lens, built once for all tests.
var binaries string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "webstore-e2e")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binaries = dir
		args := []string{"build"}
		if raceEnabled {
			args = append(args, "-race")
		}
		args = append(args, "-o", dir+"/", "github.com/otelkit/kit/examples/webstore/cmd/webstore", "github.com/otelkit/kit/lens/cmd/lens")
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "go %s: %v\n%s", strings.Join(args, " "), err, out)
			return 1
		}
		return pgtest.Main(m)
	}())
}

// addresses is what `webstore up` says of where its parts listen.
type addresses struct {
	Main     string `json:"main"`
	Payments string `json:"payments"`
	Lens     string `json:"lens"`
}

// store is a run of `webstore up` on ports of its own.
type store struct {
	t   testing.TB
	up  *child.Process
	out *bytes.Buffer // what it printed, to read when it has ended
	at  addresses
}

// start runs `webstore up` with more flags and waits until it is ready. It is
// stopped when the test ends, and has to end well.
func start(t testing.TB, flags ...string) *store {
	t.Helper()
	file := filepath.Join(t.TempDir(), "addresses.json")
	s := &store{t: t}
	s.up, s.out = run(t, append([]string{
		"up", "--traffic", "off", "--latency-scale", "0", "--failure-scale", "0", "--metric-interval", "1s",
		"--limit-per-address", "off", "--limit-per-user", "off", // tests ask more often than shoppers may
		"--main-addr", "127.0.0.1:0", "--payments-addr", "127.0.0.1:0", "--promotions-addr", "127.0.0.1:0", "--payment-provider-addr", "127.0.0.1:0",
		"--crm-addr", "127.0.0.1:0", "--inventory-addr", "127.0.0.1:0",
		"--lens-addr", "127.0.0.1:0", "--prometheus-addr", "127.0.0.1:0", "--otlp-grpc-addr", "127.0.0.1:0", "--otlp-http-addr", "127.0.0.1:0",
		"--addresses", file,
	}, flags...)...)
	eventually(t, "webstore up to be ready", func() error {
		select {
		case <-s.up.Done():
			t.Fatalf("webstore up ended before it was ready: %v", s.up.Err())
		default:
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return json.Unmarshal(data, &s.at)
	})
	return s
}

// run starts a webstore command, which is stopped when the test ends, and has to
// end well. It does not outlive a test that is killed. What it prints is to be read
// when it has ended.
func run(t testing.TB, args ...string) (p *child.Process, out *bytes.Buffer) {
	t.Helper()
	out = new(bytes.Buffer)
	p, err := child.Start(exec.Command(filepath.Join(binaries, "webstore"), args...), out, syscall.SIGTERM)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop(p)
		if err := p.Err(); err != nil {
			t.Errorf("webstore %s ended with %v:\n%s", args[0], err, out.String())
		}
	})
	return p, out
}

func stop(p *child.Process) { p.Stop(context.Background(), time.Minute, syscall.SIGTERM) }

// eventually waits until try succeeds. Some rules are evaluated every two minutes.
// What does not come is told by try's last error.
func eventually(t testing.TB, what string, try func() error) {
	t.Helper()
	ctx := testlimit.Context(t)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waited for %s: %v", what, err)
		case <-tick.C:
		}
	}
}

// call makes a request as a demo shopper and returns the answer's status and
// JSON object.
func (s *store) call(method, path string, body any, header ...string) (int, map[string]any) {
	s.t.Helper()
	var payload io.Reader
	if body != nil {
		data, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		payload = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.at.Main+path, payload)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer user-token-123")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	var answer map[string]any
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		s.t.Fatalf("%s %s: %s with a body that is not a JSON object: %v", method, path, res.Status, err)
	}
	return res.StatusCode, answer
}

// checkout puts one product into the cart and checks out.
func (s *store) checkout(key string) (int, map[string]any) {
	s.t.Helper()
	s.fillCart()
	return s.pay(key)
}

// fillCart puts one product into the cart.
func (s *store) fillCart() {
	s.t.Helper()
	if status, answer := s.call(http.MethodPost, "/cart/add", map[string]any{"product_id": 1, "quantity": 1, "country": "DE"}); status >= 300 {
		s.t.Fatalf("POST /cart/add: %d %v", status, answer)
	}
}

// pay checks out what is in the cart.
func (s *store) pay(key string) (int, map[string]any) {
	s.t.Helper()
	return s.call(http.MethodPost, "/orders/checkout", map[string]any{"payment_method": "credit_card", "country": "DE"}, "Idempotency-Key", key)
}

// payWith checks out what is in the cart, with a coupon.
func (s *store) payWith(key, coupon string) (int, map[string]any) {
	s.t.Helper()
	return s.call(http.MethodPost, "/orders/checkout", map[string]any{"payment_method": "credit_card", "country": "DE", "coupon": coupon}, "Idempotency-Key", key)
}
