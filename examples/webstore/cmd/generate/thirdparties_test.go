package main

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/otelkit/kit/examples/webstore/latency"
)

func TestThePageOfThirdPartiesIsWhatTheirTablesSay(t *testing.T) {
	page := thirdParties()
	have, err := os.ReadFile("../../../../" + page.Path)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != string(page.Data) {
		t.Errorf("%s is not what the tables say; run make generate", page.Path)
	}
	for _, row := range []string{
		"| `POST /v1/charges` | BR | 100 to 600 ms | 15% | 400, 404, 429, 500, 503 |",
		"| `POST /v1/charges` | any other | 100 to 600 ms | 10% | 400, 404, 429, 500, 503 |",
		"| `POST /api/customer/order` | any | 50 to 350 ms | 8% | 400, 404, 500, 503 |",
		"| `POST /api/inventory/reserve` | any | 100 to 400 ms | 0.1% | 400, 404, 500, 503 |",
		"| 500 Internal Server Error | `database_error` | Inventory database error | lost answer |",
		"| UK | UK-LONDON, EU-CENTRAL |",
	} {
		if !strings.Contains(string(page.Data), row+"\n") {
			t.Errorf("it has no row %s", row)
		}
	}
}

func TestATimeIsToldWithItsSlowCases(t *testing.T) {
	slow := latency.Delay{Min: time.Millisecond, Max: time.Second, SlowChance: 0.03, SlowMin: time.Second, SlowMax: 2 * time.Second}
	if got, want := delay(slow), "1 to 1000 ms, and 3% of them 1000 to 2000 ms more"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
