package metrics

import "math"

// Other is what a closed string attribute records for a value outside its set.
// It is the value that OpenTelemetry's semantic conventions use for this.
const Other = "_OTHER"

// DefaultLimit is the number of attribute sets that a metric may have when its
// Definition does not say. It is the OpenTelemetry SDK's own default
// (metrics SDK specification, "Cardinality limits").
const DefaultLimit = 2000

// Definition is what its author says of a metric. Name, Unit and Help are
// required.
type Definition struct {
	// Name in OpenTelemetry form: lower case, dots between namespaces, a
	// namespace first, neither the unit nor "total" in it:
	// "webstore.payment.duration".
	Name string
	// Unit in UCUM, case-sensitive: "s", "By", "1", or an annotation for what is
	// counted: "{checkout}".
	Unit string
	// Help is one sentence that says what is measured, for whoever reads a panel.
	Help string
	// Buckets are the upper boundaries of a histogram, increasing. Required for
	// a histogram, refused elsewhere. For durations see [DurationBuckets]. The
	// threshold of a latency objective need not be among them: package slo adds it.
	Buckets []float64
	// Limit is the most attribute sets that the metric may have; 0 means
	// DefaultLimit. A metric whose attributes allow more has to say a Limit.
	Limit int
}

// Kind is the kind of instrument that a metric is.
type Kind string

// The kinds of instrument of the OpenTelemetry metrics API.
const (
	KindCounter       Kind = "counter"
	KindUpDownCounter Kind = "updowncounter"
	KindHistogram     Kind = "histogram"
	KindGauge         Kind = "gauge"
)

// Metric describes a defined metric to whatever generates something from it.
type Metric struct {
	Name       string      // in OpenTelemetry form
	Unit       string      // in UCUM
	Help       string      // one sentence
	Kind       Kind        // which instrument
	Observable bool        // whether it is read by a callback when metrics are collected
	Buckets    []float64   // of a histogram; nil otherwise
	Attributes []Attribute // in the order of the struct's fields
	Limit      int         // most attribute sets
	Scope      string      // instrumentation scope: the catalog's name
	Source     string      // file:line of the definition
}

// Attribute describes one attribute of a metric.
type Attribute struct {
	Key      string        // in OpenTelemetry form
	Type     AttributeType // of its values
	Values   []string      // the closed set, without Other; nil when the attribute is open
	Limit    int           // most values of an open attribute; 0 when it is closed
	Optional bool          // left out of a set when the field holds its zero value
}

// AttributeType is the type of an attribute's values.
type AttributeType string

// The types that an attribute of a metric can have.
const (
	TypeString AttributeType = "string"
	TypeInt    AttributeType = "int"
	TypeBool   AttributeType = "boolean"
)

// Defined is implemented by every instrument of this package. Generators take
// it, so that they are given a definition and never a name.
type Defined interface {
	Metric() Metric
}

// Attribute returns the attribute with that key.
func (m Metric) Attribute(key string) (Attribute, bool) {
	for _, a := range m.Attributes {
		if a.Key == key {
			return a, true
		}
	}
	return Attribute{}, false
}

// AttributeSets returns the worst-case number of attribute sets of one
// instance of a service: the product over the attributes, at most Limit.
func (m Metric) AttributeSets() int {
	return min(m.combinations(), m.Limit)
}

// Series returns the worst-case number of time series of one instance of a
// service in Prometheus: for a histogram each attribute set has one series a
// bucket (the +Inf bucket included), a sum and a count.
func (m Metric) Series() int {
	if m.Kind == KindHistogram {
		return m.AttributeSets() * (len(m.Buckets) + 3)
	}
	return m.AttributeSets()
}

// combinations is the number of attribute sets that the attributes allow;
// it saturates.
func (m Metric) combinations() int {
	n := 1
	for _, a := range m.Attributes {
		v := a.cardinality()
		if n > math.MaxInt32/v {
			return math.MaxInt32
		}
		n *= v
	}
	return n
}

// cardinality is the number of different values that one attribute can be
// recorded with, its absence and Other included.
func (a Attribute) cardinality() int {
	n := len(a.Values)
	if a.Values == nil {
		n = a.Limit
	}
	if a.Type != TypeBool {
		n++ // Other, or absence for an int
	} else if !a.Optional {
		return n
	}
	if a.Optional && a.Type == TypeString {
		n++
	}
	return n
}

// DurationBuckets returns boundaries in seconds for the duration of requests
// and calls, 5 ms to 10 s: those that OpenTelemetry's semantic conventions
// advise for http.server.request.duration.
func DurationBuckets() []float64 {
	return []float64{0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10}
}

// OperationBuckets returns boundaries in seconds for what is faster than a
// request, 1 ms to 10 s: those that OpenTelemetry's semantic conventions advise
// for db.client.operation.duration.
func OperationBuckets() []float64 {
	return []float64{0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10}
}
