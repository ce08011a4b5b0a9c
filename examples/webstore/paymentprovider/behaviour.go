package paymentprovider

import (
	"net/http"
	"time"

	"github.com/otelkit/kit/examples/webstore/latency"
	"github.com/otelkit/kit/examples/webstore/thirdparty"
)

// usual is the latency of whatever moves money.
var usual = latency.Delay{Min: 100 * time.Millisecond, Max: 600 * time.Millisecond}

// Behaviours is what the provider does.
var Behaviours = thirdparty.Table{
	charges("US", 0.05),
	charges("UK", 0.07),
	charges("DE", 0.06),
	charges("FR", 0.08),
	charges("JP", 0.10),
	charges("BR", 0.15),
	charges("IN", 0.12),
	charges("", 0.10),
	{Call: "POST /v1/charges/{id}/refund", Latency: usual, Failure: 0.02, Failures: Outages},
	{Call: "POST /v1/voids", Latency: usual, Failure: 0.02, Failures: Outages},
	{Call: "GET /v1/charges/by-key/{key}", Latency: latency.Delay{Min: 20 * time.Millisecond, Max: 100 * time.Millisecond}},
}

func charges(country string, failure float64) thirdparty.Behaviour {
	return thirdparty.Behaviour{Call: "POST /v1/charges", Country: country, Latency: usual, Failure: failure, Failures: Failures}
}

// Failures are the ways in which a charge fails.
var Failures = []thirdparty.Failure{
	{Status: http.StatusBadRequest, Code: "invalid_payment_details", Message: "Invalid payment details", Final: true},
	{Status: http.StatusNotFound, Code: "payment_method_not_found", Message: "Payment method not found", Final: true},
	{Status: http.StatusTooManyRequests, Code: "rate_limited", Message: "Rate limit exceeded"},
	{Status: http.StatusInternalServerError, Code: "processing_error", Message: "Internal payment processing error", Lost: true},
	{Status: http.StatusServiceUnavailable, Code: "unavailable", Message: "Payment service temporarily unavailable"},
}

// Outages are the ways in which money is not given back: only for a while.
var Outages = Failures[2:]
