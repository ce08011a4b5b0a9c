package openapitest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/mux"
	"go.uber.org/goleak"

	"github.com/otelkit/kit/examples/webstore/jsonhttp"
	"github.com/otelkit/kit/examples/webstore/openapi"
	"github.com/otelkit/kit/examples/webstore/openapi/openapitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var document = openapi.Document{
	Title: "Library", Version: "1.0.0",
	Schemas: []byte(`{
		"Book": {"type": "object", "additionalProperties": false, "required": ["title"], "properties": {"title": {"type": "string"}}},
		"Author": {"type": "object", "properties": {"born": {"type": "string", "format": "date-time"}}}}`),
	Operations: []openapi.Operation{{
		Method: "POST", Path: "/books", Summary: "Add a book",
		Body:     &openapi.Body{Schema: "Book", Example: `{"title": "Emma"}`},
		Answers:  []openapi.Answer{{Status: 201, Description: "The book.", Schema: "Book", Example: `{"title": "Emma"}`}, {Status: 204, Description: "Had it."}},
		Problems: openapi.Problems(jsonhttp.Malformed, jsonhttp.MissingKey),
	}},
	Elsewhere: openapi.Problems(jsonhttp.NotFound),
}

// observer is a test that keeps what it is told.
type observer struct {
	testing.TB
	told []string
}

func (*observer) Helper() {}

func (o *observer) Errorf(format string, args ...any) {
	o.told = append(o.told, fmt.Sprintf(format, args...))
}

func read(t *testing.T) *openapitest.Contract {
	t.Helper()
	contract, err := openapitest.Read(document.JSON())
	if err != nil {
		t.Fatal(err)
	}
	return contract
}

// exchange has a service answer so, and returns what the contract told.
func exchange(t *testing.T, contract *openapitest.Contract, path, body string, status int, mediaType, answer string) []string {
	t.Helper()
	service := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mediaType)
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	})
	request := httptest.NewRequestWithContext(t.Context(), "POST", path, strings.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	told := &observer{TB: t}
	contract.Exchange(told, service, request)
	return told.told
}

const (
	book    = `{"title": "Emma"}`
	problem = `{"type": "urn:webstore:problem:%s", "title": %q, "status": %d}`
)

func TestWhatIsNotDocumentedIsTold(t *testing.T) {
	for name, tt := range map[string]struct {
		path      string
		status    int
		mediaType string
		answer    string
		fits      bool
	}{
		"as documented":            {"/books", 201, "application/json", book, true},
		"nothing, as documented":   {"/books", 204, "", "", true},
		"another field":            {"/books", 201, "application/json", `{"title": "Emma", "isbn": 1}`, false},
		"a field less":             {"/books", 201, "application/json", `{}`, false},
		"another status":           {"/books", 200, "application/json", book, false},
		"another media type":       {"/books", 201, "text/plain", book, false},
		"something, for nothing":   {"/books", 204, "application/json", book, false},
		"a problem":                {"/books", 400, "application/problem+json", fmt.Sprintf(problem, "malformed_body", jsonhttp.Malformed.Title, 400), true},
		"another problem":          {"/books", 400, "application/problem+json", fmt.Sprintf(problem, "not_json", jsonhttp.NotJSON.Title, 400), false},
		"a problem's other title":  {"/books", 400, "application/problem+json", fmt.Sprintf(problem, "malformed_body", "Bad", 400), false},
		"elsewhere":                {"/films", 404, "application/problem+json", fmt.Sprintf(problem, "not_found", jsonhttp.NotFound.Title, 404), true},
		"elsewhere, and not found": {"/films", 404, "text/plain", "not found", false},
	} {
		told := exchange(t, read(t), tt.path, book, tt.status, tt.mediaType, tt.answer)
		if (len(told) == 0) != tt.fits {
			t.Errorf("%s: told %q, want that it fits: %v", name, told, tt.fits)
		}
	}
}

func TestWhatIsDocumentedAndNeverAnsweredIsTold(t *testing.T) {
	contract := read(t)
	exchange(t, contract, "/books", `{"name": "Emma"}`, 201, "application/json", book) // a request that nobody documented
	exchange(t, contract, "/books", book, 204, "", "")
	exchange(t, contract, "/books", `{`, 400, "application/problem+json", fmt.Sprintf(problem, "malformed_body", jsonhttp.Malformed.Title, 400))
	told := &observer{TB: t}
	contract.Complete(told)
	want := []string{"POST /books 201", "POST /books 400 urn:webstore:problem:idempotency_key_missing", "not_found"}
	if len(told.told) != len(want) {
		t.Fatalf("told %q, want %q", told.told, want)
	}
	for i := range want {
		if !strings.HasSuffix(told.told[i], ": "+want[i]) {
			t.Errorf("told %q, want %q", told.told[i], want[i])
		}
	}
}

func TestRoutesAndOperationsAreTheSame(t *testing.T) {
	router := mux.NewRouter()
	nothing := func(http.ResponseWriter, *http.Request) {}
	router.PathPrefix("/").Subrouter().HandleFunc("/books", nothing).Methods("POST")
	told := &observer{TB: t}
	read(t).SameRoutes(told, router)
	if len(told.told) > 0 {
		t.Errorf("told %q, want nothing", told.told)
	}
	other := mux.NewRouter()
	other.HandleFunc("/films", nothing).Methods("GET", "HEAD")
	read(t).SameRoutes(told, other)
	if got := strings.Join(told.told, "; "); got != "POST /books is documented, and no route; GET /films is a route, and not documented" {
		t.Errorf("told %q", got)
	}
}

func TestASchemaThatTakesAnyFieldIsTold(t *testing.T) {
	told := &observer{TB: t}
	read(t).Closed(told, "Document")
	if len(told.told) != 1 || !strings.Contains(told.told[0], "Author") {
		t.Errorf("told %q, want that Author takes any field", told.told)
	}
}

func TestADocumentThatIsWrongIsAnError(t *testing.T) {
	d := document
	d.Operations = append([]openapi.Operation{}, d.Operations...)
	d.Operations[0].Body = &openapi.Body{Schema: "Book", Example: `{"title": 1}`}
	for name, text := range map[string][]byte{"no JSON": []byte("{"), "no paths": []byte(`{"openapi": "3.1.0"}`), "an example": d.JSON()} {
		if _, err := openapitest.Read(text); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
