package otelkit_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/otelkit/kit/"

// listed is a package as `go list` tells it.
type listed struct {
	ImportPath string
	Imports    []string
}

// packages lists the packages below a pattern, seen from the repository's root.
func packages(t *testing.T, dir, pattern string) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", pattern)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %s in %s: %v", pattern, dir, err)
	}
	var list []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p listed
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
	if len(list) == 0 {
		t.Fatalf("go list %s in %s found nothing", pattern, dir)
	}
	return list
}

// The dependency rule of docs/ARCHITECTURE.md: what each package of the root
// module may import of ours.
func TestDependencyRule(t *testing.T) {
	t.Parallel()
	allowed := map[string][]string{
		"otelkit":                                  {"otelkit/metrics", "otelkit/logs", "otelkit/exemplar", "internal/spelling"},
		"otelkit/configfile":                       {"otelkit", "otelkit/exemplar", "internal/spelling"},
		"otelkit/metrics":                          {},
		"otelkit/exemplar":                         {},
		"otelkit/otelkittest":                      {"otelkit/metrics", "otelkit/logs"},
		"otelkit/slo":                              {"otelkit/metrics"},
		"otelkit/postgres":                         {"otelkit/metrics", "otelkit/internal/dbclient"},
		"otelkit/redisdb":                          {"otelkit/metrics", "otelkit/internal/dbclient"},
		"query":                                    {"otelkit/metrics", "otelkit/slo"},
		"dashboards-as-code":                       {"otelkit/metrics", "otelkit/slo", "query"},
		"alerts":                                   {"otelkit/metrics", "otelkit/slo", "query"},
		"internal/pgserver":                        {"internal/child", "internal/dirlock"},
		"internal/pgserver/pgtest":                 {"internal/pgserver"},
		"internal/child":                           {},
		"internal/dirlock":                         {},
		"internal/redistest":                       {"internal/child"},
		"internal/reserved":                        {},
		"internal/testlimit":                       {},
		"otelkit/internal/dbclient":                {"otelkit/metrics"},
		"otelkit/internal/dbclient/dbclienttest":   {"internal/reserved", "otelkit/internal/dbclient", "otelkit/otelkittest"},
		"otelkit/httpserver":                       {"otelkit/metrics", "otelkit/internal/httpnames"},
		"otelkit/httpclient":                       {"otelkit/metrics", "otelkit/internal/httpnames"},
		"otelkit/internal/httpnames":               {"otelkit/metrics"},
		"otelkit/internal/httpnames/httpnamestest": {"otelkit/metrics"},
		"otelkit/internal/environment":             {"otelkit"},
		"internal/spelling":                        {},
	}
	for _, p := range packages(t, "..", "./...") {
		path := strings.TrimPrefix(p.ImportPath, module)
		may, ok := allowed[path]
		if !ok && strings.HasPrefix(path, "otelkit/") {
			may = []string{"otelkit/metrics"} // and its own third party
		} else if !ok {
			t.Errorf("package %s is not in the dependency rule; add it here and to docs/ARCHITECTURE.md", path)
			continue
		}
		for _, imported := range p.Imports {
			if ours, ok := strings.CutPrefix(imported, module); ok && !slices.Contains(may, ours) {
				t.Errorf("%s imports %s; of ours it may import %v", path, ours, may)
			}
		}
	}
}

func TestDefinitionsNeedOnlyTheOpenTelemetryAPI(t *testing.T) {
	t.Parallel()
	for _, imported := range packages(t, "..", "./otelkit/metrics")[0].Imports {
		api := imported == "go.opentelemetry.io/otel" || imported == "go.opentelemetry.io/otel/attribute" || imported == "go.opentelemetry.io/otel/metric"
		if strings.Contains(imported, ".") && !api {
			t.Errorf("otelkit/metrics imports %s", imported)
		}
	}
}

// Who does not configure by a file does not pay for it.
func TestOnlyConfigfileHoldsOtelconf(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t, "..", "./...") {
		if slices.Contains(p.Imports, "go.opentelemetry.io/contrib/otelconf") && p.ImportPath != module+"otelkit/configfile" {
			t.Errorf("%s imports otelconf; otelkit/configfile is for that", p.ImportPath)
		}
	}
}

// direct matches the requirement of a module by a module that imports it.
var direct = regexp.MustCompile(`(?m)^\t(\S+) v\S+$`)

func TestEveryDirectDependencyHasItsReason(t *testing.T) {
	t.Parallel()
	reasons, err := os.ReadFile("../docs/DEPENDENCIES.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"../go.mod", "../bench/go.mod", "../lens/go.mod", "../examples/webstore/go.mod"} {
		mod, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		required := direct.FindAllStringSubmatch(string(mod), -1)
		if len(required) == 0 {
			t.Errorf("%s requires nothing", file)
		}
		for _, match := range required {
			if !strings.HasPrefix(match[1], module[:len(module)-1]) && !strings.Contains(string(reasons), "`"+match[1]+"`") {
				t.Errorf("%s requires %s; say why in docs/DEPENDENCIES.md", file, match[1])
			}
		}
	}
}
