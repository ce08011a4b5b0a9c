package main

import (
	"fmt"

	"github.com/otelkit/kit/internal/spelling"
)

// didYouMean asks, in the middle of a sentence, whether one of the names was
// meant; it says nothing when none is near.
func didYouMean(given string, names []string) string {
	if name := spelling.Nearest(given, names); name != "" {
		return fmt.Sprintf(" (did you mean %q?)", name)
	}
	return ""
}
