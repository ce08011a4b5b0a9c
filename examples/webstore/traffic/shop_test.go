package traffic_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/examples/webstore/traffic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shop is a store of which only the API is there. It notes what it is asked.
type shop struct {
	mux   *http.ServeMux // first: what a test wants otherwise
	usual *http.ServeMux
	delay time.Duration // before each answer

	mu       sync.Mutex
	sessions int // given so far
	asked    []asked
	underWay int
	most     int // that were under way at once
}

type asked struct {
	at                                time.Time
	method, path, token, key, address string
	body                              string
}

// drawn is what is another in each run.
var drawn = regexp.MustCompile(`shopper-\w+","password":"\w+`)

func (a asked) String() string {
	return fmt.Sprintf("%s %s %s %s %s", a.address, a.method, a.path, a.token, drawn.ReplaceAllString(a.body, "..."))
}

func (a asked) country() string {
	var body struct{ Country string }
	_ = json.Unmarshal([]byte(a.body), &body)
	return body.Country
}

// newShop makes one in which all checkouts succeed.
func newShop() *shop {
	s := &shop{mux: http.NewServeMux(), usual: http.NewServeMux()}
	answers := map[string]string{
		"GET /healthz/live":       `{}`,
		"POST /cart/add":          `{}`,
		"GET /cart":               `{"items":[{"id":7}]}`,
		"DELETE /cart/items/{id}": ``,
		"GET /orders":             `{}`,
		"GET /orders/{id}":        `{}`,
		"GET /me/stats":           `{}`,
		"POST /orders/checkout":   `{"status":"completed"}`,
	}
	for _, market := range telemetry.Market("").Values() {
		answers["GET /"+string(market)+"/products"] = `{"products":[{"id":1},{"id":2},{"id":3},{"id":4}]}`
		answers["GET /"+string(market)+"/products/{id}"] = `{}`
	}
	for pattern, answer := range answers {
		s.usual.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, answer) })
	}
	for _, pattern := range []string{"POST /auth/guest", "POST /auth/login", "POST /auth/register"} {
		s.usual.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.sessions++
			fmt.Fprintf(w, `{"token":"token-%d"}`, s.sessions)
		})
	}
	return s
}

// handle has the shop answer otherwise than usual.
func (s *shop) handle(pattern string, status int, answer string) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		io.WriteString(w, answer)
	})
}

func problem(status int, name string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]any{"status": status, "type": "urn:webstore:problem:" + name})
	}
}

func (s *shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	s.mu.Lock()
	s.asked = append(s.asked, asked{
		at: time.Now(), method: r.Method, path: r.URL.Path, body: string(body),
		token: strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "),
		key:   r.Header.Get("Idempotency-Key"), address: r.Header.Get("X-Forwarded-For"),
	})
	s.underWay++
	s.most = max(s.most, s.underWay)
	delay := s.delay
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.underWay--
	}()
	if delay > 0 {
		time.Sleep(delay) // in a bubble of synctest only
	}
	if _, pattern := s.mux.Handler(r); pattern != "" {
		s.mux.ServeHTTP(w, r)
		return
	}
	s.usual.ServeHTTP(w, r)
}

// RoundTrip lets the shop be asked without a network, as testing/synctest needs.
func (s *shop) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	answer := httptest.NewRecorder()
	s.ServeHTTP(answer, r)
	if err := r.Context().Err(); err != nil {
		return nil, err // nobody waits for it any more
	}
	return answer.Result(), nil
}

// run sends people without a network.
func (s *shop) run(t *testing.T, cfg traffic.Config) traffic.Report {
	t.Helper()
	cfg.URL, cfg.Transport = "http://127.0.0.1:8000", s
	report, err := traffic.Run(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.asked = s.asked[1:] // whether the shop is there
	return report
}

func (s *shop) sequence() []string {
	var sequence []string
	for _, a := range s.asked {
		sequence = append(sequence, a.String())
	}
	return sequence
}

// matching returns the requests with a method, a path, and a part of the body.
func (s *shop) matching(method, path, part string) []asked {
	var list []asked
	for _, a := range s.asked {
		if a.method == method && a.path == path && strings.Contains(a.body, part) {
			list = append(list, a)
		}
	}
	return list
}
