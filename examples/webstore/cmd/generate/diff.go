package main

import (
	"fmt"
	"strings"
)

// context is the number of equal lines around a change.
const context = 3

// unified writes the difference between two texts as a unified diff; nil stands
// for a file that is not there.
func unified(path string, have, want []byte) string {
	from, to := "a/"+path, "b/"+path
	if have == nil {
		from = "/dev/null"
	}
	if want == nil {
		to = "/dev/null"
	}
	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", from, to)
	edits := diff(lines(have), lines(want))
	for start := 0; start < len(edits); {
		first := nextChange(edits, start)
		if first == len(edits) {
			break
		}
		end := hunkEnd(edits, first)
		writeHunk(&out, edits, max(first-context, start), end)
		start = end
	}
	return out.String()
}

// edit is one line of a diff: kept ' ', removed '-' or added '+'. have and want
// are the numbers of lines before it.
type edit struct {
	op         byte
	text       string
	have, want int
}

// diff finds the longest common subsequence of lines. It takes memory for the
// product of the lines that differ at neither end, which files of thousands of
// lines can afford.
func diff(have, want []string) []edit {
	head := 0
	for head < len(have) && head < len(want) && have[head] == want[head] {
		head++
	}
	tail := 0
	for tail < len(have)-head && tail < len(want)-head && have[len(have)-1-tail] == want[len(want)-1-tail] {
		tail++
	}
	a, b := have[head:len(have)-tail], want[head:len(want)-tail]

	// common[i][j] is the length of the longest common subsequence of a[i:] and
	// b[j:].
	common := make([][]int32, len(a)+1)
	for i := range common {
		common[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			} else {
				common[i][j] = max(common[i+1][j], common[i][j+1])
			}
		}
	}

	var edits []edit
	i, j := 0, 0
	add := func(op byte, text string) {
		edits = append(edits, edit{op: op, text: text, have: i, want: j})
		if op != '+' {
			i++
		}
		if op != '-' {
			j++
		}
	}
	for range head {
		add(' ', have[i])
	}
	for i < head+len(a) || j < head+len(b) {
		switch x, y := i-head, j-head; {
		case x < len(a) && y < len(b) && a[x] == b[y]:
			add(' ', a[x])
		case y == len(b) || x < len(a) && common[x+1][y] >= common[x][y+1]:
			add('-', a[x])
		default:
			add('+', b[y])
		}
	}
	for range tail {
		add(' ', have[i])
	}
	return edits
}

func nextChange(edits []edit, from int) int {
	for from < len(edits) && edits[from].op == ' ' {
		from++
	}
	return from
}

// hunkEnd is where a hunk that begins with the change at first ends: after the
// last change that is near enough to the one before it.
func hunkEnd(edits []edit, first int) int {
	last := first
	for i := first; i < len(edits) && i <= last+2*context; i++ {
		if edits[i].op != ' ' {
			last = i
		}
	}
	return min(last+context+1, len(edits))
}

func writeHunk(out *strings.Builder, edits []edit, start, end int) {
	var removed, added int
	for _, e := range edits[start:end] {
		if e.op != '+' {
			removed++
		}
		if e.op != '-' {
			added++
		}
	}
	fmt.Fprintf(out, "@@ -%s +%s @@\n", span(edits[start].have, removed), span(edits[start].want, added))
	for _, e := range edits[start:end] {
		fmt.Fprintf(out, "%c%s\n", e.op, e.text)
	}
}

// span is a range of lines as diff writes it: an empty one names the line
// before it.
func span(before, count int) string {
	if count == 0 {
		return fmt.Sprintf("%d,0", before)
	}
	return fmt.Sprintf("%d,%d", before+1, count)
}

func lines(text []byte) []string {
	if len(text) == 0 {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}
