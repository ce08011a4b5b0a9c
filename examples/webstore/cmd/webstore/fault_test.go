package main_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
)

// What the real shop says to each command is the affair of folder e2e.
func TestWhyAFaultWasNotStartedIsSaid(t *testing.T) {
	const problem = `{"type": "urn:webstore:problem:%s", "title": "Title", "detail": "The detail."}`
	for name, test := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"unknown token":       {401, fmt.Sprintf(problem, "unauthenticated"), "the store does not know the token; pass --token"},
		"a shopper's token":   {403, fmt.Sprintf(problem, "forbidden"), "the token is not that of an administrator"},
		"no faults":           {404, fmt.Sprintf(problem, "not_found"), "the store has to run with its demo data"},
		"a fault that is new": {404, fmt.Sprintf(problem, "unknown_fault"), "The detail."},
		"wrong options":       {422, fmt.Sprintf(problem, "wrong_fault"), "The detail."},
		"a service is away":   {502, fmt.Sprintf(problem, "fault_unreachable"), "The detail."},
		"another server":      {200, "<html>", "which is not the shop's API"},
		"a failing proxy":     {503, "", "which is not the shop's API"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPut || r.URL.Path != "/admin/faults/panics" || r.Header.Get("Authorization") != "Bearer t" {
					t.Errorf("%s %s by %q", r.Method, r.URL.Path, r.Header.Get("Authorization"))
				}
				w.WriteHeader(test.status)
				fmt.Fprint(w, test.body)
			}))
			defer server.Close()
			p := command(t, nil, "fault", "start", "--for", "1m", "panics", "--url", server.URL, "--token", "t").start()
			if status := p.status(); status != 1 {
				t.Errorf("status %d, want 1", status)
			}
			p.saysOneLine(test.want)
		})
	}
	t.Run("no store", func(t *testing.T) {
		p := command(t, nil, "fault", "stop", "all", "--url", "http://127.0.0.1:1").start()
		if status := p.status(); status != 1 {
			t.Errorf("status %d, want 1", status)
		}
		p.saysOneLine("the store does not answer", "start it (webstore up) or pass --url")
	})
}
