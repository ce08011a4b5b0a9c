package httpserver_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/otelkit/kit/otelkit/httpserver"
	"go.opentelemetry.io/otel/trace"
)

func Example() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders/{id}", func(w http.ResponseWriter, r *http.Request) {
		span := trace.SpanContextFromContext(r.Context())
		fmt.Fprintln(w, "order", r.PathValue("id"), "in trace", span.TraceID())
	})
	handler := httpserver.Wrap(mux, httpserver.Config{
		// Kit: kit, from otelkit.Start
		Filter: func(r *http.Request) bool { return r.URL.Path != "/healthz" },
	})

	request := httptest.NewRequest(http.MethodGet, "/orders/17", nil)
	response := httptest.NewRecorder()
	handler.ServeHTTP(response, request)
	fmt.Print(response.Body)
	// Output: order 17 in trace 00000000000000000000000000000000
}
