package configfile

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/contrib/otelconf"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
)

// complete writes into the model what otelconf leaves out: the defaults of the
// schema, and what is known of the service.
func (f *file) complete(known *resource.Resource) error {
	if err := f.completeResource(known); err != nil {
		return err
	}
	for i := range f.meterProvider().Views {
		completeAggregation(f.model.MeterProvider.Views[i].Stream.Aggregation)
	}
	return nil
}

// completeResource puts the attributes that are known of the service before those
// of attributes_list, and those before the attributes: later ones rule.
func (f *file) completeResource(known *resource.Resource) error {
	if f.model.Resource == nil {
		f.model.Resource = &otelconf.Resource{}
	}
	r := f.model.Resource
	var attributes []otelconf.AttributeNameValue
	for _, kv := range known.Attributes() {
		if kv.Key == "service.name" && strings.HasPrefix(kv.Value.String(), "unknown_service") {
			continue // the SDK's for what has no name
		}
		attributes = append(attributes, otelconf.AttributeNameValue{Name: string(kv.Key), Value: kv.Value.AsInterface()})
	}
	if r.AttributesList != nil && *r.AttributesList != "" {
		for item := range strings.SplitSeq(*r.AttributesList, ",") {
			key, value, found := strings.Cut(item, "=")
			value, err := url.PathUnescape(strings.TrimSpace(value))
			if key = strings.TrimSpace(key); !found || key == "" || err != nil || !utf8.ValidString(value) {
				return fmt.Errorf("resource.attributes_list: %q; it has to be a list such as key=value,key=value, in UTF-8", item)
			}
			attributes = append(attributes, otelconf.AttributeNameValue{Name: key, Value: value})
		}
	}
	for _, a := range r.Attributes {
		if _, list := a.Value.([]any); list {
			return fmt.Errorf("resource.attributes: %s is a list, which otelconf makes a text; write a text", a.Name)
		}
		if a.Type == nil || *a.Type == otelconf.AttributeTypeString {
			a.Value = fmt.Sprint(a.Value) // 1 is a number without its type
		}
		attributes = append(attributes, a)
	}
	r.Attributes = attributes
	if r.SchemaUrl == nil {
		schema := known.SchemaURL()
		r.SchemaUrl = &schema
	}
	named := slices.ContainsFunc(attributes, func(a otelconf.AttributeNameValue) bool {
		return a.Name == "service.name" && a.Value != ""
	})
	if !named {
		return errors.New("the service has no name; set service.name below resource.attributes, or Config.Service")
	}
	return nil
}

// resource returns the resource, once it is complete, with all values as text.
func (f *file) resource() *resource.Resource {
	var attributes []attribute.KeyValue
	for _, a := range f.model.Resource.Attributes {
		attributes = append(attributes, attribute.String(a.Name, fmt.Sprint(a.Value)))
	}
	return resource.NewWithAttributes(*f.model.Resource.SchemaUrl, attributes...)
}

// completeAggregation writes the defaults of the schema into an aggregation;
// otelconf takes zero for what is left out.
func completeAggregation(a *otelconf.Aggregation) {
	if a == nil {
		return
	}
	yes, size, scale := true, 160, 20
	if h := a.ExplicitBucketHistogram; h != nil {
		if h.Boundaries == nil {
			h.Boundaries = []float64{0, 5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10000}
		}
		if h.RecordMinMax == nil {
			h.RecordMinMax = &yes
		}
	}
	if h := a.Base2ExponentialBucketHistogram; h != nil {
		if h.MaxSize == nil {
			h.MaxSize = &size
		}
		if h.MaxScale == nil {
			h.MaxScale = &scale
		}
		if h.RecordMinMax == nil {
			h.RecordMinMax = &yes
		}
	}
}
