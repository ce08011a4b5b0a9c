package otelkittest

import (
	"slices"
	"strings"
)

// Tree asserts the names of a span and of everything below it:
//
//	tel.Span("POST /orders").Tree(`
//		POST /orders
//			INSERT orders
//			POST /payments
//	`)
//
// A line that is indented deeper, by tabs or spaces, is a child of the line
// above it. The order of siblings does not matter, since concurrent work has
// none. It waits until the spans are as wanted.
func (s *Span) Tree(want string) *Span {
	s.k.t.Helper()
	wanted := canonical(parseTree(want))
	var got string
	if !eventually(func() bool {
		got = canonical([]*node{s.node()})
		return got == wanted
	}) {
		s.k.t.Errorf("otelkittest: the tree of span %q is\n%s\nwant\n%s", s.Name(), indented(got), indented(wanted))
	}
	return s
}

// node is a name in a tree of names.
type node struct {
	name     string
	children []*node
}

func (s *Span) node() *node {
	n := &node{name: s.Name()}
	for _, child := range s.Children() {
		n.children = append(n.children, child.node())
	}
	return n
}

// parseTree reads a tree by its indentation.
func parseTree(text string) []*node {
	type level struct {
		indent int
		of     *node
	}
	root := &node{}
	path := []level{{-1, root}}
	for line := range strings.Lines(text) {
		name := strings.TrimSpace(line)
		if name == "" {
			continue
		}
		indent := len(line) - len(strings.TrimLeft(line, " \t"))
		for path[len(path)-1].indent >= indent {
			path = path[:len(path)-1]
		}
		n := &node{name: name}
		parent := path[len(path)-1].of
		parent.children = append(parent.children, n)
		path = append(path, level{indent, n})
	}
	return root.children
}

// canonical writes trees with their siblings sorted, so that equal trees are
// equal text.
func canonical(trees []*node) string {
	list := make([]string, len(trees))
	for i, n := range trees {
		list[i] = n.name
		if len(n.children) > 0 {
			list[i] += "\n" + indented(canonical(n.children))
		}
	}
	slices.Sort(list)
	return strings.Join(list, "\n")
}
