package profiles_test

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/gorilla/mux"
	"github.com/otelkit/kit/otelkit"
	"github.com/otelkit/kit/otelkit/httpserver"
	"github.com/otelkit/kit/otelkit/logs"
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

// As the fourth signal of a kit, profiles need no more than an address.
func ExampleNew() {
	ctx := context.Background()
	profiler := profiles.New(profiles.Config{}) // the address: URL, or PYROSCOPE_SERVER_ADDRESS
	kit, err := otelkit.Start(ctx, otelkit.Config{
		Service:  "payments",
		Profiles: profiler,
		Logs:     logs.Config{Output: io.Discard},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer kit.Shutdown(ctx)
	_ = httpserver.Wrap(http.NewServeMux(), httpserver.Config{Kit: kit, Profiles: profiler}) // serve this
	// Output:
}
