// Package thirdpartytest is what the tests of third parties have in common: a caller
// that asks over HTTP, as the store does, and the rule that holds for all of them.
package thirdpartytest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// Party is a third party that a test asks. It is safe for concurrent use.
type Party struct {
	t   testing.TB
	url string
	// client has connections of its own, so that its party ends without waiting.
	client *http.Client
}

// Start serves an API until the test ends.
func Start(t testing.TB, api http.Handler) *Party {
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	return &Party{t: t, url: server.URL, client: server.Client()}
}

// Answer is the status of an answer, 0 if there was none, and the JSON object in it.
type Answer struct {
	Status int
	Body   map[string]any
}

// Code is the stable code of a failure.
func (a Answer) Code() any { return a.Body["code"] }

// Get asks for what is at a path.
func (p *Party) Get(path string) Answer { return p.ask(http.MethodGet, path, "", "") }

// Post sends a body, with an Idempotency-Key if key is not empty.
func (p *Party) Post(path, key, body string) Answer { return p.ask(http.MethodPost, path, key, body) }

func (p *Party) ask(method, path, key, body string) Answer {
	request, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Errorf("%s %s: %v", method, path, err)
		return Answer{}
	}
	request.Header.Set("Content-Type", "application/json")
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := p.client.Do(request)
	if err != nil {
		p.t.Errorf("%s %s: %v", method, path, err)
		return Answer{}
	}
	defer response.Body.Close()
	answer := Answer{Status: response.StatusCode}
	if err := json.NewDecoder(response.Body).Decode(&answer.Body); err != nil {
		p.t.Errorf("%s %s: %d with a body that is no JSON object: %v", method, path, answer.Status, err)
	}
	if media := response.Header.Get("Content-Type"); media != "application/json" {
		p.t.Errorf("%s %s: Content-Type %q, want application/json", method, path, media)
	}
	return answer
}

// List asks for a list, which is the one field of its answer.
func (p *Party) List(path, field string) []map[string]any {
	p.t.Helper()
	answer := p.Get(path)
	items, ok := answer.Body[field].([]any)
	if answer.Status != http.StatusOK || !ok {
		p.t.Fatalf("GET %s: %d %v, want 200 with a list %q", path, answer.Status, answer.Body, field)
	}
	list := make([]map[string]any, len(items))
	for i, item := range items {
		list[i] = item.(map[string]any)
	}
	return list
}

// AtOnce calls something n times at the same time, and returns the answers when all
// are there.
func AtOnce(n int, call func(i int) Answer) []Answer {
	answers := make([]Answer, n)
	var calls sync.WaitGroup
	start := make(chan struct{})
	for i := range n {
		calls.Go(func() {
			<-start
			answers[i] = call(i)
		})
	}
	close(start)
	calls.Wait()
	return answers
}

// Until calls something until it is answered with a status, as a caller does that
// tries again, at most 100 times. It returns the last answer.
func Until(status int, call func() Answer) (answer Answer) {
	for range 100 {
		if answer = call(); answer.Status == status {
			break
		}
	}
	return answer
}

// KnowsNothingOfTelemetry checks the package under test. A third party that shared
// our telemetry would show us what no third party shows.
func KnowsNothingOfTelemetry(t *testing.T) {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for imported := range strings.FieldsSeq(string(out)) {
		if strings.HasPrefix(imported, "github.com/otelkit/kit/otelkit") || strings.Contains(imported, "opentelemetry") ||
			strings.HasSuffix(imported, "webstore/telemetry") {
			t.Errorf("it imports %s", imported)
		}
	}
}
