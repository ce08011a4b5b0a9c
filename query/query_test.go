package query_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/slo"
	"github.com/otelkit/kit/query"
)

type market string

func (market) Values() []market { return []market{"DE", "JP"} }

type orderAttrs struct {
	Market market `attr:"shop.market"`
	Paid   bool   `attr:"shop.paid"`
}

type requestAttrs struct {
	Route  string `attr:"http.route,omitempty,limit=50"`
	Status int    `attr:"http.response.status_code,limit=20"`
}

var (
	catalog  = metrics.NewCatalog("example.com/shop")
	orders   = metrics.NewCounter[orderAttrs](catalog, metrics.Definition{Name: "shop.orders", Unit: "{order}", Help: "Orders."})
	returns  = metrics.NewCounter[orderAttrs](catalog, metrics.Definition{Name: "shop.returns", Unit: "{return}", Help: "Returns."})
	busy     = metrics.NewFloatCounter[metrics.None](catalog, metrics.Definition{Name: "shop.busy", Unit: "s", Help: "Time spent."})
	requests = metrics.NewHistogram[requestAttrs](catalog, metrics.Definition{Name: "http.server.request.duration", Unit: "s", Help: "Requests.", Buckets: metrics.DurationBuckets()})
	inFlight = metrics.NewUpDownCounter[metrics.None](catalog, metrics.Definition{Name: "shop.in_flight", Unit: "{order}", Help: "Orders in flight."})
	fill     = metrics.NewGauge[metrics.None](catalog, metrics.Definition{Name: "shop.fill", Unit: "1", Help: "How full the shop is."})

	recorded = query.Record{Name: "slo:error_ratio:1h", Unit: "1", Keys: []string{"job", "slo"}}
)

func TestTheDefinitionsAreRight(t *testing.T) {
	if err := catalog.Err(); err != nil {
		t.Fatal(err)
	}
}

func TestExpressionsAreWrittenAsPromQL(t *testing.T) {
	rate := query.Rate(orders)
	for name, tc := range map[string]struct {
		expr query.Expr
		want string
	}{
		"rate":               {rate, `sum(rate(shop_orders_total[$__rate_interval]))`},
		"rate by attributes": {rate.By("shop.market", "instance"), `sum by (shop_market, instance) (rate(shop_orders_total[$__rate_interval]))`},
		"increase":           {query.Increase(orders).Over(24 * time.Hour), `sum(increase(shop_orders_total[1d]))`},
		"window in minutes":  {rate.Over(90 * time.Minute), `sum(rate(shop_orders_total[90m]))`},
		"window in seconds":  {rate.Over(90 * time.Second), `sum(rate(shop_orders_total[90s]))`},
		"rate of histogram":  {query.Rate(requests), `sum(rate(http_server_request_duration_seconds_count[$__rate_interval]))`},
		"rate of sum":        {query.RateOfSum(requests), `sum(rate(http_server_request_duration_seconds_sum[$__rate_interval]))`},
		"quantile":           {query.Quantile(0.95, requests).By("http.route"), `histogram_quantile(0.95, sum by (le, http_route) (rate(http_server_request_duration_seconds_bucket[$__rate_interval])))`},
		"buckets":            {query.Buckets(requests), `sum by (le) (rate(http_server_request_duration_seconds_bucket[$__rate_interval]))`},
		"gauge":              {query.Max(fill).By("job"), `max by (job) (shop_fill_ratio)`},
		"up-down counter":    {query.Sum(inFlight), `sum(shop_in_flight)`},
		"smallest and mean":  {query.Min(fill).And(query.Avg(fill)), `min(shop_fill_ratio) and avg(shop_fill_ratio)`},

		"equal":            {rate.Where(query.Equal("shop.market", market("DE"))), `sum(rate(shop_orders_total{shop_market="DE"}[$__rate_interval]))`},
		"equal to other":   {rate.Where(query.Equal("shop.market", metrics.Other)), `sum(rate(shop_orders_total{shop_market="_OTHER"}[$__rate_interval]))`},
		"bool":             {rate.Where(query.NotEqual("shop.paid", true)), `sum(rate(shop_orders_total{shop_paid!="true"}[$__rate_interval]))`},
		"in":               {rate.Where(query.In("shop.market", market("DE"), market("JP"))), `sum(rate(shop_orders_total{shop_market=~"DE|JP"}[$__rate_interval]))`},
		"class of integer": {query.Rate(requests).Where(query.Matches("http.response.status_code", "5..")), `sum(rate(http_server_request_duration_seconds_count{http_response_status_code=~"5.."}[$__rate_interval]))`},
		"values are literal": {query.Rate(requests).Where(query.In("http.route", `/a.b`, `/"c"`)),
			`sum(rate(http_server_request_duration_seconds_count{http_route=~"/a\\.b|/\"c\""}[$__rate_interval]))`},
		"not matching":     {query.Rate(requests).Where(query.NotMatches("http.route", "/healthz.*")), `sum(rate(http_server_request_duration_seconds_count{http_route!~"/healthz.*"}[$__rate_interval]))`},
		"without":          {query.Rate(requests).Where(query.Equal("http.route", "")), `sum(rate(http_server_request_duration_seconds_count{http_route=""}[$__rate_interval]))`},
		"service":          {rate.Where(query.Service("shop")), `sum(rate(shop_orders_total{service_name="shop"}[$__rate_interval]))`},
		"variable":         {rate.Where(query.Variable("job", "job")), `sum(rate(shop_orders_total{job=~"$job"}[$__rate_interval]))`},
		"variable without": {query.Recorded(recorded).Where(query.Variable("instance", "instance")), `slo:error_ratio:1h`},

		"ratio": {query.Ratio(rate.Where(query.Equal("shop.paid", false)), rate).By("job"),
			`(sum by (job) (rate(shop_orders_total{shop_paid="false"}[$__rate_interval])) or 0 * sum by (job) (rate(shop_orders_total[$__rate_interval]))) / (sum by (job) (rate(shop_orders_total[$__rate_interval])) > 0)`},
		"filter of a ratio": {query.Divide(rate, rate).Where(query.Service("shop")),
			`sum(rate(shop_orders_total{service_name="shop"}[$__rate_interval])) / (sum(rate(shop_orders_total{service_name="shop"}[$__rate_interval])) > 0)`},
		"arithmetic": {query.Complement(query.Recorded(recorded).DividedBy(0.001)), `1 - slo:error_ratio:1h / 0.001`},
		"brackets":   {query.Complement(query.Complement(query.Recorded(recorded))), `1 - (1 - slo:error_ratio:1h)`},
		"comparison": {query.Recorded(recorded).Above(14.4 * 0.001).And(query.SumOverTime(recorded).Over(time.Hour).Times(30).AtLeast(5)),
			`slo:error_ratio:1h > 0.0144 and sum_over_time(slo:error_ratio:1h[1h]) * 30 >= 5`},
		"constant": {query.Constant(0.999, "1"), `vector(0.999)`},
		"absent":   {query.AbsentOverTime(recorded).Where(query.Equal("slo", "x")).Over(15 * time.Minute), `absent_over_time(slo:error_ratio:1h{slo="x"}[15m])`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := tc.expr.PromQL(query.Target{})
			if err != nil || got != tc.want {
				t.Errorf("got  %s (%v)\nwant %s", got, err, tc.want)
			}
		})
	}
}

func TestWrongUseIsAnErrorThatSaysWhatWouldBeRight(t *testing.T) {
	rate := query.Rate(orders)
	rule := query.Target{Rule: true}
	for name, tc := range map[string]struct {
		expr   query.Expr
		target query.Target
		want   string
	}{
		"rate of a gauge":            {query.Rate(fill), query.Target{}, `query: Rate of gauge "shop.fill"`},
		"what it would be":           {query.Rate(fill), query.Target{}, "take its last value by Sum, Avg, Min or Max"},
		"increase of up-down":        {query.Increase(inFlight), query.Target{}, "goes up and down"},
		"sum of a counter":           {query.Sum(orders), query.Target{}, "take its Rate or Increase"},
		"max of a histogram":         {query.Max(requests), query.Target{}, "take a Quantile"},
		"quantile of a counter":      {query.Quantile(0.9, orders), query.Target{}, "is no histogram"},
		"buckets of a gauge":         {query.Buckets(fill), query.Target{}, "is no histogram"},
		"sum of a counter's":         {query.RateOfSum(orders), query.Target{}, "has no sum"},
		"percent for quantile":       {query.Quantile(95, requests), query.Target{}, "write 0.95"},
		"where it is defined":        {query.Rate(fill), query.Target{}, "query_test.go:"},
		"unknown attribute":          {rate.Where(query.Equal("shop.markt", "DE")), query.Target{}, `no attribute "shop.markt"; there are shop.market, shop.paid, job`},
		"grouped by unknown":         {rate.By("shop.markt"), query.Target{}, `no attribute "shop.markt"`},
		"grouped twice":              {rate.By("job", "job"), query.Target{}, `grouped by "job" twice`},
		"value outside the set":      {rate.Where(query.Equal("shop.market", "XX")), query.Target{}, `shop.market is never "XX"; it is one of DE, JP`},
		"one of several":             {rate.Where(query.In("shop.market", "DE", "XX")), query.Target{}, `never "XX"`},
		"none of several":            {rate.Where(query.In[string]("shop.market")), query.Target{}, "empty set"},
		"pattern that matches none":  {rate.Where(query.Matches("shop.market", "U.")), query.Target{}, "matches none of its values"},
		"pattern that is none":       {query.Rate(requests).Where(query.Matches("http.route", "(")), query.Target{}, "missing closing"},
		"pattern of the resource":    {rate.Where(query.Matches("job", "(")), query.Target{}, "missing closing"},
		"text for an integer":        {query.Rate(requests).Where(query.Equal("http.response.status_code", "OK")), query.Target{}, "it is an integer"},
		"window of a gauge":          {query.Max(fill).Over(time.Hour), query.Target{}, "leave Over out"},
		"broken window":              {rate.Over(time.Millisecond), query.Target{}, "not whole seconds"},
		"ratio of two units":         {query.Ratio(query.Rate(returns), rate), query.Target{}, `ratio of "{return}/s" to "{order}/s"`},
		"sides grouped unlike":       {query.Divide(query.Rate(orders).By("job"), rate), query.Target{}, "group both alike"},
		"recorded grouped":           {query.Recorded(recorded).By("job"), query.Target{}, "aggregated when it is recorded"},
		"recorded over":              {query.Recorded(recorded).Over(time.Hour), query.Target{}, "leave Over out"},
		"recorded without the label": {query.Recorded(recorded).Where(query.Equal("instance", "1")), query.Target{}, `no attribute "instance"; there are job, slo`},
		"rule without a window":      {rate, rule, "state it by Over"},
		"rule with a variable":       {rate.Over(time.Minute).Where(query.Variable("job", "job")), rule, "on dashboards only"},
		"strategy":                   {rate, query.Target{Strategy: "Dots"}, "unknown strategy"},
		"nothing":                    {query.Rate(nil), query.Target{}, "Rate of nil"},
		"nil definition":             {query.Rate((*metrics.Counter[orderAttrs])(nil)), query.Target{}, "Rate of nil"},
		"empty expression":           {query.Expr{}.By("job").Over(time.Minute).Where(query.Service("x")), query.Target{}, "empty expression"},
		"half an expression":         {query.Ratio(rate, query.Expr{}).By("job"), query.Target{}, "is an empty expression"},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := tc.expr.PromQL(tc.target)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %q, error %v; want an error with %q", text, err, tc.want)
			}
			if text != "" {
				t.Errorf("got %q beside the error", text)
			}
		})
	}
}

func TestAllFaultsAreReportedAtOnceAndEachOnce(t *testing.T) {
	wrong := query.Rate(orders).Where(query.Equal("shop.market", "XX")).By("shop.colour")
	_, err := query.Ratio(wrong, wrong).PromQL(query.Target{})
	if err == nil {
		t.Fatal("no error")
	}
	if lines := strings.Split(err.Error(), "\n"); len(lines) != 2 {
		t.Errorf("%d lines, want one for the value and one for the key:\n%v", len(lines), err)
	}
}

func TestNamesFollowTheStrategy(t *testing.T) {
	e := query.Quantile(0.5, requests).Where(query.Service("shop")).By("http.route")
	for strategy, want := range map[query.Strategy]string{
		query.UnderscoreEscapingWithSuffixes:    `histogram_quantile(0.5, sum by (le, http_route) (rate(http_server_request_duration_seconds_bucket{service_name="shop"}[$__rate_interval])))`,
		query.UnderscoreEscapingWithoutSuffixes: `histogram_quantile(0.5, sum by (le, http_route) (rate(http_server_request_duration_bucket{service_name="shop"}[$__rate_interval])))`,
		query.NoUTF8EscapingWithSuffixes:        `histogram_quantile(0.5, sum by (le, "http.route") (rate({"http.server.request.duration_seconds_bucket","service.name"="shop"}[$__rate_interval])))`,
		query.NoTranslation:                     `histogram_quantile(0.5, sum by (le, "http.route") (rate({"http.server.request.duration_bucket","service.name"="shop"}[$__rate_interval])))`,
	} {
		if got, err := e.PromQL(query.Target{Strategy: strategy}); err != nil || got != want {
			t.Errorf("%s:\ngot  %s (%v)\nwant %s", strategy, got, err, want)
		}
	}
}

func TestAnExpressionIsNotChangedByItsChildren(t *testing.T) {
	base := query.Rate(orders).Where(query.Service("shop"))
	de, jp := base.Where(query.Equal("shop.market", "DE")), base.Where(query.Equal("shop.market", "JP"))
	_ = base.By("job").Over(time.Hour)
	for want, e := range map[string]query.Expr{
		`sum(rate(shop_orders_total{service_name="shop"}[$__rate_interval]))`:                  base,
		`sum(rate(shop_orders_total{service_name="shop",shop_market="DE"}[$__rate_interval]))`: de,
		`sum(rate(shop_orders_total{service_name="shop",shop_market="JP"}[$__rate_interval]))`: jp,
	} {
		if got, err := e.PromQL(query.Target{}); got != want {
			t.Errorf("got %s (%v), want %s", got, err, want)
		}
	}
}

func TestUnitsFollowTheDefinition(t *testing.T) {
	for want, e := range map[string]query.Expr{
		"{order}/s": query.Rate(orders).Times(2),
		"{order}":   query.Increase(orders),
		"s":         query.Quantile(0.5, requests),
		"1":         query.Ratio(query.Rate(orders), query.Rate(orders)),
		"{times}":   query.Constant(1, "{times}"),
	} {
		if got := e.Unit(); got != want {
			t.Errorf("unit %q, want %q", got, want)
		}
	}
	if got := query.Rate(busy).Unit(); got != "1" {
		t.Errorf("seconds per second are %q, want 1", got)
	}
}

func TestAnExpressionKnowsWhatItReads(t *testing.T) {
	e := query.OrZero(query.Rate(orders), query.Rate(returns)).By("job")
	var names []string
	for _, m := range query.Ratio(e, e).Metrics() {
		names = append(names, m.Name)
	}
	if want := []string{"shop.orders", "shop.returns"}; !slices.Equal(names, want) {
		t.Errorf("metrics %v, want %v", names, want)
	}
	if labels, err := e.Labels(query.Target{}); err != nil || !slices.Equal(labels, []string{"job"}) {
		t.Errorf("labels %v (%v), want [job]", labels, err)
	}
	if query.Rate(requests).Exemplars() || !query.Quantile(0.5, requests).Exemplars() {
		t.Error("exemplars are on the buckets of a histogram and nowhere else")
	}
}

func TestAnObjectiveIsCountedByItsService(t *testing.T) {
	s := slo.SLO{
		Name: "requests", Service: "shop", Events: requests,
		Where: []slo.Match{{Key: "http.route", Pattern: "/api/.*"}},
		Bad:   []slo.Match{{Key: "http.response.status_code", Pattern: "5.."}},
	}
	const want = `sum(rate(http_server_request_duration_seconds_count{service_name="shop",http_route=~"/api/.*",http_response_status_code=~"5.."}[5m]))`
	if got, err := query.BadEvents(s).Over(5 * time.Minute).PromQL(query.Target{Rule: true}); got != want {
		t.Errorf("got %s (%v)\nwant %s", got, err, want)
	}
}

func TestASeriesIsNamedForTests(t *testing.T) {
	got, err := query.Series(requests, map[string]string{"job": "shop", "http.response.status_code": "503"}, query.Target{Rule: true})
	if want := `http_server_request_duration_seconds_count{http_response_status_code="503",job="shop"}`; got != want {
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
	if _, err := query.Series(orders, map[string]string{"shop.colour": "red"}, query.Target{}); err == nil {
		t.Error("no error for an attribute that the metric does not have")
	}
}

func TestAVariableListsValues(t *testing.T) {
	got, err := query.LabelValues(orders, "instance", query.Target{}, query.Variable("job", "job"))
	if want := `label_values(shop_orders_total{job=~"$job"}, instance)`; got != want {
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
	if _, err := query.LabelValues(orders, "colour", query.Target{}); err == nil {
		t.Error("no error for an attribute that the metric does not have")
	}
}
