package metrics_test

import (
	"strings"
	"testing"

	"github.com/otelkit/kit/otelkit/metrics"
)

type noValues string

func (noValues) Values() []noValues { return nil }

type twice string

func (twice) Values() []twice { return []twice{"a", "a"} }

type wrongValues string

func (wrongValues) Values() []string { return []string{"a"} }

func TestADefinitionThatIsWrongSaysWhatIsRight(t *testing.T) {
	t.Parallel()
	good := metrics.Definition{Name: "shop.orders", Unit: "{order}", Help: "Orders."}
	with := func(change func(*metrics.Definition)) metrics.Definition {
		d := good
		change(&d)
		return d
	}
	duration := func(buckets ...float64) metrics.Definition {
		return metrics.Definition{Name: "shop.wait", Unit: "s", Help: "Waits.", Buckets: buckets}
	}
	counter := func(d metrics.Definition) func(*metrics.Catalog) {
		return func(c *metrics.Catalog) { metrics.NewCounter[metrics.None](c, d) }
	}
	histogram := func(d metrics.Definition) func(*metrics.Catalog) {
		return func(c *metrics.Catalog) { metrics.NewHistogram[metrics.None](c, d) }
	}
	for name, test := range map[string]struct {
		define func(*metrics.Catalog)
		want   string
	}{
		"no name":                   {counter(with(func(d *metrics.Definition) { d.Name = "" })), "no Name"},
		"no namespace":              {counter(with(func(d *metrics.Definition) { d.Name = "orders" })), "a namespace before the first dot"},
		"upper case":                {counter(with(func(d *metrics.Definition) { d.Name = "shop.Orders" })), "lower case"},
		"total in a counter's name": {counter(with(func(d *metrics.Definition) { d.Name = "shop.orders_total" })), `holds "total"`},
		"unit in the name":          {counter(with(func(d *metrics.Definition) { d.Name = "shop.wait.seconds" })), `holds the unit "seconds"`},
		"no help":                   {counter(with(func(d *metrics.Definition) { d.Help = "" })), "no Help"},
		"no unit":                   {counter(with(func(d *metrics.Definition) { d.Unit = "" })), "no Unit"},
		"spelled-out unit":          {counter(with(func(d *metrics.Definition) { d.Unit = "seconds" })), `"seconds" is written "s"`},
		"invented unit":             {counter(with(func(d *metrics.Definition) { d.Unit = "orders" })), "write {orders}"},
		"broken unit":               {counter(with(func(d *metrics.Definition) { d.Unit = "{order" })), "cannot be read"},
		"negative limit":            {counter(with(func(d *metrics.Definition) { d.Limit = -1 })), "limit -1"},
		"buckets of a counter":      {counter(with(func(d *metrics.Definition) { d.Buckets = []float64{1} })), "a counter has no buckets"},
		"seconds without buckets":   {histogram(duration()), "metrics.DurationBuckets()"},
		"seconds with ms buckets":   {histogram(duration(5, 10, 25, 50, 100, 250, 500, 1000)), "meant for milliseconds"},
		"unsorted buckets":          {histogram(duration(1, 0.5)), "0.5 stands after 1"},
		"attributes not a struct":   {func(c *metrics.Catalog) { metrics.NewCounter[string](c, good) }, "have to be a struct"},
		"field without a tag": {func(c *metrics.Catalog) {
			metrics.NewCounter[struct{ Market market }](c, good)
		}, "Market: has no tag"},
		"unexported field": {func(c *metrics.Catalog) {
			metrics.NewCounter[struct {
				m market `attr:"shop.market"` //nolint:unused // that is the point
			}](c, good)
		}, "is unexported"},
		"free string": {func(c *metrics.Catalog) {
			metrics.NewCounter[struct {
				Path string `attr:"shop.path"`
			}](c, good)
		}, "series have no bound"},
		"limit of a closed set": {func(c *metrics.Catalog) {
			metrics.NewCounter[struct {
				Market market `attr:"shop.market,limit=5"`
			}](c, good)
		}, "both a closed set"},
		"limit that is no number": {func(c *metrics.Catalog) {
			metrics.NewCounter[struct {
				Path string `attr:"shop.path,limit=many"`
			}](c, good)
		}, `limit "many"`},
		"unknown option": {func(c *metrics.Catalog) {
			metrics.NewCounter[struct {
				Market market `attr:"shop.market,optional"`
			}](c, good)
		}, `unknown tag option "optional"`},
		"float attribute": {func(c *metrics.Catalog) {
			metrics.NewCounter[struct {
				Price float64 `attr:"shop.price"`
			}](c, good)
		}, "is of type float64"},
		"key twice": {func(c *metrics.Catalog) {
			metrics.NewCounter[struct {
				A market `attr:"shop.market"`
				B market `attr:"shop_market"`
			}](c, good)
		}, "stands twice"},
		"Prometheus' label": {func(c *metrics.Catalog) {
			metrics.NewCounter[struct {
				A market `attr:"instance"`
			}](c, good)
		}, "Prometheus' own"},
		"a person": {func(c *metrics.Catalog) {
			metrics.NewCounter[struct {
				A string `attr:"client.address,limit=10"`
			}](c, good)
		}, "identifies a person"},
		"empty set": {func(c *metrics.Catalog) {
			metrics.NewCounter[struct {
				A noValues `attr:"shop.a"`
			}](c, good)
		}, "empty set"},
		"value twice": {func(c *metrics.Catalog) {
			metrics.NewCounter[struct {
				A twice `attr:"shop.a"`
			}](c, good)
		}, "returns a twice"},
		"Values of another type": {func(c *metrics.Catalog) {
			metrics.NewCounter[struct {
				A wrongValues `attr:"shop.a"`
			}](c, good)
		}, "method Values that is not func() []wrongValues"},
		"more sets than the default limit": {func(c *metrics.Catalog) {
			metrics.NewCounter[struct {
				A string `attr:"shop.a,limit=100"`
				B string `attr:"shop.b,limit=100"`
			}](c, good)
		}, "allow 10201 sets, more than 2000"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			catalog := metrics.NewCatalog("test")
			test.define(catalog)
			err := catalog.Err()
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got error %v, want %q in it", err, test.want)
			}
			if !strings.Contains(err.Error(), "metrics/definition_test.go:") {
				t.Errorf("error %v does not name the line", err)
			}
			if n := len(catalog.Metrics()); n != 0 {
				t.Errorf("the catalog lists %d metrics", n)
			}
		})
	}
}

func TestUnitsThatTelemetryMeetsAreUCUM(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{"s", "ms", "us", "ns", "min", "h", "d", "1", "%", "By", "kBy", "MiBy", "bit", "By/s", "{request}", "{request}/s", "{USD}", "Cel", "W.h", "m/s2", "10*3"} {
		catalog := metrics.NewCatalog("test")
		metrics.NewGauge[metrics.None](catalog, metrics.Definition{Name: "test.value", Unit: unit, Help: "A value."})
		if err := catalog.Err(); err != nil {
			t.Errorf("unit %q is refused: %v", unit, err)
		}
	}
}

func TestAMetricIsDefinedOnce(t *testing.T) {
	t.Parallel()
	catalog := metrics.NewCatalog("test")
	metrics.NewCounter[metrics.None](catalog, metrics.Definition{Name: "shop.order.lines", Unit: "{line}", Help: "Lines."})
	metrics.NewGauge[metrics.None](catalog, metrics.Definition{Name: "shop.order_lines", Unit: "{line}", Help: "Lines."})
	err := catalog.Err()
	if err == nil || !strings.Contains(err.Error(), "defined before at metrics/definition_test.go:") || !strings.Contains(err.Error(), "Prometheus writes the same way") {
		t.Fatalf("got %v", err)
	}
}

func TestAWrongDefinitionRecordsNothingAndSaysSo(t *testing.T) {
	reports := reported(t)
	f := newFixture(t)
	orders := metrics.NewCounter[metrics.None](metrics.NewCatalog("test"), metrics.Definition{Name: "shop.orders", Unit: "orders", Help: "Orders."})
	orders.Add(f.ctx, 1, metrics.None{})
	orders.Add(f.ctx, 1, metrics.None{})
	if got := f.collect(); len(got) != 0 {
		t.Errorf("recorded %v", got)
	}
	if got := reports(); len(got) != 1 || !strings.Contains(got[0], "nothing is recorded for it") {
		t.Errorf("reported %q", got)
	}
}

func TestTheCatalogListsItsMetricsInAStableOrderWithTheirWorstCase(t *testing.T) {
	t.Parallel()
	catalog := metrics.NewCatalog("test")
	metrics.NewCounter[productAttrs](catalog, metrics.Definition{Name: "webstore.views", Unit: "{view}", Help: "Views."})
	metrics.NewHistogram[checkoutAttrs](catalog, metrics.Definition{
		Name: "webstore.checkout.duration", Unit: "s", Help: "Checkouts.", Buckets: []float64{1, 2},
	})
	if err := catalog.Err(); err != nil {
		t.Fatal(err)
	}
	list := catalog.Metrics()
	if len(list) != 2 || list[0].Name != "webstore.checkout.duration" || list[1].Name != "webstore.views" {
		t.Fatalf("got %+v", list)
	}
	// Two values and "_OTHER" for each of three attributes; buckets 1, 2, +Inf, sum and count.
	if sets, series := list[0].AttributeSets(), list[0].Series(); sets != 27 || series != 135 {
		t.Errorf("checkout.duration has %d sets and %d series, want 27 and 135", sets, series)
	}
	if n := catalog.Series(); n != 138 {
		t.Errorf("the catalog has %d series, want 138", n)
	}
	a, ok := list[0].Attribute("webstore.market")
	if !ok || strings.Join(a.Values, " ") != "US DE" || a.Type != metrics.TypeString {
		t.Errorf("attribute webstore.market is %+v", a)
	}
}
