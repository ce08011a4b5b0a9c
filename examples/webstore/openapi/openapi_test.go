package openapi_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/gorilla/mux"
	"go.uber.org/goleak"

	"github.com/otelkit/kit/examples/webstore/jsonhttp"
	"github.com/otelkit/kit/examples/webstore/openapi"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var unknownBook = &jsonhttp.Problem{
	Status: http.StatusNotFound, Name: "unknown_book", Title: "We have <no> such book",
	Header: http.Header{"Retry-After": {"5"}},
}

// library is the document of a small API.
func library() openapi.Document {
	return openapi.Document{
		Title:   "Library",
		Version: "1.0.0",
		Schemas: []byte(`{
			"Book": {"type": "object", "required": ["title"], "properties": {
				"title": {"type": "string", "description": "As it is printed."},
				"genres": {"type": "array", "items": {"$ref": "#/components/schemas/Genre"}}}},
			"Genre": {"type": "string", "enum": ["novel", "poem"], "description": "What it is."}}`),
		Parameters: []openapi.Parameter{
			{Name: "id", In: "path", Required: true, Description: "Of the book.", Schema: `{"type": "integer"}`, Example: `1`},
		},
		Operations: append([]openapi.Operation{
			{
				Method: "GET", Path: "/books/{id}", Summary: "One book", Auth: openapi.Optional,
				Answers:  []openapi.Answer{{Status: 200, Description: "The book.", Schema: "Book", Example: `{"title": "Emma", "genres": ["novel"]}`}},
				Problems: []openapi.Problem{openapi.ProblemOf(unknownBook, openapi.Member{Name: "shelf", Schema: `{"type": "integer"}`, Example: `7`})},
			},
			{
				Method: "PUT", Path: "/books/{id}", Summary: "Replace a book", Auth: openapi.Required,
				Body:     &openapi.Body{Schema: "Book", Example: `{"title": "Emma"}`},
				Answers:  []openapi.Answer{{Status: 204, Description: "Done."}},
				Problems: openapi.Problems(jsonhttp.Malformed, jsonhttp.MissingKey),
			},
		}, openapi.Operations()...),
		Elsewhere: openapi.Problems(jsonhttp.NotFound),
	}
}

// serve returns what a service with that document answers.
func serve(t *testing.T, d openapi.Document, path string) *httptest.ResponseRecorder {
	t.Helper()
	router := mux.NewRouter()
	openapi.Route(router, d)
	recorder := httptest.NewRecorder()
	router.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
	return recorder
}

func TestAProblemIsDocumentedWithItsTypeAndAnExample(t *testing.T) {
	var document struct {
		Paths map[string]map[string]struct {
			Responses map[string]struct {
				Headers map[string]any
				Content map[string]struct {
					Schema   map[string]any
					Examples map[string]map[string]any
				}
			}
		}
	}
	if err := json.Unmarshal(serve(t, library(), "/openapi.json").Body.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	get := document.Paths["/books/{id}"]["get"].Responses["404"]
	content := get.Content["application/problem+json"]
	if got := fmt.Sprint(content.Schema); got != "map[oneOf:[map[$ref:#/components/schemas/unknown_book]]]" {
		t.Errorf("schema %s, want that of the problem", got)
	}
	example := content.Examples["unknown_book"]["value"].(map[string]any)
	if example["type"] != "urn:webstore:problem:unknown_book" || example["shelf"] != 7.0 {
		t.Errorf("example %v, want type and members of the problem", example)
	}
	if get.Headers["Retry-After"] == nil {
		t.Errorf("headers %v, want Retry-After", get.Headers)
	}
	put := document.Paths["/books/{id}"]["put"].Responses["400"].Content["application/problem+json"]
	if len(put.Schema["oneOf"].([]any)) != 2 || len(put.Examples) != 2 {
		t.Errorf("%v, want two problems of one status", put)
	}
}

func TestThePageNeedsNeitherScriptNorMouseNorAnybodyElse(t *testing.T) {
	answer := serve(t, library(), "/docs")
	page := answer.Body.String()
	for _, want := range []string{`<html lang="en">`, `id="get_books_id"`, "We have &lt;no&gt; such book", `<a href="#schema-Genre">Genre</a>`, "As it is printed.", "Needs a token."} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not have %s", want)
		}
	}
	for _, never := range []string{"<script", "http://", "https://", "onclick", "src="} {
		if strings.Contains(page, never) {
			t.Errorf("the page has %s", never)
		}
	}
	ids := map[string]bool{}
	for _, id := range regexp.MustCompile(`\bid="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if ids[id[1]] {
			t.Errorf("two elements have id %s", id[1])
		}
		ids[id[1]] = true
	}
	for _, link := range regexp.MustCompile(`href="#([^"]*)"|aria-labelledby="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if to := link[1] + link[2]; !ids[to] {
			t.Errorf("nothing has the id %q that is linked to", to)
		}
	}
	style := regexp.MustCompile(`(?s)<style>(.*)</style>`).FindStringSubmatch(page)[1]
	sum := sha256.Sum256([]byte(style))
	if policy := answer.Header().Get("Content-Security-Policy"); !strings.Contains(policy, base64.StdEncoding.EncodeToString(sum[:])) {
		t.Errorf("policy %q does not allow the page's own style", policy)
	}
}

func TestADocumentThatIsWrongIsNotRouted(t *testing.T) {
	for name, spoil := range map[string]func(*openapi.Document){
		"schemas":   func(d *openapi.Document) { d.Schemas = []byte(`{`) },
		"parameter": func(d *openapi.Document) { d.Parameters = nil },
		"example":   func(d *openapi.Document) { d.Operations[0].Answers[0].Example = `{` },
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.HasPrefix(got, "openapi: ") {
					t.Errorf("%s: %s, want a panic that tells what is wrong", name, got)
				}
			}()
			d := library()
			spoil(&d)
			openapi.Route(mux.NewRouter(), d)
		}()
	}
}
