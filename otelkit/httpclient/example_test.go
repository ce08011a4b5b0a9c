package httpclient_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/otelkit/kit/otelkit/httpclient"
)

func Example() {
	payments := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "called for ", r.URL.Path)
	}))
	defer payments.Close()

	client := &http.Client{Transport: httpclient.Transport(nil, httpclient.Config{
		// Kit: kit, from otelkit.Start
	})}
	defer client.CloseIdleConnections()

	ctx := context.Background() // in a handler, the request's: its trace goes along
	ctx = httpclient.WithTemplate(ctx, "/payments/{id}")
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, payments.URL+"/payments/17", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	response, err := client.Do(request)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	fmt.Println(response.Status)
	// Output: 200 OK
}

func ExampleCall() {
	tries := 0
	payments := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if tries++; tries == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer payments.Close()
	client := &http.Client{Transport: httpclient.Transport(nil, httpclient.Config{})}
	defer client.CloseIdleConnections()

	ctx := context.Background() // in a handler, the request's: the call's span goes below its span
	response, err := httpclient.Call(ctx, "charge", func(ctx context.Context) (*http.Response, error) {
		for { // any way to retry will do, such as a policy of otelkit/resilience
			request, err := http.NewRequestWithContext(ctx, http.MethodPost, payments.URL+"/charges", nil)
			if err != nil {
				return nil, err
			}
			response, err := client.Do(request)
			if err != nil || response.StatusCode != http.StatusServiceUnavailable {
				return response, err
			}
			response.Body.Close()
		}
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer response.Body.Close()
	fmt.Println(response.Status, "after", tries, "tries")
	// Output: 200 OK after 2 tries
}
