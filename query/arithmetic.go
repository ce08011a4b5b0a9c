package query

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Ratio is the share that part has in whole, between 0 and 1 when part is a
// part of it. It is 0 where there is no part at all, as before the first error,
// and has no value where there is no whole: an idle service has no error ratio,
// and 0 / 0 would stay in every average as NaN.
func Ratio(part, whole Expr) Expr {
	return Divide(OrZero(part, whole), whole)
}

// Divide is part / whole where whole is above 0, and has no value elsewhere.
func Divide(part, whole Expr) Expr {
	return Expr{binary{op: "/", left: part.node, right: whole.Above(0).node, unit: "1", sameUnit: true}}
}

// OrZero is part, and 0 for those series of whole that part does not have.
func OrZero(part, whole Expr) Expr {
	return Expr{binary{op: "or", left: part.node, right: binary{op: "*", left: scalar(0), right: whole.node, unit: whole.Unit()}, unit: part.Unit()}}
}

// Complement is 1 - e: the good share when e is the bad one.
func Complement(e Expr) Expr {
	return Expr{binary{op: "-", left: scalar(1), right: e.node, unit: e.Unit()}}
}

// Constant is a number that is drawn like a series, such as an objective beside
// what is achieved.
func Constant(value float64, unit string) Expr {
	return Expr{constant{value: value, unit: unit}}
}

// Times is e times a number.
func (e Expr) Times(n float64) Expr {
	return Expr{binary{op: "*", left: e.node, right: scalar(n), unit: e.Unit()}}
}

// DividedBy is e divided by a number.
func (e Expr) DividedBy(n float64) Expr {
	return Expr{binary{op: "/", left: e.node, right: scalar(n), unit: e.Unit()}}
}

// Above keeps the series of e whose value is greater than a number.
func (e Expr) Above(n float64) Expr {
	return Expr{binary{op: ">", left: e.node, right: scalar(n), unit: e.Unit()}}
}

// AtLeast keeps the series of e whose value is a number or greater.
func (e Expr) AtLeast(n float64) Expr {
	return Expr{binary{op: ">=", left: e.node, right: scalar(n), unit: e.Unit()}}
}

// And keeps the series of e that other has, too.
func (e Expr) And(other Expr) Expr {
	return Expr{binary{op: "and", left: e.node, right: other.node, unit: e.Unit()}}
}

// binary is an operation on two parts.
type binary struct {
	op          string
	left, right node
	unit        string
	sameUnit    bool // whether both sides have to have one unit
}

func (b binary) where(filters []Filter) node {
	return b.both(func(n node) node { return n.where(filters) })
}

func (b binary) by(keys []string) node {
	return b.both(func(n node) node { return n.by(keys) })
}

func (b binary) over(window time.Duration) node {
	return b.both(func(n node) node { return n.over(window) })
}

// both changes both sides. One may be missing: the writer says so.
func (b binary) both(f func(node) node) node {
	if b.left != nil {
		b.left = f(b.left)
	}
	if b.right != nil {
		b.right = f(b.right)
	}
	return b
}

func (b binary) result() result {
	left, right := Expr{b.left}.result(), Expr{b.right}.result()
	keys := left.keys
	if left.scalar {
		keys = right.keys
	}
	return result{
		keys: keys, unit: b.unit,
		metrics:   append(left.metrics[:len(left.metrics):len(left.metrics)], right.metrics...),
		exemplars: left.exemplars || right.exemplars,
	}
}

func (b binary) write(w *writer) string {
	if b.left == nil || b.right == nil {
		w.fault(fmt.Errorf("query: one side of %q is an empty expression", b.op))
		return ""
	}
	b.check(w)
	return b.operand(b.left, false, w) + " " + b.op + " " + b.operand(b.right, true, w)
}

// binds says how closely PromQL's operators bind.
var binds = map[string]int{"or": 1, "and": 2, ">": 3, ">=": 3, "-": 4, "*": 5, "/": 5}

// operand writes a side, in brackets where it binds less closely than the
// operation itself; equal ones group from the left.
func (b binary) operand(n node, right bool, w *writer) string {
	text := n.write(w)
	inner, ok := n.(binary)
	if ok && (binds[inner.op] < binds[b.op] || right && binds[inner.op] == binds[b.op]) {
		return "(" + text + ")"
	}
	return text
}

// check tells w when the two sides do not fit: Prometheus pairs series with
// equal labels, and drops the others without a word.
func (b binary) check(w *writer) {
	left, right := b.left.result(), b.right.result()
	if left.scalar || right.scalar {
		return
	}
	if a, z := slices.Sorted(slices.Values(left.keys)), slices.Sorted(slices.Values(right.keys)); !slices.Equal(a, z) {
		w.fault(fmt.Errorf("query: the left of %q is grouped by %v and the right by %v, so that no series pair; group both alike", b.op, a, z))
	}
	if b.sameUnit && left.unit != right.unit {
		w.fault(fmt.Errorf("query: ratio of %q to %q; both have to have one unit", left.unit, right.unit))
	}
}

// scalar is a number.
type scalar float64

func (s scalar) where([]Filter) node     { return s }
func (s scalar) by([]string) node        { return s }
func (s scalar) over(time.Duration) node { return s }
func (s scalar) result() result          { return result{scalar: true} }
func (s scalar) write(*writer) string    { return number(float64(s)) }

// constant is a number as a series without labels.
type constant struct {
	value float64
	unit  string
}

func (c constant) where([]Filter) node     { return c }
func (c constant) by([]string) node        { return c }
func (c constant) over(time.Duration) node { return c }
func (c constant) result() result          { return result{unit: c.unit} }
func (c constant) write(*writer) string    { return "vector(" + number(c.value) + ")" }

// number writes a number without the dust of binary fractions: 14.4 * 0.001
// is 0.014400000000000001.
func number(v float64) string {
	text := strconv.FormatFloat(v, 'g', 12, 64)
	if rounded, err := strconv.ParseFloat(text, 64); err == nil {
		return strconv.FormatFloat(rounded, 'f', -1, 64)
	}
	return text
}
