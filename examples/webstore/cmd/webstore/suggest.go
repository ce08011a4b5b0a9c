package main

import "fmt"

// didYouMean asks, in the middle of a sentence, whether one of the names was
// meant; it says nothing when none is near.
func didYouMean(given string, names []string) string {
	best, distance := "", 3 // more than two slips are another word
	for _, name := range names {
		if d := slips(given, name); d < distance && d < len(name) {
			best, distance = name, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", best)
}

// slips is how many letters were added, left out or mistaken between two words
// (their Levenshtein distance).
func slips(a, b string) int {
	row := make([]int, len(b)+1) // from the letters of a so far to the first j of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
