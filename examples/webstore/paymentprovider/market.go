package paymentprovider

import (
	"net/http"
	"time"

	"github.com/otelkit/kit/examples/webstore/latency"
)

// Behaviour is how the provider treats charges from a country.
type Behaviour struct {
	Failure float64       // chance that a charge fails, 0 to 1
	Latency latency.Delay // before it answers
}

// usual is the latency of a charge in every country.
var usual = latency.Delay{Min: 100 * time.Millisecond, Max: 600 * time.Millisecond}

// Markets is what the provider does in each country; Elsewhere is the rest.
var (
	Markets = map[string]Behaviour{
		"US": {Failure: 0.05, Latency: usual},
		"UK": {Failure: 0.07, Latency: usual},
		"DE": {Failure: 0.06, Latency: usual},
		"FR": {Failure: 0.08, Latency: usual},
		"JP": {Failure: 0.10, Latency: usual},
		"BR": {Failure: 0.15, Latency: usual},
		"IN": {Failure: 0.12, Latency: usual},
	}
	Elsewhere = Behaviour{Failure: 0.10, Latency: usual}
)

// Failure is one way to fail.
type Failure struct {
	Status  int    // of HTTP
	Code    string // stable
	Message string
	Final   bool // a refusal, which stands; anything else may be tried again
}

// Failures are the ways to fail, all equally likely.
var Failures = []Failure{
	{http.StatusBadRequest, "invalid_payment_details", "Invalid payment details", true},
	{http.StatusNotFound, "payment_method_not_found", "Payment method not found", true},
	{http.StatusTooManyRequests, "rate_limited", "Rate limit exceeded", false},
	{http.StatusInternalServerError, "processing_error", "Internal payment processing error", false},
	{http.StatusServiceUnavailable, "unavailable", "Payment service temporarily unavailable", false},
}
