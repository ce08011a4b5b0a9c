// Package openapitest holds a service against the document of its API: every answer of
// its tests has to be documented, and everything documented has to be answered in one of
// them.
//
//	contract, err := openapitest.Read(document)
//	...
//	request := httptest.NewRequestWithContext(t.Context(), "GET", "/DE/products", nil)
//	contract.Exchange(t, service, request) // fails t for an answer that is not documented
//	...
//	contract.Complete(t) // fails t for what is documented and was not answered
package openapitest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/gorilla/mux"
)

const problemType = "application/problem+json"

// Contract is a document that a service is held against. It is safe for concurrent use.
type Contract struct {
	document *openapi3.T
	router   routers.Router
	check    *openapi3filter.Options

	mu   sync.Mutex
	seen map[string]bool // answers, as keyOf has them
}

// Read reads a document. It is an error if it is not valid, or one of its examples is
// not.
func Read(text []byte) (*Contract, error) {
	loader := openapi3.NewLoader()
	document, err := loader.LoadFromData(text)
	if err == nil {
		err = document.Validate(loader.Context, openapi3.EnableExamplesValidation())
	}
	if err != nil {
		return nil, fmt.Errorf("the document is not valid: %w", err)
	}
	router, err := gorillamux.NewRouter(document)
	if err != nil {
		return nil, err
	}
	for _, mediaType := range []string{"application/health+json", "text/html"} {
		openapi3filter.RegisterBodyDecoder(mediaType, decoders[mediaType])
	}
	return &Contract{
		document: document,
		router:   router,
		check: &openapi3filter.Options{
			IncludeResponseStatus:   true,
			AuthenticationFunc:      openapi3filter.NoopAuthenticationFunc,
			SchemaValidationOptions: []openapi3.SchemaValidationOption{openapi3.EnableFormatValidation()},
		},
		seen: map[string]bool{},
	}, nil
}

// decoders are for what kin-openapi does not know.
var decoders = map[string]openapi3filter.BodyDecoder{
	"application/health+json": openapi3filter.JSONBodyDecoder,
	"text/html":               openapi3filter.PlainBodyDecoder,
}

// Exchange has a service answer a request. An answer that is not documented fails the
// test. A service may take more than it documents, but that it succeeds has to be seen
// with a request that the document has.
func (c *Contract) Exchange(t testing.TB, service http.Handler, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), iotest.ErrReader(cmp.Or(err, io.EOF)))) // a body may break off
	asked := r.Clone(r.Context())
	asked.Body = io.NopCloser(bytes.NewReader(body))

	recorder := httptest.NewRecorder()
	service.ServeHTTP(recorder, r)
	if err := c.validate(asked, recorder); err != nil {
		t.Errorf("%s %s: the answer is not what the document says: %v\n%d %s", r.Method, r.URL, err, recorder.Code, recorder.Body)
	}
	return recorder
}

// statusClientClosedRequest is what is written when nobody is there to read it.
const statusClientClosedRequest = 499

func (c *Contract) validate(r *http.Request, answer *httptest.ResponseRecorder) error {
	if answer.Code == statusClientClosedRequest {
		return nil
	}
	r.URL.RawPath = "" // a slash that was escaped is a slash, as it is to gorilla/mux
	route, parameters, err := c.router.FindRoute(r)
	if err != nil {
		return c.validateElsewhere(err, answer)
	}
	request := &openapi3filter.RequestValidationInput{Request: r, PathParams: parameters, Route: route, Options: c.check}
	body := answer.Body.Bytes()
	response := route.Operation.Responses.Status(answer.Code)
	if response != nil && len(response.Value.Content) == 0 && len(body) > 0 {
		return errors.New("there should be no body")
	}
	err = openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: request, Status: answer.Code, Header: answer.Header(),
		Body: io.NopCloser(bytes.NewReader(body)), Options: c.check,
	})
	if err == nil && (answer.Code >= 300 || openapi3filter.ValidateRequest(r.Context(), request) == nil) {
		c.see(keyOf(route.Method+" "+route.Path, answer.Code, typeOf(body)))
	}
	return err
}

// validateElsewhere validates the answer to what is no operation: it is one of the
// document's responses that belong to none.
func (c *Contract) validateElsewhere(why error, answer *httptest.ResponseRecorder) error {
	for name, response := range c.document.Components.Responses {
		for _, problem := range response.Value.Content[problemType].Schema.Value.OneOf {
			var body any
			if json.Unmarshal(answer.Body.Bytes(), &body) != nil || problem.Value.VisitJSON(body, openapi3.EnableJSONSchema2020()) != nil {
				continue
			}
			c.see(name)
			return nil
		}
	}
	return fmt.Errorf("it is none of components.responses: %w", why)
}

func (c *Contract) see(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[key] = true
}

// keyOf names an answer: "GET /cart 401 urn:...".
func keyOf(operation string, status int, problem string) string {
	return strings.TrimSpace(operation + " " + strconv.Itoa(status) + " " + problem)
}

func typeOf(body []byte) string {
	var problem struct {
		Type string `json:"type"`
	}
	_ = json.Unmarshal(body, &problem) // what is no problem has no type
	return problem.Type
}

// Complete fails the test for each answer that is documented and that no exchange had.
func (c *Contract) Complete(t testing.TB) {
	t.Helper()
	documented := slices.Collect(maps.Keys(c.document.Components.Responses))
	for path, item := range c.document.Paths.Map() {
		for method, operation := range item.Operations() {
			for status, response := range operation.Responses.Map() {
				code, err := strconv.Atoi(status)
				if err != nil {
					t.Fatalf("%s %s: status %q is no number", method, path, status)
				}
				documented = append(documented, keysOf(method+" "+path, code, response.Value.Content)...)
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	slices.Sort(documented)
	for _, key := range documented {
		if !c.seen[key] {
			t.Errorf("documented, and never answered: %s", key)
		}
	}
}

// keysOf names the answers that an operation has with one status.
func keysOf(operation string, status int, content openapi3.Content) (keys []string) {
	if len(content) == 0 {
		return []string{keyOf(operation, status, "")}
	}
	for mediaType, media := range content {
		if mediaType != problemType {
			keys = append(keys, keyOf(operation, status, ""))
			continue
		}
		for _, problem := range media.Schema.Value.OneOf {
			keys = append(keys, keyOf(operation, status, fmt.Sprint(problem.Value.Properties["type"].Value.Const)))
		}
	}
	return keys
}

// SameRoutes fails the test unless the document's operations are the routes of a router.
// A HEAD beside a GET is not documented: HTTP has it mean the same.
func (c *Contract) SameRoutes(t testing.TB, router *mux.Router) {
	t.Helper()
	routed := map[string]bool{}
	err := router.Walk(func(route *mux.Route, _ *mux.Router, _ []*mux.Route) error {
		path, err := route.GetPathTemplate()
		if err != nil {
			return err
		}
		methods, err := route.GetMethods()
		if errors.Is(err, mux.ErrMethodMismatch) || err != nil && route.GetHandler() == nil {
			return nil // of a subrouter, whose routes follow
		}
		for _, method := range methods {
			if method != http.MethodHead {
				routed[method+" "+path] = true
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for path, item := range c.document.Paths.Map() {
		for method := range item.Operations() {
			if key := method + " " + path; !routed[key] {
				t.Errorf("%s is documented, and no route", key)
			} else {
				delete(routed, key)
			}
		}
	}
	for route := range routed {
		t.Errorf("%s is a route, and not documented", route)
	}
}

// Closed fails the test for each schema of an object that takes fields which it does not
// name: an answer with one more would pass.
func (c *Contract) Closed(t testing.TB, except ...string) {
	t.Helper()
	for name, schema := range c.document.Components.Schemas {
		if slices.Contains(except, name) {
			continue
		}
		walk(name, schema, func(where string, s *openapi3.Schema) {
			if s.Type.Is("object") && s.AdditionalProperties.Schema == nil && (s.AdditionalProperties.Has == nil || *s.AdditionalProperties.Has) {
				t.Errorf("schema %s takes any field; set additionalProperties", where)
			}
		})
	}
}

// walk visits a schema and those inside of it, but for references.
func walk(where string, s *openapi3.SchemaRef, visit func(string, *openapi3.Schema)) {
	if s == nil || s.Ref != "" {
		return
	}
	visit(where, s.Value)
	walk(where+"[]", s.Value.Items, visit)
	walk(where+"{}", s.Value.AdditionalProperties.Schema, visit)
	for name, property := range s.Value.Properties {
		walk(where+"."+name, property, visit)
	}
}
