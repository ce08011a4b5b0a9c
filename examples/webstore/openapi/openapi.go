// Package openapi writes down what a service's API takes and answers, for programs
// as a document of OpenAPI 3.1 and for people as a page.
//
// A service lists its operations. Problems are those that its handlers answer with,
// so that their words stand in one place; schemas are written by hand, so that they
// can be wrong: package openapitest holds them against what the service really says.
//
//	var document = openapi.Document{
//		Title:   "Webstore",
//		Schemas: schemas, // embedded JSON
//		Operations: []openapi.Operation{{
//			Method: "GET", Path: "/{country}/products", Summary: "What is sold in a market",
//			Answers:  []openapi.Answer{{Status: 200, Schema: "Catalogue", Example: `{...}`}},
//			Problems: []openapi.Problem{openapi.ProblemOf(UnknownMarket)},
//		}},
//	}
//
// A document is part of the program: one that is wrong panics when it is rendered.
package openapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/gorilla/mux"

	"github.com/otelkit/kit/examples/webstore/jsonhttp"
)

// Document is an API.
type Document struct {
	Title       string
	Version     string // of the API
	Description string
	Schemas     []byte      // a JSON object: JSON Schemas of version 2020-12 by their names
	Parameters  []Parameter // all that operations have
	Operations  []Operation // in the order in which people should read them
	Elsewhere   []Problem   // that requests for anything else are answered with
}

// Auth is whether an operation has to know who asks.
type Auth int

// What a bearer token is to an operation.
const (
	Public   Auth = iota // nothing
	Optional             // welcome
	Required
)

// Operation is what a method does at a path.
type Operation struct {
	Method      string
	Path        string // "/cart/items/{id}": what is in braces is a parameter, in its place
	Summary     string
	Description string // may be empty
	Auth        Auth
	Parameters  []string // the names of those in the query or a header
	Body        *Body    // nil if there is none
	Answers     []Answer // that are no problem
	Problems    []Problem
}

// Parameter is what a request says beside its body.
type Parameter struct {
	Name        string
	In          string // "path", "query" or "header"
	Required    bool
	Description string
	Schema      string // JSON
	Example     string // JSON
}

// key tells a parameter from one of the same name elsewhere in a request.
func (p Parameter) key() string { return p.In + "." + p.Name }

// Body is what a request brings, in JSON.
type Body struct {
	Schema  string // the name of one of the document's
	Example string // JSON
}

// Answer is what an operation answers with.
type Answer struct {
	Status      int
	Description string
	MediaType   string // "" is application/json
	Schema      string // the name of one of the document's; "" means that there is no body
	Example     string // JSON; a string for what is not JSON
}

// Problem is an answer that is no success, as RFC 9457 has it.
type Problem struct {
	Type    string
	Name    string // the last part of the type
	Title   string
	Status  int
	Detail  string   // an example
	Headers []string // that come with it
	Members []Member // beside type, title, status, detail and trace_id
}

// Member is something that a problem tells beside what all do.
type Member struct {
	Name    string
	Schema  string // JSON
	Example string // JSON

	Optional bool // it is not always told
}

// ProblemOf is a problem of a handler's, which tells these members too.
func ProblemOf(p *jsonhttp.Problem, members ...Member) Problem {
	problem := Problem{Type: p.Type(), Name: p.Name, Title: p.Title, Status: p.Status, Detail: p.Detail, Members: members}
	for header := range p.Header {
		problem.Headers = append(problem.Headers, header)
	}
	slices.Sort(problem.Headers)
	return problem
}

// Problems are those of handlers, without further members.
func Problems(list ...*jsonhttp.Problem) []Problem {
	problems := make([]Problem, len(list))
	for i, p := range list {
		problems[i] = ProblemOf(p)
	}
	return problems
}

// Where a service tells about its API.
const (
	documentPath = "/openapi.json"
	pagePath     = "/docs"
)

// Operations are those that Route adds to a service's own.
func Operations() []Operation {
	return []Operation{
		{
			Method: http.MethodGet, Path: documentPath, Summary: "This document",
			Answers: []Answer{{Status: http.StatusOK, Description: "OpenAPI 3.1", Schema: "Document", Example: `{"openapi": "3.1.0"}`}},
		},
		{
			Method: http.MethodGet, Path: pagePath, Summary: "This document, to read",
			Answers: []Answer{{Status: http.StatusOK, Description: "A page without scripts", MediaType: "text/html", Schema: "Page", Example: `"<!doctype html>"`}},
		},
	}
}

// Route has router answer with the document at /openapi.json and the page at /docs.
func Route(router *mux.Router, d Document) {
	document, page := d.JSON(), d.page()
	serve := func(path, mediaType string, body []byte) {
		router.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", mediaType)
			w.Header().Set("Content-Security-Policy", policy)
			w.Header().Set("Cache-Control", "public, max-age=300")
			w.Header().Set("X-Content-Type-Options", "nosniff")
			_, _ = w.Write(body) // an error means that the caller has gone
		}).Methods(http.MethodGet)
	}
	serve(documentPath, "application/json", document)
	serve(pagePath, "text/html; charset=utf-8", page)
}

// object is an object of JSON.
type object = map[string]any

// JSON is the document as OpenAPI 3.1 has it.
func (d Document) JSON() []byte {
	paths := object{}
	for _, op := range d.Operations {
		if paths[op.Path] == nil {
			paths[op.Path] = object{}
		}
		paths[op.Path].(object)[strings.ToLower(op.Method)] = d.operation(op)
	}
	parameters := object{}
	for _, p := range d.Parameters {
		parameters[p.key()] = object{
			"name": p.Name, "in": p.In, "required": p.Required, "description": p.Description,
			"schema": raw(p.Schema), "example": raw(p.Example),
		}
	}
	elsewhere := object{}
	for _, p := range d.Elsewhere {
		elsewhere[p.Name] = responses(nil, []Problem{p})[strconv.Itoa(p.Status)]
	}
	text, err := json.MarshalIndent(object{
		"openapi": "3.1.0",
		"info":    object{"title": d.Title, "version": d.Version, "description": d.Description},
		"servers": []any{object{"url": "/"}},
		"paths":   paths,
		"components": object{
			"schemas": d.schemas(), "parameters": parameters, "responses": elsewhere,
			"securitySchemes": object{"token": object{"type": "http", "scheme": "bearer"}},
		},
	}, "", "  ")
	if err != nil {
		panic(fmt.Errorf("openapi: %s: %w", d.Title, err))
	}
	return append(text, '\n')
}

func (d Document) operation(op Operation) object {
	o := object{"operationId": op.id(), "summary": op.Summary, "responses": responses(op.Answers, op.Problems)}
	if op.Description != "" {
		o["description"] = op.Description
	}
	switch op.Auth {
	case Public:
		o["security"] = []any{}
	case Optional:
		o["security"] = []any{object{}, object{"token": []any{}}}
	case Required:
		o["security"] = []any{object{"token": []any{}}}
	}
	var parameters []any
	for _, p := range d.parametersOf(op) {
		parameters = append(parameters, ref("parameters", p.key()))
	}
	if parameters != nil {
		o["parameters"] = parameters
	}
	if op.Body != nil {
		o["requestBody"] = object{"required": true, "content": object{
			"application/json": object{"schema": ref("schemas", op.Body.Schema), "example": raw(op.Body.Example)},
		}}
	}
	return o
}

// id is a name for functions of clients, "post_cart_add".
func (op Operation) id() string {
	path := strings.NewReplacer("{", "", "}", "", "/", "_", ".", "_").Replace(op.Path)
	return strings.ToLower(op.Method) + path
}

// parametersOf returns an operation's parameters, those in the path first.
func (d Document) parametersOf(op Operation) []Parameter {
	var parameters []Parameter
	add := func(name string, inPath bool) {
		i := slices.IndexFunc(d.Parameters, func(p Parameter) bool { return p.Name == name && (p.In == "path") == inPath })
		if i < 0 {
			panic(fmt.Errorf("openapi: %s %s has parameter %q, which Document.Parameters does not", op.Method, op.Path, name))
		}
		parameters = append(parameters, d.Parameters[i])
	}
	for segment := range strings.SplitSeq(op.Path, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			add(strings.TrimSuffix(name, "}"), true)
		}
	}
	for _, name := range op.Parameters {
		add(name, false)
	}
	return parameters
}

// responses renders answers and problems by their status. One status may have some of
// both.
func responses(answers []Answer, problems []Problem) object {
	all := object{}
	response := func(status int, description string) object {
		key := strconv.Itoa(status)
		if all[key] == nil {
			all[key] = object{"description": description}
		}
		return all[key].(object)
	}
	for _, a := range answers {
		r := response(a.Status, a.Description)
		if a.Schema != "" {
			r["content"] = object{a.mediaType(): object{"schema": ref("schemas", a.Schema), "example": raw(a.Example)}}
		}
	}
	for _, p := range problems {
		r := response(p.Status, http.StatusText(p.Status))
		p.addTo(r)
	}
	return all
}

func (a Answer) mediaType() string {
	if a.MediaType == "" {
		return "application/json"
	}
	return a.MediaType
}

// addTo adds the problem to a response, as one of those that it may be.
func (p Problem) addTo(response object) {
	if response["content"] == nil {
		response["content"] = object{}
	}
	content := response["content"].(object)
	const mediaType = "application/problem+json"
	if content[mediaType] == nil {
		content[mediaType] = object{"schema": object{"oneOf": []any{}}, "examples": object{}}
	}
	media := content[mediaType].(object)
	schema := media["schema"].(object)
	schema["oneOf"] = append(schema["oneOf"].([]any), ref("schemas", p.Name))
	media["examples"].(object)[p.Name] = object{"value": p.example()}
	for _, header := range p.Headers {
		if response["headers"] == nil {
			response["headers"] = object{}
		}
		response["headers"].(object)[header] = object{"schema": object{"type": "string"}}
	}
}

func (p Problem) example() object {
	o := object{"type": p.Type, "title": p.Title, "status": p.Status, "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}
	if p.Detail != "" {
		o["detail"] = p.Detail
	}
	for _, m := range p.Members {
		o[m.Name] = raw(m.Example)
	}
	return o
}

// named returns the document's schemas, and those that every document has.
func (d Document) named() map[string]json.RawMessage {
	all := map[string]json.RawMessage{}
	if err := json.Unmarshal(d.Schemas, &all); err != nil {
		panic(fmt.Errorf("openapi: Document.Schemas is not a JSON object: %w", err))
	}
	all["Document"] = raw(`{"type": "object", "description": "What OpenAPI 3.1 says.", "required": ["openapi"],
		"properties": {"openapi": {"const": "3.1.0"}}, "additionalProperties": true}`)
	all["Page"] = raw(`{"type": "string", "description": "HTML."}`)
	return all
}

// schemas returns the schemas by name, and one for each kind of problem.
func (d Document) schemas() object {
	all := object{}
	for name, schema := range d.named() {
		all[name] = schema
	}
	for _, p := range d.problems() {
		properties := object{
			"type":     object{"const": p.Type},
			"title":    object{"const": p.Title},
			"status":   object{"const": p.Status},
			"detail":   object{"type": "string", "description": "What is wrong this time, and what to do."},
			"trace_id": object{"type": "string", "pattern": "^[0-9a-f]{32}$", "description": "To quote when you ask for help."},
		}
		required := []any{"type", "title", "status"}
		for _, m := range p.Members {
			properties[m.Name] = raw(m.Schema)
			if !m.Optional {
				required = append(required, m.Name)
			}
		}
		all[p.Name] = object{"type": "object", "required": required, "properties": properties, "additionalProperties": false}
	}
	return all
}

// problems returns each kind of problem once, in the order of their names.
func (d Document) problems() []Problem {
	all := slices.Clone(d.Elsewhere)
	for _, op := range d.Operations {
		all = append(all, op.Problems...)
	}
	slices.SortStableFunc(all, func(a, b Problem) int { return strings.Compare(a.Name, b.Name) })
	return slices.CompactFunc(all, func(a, b Problem) bool { return a.Name == b.Name })
}

func ref(kind, name string) object { return object{"$ref": "#/components/" + kind + "/" + name} }

// raw is text that is JSON already.
func raw(text string) json.RawMessage { return json.RawMessage(text) }
