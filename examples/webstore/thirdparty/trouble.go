package thirdparty

import (
	"math/rand/v2"
	"slices"
	"time"

	"github.com/otelkit/kit/examples/webstore/faults"
)

// Trouble is what a fault does to calls while it is on, whatever their rows of the table
// say. Of Failures, Slow and Hang it does one.
type Trouble struct {
	Fault    faults.Name
	Calls    []string  // their patterns; nil is every call of the table
	Failures []Failure // that the calls it strikes end with, all equally likely
	Slow     bool      // calls take the fault's seconds longer
	Hang     bool      // calls take effect, and are not answered until the fault is over
}

// trouble has the faults that are on change what was decided of a call.
func (p *Party) trouble(decided *fate, call, country string) {
	for _, t := range p.troubles {
		if t.Calls != nil && !slices.Contains(t.Calls, call) {
			continue
		}
		switch {
		case t.Failures != nil && p.faults.Hits(t.Fault, country):
			// Not by the seed: what it decides of other calls stays the same.
			decided.failure = &t.Failures[rand.IntN(len(t.Failures))]
		case t.Slow && p.faults.OnIn(t.Fault, country):
			decided.latency += time.Duration(p.faults.Intensity(t.Fault) * float64(time.Second))
		case t.Hang && p.faults.OnIn(t.Fault, country):
			decided.hangs = t.Fault
		}
	}
}
