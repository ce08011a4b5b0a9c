package main

import (
	"fmt"
	"strings"
	"testing"
)

func TestDiffsAreUnified(t *testing.T) {
	numbers := func(skip int, extra ...string) []byte {
		var lines []string
		for i := 1; i <= 20; i++ {
			if i != skip {
				lines = append(lines, fmt.Sprint(i))
			}
		}
		return []byte(strings.Join(append(lines, extra...), "\n") + "\n")
	}
	for name, tc := range map[string]struct {
		have, want []byte
		diff       string
	}{
		"equal":   {numbers(0), numbers(0), "--- a/f\n+++ b/f\n"},
		"new":     {nil, []byte("a\nb\n"), "--- /dev/null\n+++ b/f\n@@ -0,0 +1,2 @@\n+a\n+b\n"},
		"removed": {[]byte("a\n"), nil, "--- a/f\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-a\n"},
		"changed": {[]byte("a\nb\nc\n"), []byte("a\nx\nc\n"), "--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n"},
		"two hunks": {numbers(2), numbers(0, "21"),
			"--- a/f\n+++ b/f\n@@ -1,4 +1,5 @@\n 1\n+2\n 3\n 4\n 5\n@@ -17,3 +18,4 @@\n 18\n 19\n 20\n+21\n"},
		"near changes in one hunk": {[]byte("a\n1\n2\n3\n4\nb\n"), []byte("x\n1\n2\n3\n4\ny\n"),
			"--- a/f\n+++ b/f\n@@ -1,6 +1,6 @@\n-a\n+x\n 1\n 2\n 3\n 4\n-b\n+y\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := unified("f", tc.have, tc.want); got != tc.diff {
				t.Errorf("got\n%s\nwant\n%s", got, tc.diff)
			}
		})
	}
}
