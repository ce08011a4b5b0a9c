package traffic

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// atOnce is a store that is no work at all.
type atOnce struct{}

func (atOnce) RoundTrip(r *http.Request) (*http.Response, error) {
	body := `{"token":"t","products":[{"id":1},{"id":2}],"order_id":"o","status":"completed"}`
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(body))}, nil
}

// What a request costs us beside its transport, decisions and counting included.
//
//	go test ./traffic -run '^$' -bench Request -benchmem
func BenchmarkRequest(b *testing.B) {
	cfg := Config{URL: "http://127.0.0.1:8000", Transport: atOnce{}, Scenario: Shoppers, Rate: 1}
	target, err := url.Parse(cfg.URL)
	if err != nil {
		b.Fatal(err)
	}
	r := &run{cfg: cfg, target: target, tally: newTally(), pace: newPace(cfg.rate()), population: newPopulation(cfg)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.visitAgain(b.Context(), 0)
	}()
	b.ReportAllocs()
	for b.Loop() {
		r.pace.turns <- struct{}{}
	}
	b.StopTimer()
	b.Cleanup(func() { <-ended }) // the context of a benchmark ends before what it cleans up
}
