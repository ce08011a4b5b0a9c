package main_test

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// health runs the command against a store, to its end.
func health(t *testing.T, args ...string) *process {
	t.Helper()
	p := command(t, nil, append([]string{"health"}, args...)...).start()
	<-p.ended
	return p
}

func TestHealthTellsByItsStatusHowTheStoreIs(t *testing.T) {
	// Of lens there is no more here than that it is ready, which telemetry is not.
	p, at := startUp(t, "--ephemeral", "--traffic", "off", "--payment-provider-url", "http://127.0.0.1:1")
	file := filepath.Join(t.TempDir(), "addresses.json")
	content, err := json.Marshal(at)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		args   []string
		status int
		says   string
	}{
		"the datastores are there":            {[]string{"--layer", "1"}, 0, "healthy: 2 of 2 parts are well"},
		"quiet while all is well":             {[]string{"--layer", "1", "--quiet"}, 0, ""},
		"quiet as JSON":                       {[]string{"--layer", "1", "--quiet", "--json"}, 0, ""},
		"a third party is away":               {[]string{"--layer", "4"}, 1, "payment-provider is unhealthy"},
		"quiet when something is away":        {[]string{"--quiet"}, 1, "payment-provider is unhealthy"},
		"no metrics can be asked for":         {[]string{"--layer", "2"}, 1, "main-telemetry is unknown"},
		"payments is away":                    {[]string{"--payments-url", "http://127.0.0.1:1"}, 2, "payments is unhealthy"},
		"payments is away, and not asked":     {[]string{"--payments-url", "off", "--layer", "1"}, 0, "healthy"},
		"payments is away, told to a program": {[]string{"--payments-url", "http://127.0.0.1:1", "--json"}, 2, `"overall_status": "unhealthy"`},
	} {
		t.Run(name, func(t *testing.T) {
			h := health(t, append([]string{"--addresses", file, "--timeout", "30s"}, test.args...)...)
			if h.status() != test.status || !strings.Contains(h.out.String(), test.says) || (h.out.String() == "") != (test.says == "") || h.errs.String() != "" {
				t.Errorf("status %d, want %d and %q of %v; the store: %v", h.status(), test.status, test.says, h, p)
			}
		})
	}
	t.Run("what services say they need is what the report says", func(t *testing.T) {
		h := health(t, "--addresses", file, "--json")
		var report struct {
			Graph map[string][]string `json:"dependency_graph"`
		}
		if err := json.Unmarshal([]byte(h.out.String()), &report); err != nil {
			t.Fatal(err)
		}
		for _, service := range []string{"main", "payments", "promotions"} {
			if at[service] == "" {
				continue
			}
			for _, check := range checksOf(t, at[service]) {
				if !slices.Contains(report.Graph[service], check) {
					t.Errorf("%s says that it needs %s, and the report that it needs %v", service, check, report.Graph[service])
				}
			}
		}
	})
}

// checksOf names what a service says it needs.
func checksOf(t *testing.T, service string) []string {
	t.Helper()
	var document struct{ Checks map[string]any }
	if err := json.Unmarshal([]byte(get(t, service+"/healthz")), &document); err != nil {
		t.Fatal(err)
	}
	var names []string
	for name := range document.Checks {
		name, _, _ = strings.Cut(name, ":")
		names = append(names, name)
	}
	if len(names) == 0 {
		t.Fatalf("%s needs nothing", service)
	}
	return names
}

func TestHealthOfAStoreThatDoesNotRunIsStatus3(t *testing.T) {
	file := filepath.Join(t.TempDir(), "addresses.json")
	listener, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if err := os.WriteFile(file, []byte(`{"main": "http://`+listener.Addr().String()+`", "lens": "http://127.0.0.1:1"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	h := health(t, "--addresses", file, "--timeout", "200ms")
	if h.status() != 3 || !strings.Contains(h.errs.String(), "start the store (webstore up), or correct the addresses") ||
		!strings.Contains(h.out.String(), "main is unhealthy: no answer within 200ms") || !strings.Contains(h.out.String(), "lens is unhealthy: dial tcp 127.0.0.1:1: connect: connection refused") {
		t.Errorf("status %d, want 3 of %v", h.status(), h)
	}
}

func TestWrongUsageOfHealthIsOneLineAndStatus64(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, test := range map[string]struct {
		args []string
		want string
	}{
		"misspelt flag":     {[]string{"--layr", "1"}, `did you mean "layer"?`},
		"no such layer":     {[]string{"--layer", "6"}, "there is no layer 6"},
		"nothing to ask":    {[]string{"--layer", "5"}, "there is nothing to ask"},
		"no URL":            {[]string{"--main-url", "8000"}, `"8000" is not where main is`},
		"no time":           {[]string{"--timeout", "0s"}, "--timeout above 0"},
		"no file":           {[]string{"--addresses", filepath.Join(dir, "none")}, "no such file"},
		"no addresses":      {[]string{"--addresses", write("list", "[]")}, "is not an object of names and URLs"},
		"misspelt part":     {[]string{"--addresses", write("misspelt", `{"payment":"http://127.0.0.1:1"}`)}, `did you mean "payments"?`},
		"an argument given": {[]string{"main"}, "takes no argument"},
	} {
		t.Run(name, func(t *testing.T) {
			h := health(t, test.args...)
			if h.status() != 64 {
				t.Errorf("status %d, want 64", h.status())
			}
			h.saysOneLine(test.want)
		})
	}
}
