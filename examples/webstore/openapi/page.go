package openapi

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
)

var (
	//go:embed page.html
	pageSource string
	//go:embed page.css
	style string

	// policy lets a page have its style, and nothing else.
	policy = "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; style-src '" + hashOf(style) + "'"
)

func hashOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// page is the document for people: one page of HTML with headings and links, which
// needs neither a script nor a mouse.
func (d Document) page() []byte {
	t := template.Must(template.New("page").Funcs(template.FuncMap{
		"style":      func() template.CSS { return template.CSS(style) },
		"id":         Operation.id,
		"parameters": d.parametersOf,
		"token":      func(a Auth) string { return [...]string{"", "A token is optional.", "Needs a token."}[a] },
		"text":       http.StatusText,
		"pretty":     pretty,
		"problem":    func(p Problem) string { return pretty(mustMarshal(p.example())) },
		"join":       strings.Join,
		"kind":       func(schema string) template.HTML { return kindOf(parse([]byte(schema))) },
	}).Parse(pageSource))
	var page bytes.Buffer
	err := t.Execute(&page, struct {
		Document
		Schemas  []schemaTable
		Problems []Problem
	}{d, d.tables(), d.problems()})
	if err != nil {
		panic(fmt.Errorf("openapi: %s: %w", d.Title, err))
	}
	return page.Bytes()
}

func pretty(text string) string {
	var out bytes.Buffer
	if err := json.Indent(&out, []byte(text), "", "  "); err != nil {
		panic(fmt.Errorf("openapi: an example is not JSON: %w: %s", err, text))
	}
	return out.String()
}

func mustMarshal(o object) string {
	text, err := json.Marshal(o)
	if err != nil {
		panic(fmt.Errorf("openapi: %w", err))
	}
	return string(text)
}

// schema is what a page shows of a JSON Schema.
type schema struct {
	Ref         string            `json:"$ref"`
	Type        string            `json:"type"`
	Format      string            `json:"format"`
	Description string            `json:"description"`
	Enum        []any             `json:"enum"`
	Const       any               `json:"const"`
	Items       *schema           `json:"items"`
	Properties  map[string]schema `json:"properties"`
	Required    []string          `json:"required"`
}

func parse(text []byte) schema {
	var s schema
	if err := json.Unmarshal(text, &s); err != nil {
		panic(fmt.Errorf("openapi: a schema cannot be read: %w: %s", err, text))
	}
	return s
}

// schemaTable is a schema of the document's own, and its properties by name.
type schemaTable struct {
	Name string
	schema
	Rows []row
}

type row struct {
	Name, Description string
	Kind              template.HTML
	Required          bool
}

// tables returns the schemas but for those of problems.
func (d Document) tables() []schemaTable {
	var tables []schemaTable
	all := d.named()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		table := schemaTable{Name: name, schema: parse(all[name])}
		for _, property := range slices.Sorted(maps.Keys(table.Properties)) {
			p := table.Properties[property]
			table.Rows = append(table.Rows, row{property, p.Description, kindOf(p), slices.Contains(table.Required, property)})
		}
		tables = append(tables, table)
	}
	return tables
}

// kindOf says in a few words what a schema takes.
func kindOf(s schema) template.HTML {
	escape := template.HTMLEscapeString
	name := s.Ref[strings.LastIndexByte(s.Ref, '/')+1:]
	switch {
	case s.Ref != "":
		return template.HTML(`<a href="#schema-` + escape(name) + `">` + escape(name) + `</a>`)
	case s.Items != nil:
		return "list of " + kindOf(*s.Items)
	case s.Const != nil:
		return template.HTML("<code>" + escape(fmt.Sprint(s.Const)) + "</code>")
	case s.Enum != nil:
		values := make([]string, len(s.Enum))
		for i, v := range s.Enum {
			values[i] = "<code>" + escape(fmt.Sprint(v)) + "</code>"
		}
		return template.HTML(strings.Join(values, " "))
	case s.Format != "":
		return template.HTML(escape(s.Type + " (" + s.Format + ")"))
	}
	return template.HTML(escape(s.Type))
}
