package lens_test

import (
	"context"
	"fmt"
	"io"
	"net/http"

	"github.com/otelkit/kit/lens"
)

// A test that asks what its program told starts a lens of its own, on any free
// ports, and points the program at OTLPGRPCAddr or OTLPHTTPAddr.
func ExampleStart() {
	ctx := context.Background()
	const free = "127.0.0.1:0"
	server, err := lens.Start(ctx, lens.Config{Ephemeral: true, Addr: free, OTLPGRPCAddr: free, OTLPHTTPAddr: free, PrometheusAddr: free})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer server.Shutdown(ctx)

	resp, err := http.Get("http://" + server.Addr() + "/api/v1/query?query=1%2B1&time=0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	fmt.Println(string(answer), err)
	// Output: {"status":"success","data":{"resultType":"scalar","result":[0,"2"]}} <nil>
}
