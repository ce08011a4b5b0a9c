package logstore

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// supported is what a query outside the subset is answered with.
const supported = `lens understands {label="value", ...} with = != =~ !~, followed by line filters |= != |~ !~ and label filters | name="value"`

// labelColumns are the stream labels and the columns that hold them.
var labelColumns = map[string]string{
	"service_name":                "service",
	"service_namespace":           "namespace",
	"deployment_environment_name": "environment",
	"level":                       "level",
}

// metadataColumns are the structured metadata with a column of their own;
// detected_level is Loki's name for what is a stream label here.
var metadataColumns = map[string]string{
	"trace_id":       "trace_id",
	"span_id":        "span_id",
	"detected_level": "level",
}

// A filter is a condition on one row.
type filter struct {
	sql  string
	args []any
}

func where(filters []filter) (string, []any) {
	parts := make([]string, len(filters))
	var args []any
	for i, f := range filters {
		parts[i] = f.sql
		args = append(args, f.args...)
	}
	return strings.Join(parts, " AND "), args
}

// parseLogQL reads the subset of LogQL.
func parseLogQL(query string) ([]filter, error) {
	filters, err := (&logQL{rest: query}).parse()
	if err != nil {
		return nil, fmt.Errorf("LogQL %q: %w; %s", query, err, supported)
	}
	return filters, nil
}

// logQL is a parser: what is left of the query.
type logQL struct {
	rest string
}

func (p *logQL) parse() ([]filter, error) {
	filters, err := p.selector()
	if err != nil {
		return nil, err
	}
	for p.space(); p.rest != ""; p.space() {
		f, err := p.stage()
		if err != nil {
			return nil, err
		}
		filters = append(filters, f)
	}
	return filters, nil
}

func (p *logQL) selector() ([]filter, error) {
	p.space()
	if !p.take("{") {
		return nil, fmt.Errorf("want { at %q", p.rest)
	}
	filters := []filter{{sql: "true"}}
	for p.space(); !p.take("}"); p.space() {
		name, op, value, err := p.comparison()
		if err != nil {
			return nil, err
		}
		column, ok := labelColumns[name]
		if !ok {
			return nil, fmt.Errorf("%s is not a stream label (those are service_name, service_namespace, deployment_environment_name and level): filter with | %s%s%q after the braces", name, name, op, value)
		}
		f, err := textFilter(column, nil, op, value)
		if err != nil {
			return nil, err
		}
		filters = append(filters, f)
		p.space()
		if !p.take(",") && !strings.HasPrefix(p.rest, "}") {
			return nil, fmt.Errorf("want , or } at %q", p.rest)
		}
	}
	return filters, nil
}

// stage reads one filter of the pipeline.
func (p *logQL) stage() (filter, error) {
	for _, op := range []string{"|=", "!=", "|~", "!~"} {
		if p.take(op) {
			p.space()
			text, err := p.text()
			if err != nil {
				return filter{}, err
			}
			return lineFilter(op, text)
		}
	}
	if !p.take("|") {
		return filter{}, fmt.Errorf("want a filter at %q", p.rest)
	}
	name, op, value, err := p.comparison()
	if err != nil {
		return filter{}, err
	}
	return labelFilter(name, op, value)
}

func (p *logQL) comparison() (name, op, value string, err error) {
	p.space()
	end := 0
	for end < len(p.rest) && (p.rest[end] == '_' || p.rest[end] >= 'a' && p.rest[end] <= 'z' || p.rest[end] >= 'A' && p.rest[end] <= 'Z' || end > 0 && p.rest[end] >= '0' && p.rest[end] <= '9') {
		end++
	}
	if end == 0 {
		return "", "", "", fmt.Errorf("want a label at %q", p.rest)
	}
	name, p.rest = p.rest[:end], p.rest[end:]
	p.space()
	for _, o := range []string{"=~", "!~", "!=", "="} {
		if p.take(o) {
			p.space()
			value, err = p.text()
			return name, o, value, err
		}
	}
	return "", "", "", fmt.Errorf("want = != =~ or !~ after %s at %q", name, p.rest)
}

func (p *logQL) text() (string, error) {
	if !strings.HasPrefix(p.rest, `"`) && !strings.HasPrefix(p.rest, "`") {
		return "", fmt.Errorf("want quoted text at %q", p.rest)
	}
	quoted, err := strconv.QuotedPrefix(p.rest)
	if err != nil {
		return "", fmt.Errorf("unfinished quote at %q", p.rest)
	}
	p.rest = p.rest[len(quoted):]
	return strconv.Unquote(quoted)
}

func (p *logQL) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

func (p *logQL) take(token string) bool {
	rest, ok := strings.CutPrefix(p.rest, token)
	p.rest = rest
	return ok
}

// lineFilter matches anywhere in the line.
func lineFilter(op, text string) (filter, error) {
	switch op {
	case "|=":
		return filter{"instr(body, ?) > 0", []any{text}}, nil
	case "!=":
		return filter{"instr(body, ?) = 0", []any{text}}, nil
	}
	if _, err := regexp.Compile(text); err != nil {
		return filter{}, fmt.Errorf("bad pattern %q: %w", text, err)
	}
	if op == "|~" {
		return filter{"body REGEXP ?", []any{text}}, nil
	}
	return filter{"body NOT REGEXP ?", []any{text}}, nil
}

func labelFilter(name, op, value string) (filter, error) {
	if column, ok := labelColumns[name]; ok {
		return textFilter(column, nil, op, value)
	}
	if column, ok := metadataColumns[name]; ok {
		if op == "=" && value != "" { // without coalesce, for the index on trace_id
			return filter{column + " = ?", []any{value}}, nil
		}
		return textFilter("coalesce("+column+", '')", nil, op, value)
	}
	return textFilter("coalesce(json_extract(metadata, ?), '')", []any{"$." + name}, op, value)
}

// textFilter compares text; patterns must match all of it, and an absent label
// is the empty text, as in Loki.
func textFilter(expr string, args []any, op, value string) (filter, error) {
	if op == "=" || op == "!=" {
		return filter{expr + " " + op + " ?", append(args, value)}, nil
	}
	pattern := "^(?:" + value + ")$"
	if _, err := regexp.Compile(pattern); err != nil {
		return filter{}, fmt.Errorf("bad pattern %q: %w", value, err)
	}
	if op == "=~" {
		return filter{expr + " REGEXP ?", append(args, pattern)}, nil
	}
	return filter{expr + " NOT REGEXP ?", append(args, pattern)}, nil
}
