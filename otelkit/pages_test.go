package otelkit_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// named is a test as a page names it: `package.TestSentence`.
var named = regexp.MustCompile("`([a-z0-9]+)\\.((?:Test|Fuzz)[A-Za-z0-9]+)`")

func TestEveryTestThatAPageNamesExists(t *testing.T) {
	for page, atLeast := range map[string]int{"COMPARISON.md": 50, "SECURITY-MODEL.md": 40} {
		text, err := os.ReadFile(filepath.Join("../docs", page))
		if err != nil {
			t.Fatal(err)
		}
		tests := named.FindAllStringSubmatch(string(text), -1)
		if len(tests) < atLeast {
			t.Fatalf("docs/%s: %d tests are named; the pattern does not fit the page", page, len(tests))
		}
		for _, test := range tests {
			if !isTested(t, test[1], test[2]) {
				t.Errorf("docs/%s names %s.%s, which does not exist", page, test[1], test[2])
			}
		}
	}
}

// isTested reports whether a package has a test.
func isTested(t *testing.T, pkg, test string) bool {
	t.Helper()
	dirs := []string{pkg, "../" + pkg, "../examples/webstore/" + pkg}
	if pkg == "otelkit" {
		dirs = []string{"."}
	}
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if regexp.MustCompile(`(?m)^func ` + test + `\(`).Match(source) {
				return true
			}
		}
	}
	return false
}
