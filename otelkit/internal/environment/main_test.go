package main

import (
	"os"
	"strings"
	"testing"

	"github.com/otelkit/kit/otelkit"
)

func TestThePageIsWhatTheTableSays(t *testing.T) {
	have, err := os.ReadFile("../../../docs/reference/environment.md")
	if err != nil {
		t.Fatal(err)
	}
	if want := page(otelkit.Variables()); string(have) != want {
		t.Error("docs/reference/environment.md is not what otelkit.Variables says; run make generate")
	}
}

// A group in two places would have two tables.
func TestTheTableIsOrderedByGroup(t *testing.T) {
	text := page(otelkit.Variables())
	for _, v := range otelkit.Variables() {
		if n := strings.Count(text, "\n## "+v.Group+"\n"); n != 1 {
			t.Errorf("%d tables of %s", n, v.Group)
		}
		if n := strings.Count(text, "| [`"+v.Name+"`]"); n != 1 {
			t.Errorf("%d rows of %s", n, v.Name)
		}
		for _, cell := range []string{v.Does, v.Values, v.Default} {
			if strings.ContainsAny(cell, "|\n") {
				t.Errorf("%s breaks its row: %q", v.Name, cell)
			}
		}
	}
}
