package health

import (
	"context"
	"fmt"
	"io"
	"net/http"
)

// HTTP returns a check that another service answers a GET of url with a status
// below 400. A nil client means http.DefaultClient. Its connections are used
// again, as those of requests are if it is their client.
//
// Ask for the liveness of the other service, not for its readiness: else one
// database makes everything in front of it not ready, and nobody sees which.
func HTTP(client *http.Client, url string) func(context.Context) error {
	if client == nil {
		client = http.DefaultClient
	}
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		// Only a body that was read to its end lets the connection be used again.
		if _, err := io.Copy(io.Discard, io.LimitReader(response.Body, 64<<10)); err != nil {
			return fmt.Errorf("GET %s: reading the answer: %w", url, err)
		}
		if response.StatusCode >= http.StatusBadRequest {
			return fmt.Errorf("GET %s: answers %s", url, response.Status)
		}
		return nil
	}
}
