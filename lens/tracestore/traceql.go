package tracestore

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// supported is what a query outside the subset is answered with.
const supported = `lens understands one span filter: { <field> <op> <value> && ... } with the fields ` +
	`resource.NAME, span.NAME, .NAME, name, status, kind and duration, and the operators = != =~ !~ > >= < <=`

// A filter is a condition on the row of one span.
type filter struct {
	sql  string
	args []any
}

// where joins filters into one condition.
func where(filters []filter) (string, []any) {
	if len(filters) == 0 {
		return "true", nil
	}
	var parts []string
	var args []any
	for _, f := range filters {
		parts = append(parts, f.sql)
		args = append(args, f.args...)
	}
	return strings.Join(parts, " AND "), args
}

// parseTraceQL reads the subset of TraceQL. An empty query matches all spans.
func parseTraceQL(query string) ([]filter, error) {
	filters, err := (&traceQL{rest: query}).parse()
	if err != nil {
		return nil, fmt.Errorf("TraceQL %q: %w; %s", query, err, supported)
	}
	return filters, nil
}

// traceQL is a parser: what is left of the query.
type traceQL struct {
	rest string
}

func (p *traceQL) parse() ([]filter, error) {
	p.space()
	if p.rest == "" {
		return nil, nil
	}
	if !p.take("{") {
		return nil, fmt.Errorf("want { at %q", p.rest)
	}
	var filters []filter
	if p.space(); !p.take("}") {
		for {
			f, err := p.condition()
			if err != nil {
				return nil, err
			}
			filters = append(filters, f)
			p.space()
			if p.take("}") {
				break
			}
			if !p.take("&&") {
				return nil, fmt.Errorf("want && or } at %q", p.rest)
			}
		}
	}
	if p.space(); p.rest != "" {
		return nil, fmt.Errorf("%q follows the span filter", p.rest)
	}
	return filters, nil
}

func (p *traceQL) condition() (filter, error) {
	p.space()
	field, err := p.field()
	if err != nil {
		return filter{}, err
	}
	p.space()
	op, ok := p.takeOne("=~", "!~", "!=", ">=", "<=", "=", ">", "<")
	if !ok {
		return filter{}, fmt.Errorf("want an operator after %s at %q", field, p.rest)
	}
	p.space()
	value, quoted, err := p.value()
	if err != nil {
		return filter{}, err
	}
	return newFilter(field, op, value, quoted)
}

// field reads a name of dots, letters and the like; a part may be quoted.
func (p *traceQL) field() (string, error) {
	var field strings.Builder
	for p.rest != "" {
		if p.rest[0] == '"' {
			part, err := strconv.QuotedPrefix(p.rest)
			if err != nil {
				return "", fmt.Errorf("unfinished quote at %q", p.rest)
			}
			text, err := strconv.Unquote(part)
			if err != nil {
				return "", fmt.Errorf("bad quote %s", part)
			}
			field.WriteString(text)
			p.rest = p.rest[len(part):]
			continue
		}
		r, size := utf8.DecodeRuneInString(p.rest)
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-/:", r) {
			break
		}
		field.WriteString(p.rest[:size])
		p.rest = p.rest[size:]
	}
	if field.Len() == 0 {
		return "", fmt.Errorf("want a field at %q", p.rest)
	}
	return field.String(), nil
}

func (p *traceQL) value() (value string, quoted bool, err error) {
	if p.rest != "" && (p.rest[0] == '"' || p.rest[0] == '`') {
		part, err := strconv.QuotedPrefix(p.rest)
		if err != nil {
			return "", false, fmt.Errorf("unfinished quote at %q", p.rest)
		}
		p.rest = p.rest[len(part):]
		text, err := strconv.Unquote(part)
		return text, true, err
	}
	end := strings.IndexFunc(p.rest, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(".-+µ_", r)
	})
	if end < 0 {
		end = len(p.rest)
	}
	if end == 0 {
		return "", false, fmt.Errorf("want a value at %q", p.rest)
	}
	value, p.rest = p.rest[:end], p.rest[end:]
	return value, false, nil
}

func (p *traceQL) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

func (p *traceQL) take(token string) bool {
	rest, ok := strings.CutPrefix(p.rest, token)
	p.rest = rest
	return ok
}

func (p *traceQL) takeOne(tokens ...string) (string, bool) {
	for _, t := range tokens {
		if p.take(t) {
			return t, true
		}
	}
	return "", false
}

var statuses = map[string]int64{"unset": 0, "ok": 1, "error": 2}

var kinds = map[string]int64{"unspecified": 0, "internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}

func newFilter(field, op, value string, quoted bool) (filter, error) {
	switch field {
	case "name", "span:name":
		if !quoted {
			return filter{}, fmt.Errorf("name is text: want quotes round %s", value)
		}
		return textFilter("name", nil, op, value)
	case "status", "span:status":
		return enumFilter("status", op, value, statuses)
	case "kind", "span:kind":
		return enumFilter("kind", op, value, kinds)
	case "duration", "span:duration":
		d, err := time.ParseDuration(value)
		if err != nil || quoted || op == "=~" || op == "!~" {
			return filter{}, fmt.Errorf("duration %s %s: want a comparison with a duration such as 100ms", op, value)
		}
		return filter{"duration_ns " + op + " ?", []any{d.Nanoseconds()}}, nil
	}
	if name, ok := strings.CutPrefix(field, "resource."); ok {
		return attributeFilter([]string{"resource"}, name, op, value, quoted)
	}
	if name, ok := strings.CutPrefix(field, "span."); ok {
		return attributeFilter([]string{"attributes"}, name, op, value, quoted)
	}
	if name, ok := strings.CutPrefix(field, "."); ok {
		return attributeFilter([]string{"attributes", "resource"}, name, op, value, quoted)
	}
	return filter{}, fmt.Errorf("unknown field %s", field)
}

func enumFilter(column, op, value string, of map[string]int64) (filter, error) {
	n, ok := of[value]
	if !ok {
		return filter{}, fmt.Errorf("unknown %s %s", column, value)
	}
	if op != "=" && op != "!=" {
		return filter{}, fmt.Errorf("%s takes = and !=, not %s", column, op)
	}
	return filter{column + " " + op + " ?", []any{n}}, nil
}

// attributeFilter compares an attribute in any of the columns. As in TraceQL,
// a span without the attribute matches nothing, not even !=.
func attributeFilter(columns []string, name, op, value string, quoted bool) (filter, error) {
	if name == "" || strings.Contains(name, `"`) {
		return filter{}, fmt.Errorf("bad attribute name %q", name)
	}
	path := `$."` + name + `"`
	var any filter
	for i, column := range columns {
		f, err := comparison(column, path, op, value, quoted)
		if err != nil {
			return filter{}, err
		}
		if i > 0 {
			any.sql += " OR "
		}
		any.sql += f.sql
		any.args = append(any.args, f.args...)
	}
	any.sql = "(" + any.sql + ")"
	return any, nil
}

func comparison(column, path, op, value string, quoted bool) (filter, error) {
	extract := "json_extract(" + column + ", ?)"
	if quoted {
		return textFilter(extract, []any{path}, op, value)
	}
	if op == "=~" || op == "!~" {
		return filter{}, fmt.Errorf("%s takes a quoted pattern, not %s", op, value)
	}
	if value == "true" || value == "false" {
		if op != "=" && op != "!=" {
			return filter{}, fmt.Errorf("%s does not compare with %s", value, op)
		}
		return filter{"json_type(" + column + ", ?) " + op + " ?", []any{path, value}}, nil
	}
	if n, err := strconv.ParseFloat(value, 64); err == nil {
		return filter{"(json_type(" + column + ", ?) IN ('integer', 'real') AND " + extract + " " + op + " ?)", []any{path, path, n}}, nil
	}
	return filter{}, fmt.Errorf("want quotes, a number, true or false, not %s", value)
}

// textFilter compares text; patterns must match all of it, as in TraceQL.
func textFilter(expr string, args []any, op, value string) (filter, error) {
	switch op {
	case "=", "!=":
		return filter{expr + " " + op + " ?", append(args, value)}, nil
	case "=~", "!~":
		pattern := "^(?:" + value + ")$"
		if _, err := regexp.Compile(pattern); err != nil {
			return filter{}, fmt.Errorf("bad pattern %q: %w", value, err)
		}
		not := ""
		if op == "!~" {
			not = "NOT "
		}
		return filter{expr + " " + not + "REGEXP ?", append(args, pattern)}, nil
	default:
		return filter{}, fmt.Errorf("text takes = != =~ !~, not %s", op)
	}
}
