package checkup

import (
	"fmt"
	"slices"
	"strings"

	"github.com/otelkit/kit/examples/webstore/telemetry"
	"github.com/otelkit/kit/otelkit/health"
)

// Layer is a kind of part.
type Layer int

// The layers.
const (
	Datastores Layer = iota + 1
	Telemetry
	Services
	ThirdParties
	FrontEnd
)

// Values is every layer.
func (Layer) Values() []Layer {
	return []Layer{Datastores, Telemetry, Services, ThirdParties, FrontEnd}
}

// String is the layer's name.
func (l Layer) String() string {
	switch l {
	case Datastores:
		return "datastores"
	case Telemetry:
		return "telemetry"
	case Services:
		return "services"
	case ThirdParties:
		return "third parties"
	case FrontEnd:
		return "front end"
	}
	return fmt.Sprintf("layer %d", int(l))
}

// listOfLayers is every layer with its number.
func listOfLayers() string {
	var list []string
	for _, l := range Layer(0).Values() {
		list = append(list, fmt.Sprintf("%d (%v)", int(l), l))
	}
	return strings.Join(list, ", ")
}

// part is something that a store is made of.
type part struct {
	name        string // services use it for their checks of it, too
	layer       Layer
	criticality health.Criticality
	path        string   // where it says how it is; "" if it cannot be asked
	telemetryOf string   // the service whose telemetry it is, else ""
	needs       []string // names of parts
	impact      string   // what does not work without it
}

// parts is all that a store may be made of, layer by layer. Without what is
// critical, nobody can buy.
var parts = []part{
	{name: "postgres", layer: Datastores, criticality: health.Critical,
		impact: "nothing can be sold: carts, orders and payments are in it"},
	{name: "redis", layer: Datastores, criticality: health.Noncritical,
		impact: "pages are slower, and each instance keeps to limits of its own"},

	{name: "lens", layer: Telemetry, criticality: health.Noncritical, path: "/-/ready",
		impact: "nobody sees what the store does, and no alert fires"},
	{name: "otel-collector", layer: Telemetry, criticality: health.Noncritical, path: "/",
		needs: []string{"prometheus", "tempo", "loki"}, impact: "telemetry waits in the services, and is lost when they are full"},
	{name: "prometheus", layer: Telemetry, criticality: health.Noncritical, path: "/-/ready",
		needs: []string{"alertmanager"}, impact: "there are no metrics, and no alert fires"},
	{name: "tempo", layer: Telemetry, criticality: health.Noncritical, path: "/ready", impact: "there are no traces"},
	{name: "loki", layer: Telemetry, criticality: health.Noncritical, path: "/ready", impact: "there are no logs but those of the processes"},
	{name: "alertmanager", layer: Telemetry, criticality: health.Noncritical, path: "/-/ready", impact: "alerts fire and nobody is told"},
	{name: "grafana", layer: Telemetry, criticality: health.Noncritical, path: "/api/health",
		needs: []string{"prometheus", "tempo", "loki"}, impact: "there are no dashboards"},
	telemetryOf(telemetry.MainService),
	telemetryOf(telemetry.PaymentsService),
	telemetryOf(telemetry.PromotionsService),

	{name: telemetry.MainService, layer: Services, criticality: health.Critical, path: "/healthz",
		needs:  []string{"postgres", "redis", "payments", "promotions", "crm", "inventory"},
		impact: "the shop is closed"},
	{name: telemetry.PaymentsService, layer: Services, criticality: health.Critical, path: "/healthz",
		needs: []string{"postgres", "payment-provider"}, impact: "nobody can pay; browsing and carts work"},
	{name: telemetry.PromotionsService, layer: Services, criticality: health.Noncritical, path: "/healthz",
		needs: []string{"postgres"}, impact: "there are no discounts"},

	{name: "payment-provider", layer: ThirdParties, criticality: health.Noncritical, path: "/health", impact: "payments stay open until it is back"},
	{name: "crm", layer: ThirdParties, criticality: health.Noncritical, path: "/health", impact: "it learns of orders later"},
	{name: "inventory", layer: ThirdParties, criticality: health.Noncritical, path: "/health", impact: "orders are paid and delayed, since nothing can be reserved"},

	{name: "frontend", layer: FrontEnd, criticality: health.Critical, path: "/",
		needs: []string{"main"}, impact: "shoppers with a browser see no shop"},
}

func telemetryOf(service string) part {
	return part{
		name: service + "-telemetry", layer: Telemetry, criticality: health.Noncritical, telemetryOf: service,
		needs:  []string{service, "lens", "otel-collector", "prometheus"},
		impact: "dashboards and alerts say nothing of " + service,
	}
}

// partNamed returns a part, which has to be there.
func partNamed(name string) part {
	return parts[slices.IndexFunc(parts, func(p part) bool { return p.name == name })]
}

// Addressable names the parts that can be asked, and so may have an address.
func Addressable() []string {
	var names []string
	for _, p := range parts {
		if p.path != "" {
			names = append(names, p.name)
		}
	}
	return names
}
