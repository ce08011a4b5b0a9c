package health

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// graph is how checks depend on each other, by their index.
type graph struct {
	needs   [][]int // the checks that a check depends on directly
	affects [][]int // the checks that depend on a check, directly or not
}

// newGraph reads DependsOn, and refuses names that no check has and circles.
func newGraph(checks []Check, index map[string]int) (graph, error) {
	g := graph{needs: make([][]int, len(checks)), affects: make([][]int, len(checks))}
	var errs []error
	for i, check := range checks {
		for _, name := range check.DependsOn {
			j, ok := index[name]
			if !ok {
				errs = append(errs, fmt.Errorf("check %q depends on %q, which is no check", check.Name, name))
				continue
			}
			g.needs[i] = append(g.needs[i], j)
		}
	}
	for i := range checks {
		for _, j := range g.below(i, func(int) bool { return true }) {
			if j == i {
				errs = append(errs, fmt.Errorf("check %q depends on itself, by way of %s", checks[i].Name, strings.Join(checks[i].DependsOn, ", ")))
				continue
			}
			g.affects[j] = append(g.affects[j], i)
		}
	}
	return g, errors.Join(errs...)
}

// below returns what check i depends on, directly or not, as far as it is
// reached by way of checks of which follow is true.
func (g graph) below(i int, follow func(int) bool) []int {
	var found []int
	next := g.needs[i]
	for len(next) > 0 {
		j := next[0]
		next = next[1:]
		if follow(j) && !slices.Contains(found, j) {
			found = append(found, j)
			next = append(next[:len(next):len(next)], g.needs[j]...)
		}
	}
	slices.Sort(found)
	return found
}

// causes returns, for a check that fails, the failing checks below it that have
// no failing check below themselves.
func (g graph) causes(i int, fails func(int) bool) []int {
	return slices.DeleteFunc(g.below(i, fails), func(j int) bool { return slices.ContainsFunc(g.needs[j], fails) })
}
