package thirdparty

import (
	"fmt"

	"github.com/otelkit/kit/examples/webstore/latency"
)

// Table is how a third party behaves: a row for each call and, where it matters,
// country.
type Table []Behaviour

// Behaviour is how a third party treats one call.
type Behaviour struct {
	Call     string        // its pattern, such as "POST /v1/charges"
	Country  string        // that it is about; "" is every country that has no row
	Latency  latency.Delay // before it is answered
	Failure  float64       // chance that it fails, 0 to 1
	Failures []Failure     // the ways to fail, all equally likely
}

// Failure is one way to fail. The zero values of Final and Lost are a failure at the
// door: nothing has happened, and another try may go well.
type Failure struct {
	Status  int    // of HTTP
	Code    string // stable
	Message string
	Final   bool // a refusal, which stands
	Lost    bool // the call took effect: only its answer was lost
}

// row finds how a call about a country is treated. A call without a row that holds for
// it is a mistake in the third party's code.
func (t Table) row(call, country string) *Behaviour {
	var general *Behaviour
	for i, b := range t {
		if b.Call != call {
			continue
		}
		if b.Country == country {
			return &t[i]
		}
		if b.Country == "" {
			general = &t[i]
		}
	}
	if general == nil {
		panic(fmt.Sprintf("thirdparty: %q has no row in the table for country %q", call, country))
	}
	return general
}
