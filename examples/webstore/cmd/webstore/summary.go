package main

import (
	"fmt"
	"strings"
	"time"
)

// demoToken is what one of the demo users shops with.
const demoToken = "user-token-123"

// summary says where everything is and what to try first.
func (s *store) summary(took time.Duration) string {
	row := func(text *strings.Builder, name, where, note string) {
		fmt.Fprintln(text, strings.TrimRight(fmt.Sprintf("  %-10s %-37s %s", name, where, note), " "))
	}
	var text strings.Builder
	fmt.Fprintf(&text, "the store is ready (%s); ^C ends it\n", seconds(took))
	if s.demoData {
		row(&text, "shop API", s.at.Main+"/DE/products", "token "+demoToken)
	} else {
		row(&text, "shop API", s.at.Main+"/DE/products", "")
	}
	if s.telemetry {
		row(&text, "telemetry", s.at.Lens, "services, alerts, traces, logs, dashboards")
		row(&text, "PromQL", s.at.Prometheus+"/api/v1/query", "")
		row(&text, "OTLP", s.at.OTLPHTTP, "gRPC at "+s.at.OTLPGRPC)
	} else {
		row(&text, "telemetry", "off", "")
	}
	row(&text, "provider", s.at.PaymentProvider, "third party: what was charged is at /v1/charges")
	row(&text, "CRM", s.at.CRM, "third party: what it knows is at /api/customer/orders")
	row(&text, "inventory", s.at.Inventory, "third party: its stock is at /api/inventory/warehouses")
	if s.traffic > 0 {
		row(&text, "shoppers", s.traffic.String()+" requests per second", "--traffic off for none")
	}
	if s.dir.Ephemeral() {
		row(&text, "data, logs", s.dir.Path, "removed at the end")
	} else {
		row(&text, "data, logs", s.dir.Path, "")
	}
	if s.demoData {
		fmt.Fprintf(&text, "try: curl -H 'Authorization: Bearer %s' %s/orders\n", demoToken, s.at.Main)
	}
	return text.String()
}
