package health_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/otelkit/kit/otelkit/health"
)

func Example() {
	postgres := func(context.Context) error { return nil } // pool.Ping
	redis := func(context.Context) error { return errors.New("dial redis://:s3cret@cache:6379: refused") }

	checks, err := health.New(health.Config{
		// Kit: kit, from otelkit.Start
		Checks: []health.Check{
			{Name: "postgres", Layer: health.Datastore, Criticality: health.Critical, Run: postgres},
			{Name: "redis", Layer: health.Datastore, Run: redis, Endpoints: []string{"/cart"}},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- checks.Run(ctx) }()

	mux := http.NewServeMux()
	mux.Handle("GET /healthz/live", checks.Live())
	mux.Handle("GET /healthz/startup", checks.Startup())
	mux.Handle("GET /healthz/ready", checks.Ready())

	for range time.Tick(time.Millisecond) { // until the checks have run
		if checks.Report().State == health.Degraded {
			break
		}
	}
	response := httptest.NewRecorder()
	mux.ServeHTTP(response, httptest.NewRequest(http.MethodGet, "/healthz/ready", nil))
	fmt.Print(response.Code, " ", response.Body)
	fmt.Println(checks.Report().Output)

	checks.Drain() // then wait until no more requests come, and stop the server
	fmt.Println(checks.Report().State)
	cancel()
	fmt.Println(<-ended)
	// Output:
	// 200 {"status":"warn","notes":["degraded"]}
	// redis: dial redis://[redacted]@cache:6379: refused
	// draining
	// <nil>
}
