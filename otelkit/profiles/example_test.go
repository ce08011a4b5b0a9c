package profiles_test

import (
	"context"
	"fmt"
	"net/http"

	"github.com/gorilla/mux"
	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/profiles"
)

func Example() {
	profiler, err := profiles.Start(profiles.Config{
		Service: "payments",
		URL:     "", // such as "http://localhost:4040"; without one, nothing is profiled
		Labels:  map[string]string{"service_namespace": "webstore"},
		// Kit: kit, from otelkit.Start
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	router := mux.NewRouter()
	router.HandleFunc("/payments/{id}", func(http.ResponseWriter, *http.Request) {})
	_ = httpserver.Wrap(router, httpserver.Config{Profiles: profiler}) // serve this

	fmt.Println(profiler.Stop(context.Background())) // when the server has stopped
	// Output: <nil>
}
