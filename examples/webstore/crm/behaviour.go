package crm

import (
	"net/http"
	"time"

	"github.com/otelkit/kit/examples/webstore/faults"
	"github.com/otelkit/kit/examples/webstore/latency"
	"github.com/otelkit/kit/examples/webstore/thirdparty"
)

// Behaviours is what the CRM does.
var Behaviours = thirdparty.Table{
	{
		Call:    "POST /api/customer/order",
		Latency: latency.Delay{Min: 50 * time.Millisecond, Max: 350 * time.Millisecond},
		Failure: 0.08, Failures: Failures,
	},
	{
		Call:    "POST /api/customer/update",
		Latency: latency.Delay{Min: 50 * time.Millisecond, Max: 250 * time.Millisecond},
		Failure: 0.08, Failures: Failures,
	},
}

// Failures are the ways in which a call fails. None is final: what is refused today
// is because the CRM's own copies lag behind, and passes.
var Failures = []thirdparty.Failure{
	{Status: http.StatusBadRequest, Code: "invalid_customer", Message: "Invalid customer data"},
	{Status: http.StatusNotFound, Code: "customer_not_found", Message: "Customer not found"},
	{Status: http.StatusInternalServerError, Code: "database_error", Message: "CRM database error", Lost: true},
	{Status: http.StatusServiceUnavailable, Code: "unavailable", Message: "CRM service temporarily unavailable"},
}

// Troubles is what faults do to the CRM's calls.
var Troubles = []thirdparty.Trouble{{Fault: faults.CRMFailing, Failures: Failures[2:]}}
