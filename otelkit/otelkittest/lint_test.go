package otelkittest_test

import (
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/otelkit/kit/otelkit/metrics"
	"github.com/otelkit/kit/otelkit/otelkittest"
)

// found returns what Lint finds about what was recorded, without what it finds
// about the resource.
func found(tel *otelkittest.Kit, r otelkittest.Registry) string {
	var lines []string
	for _, f := range tel.Lint(r) {
		if f.Signal != "resource" {
			lines = append(lines, f.String())
		}
	}
	return strings.Join(lines, "\n")
}

func TestLintFindsWhatIsWrongWithAttributes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		attr attribute.KeyValue
		want []string // after "level id: span "a": attribute key"
	}{
		{"as defined", semconv.HTTPResponseStatusCode(200), nil},
		{"a value of its enum", semconv.HTTPRequestMethodGet, nil},
		{"missing_attribute", attribute.Int("shop.order", 7), []string{
			"violation missing_attribute: is neither in the semantic conventions nor in the Registry",
		}},
		{"misspelt", attribute.String("http.request.methd", "GET"), []string{
			"violation missing_attribute: is neither in the semantic conventions nor in the Registry",
			"information extends_namespace: extends http.request of the semantic conventions: is it misspelt?",
		}},
		{"below an attribute", attribute.String("http.route.id", "x"), []string{
			"violation illegal_namespace: has the attribute http.route for a namespace",
			"violation missing_attribute: is neither in the semantic conventions nor in the Registry",
			"information extends_namespace: extends http of the semantic conventions: is it misspelt?",
		}},
		{"deprecated", attribute.String("http.method", "GET"), []string{
			"violation deprecated: is not in the semantic conventions since v1.25.0; look up what took its place",
		}},
		{"type_mismatch", attribute.String("http.response.status_code", "200"), []string{
			"violation type_mismatch: has the type string; it has to be int",
		}},
		{"type_mismatch of an enum", attribute.Bool("http.request.method", true), []string{
			"violation type_mismatch: has the type boolean; it has to be string or int",
		}},
		{"type_mismatch of a template", attribute.String("http.request.header.accept", "*/*"), []string{
			"violation type_mismatch: has the type string; it has to be string[]",
			"information template_attribute: is one of a template of the semantic conventions",
		}},
		{"template_attribute", semconv.HTTPRequestHeader("accept", "*/*"), []string{
			"information template_attribute: is one of a template of the semantic conventions",
		}},
		{"an int for a double", attribute.Int("app.jank.period", 1), []string{
			"improvement not_stable: is not stable in the semantic conventions, but development",
		}},
		{"undefined_enum_variant", attribute.String("http.request.method", "get"), []string{
			`information undefined_enum_variant: is "get", which is none of its values: CONNECT, DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT, QUERY, TRACE, _OTHER`,
		}},
		{"not_stable", semconv.HTTPRequestBodySize(7), []string{
			"improvement not_stable: is not stable in the semantic conventions, but development",
		}},
		{"missing_namespace", attribute.String("market", "DE"), []string{
			"violation missing_attribute: is neither in the semantic conventions nor in the Registry",
			"improvement missing_namespace: has no namespace; begin it with the service's or the company's, and a dot",
		}},
		{"invalid_format", attribute.String("shop.orderID", "DE"), []string{
			"violation invalid_format: has to be lower case, its words and namespaces separated by _ and .",
			"violation missing_attribute: is neither in the semantic conventions nor in the Registry",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tel := otelkittest.New(t)
			_, s := start(ctxOf(tel), tel, "a", oteltrace.WithAttributes(test.attr))
			s.End()
			got := strings.ReplaceAll(found(tel, otelkittest.Registry{}), `: span "a": attribute `+string(test.attr.Key), ":")
			if want := strings.Join(test.want, "\n"); got != want {
				t.Errorf("%s: got\n%s\nwant\n%s", test.attr.Key, got, want)
			}
		})
	}
}

func TestLintLooksWhereverAttributesStand(t *testing.T) {
	t.Parallel()
	tel := otelkittest.New(t, attribute.String("on.resource", ""))
	ctx, s := start(ctxOf(tel), tel, "a", oteltrace.WithAttributes(attribute.String("on.span", "")),
		oteltrace.WithLinks(oteltrace.Link{Attributes: []attribute.KeyValue{attribute.String("on.link", "")}}))
	s.AddEvent("e", oteltrace.WithAttributes(attribute.String("on.event", "")))
	s.AddEvent("e", oteltrace.WithAttributes(attribute.String("on.event", ""))) // told once
	s.End()
	tel.Logger().InfoContext(ctx, "placed", "on.log", "")
	orders.Add(ctx, 1, orderAttrs{Outcome: "placed"})
	var got []string
	for _, f := range tel.Lint(otelkittest.Registry{}) {
		if f.ID == "missing_attribute" {
			got = append(got, f.Signal+" "+f.Name+" "+f.Attribute)
		}
	}
	want := "log placed on.log\nmetric shop.orders shop.outcome\nresource  on.resource\nspan a on.event\nspan a on.link\nspan a on.span"
	if strings.Join(got, "\n") != want {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), want)
	}
}

func TestLintFindsWhatIsWrongWithMetrics(t *testing.T) {
	t.Parallel()
	get := metric.WithAttributes(semconv.HTTPRequestMethodGet, semconv.URLScheme("https"))
	tests := []struct {
		name   string
		record func(m metric.Meter) error
		want   string
	}{
		{"as defined", func(m metric.Meter) error {
			h, err := m.Float64Histogram("http.server.request.duration", metric.WithUnit("s"))
			h.Record(t.Context(), 1, get)
			return err
		}, ""},
		{"unit_mismatch", func(m metric.Meter) error {
			h, err := m.Float64Histogram("http.server.request.duration", metric.WithUnit("ms"))
			h.Record(t.Context(), 1, get)
			return err
		}, `violation unit_mismatch: metric "http.server.request.duration" has the unit "ms"; it has to be "s"`},
		{"unexpected_instrument", func(m metric.Meter) error {
			c, err := m.Int64Counter("http.server.active_requests", metric.WithUnit("{request}"))
			c.Add(t.Context(), 1, get)
			return err
		}, `violation unexpected_instrument: metric "http.server.active_requests" is of kind counter; it has to be of kind updowncounter`},
		{"required_attribute_not_present", func(m metric.Meter) error {
			c, err := m.Int64UpDownCounter("http.server.active_requests", metric.WithUnit("{request}"))
			c.Add(t.Context(), 1, metric.WithAttributes(semconv.URLScheme("https")))
			return err
		}, `violation required_attribute_not_present: metric "http.server.active_requests": attribute http.request.method is required, and a series has it not`},
		{"missing_metric", func(m metric.Meter) error {
			g, err := m.Int64Gauge("shop.stock", metric.WithUnit("{item}"))
			g.Record(t.Context(), 1)
			return err
		}, `violation missing_metric: metric "shop.stock" is neither in the semantic conventions nor in a catalog of the Registry`},
		{"deprecated", func(m metric.Meter) error {
			c, err := m.Int64UpDownCounter("db.client.connections.usage", metric.WithUnit("{connection}"))
			c.Add(t.Context(), 1)
			return err
		}, `violation deprecated: metric "db.client.connections.usage" is not in the semantic conventions since v1.30.0; look up what took its place`},
		{"invalid_format", func(m metric.Meter) error {
			c, err := m.Float64Counter("shop.Orders", metric.WithUnit("{order}"))
			c.Add(t.Context(), 1)
			return err
		}, `violation invalid_format: metric "shop.Orders" has to be lower case, its words and namespaces separated by _ and .
violation missing_metric: metric "shop.Orders" is neither in the semantic conventions nor in a catalog of the Registry`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			tel := otelkittest.New(t)
			if err := test.record(tel.MeterProvider().Meter("shop")); err != nil {
				t.Fatal(err)
			}
			if got := found(tel, otelkittest.Registry{}); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

// A service's definitions are held to as the semantic conventions are.
func TestLintHoldsWhatWasRecordedToTheCatalogs(t *testing.T) {
	t.Parallel()
	tel := otelkittest.New(t)
	c, err := tel.MeterProvider().Meter("elsewhere").Int64UpDownCounter("shop.orders", metric.WithUnit("1"))
	if err != nil {
		t.Fatal(err)
	}
	c.Add(t.Context(), 1, metric.WithAttributes(attribute.Int("shop.outcome", 1)))
	c.Add(t.Context(), 1, metric.WithAttributes(attribute.String("shop.outcome", "lost")))
	c.Add(t.Context(), 1, metric.WithAttributes(attribute.String("shop.outcome", metrics.Other)))
	c.Add(t.Context(), 1, metric.WithAttributes(attribute.String("shop.market", "DE")))
	want := `violation required_attribute_not_present: metric "shop.orders": attribute shop.outcome is required, and a series has it not
violation type_mismatch: metric "shop.orders": attribute shop.outcome has the type int; it has to be string
violation unexpected_instrument: metric "shop.orders" is of kind updowncounter; it has to be of kind counter
violation unit_mismatch: metric "shop.orders" has the unit "1"; it has to be "{order}"
information undefined_enum_variant: metric "shop.orders": attribute shop.outcome is "lost", which is none of its values: placed, declined, _OTHER`
	if got := found(tel, otelkittest.Registry{Catalogs: []*metrics.Catalog{catalog}}); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
