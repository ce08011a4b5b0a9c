package traffic

import (
	"math/rand/v2"
	"time"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// Scenario is what people come for.
type Scenario string

// The scenarios.
const (
	Shoppers           Scenario = "shoppers"            // look, fill carts, buy
	FlashSale          Scenario = "flash-sale"          // shoppers, and for a third of the time five times as many who all want one product
	CredentialStuffing Scenario = "credential-stuffing" // try names and passwords that leaked elsewhere
	EndpointScanning   Scenario = "endpoint-scanning"   // look for what other software leaves open
	Abuse              Scenario = "abuse"               // send what is no valid request
	Mixed              Scenario = "mixed"               // shoppers, and one of twenty is up to one of the three
)

// Values is every scenario.
func (Scenario) Values() []Scenario {
	return []Scenario{Shoppers, FlashSale, CredentialStuffing, EndpointScanning, Abuse, Mixed}
}

// Intent is what somebody comes for in one visit.
type Intent string

// The intents.
const (
	Browse  Intent = "browse"  // looks
	Abandon Intent = "abandon" // fills a cart and leaves it
	Buy     Intent = "buy"     // checks out
	Rush    Intent = "rush"    // buys what is on sale
	Stuff   Intent = Intent(telemetry.RuleCredentialStuffing)
	Scan    Intent = Intent(telemetry.RuleEndpointScanning)
	Misuse  Intent = Intent(telemetry.RuleAbuse)
)

// How likely it is that somebody comes for something.
const (
	browses  = 0.5
	abandons = 0.3  // the rest buys
	attacks  = 0.05 // of a mixed crowd
)

// intent draws what somebody comes for, so long after the beginning.
func (cfg Config) intent(random *rand.Rand, elapsed time.Duration) Intent {
	switch cfg.Scenario {
	case CredentialStuffing:
		return Stuff
	case EndpointScanning:
		return Scan
	case Abuse:
		return Misuse
	case Mixed:
		if random.Float64() < attacks {
			return []Intent{Stuff, Scan, Misuse}[random.IntN(3)]
		}
	case FlashSale:
		// Of five times as many, four came for the sale.
		if cfg.onSale(elapsed) && random.Float64() > 1/rush {
			return Rush
		}
	}
	switch dice := random.Float64(); {
	case dice < browses:
		return Browse
	case dice < browses+abandons:
		return Abandon
	}
	return Buy
}

// A flash sale: how many times as many requests there are, and how often one is in
// a run without an end.
const (
	rush      = 5.0
	saleEvery = time.Minute
)

// onSale reports whether there is a sale: in the second third of the run.
func (cfg Config) onSale(elapsed time.Duration) bool {
	period := saleEvery
	if cfg.Duration > 0 {
		period = cfg.Duration
	}
	third := elapsed % period * 3 / period
	return cfg.Scenario == FlashSale && third == 1
}

// rate is how many requests fall due.
func (cfg Config) rate() rate {
	return func(elapsed time.Duration) float64 {
		if cfg.onSale(elapsed) {
			return rush * cfg.Rate
		}
		return cfg.Rate
	}
}
