// Package spelling finds the word that was meant.
package spelling

// Nearest returns the one of words that has the fewest letters other than word,
// or "" when none is near.
func Nearest(word string, words []string) string {
	best, distance := "", 3 // more than two slips are another word
	for _, candidate := range words {
		if d := slips(word, candidate); d < distance && d < len(candidate) {
			best, distance = candidate, d
		}
	}
	return best
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
