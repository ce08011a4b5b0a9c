// Package money is what the store counts in: minor units of a market's currency,
// whole numbers of cents, pence or yen, never a fraction.
//
//	total := money.Price(telemetry.Germany, 9990).Times(3) // {29970 EUR}
//
// What is worth how much is a fixed table, so that the figures of two days can be
// compared. It is for metrics and for thresholds that hold in all markets; nobody
// pays a converted amount.
package money

import (
	"math"

	"github.com/otelkit/kit/examples/webstore/telemetry"
)

// Money is an amount in minor units of a currency.
type Money struct {
	Amount   int64  `json:"amount"`
	Currency string `json:"currency"` // ISO 4217
}

// Times is the money for n of what costs m.
func (m Money) Times(n int) Money { return Money{m.Amount * int64(n), m.Currency} }

// Less is what is left of m when amount is taken off, of the same currency.
func (m Money) Less(amount int64) Money { return Money{m.Amount - amount, m.Currency} }

// currency is what is paid with in a market.
type currency struct {
	code     string
	decimals int     // minor units are 1/10^decimals
	dollars  float64 // what one is worth
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

// Currency is the ISO 4217 code of what is paid with in a market; "" if there is no
// such market.
func Currency(m telemetry.Market) string { return currencies[m].code }

// Price is an amount of a market's currency.
func Price(m telemetry.Market, amount int64) Money { return Money{amount, currencies[m].code} }

// Dollars is what an amount of a market's currency is worth in US dollars.
func Dollars(m telemetry.Market, amount int64) float64 {
	c := currencies[m]
	return float64(amount) / math.Pow10(c.decimals) * c.dollars
}

// FromDollars is an amount of a market's currency that is worth so many US dollars,
// rounded down to a minor unit.
func FromDollars(m telemetry.Market, dollars float64) Money {
	c := currencies[m]
	return Money{int64(dollars / c.dollars * math.Pow10(c.decimals)), c.code}
}
