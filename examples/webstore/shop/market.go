package shop

import (
	"math"
	"strings"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// Money is an amount in minor units of a currency: cents, pence, yen. It is
// never a fraction.
type Money struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"` // ISO 4217
}

// times is the money for n of what costs m.
func (m Money) times(n int) Money { return Money{m.Amount * int64(n), m.Currency} }

// currency is what is paid with in a market.
type currency struct {
	code     string
	decimals int     // minor units are 1/10^decimals
	dollars  float64 // what one is worth, by a table that does not change, so that days can be compared
}

var currencies = map[telemetry.Market]currency{
	telemetry.UnitedStates:  {"USD", 2, 1},
	telemetry.UnitedKingdom: {"GBP", 2, 1.27},
	telemetry.Germany:       {"EUR", 2, 1.08},
	telemetry.France:        {"EUR", 2, 1.08},
	telemetry.Japan:         {"JPY", 0, 0.0067},
	telemetry.Brazil:        {"BRL", 2, 0.18},
	telemetry.India:         {"INR", 2, 0.012},
}

// price is an amount of a market's currency.
func price(m telemetry.Market, amount int64) Money { return Money{amount, currencies[m].code} }

// dollars is what an amount of a market's currency is worth. It is for metrics
// alone.
func dollars(m telemetry.Market, amount int64) float64 {
	c := currencies[m]
	return float64(amount) / math.Pow10(c.decimals) * c.dollars
}

// parseMarket reads a market as people write it.
func parseMarket(s string) (telemetry.Market, error) {
	m := telemetry.Market(strings.ToUpper(s))
	if !m.Known() {
		return "", UnknownMarket.With("%q is not one of %v.", s, m.Values())
	}
	return m, nil
}
