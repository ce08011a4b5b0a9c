package query_test

import (
	"fmt"

	"github.com/otelkit/kit/query"
)

func Example() {
	all := query.Rate(requests).By("service.name")
	failed := all.Where(query.Matches("http.response.status_code", "5.."))

	text, err := query.Divide(failed, all).PromQL(query.Target{})
	fmt.Println(text, err)
	// Output: sum by (service_name) (rate(http_server_request_duration_seconds_count{http_response_status_code=~"5.."}[$__rate_interval])) / (sum by (service_name) (rate(http_server_request_duration_seconds_count[$__rate_interval])) > 0) <nil>
}
