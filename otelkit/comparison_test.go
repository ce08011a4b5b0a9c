package otelkit_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// named is a test as docs/COMPARISON.md names it: `package.TestSentence`.
var named = regexp.MustCompile("`([a-z]+)\\.((?:Test|Fuzz)[A-Za-z0-9]+)`")

func TestEveryTestThatTheComparisonNamesExists(t *testing.T) {
	page, err := os.ReadFile("../docs/COMPARISON.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := named.FindAllStringSubmatch(string(page), -1)
	if len(tests) < 50 {
		t.Fatalf("%d tests are named; the pattern does not fit the page", len(tests))
	}
	for _, test := range tests {
		if !isTested(t, test[1], test[2]) {
			t.Errorf("docs/COMPARISON.md names %s.%s, which does not exist", test[1], test[2])
		}
	}
}

// isTested reports whether a package has a test.
func isTested(t *testing.T, pkg, test string) bool {
	t.Helper()
	dirs := []string{pkg, "../" + pkg}
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
