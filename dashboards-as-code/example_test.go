package dashboards_test

import (
	"bytes"
	"fmt"

	dashboards "github.com/otelkit/kit/dashboards-as-code"
	"github.com/otelkit/kit/query"
)

func Example() {
	d := dashboards.Dashboard{
		UID:         "shop",
		Title:       "Shop",
		Description: "Whether the shop sells.",
		Instances:   orders,
		Rows: []dashboards.Row{{Title: "Orders", Panels: []dashboards.Panel{{
			Title:       "Unpaid",
			Description: "Share of orders that is not paid.",
			Queries: []dashboards.Query{{
				Expr: query.Ratio(query.Rate(orders).Where(query.Equal("shop.paid", false)), query.Rate(orders)),
			}},
		}}}},
	}
	text, err := dashboards.Grafana(d, "")
	fmt.Println(bytes.Contains(text, []byte(`shop_orders_total{shop_paid=`)), err)
	// Output: true <nil>
}
