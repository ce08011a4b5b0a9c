package money_test

import (
	"math"
	"testing"

	"github.com/otelkit/kit/examples/webstore/money"
	"github.com/otelkit/kit/examples/webstore/telemetry"
)

func TestMoneyIsConvertedByItsDecimals(t *testing.T) {
	for market, c := range map[telemetry.Market]struct {
		amount int64
		want   float64
	}{
		telemetry.UnitedStates: {99999, 999.99},
		telemetry.Germany:      {10000, 108},
		telemetry.Japan:        {10000, 67},
	} {
		if got := money.Dollars(market, c.amount); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%d of %s are $%v, want $%v", c.amount, market, got, c.want)
		}
	}
}

func TestDollarsBecomeWholeMinorUnits(t *testing.T) {
	for market, want := range map[telemetry.Market]money.Money{
		telemetry.UnitedStates: {Amount: 5000, Currency: "USD"},
		telemetry.Germany:      {Amount: 4629, Currency: "EUR"}, // 46.296 euros
		telemetry.Japan:        {Amount: 7462, Currency: "JPY"},
	} {
		if got := money.FromDollars(market, 50); got != want {
			t.Errorf("$50 in %s are %v, want %v", market, got, want)
		}
	}
}

func TestEveryMarketHasACurrency(t *testing.T) {
	for _, market := range telemetry.Market("").Values() {
		if len(money.Currency(market)) != 3 {
			t.Errorf("market %s has no currency", market)
		}
	}
	if got := money.Currency("MX"); got != "" {
		t.Errorf("a market that is none pays in %q", got)
	}
}
