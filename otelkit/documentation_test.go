package otelkit_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What is imported has a package comment that teaches, and an example that runs.
func TestEveryPackageExplainsItselfAndHasAnExample(t *testing.T) {
	for _, p := range packages(t, "..", "./...") {
		path := strings.TrimPrefix(p.ImportPath, module)
		if strings.Contains(path, "internal/") {
			continue
		}
		files := token.NewFileSet()
		sources, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(path), "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		comment, examples := "", 0
		for _, source := range sources {
			file, err := parser.ParseFile(files, source, nil, parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(source, "_test.go") {
				for _, declared := range file.Decls {
					if f, ok := declared.(*ast.FuncDecl); ok && strings.HasPrefix(f.Name.Name, "Example") {
						examples++
					}
				}
				continue
			}
			comment += file.Doc.Text()
		}
		if strings.Count(comment, "\n") < 5 {
			t.Errorf("the package comment of %s does not teach: %q", path, comment)
		}
		if examples == 0 {
			t.Errorf("%s has no Example", path)
		}
	}
}

func TestTheSmallestProgramOfTheReadmeIsUnder15LinesAndBuilds(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ := strings.Cut(string(readme), "```go\npackage main")
	program, _, _ = strings.Cut("package main"+program, "```")
	lines := 0
	for line := range strings.Lines(program) {
		if strings.TrimSpace(line) != "" {
			lines++
		}
	}
	if lines < 5 || lines >= 15 {
		t.Errorf("it has %d lines", lines)
	}
	dir, err := os.MkdirTemp(".", "_smallest") // where imports are found, and ./... is not
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	if output, err := exec.Command("go", "vet", "./"+dir).CombinedOutput(); err != nil {
		t.Errorf("go vet: %v\n%s", err, output)
	}
}
