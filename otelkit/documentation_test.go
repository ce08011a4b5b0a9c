package otelkit_test

import (
	"go/ast"
	"go/parser"
	"go/token"
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
