package inventory

import (
	"net/http"
	"time"

	"github.com/otelkit/kit/examples/webstore/faults"
	"github.com/otelkit/kit/examples/webstore/latency"
	"github.com/otelkit/kit/examples/webstore/thirdparty"
)

// Behaviours is what the inventory does.
var Behaviours = thirdparty.Table{
	{
		Call:    "POST /api/inventory/check",
		Latency: latency.Delay{Min: 50 * time.Millisecond, Max: 250 * time.Millisecond},
		Failure: 0.001, Failures: Failures,
	},
	{
		Call:    "POST /api/inventory/reserve",
		Latency: latency.Delay{Min: 100 * time.Millisecond, Max: 400 * time.Millisecond},
		Failure: 0.001, Failures: Failures,
	},
	{
		Call:    "POST /api/inventory/release",
		Latency: latency.Delay{Min: 100 * time.Millisecond, Max: 400 * time.Millisecond},
		Failure: 0.001, Failures: Outages,
	},
}

// Failures are the ways in which a check or a reservation fails.
var Failures = []thirdparty.Failure{
	{Status: http.StatusBadRequest, Code: "invalid_request", Message: "Invalid inventory request", Final: true},
	{Status: http.StatusNotFound, Code: "product_not_found", Message: "Product not found in warehouse", Final: true},
	{Status: http.StatusInternalServerError, Code: "database_error", Message: "Inventory database error", Lost: true},
	{Status: http.StatusServiceUnavailable, Code: "unavailable", Message: "Inventory service temporarily unavailable"},
}

// Outages are the ways in which goods are not taken back: only for a while.
var Outages = Failures[2:]

// Troubles is what faults do to the inventory's calls. faults.InventoryOutOfStock empties
// the warehouses instead.
var Troubles = []thirdparty.Trouble{{Fault: faults.InventoryFailing, Failures: Outages}}
